//! An account at AWS on a real socket: paths, signatures, streams, and vectors in several calls.

use std::sync::Arc;

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use isthmus_adapters::adapter::{Adapter, Answer, Attempt, Content, Piece};
use isthmus_adapters::registry::find;
use isthmus_adapters::settings::AccountSettings;
use isthmus_inference::failure::Kind;
use isthmus_inference::request::Operation;
use isthmus_inference::secret::Secret;
use isthmus_inference::stream::Event;
use serde_json::{Value, json};

use crate::credentials::environment;
use crate::upstream::{
    Seen, Step, Upstream, attempt, chat, chunk, failure, head, json as answer, last_chunk, pieces,
    whole,
};

const CLAUDE: &str = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0";

/// An account with keys of its own, in an environment with these variables.
fn settings(server: &Upstream, variables: &[(&str, &str)]) -> AccountSettings {
    let mut settings = AccountSettings::new(find("bedrock").unwrap());
    settings.base_url = Some(format!("http://{}", server.address));
    settings.environment = environment(variables);
    let keys = [("access_key_id", "AKIDEXAMPLE"), ("secret_access_key", "a-secret-of-its-own")];
    let keys = keys.map(|(name, value)| (name, Secret::from(value)));
    settings.options.extend(keys);
    settings
}

fn account(server: &Upstream) -> Arc<dyn Adapter> {
    let settings = settings(server, &[("AWS_REGION", "eu-central-1")]);
    (settings.kind.build)(&settings).unwrap()
}

fn at(model: &str, attempt: Attempt) -> Attempt {
    Attempt { model: model.into(), ..attempt }
}

/// A message of a stream on the wire.
fn frame(kind: &str, name: &str, data: &Value) -> Vec<u8> {
    let header = |name: &str, value: &str| {
        Header::new(name.to_owned(), HeaderValue::String(value.to_owned().into()))
    };
    let headers = vec![header(":message-type", kind), header(&format!(":{kind}-type"), name)];
    let mut wire = Vec::new();
    write_message_to(&Message::new_from_parts(headers, data.to_string()), &mut wire).unwrap();
    wire
}

fn stream(frames: &[Vec<u8>]) -> Vec<Step> {
    let mut steps = vec![head("application/vnd.amazon.eventstream")];
    steps.extend(frames.iter().map(|frame| chunk(frame)));
    steps.push(last_chunk());
    steps
}

#[tokio::test]
async fn a_chat_is_signed_for_its_region_and_read() {
    let body = r#"{"output":{"message":{"role":"assistant","content":[{"text":"hi"}]}},
        "stopReason":"end_turn","usage":{"inputTokens":5,"outputTokens":2,"totalTokens":7}}"#;
    let mut server =
        Upstream::start(move |_| whole(200, "x-amzn-requestid: aws-1\r\n", body)).await;
    let told = account(&server).call(at(CLAUDE, chat(false))).await.unwrap();
    let seen = server.next_seen().await;
    let path = "eu.anthropic.claude-sonnet-4-5-20250929-v1%3A0";
    assert_eq!(seen.line, format!("POST /model/{path}/converse"));
    let shown = seen.header("authorization").unwrap();
    assert!(shown.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"), "{shown}");
    assert!(shown.contains("/eu-central-1/bedrock/aws4_request"), "{shown}");
    let expected = json!({"messages": [{"role": "user", "content": [{"text": "hi"}]}]});
    assert_eq!(seen.json(), expected);
    let Answer::Whole(told) = told else { panic!("a whole answer was asked for") };
    let Content::Chat(chat) = told.content else { panic!("not a chat") };
    assert_eq!((chat.choices[0].text().as_str(), told.usage.total()), ("hi", 7));
    assert_eq!(told.upstream_request_id.as_deref(), Some("aws-1"));
}

#[tokio::test]
async fn a_stream_is_told_as_it_comes_and_ends_as_it_ends() {
    let text = frame(
        "event",
        "contentBlockDelta",
        &json!({"contentBlockIndex": 0, "delta": {"text": "hi"}}),
    );
    let stop = frame("event", "messageStop", &json!({"stopReason": "end_turn"}));
    let usage = json!({"usage": {"inputTokens": 5, "outputTokens": 2, "totalTokens": 7}});
    let usage = frame("event", "metadata", &usage);
    let slow = frame("exception", "throttlingException", &json!({"message": "slow down"}));
    for (frames, ends) in [
        (vec![text.clone(), stop.clone(), usage], None),
        (vec![text.clone(), slow], Some(Kind::RateLimited)),
        (vec![text.clone(), stop], Some(Kind::Malformed)),
        (vec![text, b"no frame at all.".to_vec()], Some(Kind::Malformed)),
    ] {
        let mut server = Upstream::start(move |_| stream(&frames)).await;
        let (pieces, failure) = pieces(account(&server).call(at(CLAUDE, chat(true))).await).await;
        assert!(server.next_seen().await.line.ends_with("/converse-stream"));
        let hi = Event::Text { choice: 0, text: "hi".into(), logprobs: vec![] };
        assert_eq!(pieces[0], Piece::Event(hi));
        assert_eq!(failure.map(|failure| failure.kind), ends);
        assert_eq!(matches!(pieces.last(), Some(Piece::Done { .. })), ends.is_none());
    }
}

