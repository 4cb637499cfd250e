//! Google's two services: paths, credentials, and answers through a socket.

use isthmus_adapters::adapter::{Answer, Attempt, Content, Piece};
use isthmus_adapters::dialects::caller;
use isthmus_inference::answer::FinishReason;
use isthmus_inference::failure::Kind;
use isthmus_inference::request::{Dialect, Operation};
use isthmus_inference::stream::{Event, Fold};
use isthmus_inference::usage::Source;
use serde_json::json as value;

use crate::upstream::{self, KEY, LIMITS, Upstream, attempt, chat, json, pieces};

const ANSWER: &str = r#"{"candidates":[{"content":{"parts":[{"text":"hi"}],"role":"model"},
    "finishReason":"STOP","index":0}],"modelVersion":"gemini-x",
    "usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":2,"totalTokenCount":7}}"#;
const STREAM: [&str; 2] = [
    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"h\"}]}}]}\r\n\r\n",
    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"i\"}]},\"finishReason\":\"STOP\"}],\
     \"usageMetadata\":{\"promptTokenCount\":5,\"candidatesTokenCount\":2,\"totalTokenCount\":7}}\r\n\r\n",
];
/// A project and a place, for accounts of Vertex.
const PLACE: [(&str, &str); 2] = [("project", "p-1"), ("location", "europe-west4")];
const VERTEX: &str = "/v1/projects/p-1/locations/europe-west4/publishers";

/// An attempt at this model.
fn at(model: &str, attempt: Attempt) -> Attempt {
    Attempt { model: model.into(), ..attempt }
}

#[tokio::test]
async fn each_service_has_its_path_and_its_credential() {
    let bearer = format!("Bearer {KEY}");
    let claude = "claude-sonnet-4-5@20250929";
    let cases = [
        ("gemini", "m", "/v1beta/models/m:generateContent".to_owned(), "x-goog-api-key", KEY),
        (
            "gemini",
            "tunedModels/m",
            "/v1beta/tunedModels/m:generateContent".to_owned(),
            "x-goog-api-key",
            KEY,
        ),
        (
            "vertex",
            "m",
            format!("{VERTEX}/google/models/m:generateContent"),
            "authorization",
            bearer.as_str(),
        ),
        (
            "vertex",
            claude,
            format!("{VERTEX}/anthropic/models/{claude}:rawPredict"),
            "authorization",
            bearer.as_str(),
        ),
    ];
    for (kind, model, path, header, credential) in cases {
        let mut server = Upstream::start(|_| json(200, ANSWER)).await;
        let options = if kind == "vertex" { &PLACE[..] } else { &[] };
        let account = server.account_with(kind, options);
        let _ = account.call(at(model, chat(false))).await;
        let seen = server.next_seen().await;
        assert_eq!(seen.line, format!("POST {path}"));
        assert_eq!(seen.header(header), Some(credential), "{kind}");
        assert!(!path.contains("google") || seen.json()["contents"].is_array(), "{model}");
    }
}

#[tokio::test]
async fn messages_for_claude_pass_vertex_as_they_are() {
    let model = "claude-sonnet-4-5@20250929";
    let body = r#"{"model":"m", "max_tokens":5,"messages":[{"role":"user","content":"hi"}]}"#;
    let changed = r#"{"anthropic_version":"vertex-2023-10-16","max_tokens":5,"#;
    for (operation, path, begins, answer) in [
        (
            Operation::Chat,
            format!("{model}:rawPredict"),
            changed,
            r#"{"type":"message","usage":{"input_tokens":1,"output_tokens":2}}"#,
        ),
        (
            Operation::CountTokens,
            "count-tokens:rawPredict".to_owned(),
            r#"{"anthropic_version":"vertex-2023-10-16","model":"claude"#,
            r#"{"input_tokens":9}"#,
        ),
    ] {
        let mut server = Upstream::start(move |_| json(200, answer)).await;
        let request = caller(Dialect::Anthropic).read(operation, body.into()).unwrap();
        let call = Attempt {
            request: request.into(),
            model: model.into(),
            reasons: false,
            timeouts: LIMITS,
            beginning: None,
        };
        let answered = server.account_with("vertex", &PLACE).call(call).await.unwrap();
        let Answer::Whole(whole) = answered else { panic!("whole") };
        assert!(matches!(whole.content, Content::Relay(bytes) if bytes == answer), "{path}");
        let seen = server.next_seen().await;
        assert_eq!(seen.line, format!("POST {VERTEX}/anthropic/models/{path}"));
        assert!(seen.body.starts_with(begins.as_bytes()), "{:?}", seen.body);
    }
}

