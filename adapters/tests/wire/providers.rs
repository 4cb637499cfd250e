//! Each provider's row: the right path, credential and body go out; its answers come in.

use std::sync::Arc;

use bytes::Bytes;
use isthmus_adapters::adapter::{Answer, Attempt, Content, Piece};
use isthmus_adapters::dialect::CallerDialect;
use isthmus_adapters::dialects::responses::ResponsesCaller;
use isthmus_adapters::registry::{PROVIDERS, Provider};
use isthmus_adapters::settings::AccountSettings;
use isthmus_inference::answer::FinishReason;
use isthmus_inference::failure::Kind;
use isthmus_inference::request::{Dialect, Operation};
use isthmus_inference::secret::Secret;
use isthmus_inference::stream::Event;
use isthmus_inference::usage::{Source, Usage};
use serde_json::json as value;

use crate::upstream::{self, KEY, Upstream, attempt, chat, json, pieces, whole};

const ANSWER: &str = r#"{"id":"x","vendor_field":[1,2],"choices":[{"message":{"content":"hi"}}],"usage":{"prompt_tokens":5,"completion_tokens":2}}"#;
const STREAM: [&str; 3] = [
    "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"},\"finish_reason\":null}]}\n\n",
    "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n",
    "data: [DONE]\n\n",
];

/// The header that shows the credential, and what it holds.
fn credential(provider: &Provider) -> (&'static str, String) {
    let (name, before) = provider.about.credential.split_once(':').unwrap();
    (name, format!("{before} {KEY}").trim_start().to_owned())
}

/// The kinds to which this language is relayed at the usual paths, with nothing but a key.
fn relayed(dialect: Dialect) -> impl Iterator<Item = &'static Provider> {
    let takes = move |provider: &Provider| provider.about.relays.contains(&dialect);
    PROVIDERS.iter().copied().filter(move |kind| takes(kind) && kind.options.is_empty())
}