#[tokio::test]
async fn texts_that_are_sent_one_by_one_come_back_in_order() {
    let vector = |seen: &Seen| {
        let text = seen.json()["inputText"].as_str().unwrap().to_owned();
        let length = text.parse::<usize>().unwrap();
        answer(200, &json!({"embedding": [length], "inputTextTokenCount": 2}).to_string())
    };
    let server = Upstream::start(vector).await;
    let texts: Vec<_> = (0..20).map(|at| at.to_string()).collect();
    let body = json!({"model": "m", "input": texts}).to_string();
    let wanted = at("amazon.titan-embed-text-v2:0", attempt(Operation::Embedding, &body));
    let Answer::Whole(told) = account(&server).call(wanted).await.unwrap() else {
        panic!("vectors do not stream")
    };
    let Content::Embedding(vectors) = told.content else { panic!("no vectors") };
    let expected: Vec<_> = (0..20_u8).map(|at| vec![f32::from(at)]).collect();
    assert_eq!((vectors.vectors, told.usage.total()), (expected, 40));
}

#[tokio::test]
async fn one_text_that_fails_fails_them_all() {
    let script = |seen: &Seen| match seen.json()["inputText"].as_str() {
        Some("bad") => whole(
            429,
            "x-amzn-errortype: ThrottlingException\r\nretry-after: 3\r\n",
            r#"{"message":"slow down"}"#,
        ),
        _ => answer(200, r#"{"embedding":[1],"inputTextTokenCount":2}"#),
    };
    let server = Upstream::start(script).await;
    let body = r#"{"model":"m","input":["a","bad","c"]}"#;
    let wanted = at("amazon.titan-embed-text-v1", attempt(Operation::Embedding, body));
    let failure = failure(account(&server).call(wanted).await).await;
    assert_eq!((failure.kind, failure.message.as_str()), (Kind::RateLimited, "slow down"));
    assert_eq!(failure.retry_after.map(|wait| wait.as_secs()), Some(3));
}

#[tokio::test]
async fn a_model_that_makes_no_vectors_is_not_asked_for_them() {
    let server = Upstream::start(|_| answer(200, "{}")).await;
    let wanted = at(CLAUDE, attempt(Operation::Embedding, r#"{"model":"m","input":"a"}"#));
    assert_eq!(failure(account(&server).call(wanted).await).await.kind, Kind::Unsupported);
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn an_account_needs_a_region() {
    let server = Upstream::start(|_| answer(200, "{}")).await;
    let mut written = settings(&server, &[]);
    let complaint = (written.kind.build)(&written).err().unwrap().to_string();
    assert!(complaint.contains("`region`"), "{complaint}");
    for odd in ["", "EU", "eu-west-1.example.com/"] {
        written.options.insert("region", odd.into());
        (written.kind.build)(&written).err().expect(odd);
    }
    written.options.insert("region", "eu-west-1".into());
    written.options.remove("secret_access_key");
    (written.kind.build)(&written).err().expect("a key without its secret");

    // Nothing is written: keys in the environment may be there for something else.
    let mut found = AccountSettings::new(find("bedrock").unwrap());
    found.environment = environment(&[("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")]);
    let adapter = (found.kind.build)(&found).unwrap();
    let failure = failure(adapter.call(at(CLAUDE, chat(false))).await).await;
    assert!(failure.message.contains("region"), "{}", failure.message);
}

#[tokio::test]
async fn an_api_key_is_shown_instead_of_a_signature() {
    let mut server =
        Upstream::start(|_| answer(403, r#"{"message":"no, api-key-1 is bad"}"#)).await;
    let mut with_key = settings(&server, &[]);
    with_key.options.clear();
    with_key.options.insert("region", "us-west-2".into());
    with_key.api_key = Some("api-key-1".into());
    let adapter = (with_key.kind.build)(&with_key).unwrap();
    let failure = failure(adapter.call(at(CLAUDE, chat(false))).await).await;
    assert_eq!(server.next_seen().await.header("authorization"), Some("Bearer api-key-1"));
    assert_eq!(failure.kind, Kind::UpstreamAuth);
    assert!(!format!("{failure:?}").contains("api-key-1"));
}