#[tokio::test]
async fn a_models_name_leads_nowhere_else() {
    let server = Upstream::start(|_| json(200, ANSWER)).await;
    for (kind, options) in [("gemini", &[][..]), ("vertex", &PLACE[..])] {
        let account = server.account_with(kind, options);
        let failure = upstream::failure(account.call(at("a/../../b", chat(false))).await).await;
        assert_eq!(failure.kind, Kind::NotFound, "{kind}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn whole_and_streamed_answers_come_through() {
    let mut server = Upstream::start(|seen| match seen.line.contains("alt=sse") {
        true => upstream::stream(&STREAM),
        false => json(200, ANSWER),
    })
    .await;
    let account = server.account_with("gemini", &[]);
    let Answer::Whole(whole) = account.call(chat(false)).await.unwrap() else { panic!("whole") };
    let Content::Chat(whole) = whole.content else { panic!("a chat") };
    server.next_seen().await;

    let (pieces, failure) = pieces(account.call(chat(true)).await).await;
    assert!(failure.is_none(), "{failure:?}");
    let line = server.next_seen().await.line;
    assert_eq!(line, "POST /v1beta/models/upstream-model:streamGenerateContent?alt=sse");
    assert_eq!(pieces.last(), Some(&Piece::Done { event: None }));
    let mut fold = Fold::default();
    for piece in pieces {
        if let Piece::Event(event) = piece {
            fold.push(event);
        }
    }
    let streamed = fold.finish("gemini-x".into()).unwrap();
    assert_eq!(streamed, whole);
    assert_eq!((whole.choices[0].text().as_str(), whole.usage.total()), ("hi", 7));
    assert_eq!(whole.choices[0].finish, Some(FinishReason::Stop));
}

#[tokio::test]
async fn a_cut_stream_is_no_answer() {
    let server = Upstream::start(|_| upstream::stream(&STREAM[..1])).await;
    let (pieces, failure) = pieces(server.account_with("gemini", &[]).call(chat(true)).await).await;
    assert!(matches!(pieces[..], [Piece::Event(Event::Text { .. })]), "{pieces:?}");
    assert_eq!(failure.unwrap().kind, Kind::Malformed);
}

#[tokio::test]
async fn embeddings_go_where_the_model_is_embedded() {
    let one = r#"{"model":"m","input":"a"}"#;
    let two = r#"{"model":"m","input":["a","b"],"dimensions":2}"#;
    let batch = r#"{"embeddings":[{"values":[1,0]},{"values":[0,1]}]}"#;
    let single = r#"{"embedding":{"values":[1,0]},"usageMetadata":{"promptTokenCount":3}}"#;
    let predict = r#"{"predictions":[
        {"embeddings":{"values":[1,0],"statistics":{"token_count":2.0,"truncated":false}}},
        {"embeddings":{"values":[0,1],"statistics":{"token_count":1}}}]}"#;
    let parts = |text: &str| value!({"parts": [{"text": text}]});
    let cases = [
        (
            "gemini",
            "gemini-embedding-001",
            two,
            batch,
            "/v1beta/models/gemini-embedding-001:batchEmbedContents".to_owned(),
            value!({"requests": [
                {"outputDimensionality": 2, "model": "models/gemini-embedding-001", "content": parts("a")},
                {"outputDimensionality": 2, "model": "models/gemini-embedding-001", "content": parts("b")},
            ]}),
            (2, None),
        ),
        (
            "vertex",
            "text-embedding-005",
            two,
            predict,
            format!("{VERTEX}/google/models/text-embedding-005:predict"),
            value!({"instances": [{"content": "a"}, {"content": "b"}],
                "parameters": {"outputDimensionality": 2}}),
            (2, Some(3)),
        ),
        (
            "vertex",
            "gemini-embedding-2",
            one,
            single,
            format!("{VERTEX}/google/models/gemini-embedding-2:embedContent"),
            value!({"content": parts("a")}),
            (1, Some(3)),
        ),
        (
            "vertex",
            "gemini-embedding-2",
            two,
            batch,
            format!("{VERTEX}/google/models/gemini-embedding-2:batchEmbedContents"),
            value!({"requests": [
                {"embedContentConfig": {"outputDimensionality": 2}, "content": parts("a")},
                {"embedContentConfig": {"outputDimensionality": 2}, "content": parts("b")},
            ]}),
            (2, None),
        ),
    ];
    for (kind, model, body, answer, path, expected, (vectors, tokens)) in cases {
        let mut server = Upstream::start(move |_| json(200, answer)).await;
        let options = if kind == "vertex" { &PLACE[..] } else { &[] };
        let call = at(model, attempt(Operation::Embedding, body));
        let answer = server.account_with(kind, options).call(call).await.unwrap();
        let Answer::Whole(whole) = answer else { panic!("whole") };
        let Content::Embedding(made) = whole.content else { panic!("vectors") };
        assert_eq!(made.vectors.len(), vectors, "{model}");
        assert_eq!(made.vectors[0], [1.0, 0.0], "{model}");
        match tokens {
            Some(tokens) => assert_eq!(whole.usage.input(), tokens, "{model}"),
            None => assert_eq!(whole.usage.source, Source::Estimated, "{model}"),
        }
        assert!(whole.usage.input() > 0, "{model}");
        let seen = server.next_seen().await;
        assert_eq!(seen.line, format!("POST {path}"));
        assert_eq!(seen.json(), expected, "{model}");
    }
}

#[tokio::test]
async fn models_are_listed_by_bare_names() {
    for (kind, line, body) in [
        (
            "gemini",
            "GET /v1beta/models?pageSize=1000",
            r#"{"models":[{"name":"models/gemini-a"},{"name":"tunedModels/b"}]}"#,
        ),
        (
            "vertex",
            "GET /v1beta1/publishers/google/models",
            r#"{"publisherModels":[{"name":"publishers/google/models/gemini-a"},{"name":"tunedModels/b"}]}"#,
        ),
    ] {
        let mut server = Upstream::start(move |_| json(200, body)).await;
        let options = if kind == "vertex" { &PLACE[..] } else { &[] };
        let models = server.account_with(kind, options).models().await.unwrap();
        assert_eq!(models, ["gemini-a", "tunedModels/b"]);
        assert_eq!(server.next_seen().await.line, line);
    }
}
