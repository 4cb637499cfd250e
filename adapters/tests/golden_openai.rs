//! OpenAI's two languages, case by case, as data: a folder of `golden/openai` or `golden/responses`
//! holds what goes in and what must come out. `ISTHMUS_BLESS=1` writes the latter anew, to be read
//! before it is kept.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the complaint")]

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use isthmus_adapters::dialect::{CallerDialect, ChatDialect, Stamp};
use isthmus_adapters::dialects::openai::OpenAiCaller;
use isthmus_adapters::dialects::openai_provider::{COMPATIBLE, OPENAI, OpenAiChat, Style};
use isthmus_adapters::dialects::responses::{ResponsesCaller, ResponsesChat};
use isthmus_adapters::providers::{deepseek, mistral, openrouter};
use isthmus_inference::request::Operation;
use isthmus_inference::stream::Event;
use serde_json::{Value, json};

/// What stands in a case's folder, what must come of it, and the way from one to the other.
const WAYS: [(&str, &str, Way); 7] = [
    ("request.json", "upstream.json", written),
    ("answer.json", "answer.txt", read),
    ("answer.json", "openai.json", answered_in_chat),
    ("answer.json", "responses.json", answered_in_responses),
    ("stream.txt", "events.txt", streamed),
    ("stream.txt", "openai-stream.txt", streamed_in_chat),
    ("stream.txt", "responses-stream.txt", streamed_in_responses),
];

type Way = fn(&dyn ChatDialect, &[u8]) -> String;

const STAMP: Stamp<'_> = Stamp { id: "resp_1", created: 7, model: "shown" };
const CHAT: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
const RESPONSES: &str = r#"{"model":"m","input":"hi","instructions":"be brief"}"#;

fn folders(dialect: &str) -> Vec<PathBuf> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(dialect);
    let entries = fs::read_dir(all).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<_> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn style(name: Option<&str>) -> Style {
    match name {
        Some("mistral") => mistral::STYLE,
        Some("openrouter") => openrouter::STYLE,
        Some("deepseek") => deepseek::STYLE,
        Some("compatible") => COMPATIBLE,
        _ => OPENAI,
    }
}

/// A caller's request as the provider gets it: `chat` or `responses` in one provider's `style`.
fn written(dialect: &dyn ChatDialect, case: &[u8]) -> String {
    let case: Value = serde_json::from_slice(case).unwrap();
    let chat = ["chat", "responses"].into_iter().find(|name| case[*name].is_object()).unwrap();
    let caller: &dyn CallerDialect = if chat == "chat" { &OpenAiCaller } else { &ResponsesCaller };
    let request = caller.read(Operation::Chat, case[chat].to_string().into()).unwrap();
    let chat = caller.chat(&request).unwrap();
    let model = case["model"].as_str().unwrap().into();
    let styled = case["style"].as_str().map(|name| OpenAiChat { style: style(Some(name)) });
    let dialect = styled.as_ref().map_or(dialect, |styled| styled as &dyn ChatDialect);
    let encoded = dialect.encode(&chat, &model, request.stream).unwrap();
    let body: Value = serde_json::from_slice(&encoded.body.whole()).unwrap();
    pretty(&json!({"dropped": encoded.dropped, "body": body}))
}

fn read(dialect: &dyn ChatDialect, body: &[u8]) -> String {
    format!("{:#?}\n", dialect.decode(body).unwrap())
}

fn answered(
    caller: &dyn CallerDialect,
    ask: &str,
    dialect: &dyn ChatDialect,
    body: &[u8],
) -> String {
    let request = caller.read(Operation::Chat, Bytes::copy_from_slice(ask.as_bytes())).unwrap();
    let bytes = caller.answer(&request, &dialect.decode(body).unwrap(), &STAMP);
    pretty(&serde_json::from_slice(&bytes).unwrap())
}

fn answered_in_chat(dialect: &dyn ChatDialect, body: &[u8]) -> String {
    answered(&OpenAiCaller, CHAT, dialect, body)
}

fn answered_in_responses(dialect: &dyn ChatDialect, body: &[u8]) -> String {
    answered(&ResponsesCaller, RESPONSES, dialect, body)
}

fn events(dialect: &dyn ChatDialect, stream: &[u8]) -> Vec<Event> {
    let (mut decoder, mut events) = (dialect.decoder(), vec![]);
    decoder.push(Bytes::copy_from_slice(stream), &mut events).unwrap();
    decoder.end(&mut events).unwrap();
    events
}

fn streamed(dialect: &dyn ChatDialect, stream: &[u8]) -> String {
    events(dialect, stream).iter().map(|event| format!("{event:?}\n")).collect()
}

fn told(caller: &dyn CallerDialect, ask: &str, events: &[Event]) -> String {
    let request = caller.read(Operation::Chat, Bytes::copy_from_slice(ask.as_bytes())).unwrap();
    let mut encoder = caller.encoder(&request, &STAMP);
    let mut all: Vec<Bytes> = events.iter().map(|event| encoder.encode(event)).collect();
    all.push(encoder.done());
    String::from_utf8(all.concat()).unwrap()
}

fn streamed_in_chat(dialect: &dyn ChatDialect, stream: &[u8]) -> String {
    told(&OpenAiCaller, CHAT, &events(dialect, stream))
}

fn streamed_in_responses(dialect: &dyn ChatDialect, stream: &[u8]) -> String {
    told(&ResponsesCaller, RESPONSES, &events(dialect, stream))
}

#[test]
fn every_case_comes_out_as_it_should() {
    let bless = std::env::var("ISTHMUS_BLESS").is_ok();
    let openai = OpenAiChat { style: style(None) };
    let dialects: [(&str, &dyn ChatDialect); 2] =
        [("openai", &openai), ("responses", &ResponsesChat)];
    let mut tried = 0;
    for (name, dialect) in dialects {
        for folder in folders(name) {
            for (from, to, way) in WAYS {
                let Ok(given) = fs::read(folder.join(from)) else { continue };
                let found = way(dialect, &given);
                if bless {
                    fs::write(folder.join(to), &found).unwrap();
                }
                let expected = fs::read_to_string(folder.join(to)).unwrap();
                assert_eq!(found, expected, "{}", folder.join(to).display());
                tried += 1;
            }
        }
    }
    assert!(tried >= 20, "cases are missing");
}