#[tokio::test]
async fn every_provider_is_sent_the_callers_own_text() {
    for provider in relayed(Dialect::OpenAi) {
        let kind = provider.kind;
        let mut server = Upstream::start(|_| json(200, ANSWER)).await;
        let body = r#"{ "vendor_extra" : {"b":1, "a":[2e0]}, "model":"m", "messages":[ {"role":"user","content":"hi é"}] }"#;
        let answer = server.account(kind).call(attempt(Operation::Chat, body)).await.unwrap();
        let seen = server.next_seen().await;

        assert_eq!(seen.line, "POST /v1/chat/completions", "{kind}");
        let (header, expected) = credential(provider);
        assert_eq!(seen.header(header), Some(expected.as_str()), "{kind}");
        assert_eq!(seen.header("content-type"), Some("application/json"), "{kind}");
        let expected = body.replace(r#""model":"m""#, r#""model":"upstream-model""#);
        assert_eq!(seen.body, expected, "{kind}");

        let Answer::Whole(whole) = answer else { panic!("{kind}: not a whole answer") };
        assert!(matches!(whole.content, Content::Relay(bytes) if bytes == ANSWER), "{kind}");
        assert_eq!((whole.usage.input(), whole.usage.output()), (5, 2), "{kind}");
        assert_eq!(whole.usage.source, Source::Reported, "{kind}");
        assert_eq!(whole.upstream_request_id.as_deref(), Some("up-1"), "{kind}");
    }
}

#[tokio::test]
async fn only_openrouter_is_sent_what_narrows_the_routing() {
    for (kind, sent) in [("openai", false), ("vllm", false), ("openrouter", true)] {
        let mut server = Upstream::start(|_| json(200, ANSWER)).await;
        let body = r#"{"provider":{"require_parameters":true},"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
        server.account(kind).call(attempt(Operation::Chat, body)).await.unwrap();
        let seen = server.next_seen().await.body;
        let seen: serde_json::Value = serde_json::from_slice(&seen).unwrap();
        assert_eq!(seen.get("provider").is_some(), sent, "{kind}");
    }
}

#[tokio::test]
async fn every_provider_is_asked_for_usage_in_its_own_way() {
    for provider in relayed(Dialect::OpenAi) {
        let kind = provider.kind;
        let mut server = Upstream::start(|_| upstream::stream(&STREAM)).await;
        let (pieces, failure) = pieces(server.account(kind).call(chat(true)).await).await;
        assert!(failure.is_none(), "{kind}: {failure:?}");
        assert!(matches!(pieces[1], Piece::Usage { only_usage: false, .. }), "{kind}: {pieces:?}");

        let asked = server.next_seen().await.json()["stream_options"]["include_usage"].clone();
        let expected = match kind {
            "perplexity" | "chutes" => value!(null),
            _ => value!(true),
        };
        assert_eq!(asked, expected, "{kind}");
    }
}

#[tokio::test]
async fn every_kind_is_found_by_its_word_and_needs_what_it_says() {
    for provider in PROVIDERS {
        let found = isthmus_adapters::registry::find(provider.kind).unwrap();
        assert!(std::ptr::eq(found, *provider), "`{}` is there twice", provider.kind);
        let settings = AccountSettings::new(provider);
        let built = (provider.build)(&settings);
        let complete = provider.key_optional && provider.base_url.is_some();
        // What follows from a region or a project is for the kind's own tests.
        assert!(
            provider.base_url_derived || built.is_ok() == complete,
            "{}: {:?}",
            provider.kind,
            built.err()
        );
    }
}

#[tokio::test]
async fn chats_with_mistral_are_written_anew() {
    let stream = [
        "data: {\"model\":\"mm\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\",\"text\":\"hm\"}]}]}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"},\"finish_reason\":\"model_length\"}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n",
        "data: [DONE]\n\n",
    ];
    let mut server = Upstream::start(move |_| upstream::stream(&stream)).await;
    let body = r#"{"model":"m","seed":7,"max_completion_tokens":9,"stream":true,"user":"u","stream_options":{"include_usage":true},
        "messages":[{"role":"developer","content":"be brief","name":"x"},{"role":"user","content":[{"type":"text","text":"hi"}]}]}"#;
    let answer = server.account("mistral").call(attempt(Operation::Chat, body)).await.unwrap();
    let Answer::Stream(answer) = answer else { panic!("a stream was asked for") };
    assert_eq!(answer.dropped, ["messages.name", "user"]);
    let (pieces, failure) = pieces(Ok(Answer::Stream(answer))).await;
    assert!(failure.is_none());
    let expected = value!({
        "model": "upstream-model", "random_seed": 7, "max_tokens": 9, "stream": true,
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}],
    });
    assert_eq!(server.next_seen().await.json(), expected);
    let usage = Usage { uncached_input: 5, text_output: 2, ..Usage::default() };
    let (choice, stop_sequence) = (0, None);
    let expected = [
        Event::Reasoning { choice, text: "hm".into() },
        Event::Text { choice, text: "hi".into(), logprobs: vec![] },
        Event::Finish { choice, reason: FinishReason::ContextLength, stop_sequence },
        Event::Usage(usage),
    ];
    let (done, events) = pieces.split_last().unwrap();
    assert_eq!(events, expected.map(Piece::Event));
    assert_eq!(*done, Piece::Done { event: None });
}

