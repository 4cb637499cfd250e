//! Anthropic's language, case by case, as data in `golden/anthropic`.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the complaint")]

#[path = "golden/cases.rs"]
mod cases;

use bytes::Bytes;
use isthmus_adapters::dialect::{ChatDialect, Encoded, Stamp};
use isthmus_adapters::dialects::anthropic::{AnthropicChat, Flavour};
use isthmus_adapters::dialects::caller;
use isthmus_inference::chat::ChatRequest;
use isthmus_inference::request::{Dialect, Operation};
use isthmus_inference::stream::Event;
use serde_json::{Value, json};

const STAMP: Stamp<'static> = Stamp { id: "msg_1", created: 0, model: "model" };

#[test]
fn every_case_comes_out_as_it_should() {
    let ways: [cases::Way; 5] = [
        ("request.json", "upstream.json", written),
        ("answer.json", "answer.txt", read),
        ("answer.json", "answer.again.json", written_again),
        ("stream.txt", "events.txt", streamed),
        ("stream.txt", "stream.again.txt", streamed_again),
    ];
    assert!(cases::try_all("anthropic", &ways) >= 9, "cases are missing");
}

#[test]
fn whom_a_request_is_for_stands_in_a_header() {
    let body =
        r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"user_profile_id":"u 1"}"#;
    let callers = caller(Dialect::OpenAi);
    let request = callers.read(Operation::Chat, body.into()).unwrap();
    let asked = callers.chat(&request).unwrap();
    let model = "claude-opus-5".into();
    let encode = |asked: &ChatRequest| chat(Flavour::Direct).encode(asked, &model, false);
    let written = encode(&asked).unwrap();
    assert_eq!(written.headers["anthropic-user-profile-id"], "u 1");
    let mut odd = asked;
    odd.extra.insert("user_profile_id".into(), json!("u\n1"));
    assert_eq!(encode(&odd).unwrap_err().param.as_deref(), Some("user_profile_id"));
}

fn chat(flavour: Flavour) -> AnthropicChat {
    AnthropicChat { flavour }
}

/// A caller's request as the vendor gets it.
fn written(case: &[u8]) -> String {
    let case: Value = serde_json::from_slice(case).unwrap();
    let (dialect, body) = match &case["messages"] {
        Value::Null => (Dialect::OpenAi, &case["chat"]),
        body => (Dialect::Anthropic, body),
    };
    let flavour = if case["vertex"] == true { Flavour::Vertex } else { Flavour::Direct };
    let callers = caller(dialect);
    let request = callers.read(Operation::Chat, body.to_string().into()).unwrap();
    let model = case["model"].as_str().unwrap().into();
    let asked = callers.chat(&request).unwrap();
    let Encoded { body, headers, dropped, format_tool } =
        chat(flavour).encode(&asked, &model, request.stream).unwrap();
    let beta = headers.get("anthropic-beta").map(|value| value.to_str().unwrap());
    let body: Value = serde_json::from_slice(&body.whole()).unwrap();
    let all = json!({ "beta": beta, "dropped": dropped, "format_tool": format_tool, "body": body });
    serde_json::to_string_pretty(&all).unwrap() + "\n"
}

fn read(body: &[u8]) -> String {
    format!("{:#?}\n", chat(Flavour::Direct).decode(body).unwrap())
}

/// A vendor's answer as a caller of the same language gets it, when it went through the neutral form.
fn written_again(body: &[u8]) -> String {
    let answer = chat(Flavour::Direct).decode(body).unwrap();
    let callers = caller(Dialect::Anthropic);
    let request = r#"{"model":"m","max_tokens":1,"messages":[{}]}"#;
    let request = callers.read(Operation::Chat, request.into()).unwrap();
    let written: Value =
        serde_json::from_slice(&callers.answer(&request, &answer, &STAMP)).unwrap();
    serde_json::to_string_pretty(&written).unwrap() + "\n"
}

fn events(stream: &[u8]) -> Vec<Event> {
    let (mut decoder, mut events) = (chat(Flavour::Direct).decoder(), vec![]);
    decoder.push(Bytes::copy_from_slice(stream), &mut events).unwrap();
    decoder.end(&mut events).unwrap();
    events
}

fn streamed(stream: &[u8]) -> String {
    events(stream).iter().map(|event| format!("{event:?}\n")).collect()
}

fn streamed_again(stream: &[u8]) -> String {
    let callers = caller(Dialect::Anthropic);
    let request = r#"{"model":"m","max_tokens":1,"messages":[{}],"stream":true}"#;
    let request = callers.read(Operation::Chat, request.into()).unwrap();
    let mut encoder = callers.encoder(&request, &STAMP);
    let mut out: Vec<_> = events(stream).iter().map(|event| encoder.encode(event)).collect();
    out.push(encoder.done());
    String::from_utf8(out.concat()).unwrap()
}
