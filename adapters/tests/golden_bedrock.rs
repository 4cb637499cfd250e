//! Bedrock's Converse, case by case, as data: a folder of `golden/bedrock` holds what goes in and what
//! must come out. `ISTHMUS_BLESS=1` writes the latter anew, to be read before it is kept.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the complaint")]

use std::fs;
use std::path::{Path, PathBuf};

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use isthmus_adapters::dialect::{CallerDialect, ChatDialect, Stamp};
use isthmus_adapters::dialects::bedrock::Converse;
use isthmus_adapters::dialects::openai::OpenAiCaller;
use isthmus_inference::answer::ChatAnswer;
use isthmus_inference::request::Operation;
use isthmus_inference::stream::{Event, Fold};
use serde_json::{Value, json};

/// From what goes in to what comes out.
type Way = fn(&[u8]) -> String;

/// What stands in a case's folder, what must come of it, and the way from one to the other.
const WAYS: [(&str, &str, Way); 5] = [
    ("request.json", "upstream.json", written),
    ("answer.json", "answer.txt", read),
    ("answer.json", "openai.json", told),
    ("stream.json", "events.txt", streamed),
    ("stream.json", "folded.txt", folded),
];

/// The model of the answers.
const MODEL: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

fn folders() -> Vec<PathBuf> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/bedrock");
    let entries = fs::read_dir(all).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<_> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

/// A request of OpenAI's as Bedrock gets it.
fn written(case: &[u8]) -> String {
    let case: Value = serde_json::from_slice(case).unwrap();
    let request = OpenAiCaller.read(Operation::Chat, case["chat"].to_string().into()).unwrap();
    let chat = OpenAiCaller.chat(&request).unwrap();
    let model = case["model"].as_str().unwrap();
    let encoded = Converse::of(model).encode(&chat, &model.into(), false).unwrap();
    let body: Value = serde_json::from_slice(&encoded.body.whole()).unwrap();
    pretty(&json!({
        "dropped": encoded.dropped, "format_tool": encoded.format_tool, "body": body,
    }))
}

fn answer(body: &[u8]) -> ChatAnswer {
    Converse::of(MODEL).decode(body).unwrap()
}

fn read(body: &[u8]) -> String {
    format!("{:#?}\n", answer(body))
}

/// The answer as a caller of OpenAI's language sees it.
fn told(body: &[u8]) -> String {
    let chat = json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] });
    let request = OpenAiCaller.read(Operation::Chat, chat.to_string().into()).unwrap();
    let stamp = Stamp { id: "chatcmpl-1", created: 1, model: "m" };
    let told = OpenAiCaller.answer(&request, &answer(body), &stamp);
    pretty(&serde_json::from_slice(&told).unwrap())
}

/// The events of a stream whose messages are `[name, data]`.
fn events(messages: &[u8]) -> Vec<Event> {
    let messages: Value = serde_json::from_slice(messages).unwrap();
    let (mut decoder, mut events) = (Converse::of(MODEL).decoder(), vec![]);
    for message in messages.as_array().unwrap() {
        let header = |name: &str, value: &str| {
            Header::new(name.to_owned(), HeaderValue::String(value.to_owned().into()))
        };
        let name = message[0].as_str().unwrap();
        let headers = vec![header(":message-type", "event"), header(":event-type", name)];
        let frame = Message::new_from_parts(headers, message[1].to_string());
        let mut wire = Vec::new();
        write_message_to(&frame, &mut wire).unwrap();
        decoder.push(wire.into(), &mut events).unwrap();
    }
    decoder.end(&mut events).unwrap();
    events
}

fn streamed(messages: &[u8]) -> String {
    events(messages).iter().map(|event| format!("{event:?}\n")).collect()
}

/// The stream as one answer, which must be what a whole answer of the same blocks is.
fn folded(messages: &[u8]) -> String {
    let mut fold = Fold::default();
    events(messages).into_iter().for_each(|event| fold.push(event));
    format!("{:#?}\n", fold.finish("".into()).unwrap())
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

#[test]
fn every_case_comes_out_as_it_should() {
    let bless = std::env::var("ISTHMUS_BLESS").is_ok();
    let mut tried = 0;
    for folder in folders() {
        for (from, to, way) in WAYS {
            let Ok(given) = fs::read(folder.join(from)) else { continue };
            let found = way(&given);
            if bless {
                fs::write(folder.join(to), &found).unwrap();
            }
            let expected = fs::read_to_string(folder.join(to)).unwrap();
            assert_eq!(found, expected, "{}", folder.join(to).display());
            tried += 1;
        }
    }
    assert!(tried >= 14, "cases are missing");
}

#[test]
fn a_stream_and_a_whole_answer_of_the_same_blocks_are_the_same() {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/bedrock");
    let (whole, folded) = (all.join("answer/answer.txt"), all.join("stream/folded.txt"));
    assert_eq!(fs::read_to_string(whole).unwrap(), fs::read_to_string(folded).unwrap());
}