#[tokio::test]
async fn embeddings_of_mistral_get_its_own_names() {
    let mut server = Upstream::start(|_| json(200, ANSWER)).await;
    let body = r#"{"model":"m","user":"u","input":"a","dimensions":9}"#;
    server.account("mistral").call(attempt(Operation::Embedding, body)).await.unwrap();
    let seen = server.next_seen().await;
    assert_eq!(seen.body, r#"{"model":"upstream-model","input":"a","output_dimension":9}"#);
}

#[tokio::test]
async fn each_operation_has_its_path() {
    for (kind, embeddings) in [("openai", "/v1/embeddings"), ("perplexity", "/v1/v1/embeddings")] {
        let mut server = Upstream::start(|_| json(200, ANSWER)).await;
        let account = server.account(kind);
        let completion = attempt(Operation::Completion, r#"{"model":"m","prompt":"a"}"#);
        account.call(completion).await.unwrap();
        assert_eq!(server.next_seen().await.line, "POST /v1/completions");
        let embedding = attempt(Operation::Embedding, r#"{"model":"m","input":"a"}"#);
        account.call(embedding).await.unwrap();
        assert_eq!(server.next_seen().await.line, format!("POST {embeddings}"));
    }
}

#[tokio::test]
async fn lists_of_models_are_read_in_each_providers_shape() {
    let cases = [
        ("openai", "GET /v1/models", r#"{"data":[{"id":"a"},{"id":"b"}]}"#),
        ("together", "GET /v1/models", r#"[{"id":"a"},{"id":"b"}]"#),
        ("nearai", "GET /v1/model/list", r#"{"models":[{"modelId":"a"},{"modelId":"b"}]}"#),
        ("ionet", "GET /v1/models", r#"{"data":[{"model_id":"1","name":"a"},{"id":"b"}]}"#),
        ("chutes", "GET /v1/models", r#"{"data":[{"id":"a","price":{}},{"id":"b"}]}"#),
    ];
    for (kind, line, body) in cases {
        let mut server = Upstream::start(move |_| json(200, body)).await;
        assert_eq!(server.account(kind).models().await.unwrap(), ["a", "b"], "{kind}");
        assert_eq!(server.next_seen().await.line, line, "{kind}");
    }
}

#[tokio::test]
async fn the_operators_headers_win() {
    let mut server = Upstream::start(|_| json(200, ANSWER)).await;
    let headers = [("Authorization", "Token other"), ("x-team", "blue")];
    server.try_account("vllm", &headers).unwrap().call(chat(false)).await.unwrap();
    let seen = server.next_seen().await;
    assert_eq!(seen.header("authorization"), Some("Token other"));
    assert_eq!(seen.header("x-team"), Some("blue"));
}

#[tokio::test]
async fn headers_that_cannot_be_are_refused_without_showing_them() {
    let server = Upstream::start(|_| json(200, ANSWER)).await;
    let refused = |headers: &[(&str, &str)]| {
        server.try_account("vllm", headers).err().expect("refused").to_string()
    };
    assert!(refused(&[("bad name", "x")]).contains("`bad name` is not a header's name"));
    let message = refused(&[("x-token", "se\ncret")]);
    assert!(message.contains("`x-token`") && !message.contains("cret"), "{message}");
}

#[tokio::test]
async fn an_answer_without_usage_is_estimated() {
    let server = Upstream::start(|_| json(200, r#"{"choices":[{"text":"12345678"}]}"#)).await;
    let answer = server.account("ollama").call(chat(false)).await.unwrap();
    let Answer::Whole(whole) = answer else { panic!("not a whole answer") };
    assert_eq!(whole.usage.source, Source::Estimated);
    assert!(whole.usage.input() > 0 && whole.usage.output() > 0);
}

#[tokio::test]
async fn each_providers_errors_are_understood() {
    let cases = [
        (
            "openai",
            429,
            r#"{"error":{"message":"m","type":"insufficient_quota"}}"#,
            Kind::QuotaExhausted,
        ),
        ("openrouter", 200, r#"{"error":{"message":"m","code":429}}"#, Kind::RateLimited),
        (
            "chutes",
            402,
            r#"{"detail":{"message":"m","quota_reset_timestamp":1}}"#,
            Kind::QuotaExhausted,
        ),
        ("chutes", 429, r#"{"detail":"m"}"#, Kind::RateLimited),
        (
            "flock",
            400,
            r#"{"error":{"message":"m","type":"budget_exceeded"}}"#,
            Kind::QuotaExhausted,
        ),
        ("akash", 402, r#"{"error":{"message":"m"}}"#, Kind::QuotaExhausted),
        (
            "mistral",
            422,
            r#"{"object":"error","message":"m","type":"invalid"}"#,
            Kind::InvalidRequest,
        ),
        ("akash", 529, r#"{"error":{"message":"m"}}"#, Kind::Overloaded),
        ("ollama", 404, r#"{"error":"m"}"#, Kind::NotFound),
    ];
    for (kind, status, body, expected) in cases {
        let server = Upstream::start(move |_| json(status, body)).await;
        for stream in [false, true] {
            let failure = upstream::failure(server.account(kind).call(chat(stream)).await).await;
            assert_eq!(failure.kind, expected, "{kind} {status} stream={stream}");
            assert_eq!(failure.message, "m", "{kind} {status} stream={stream}");
        }
    }
}

#[tokio::test]
async fn chutes_breaks_off_with_a_bare_line_behind_the_last_event() {
    let error = r#"{"error": "Unhandled exception during response stream: infra_overload"}"#;
    let server = Upstream::start(move |_| upstream::stream(&[STREAM[0], error])).await;
    let (pieces, failure) = pieces(server.account("chutes").call(chat(true)).await).await;
    assert_eq!(pieces, [Piece::Relay(STREAM[0].into())]);
    assert_eq!(failure.unwrap().kind, Kind::Overloaded);

    let body = r#"{"detail":"Infrastructure is at maximum capacity, try again later"}"#;
    let server = Upstream::start(move |_| whole(429, "x-chutes-invocationid: i-1\r\n", body)).await;
    let failure = upstream::failure(server.account("chutes").call(chat(false)).await).await;
    assert_eq!(failure.kind, Kind::Overloaded);
    assert_eq!(failure.upstream.unwrap().request_id.as_deref(), Some("i-1"));
}

#[tokio::test]
async fn a_wait_that_the_provider_asks_for_is_kept() {
    let server =
        Upstream::start(|_| whole(429, "retry-after: 7\r\nx-request-id: r\r\n", "{}")).await;
    let failure = upstream::failure(server.account("groq").call(chat(false)).await).await;
    assert_eq!(failure.retry_after, Some(std::time::Duration::from_secs(7)));
    assert_eq!(failure.upstream.unwrap().request_id.as_deref(), Some("r"));
}

#[tokio::test]
async fn azure_names_the_deployment_and_the_version_in_the_path() {
    let below = "/chat/completions";
    let cases = [
        ("", None, format!("/openai/deployments/upstream-model{below}?api-version=2024-10-21")),
        (
            "",
            Some("2025-01-01"),
            format!("/openai/deployments/upstream-model{below}?api-version=2025-01-01"),
        ),
        ("", Some("v1"), format!("/openai/v1{below}")),
        ("", Some("preview"), format!("/openai/v1{below}?api-version=preview")),
        ("/openai/v1/", None, format!("/openai/v1{below}")),
        ("/openai/v1", Some("preview"), format!("/openai/v1{below}?api-version=preview")),
        (
            "/models",
            Some("2024-05-01-preview"),
            format!("/models{below}?api-version=2024-05-01-preview"),
        ),
    ];
    for (path, version, expected) in cases {
        let mut server = Upstream::start(|_| json(200, ANSWER)).await;
        let kind = isthmus_adapters::registry::find("azure").unwrap();
        let version = version.map(|version| ("api_version", Secret::from(version)));
        let settings = AccountSettings {
            base_url: Some(format!("http://{}{path}", server.address)),
            api_key: Some(Secret::from(KEY)),
            options: version.into_iter().collect(),
            ..AccountSettings::new(kind)
        };
        let account = (kind.build)(&settings).unwrap();
        account.call(chat(false)).await.unwrap();
        let seen = server.next_seen().await;
        assert_eq!(seen.line, format!("POST {expected}"));
        assert_eq!(seen.header("api-key"), Some(KEY));
        assert_eq!(seen.header("authorization"), None);
    }
}

#[tokio::test]
async fn old_versions_of_azure_are_not_asked_for_a_streams_usage() {
    for (version, asked) in
        [("2024-02-01", false), ("2024-06-01", false), ("2024-10-21", true), ("v1", true)]
    {
        let mut server = Upstream::start(|_| upstream::stream(&STREAM)).await;
        let kind = isthmus_adapters::registry::find("azure").unwrap();
        let settings = AccountSettings {
            base_url: Some(format!("http://{}", server.address)),
            api_key: Some(Secret::from(KEY)),
            options: [("api_version", Secret::from(version))].into(),
            ..AccountSettings::new(kind)
        };
        let account = (kind.build)(&settings).unwrap();
        assert!(matches!(account.call(chat(true)).await.unwrap(), Answer::Stream(_)));
        let seen = server.next_seen().await.json();
        let expected = if asked { value!({"include_usage": true}) } else { value!(null) };
        assert_eq!(seen["stream_options"], expected, "{version}");
    }
}

#[tokio::test]
async fn azure_shows_an_entra_token_where_there_is_no_key() {
    let mut server = Upstream::start(|_| json(200, ANSWER)).await;
    let kind = isthmus_adapters::registry::find("azure").unwrap();
    let settings = AccountSettings {
        base_url: Some(format!("http://{}", server.address)),
        options: [("access_token", Secret::from("eyJ-token"))].into(),
        ..AccountSettings::new(kind)
    };
    (kind.build)(&settings).unwrap().call(chat(false)).await.unwrap();
    let seen = server.next_seen().await;
    assert_eq!(seen.header("authorization"), Some("Bearer eyJ-token"));
    assert_eq!(seen.header("api-key"), None);
}

#[tokio::test]
async fn responses_are_relayed_to_those_who_speak_them_and_translated_for_others() {
    const RESPONSE: &str =
        r#"{"id":"r","vendor_field":1,"output":[],"usage":{"input_tokens":5,"output_tokens":2}}"#;
    let body = r#"{ "model":"m", "input":"hi", "vendor_extra":[1] }"#;
    let request = |body: &str| {
        let request =
            ResponsesCaller.read(Operation::Chat, Bytes::copy_from_slice(body.as_bytes()));
        let request = Arc::new(request.unwrap());
        Attempt {
            request,
            model: "upstream-model".into(),
            reasons: false,
            timeouts: upstream::LIMITS,
            beginning: None,
        }
    };
    for provider in relayed(Dialect::Responses) {
        let kind = provider.kind;
        let mut server = Upstream::start(|_| json(200, RESPONSE)).await;
        let answer = server.account(kind).call(request(body)).await.unwrap();
        let seen = server.next_seen().await;
        assert_eq!(seen.line, "POST /v1/responses", "{kind}");
        assert_eq!(seen.body, body.replace(r#""m""#, r#""upstream-model""#), "{kind}");
        let Answer::Whole(whole) = answer else { panic!("{kind}: not a whole answer") };
        assert_eq!((whole.usage.input(), whole.usage.output()), (5, 2), "{kind}");
        assert!(matches!(whole.content, Content::Relay(bytes) if bytes == RESPONSE), "{kind}");
    }

    let others = relayed(Dialect::OpenAi)
        .filter(|provider| !provider.about.relays.contains(&Dialect::Responses));
    for kind in others.map(|provider| provider.kind) {
        let mut server = Upstream::start(|_| json(200, ANSWER)).await;
        let answer = server.account(kind).call(request(body)).await.unwrap();
        let seen = server.next_seen().await;
        assert_eq!(seen.line, "POST /v1/chat/completions", "{kind}");
        let messages = value!([{"role": "user", "content": "hi"}]);
        assert_eq!(
            seen.json(),
            value!({"model": "upstream-model", "messages": messages}),
            "{kind}"
        );
        let Answer::Whole(whole) = answer else { panic!("{kind}: not a whole answer") };
        assert!(matches!(whole.content, Content::Chat(chat) if chat.choices[0].text() == "hi"));
        assert_eq!(whole.dropped, ["vendor_extra"], "{kind}");
    }
}

#[tokio::test]
async fn a_model_that_speaks_responses_alone_answers_chats_too() {
    const RESPONSE: &str = r#"{"model":"o3-pro","status":"completed","usage":{"input_tokens":5,"output_tokens":2},
        "output":[{"type":"message","content":[{"type":"output_text","text":"hi"}]}]}"#;
    let mut server = Upstream::start(|_| json(200, RESPONSE)).await;
    let attempt = Attempt { model: "o3-pro".into(), ..chat(false) };
    let answer = server.account("openai").call(attempt).await.unwrap();
    let seen = server.next_seen().await;
    assert_eq!(seen.line, "POST /v1/responses");
    assert_eq!(seen.json()["input"][0]["content"][0]["text"], "hi");
    let Answer::Whole(whole) = answer else { panic!("not a whole answer") };
    assert!(matches!(whole.content, Content::Chat(chat) if chat.choices[0].text() == "hi"));
}
