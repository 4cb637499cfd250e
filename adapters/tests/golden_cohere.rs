//! Cohere's language, case by case, as data in `golden/cohere`.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the complaint")]

#[path = "golden/cases.rs"]
mod cases;

use bytes::Bytes;
use isthmus_adapters::dialect::{ChatDialect, Encoded};
use isthmus_adapters::dialects::caller;
use isthmus_adapters::dialects::cohere::CohereChat;
use isthmus_inference::request::{Dialect, Operation};
use serde_json::{Value, json};

#[test]
fn every_case_comes_out_as_it_should() {
    let ways: [cases::Way; 3] = [
        ("request.json", "upstream.json", written),
        ("answer.json", "answer.txt", read),
        ("stream.txt", "events.txt", streamed),
    ];
    assert!(cases::try_all("cohere", &ways) >= 4, "cases are missing");
}

/// A request of Anthropic's as Cohere gets it.
fn written(case: &[u8]) -> String {
    let case: Value = serde_json::from_slice(case).unwrap();
    let callers = caller(Dialect::Anthropic);
    let request = callers.read(Operation::Chat, case["messages"].to_string().into()).unwrap();
    let model = case["model"].as_str().unwrap().into();
    let asked = callers.chat(&request).unwrap();
    let Encoded { body, dropped, format_tool, .. } =
        CohereChat.encode(&asked, &model, request.stream).unwrap();
    let body: Value = serde_json::from_slice(&body.whole()).unwrap();
    let all = json!({ "dropped": dropped, "format_tool": format_tool, "body": body });
    serde_json::to_string_pretty(&all).unwrap() + "\n"
}

fn read(body: &[u8]) -> String {
    format!("{:#?}\n", CohereChat.decode(body).unwrap())
}

fn streamed(stream: &[u8]) -> String {
    let (mut decoder, mut events) = (CohereChat.decoder(), vec![]);
    decoder.push(Bytes::copy_from_slice(stream), &mut events).unwrap();
    decoder.end(&mut events).unwrap();
    events.iter().map(|event| format!("{event:?}\n")).collect()
}
