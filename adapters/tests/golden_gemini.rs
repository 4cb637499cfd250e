//! Gemini's language, case by case, as data: a folder of `golden/gemini` holds what goes in and what
//! must come out. `ISTHMUS_BLESS=1` writes the latter anew, to be read before it is kept.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the complaint")]

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use isthmus_adapters::dialect::{CallerDialect, ChatDialect, Stamp};
use isthmus_adapters::dialects::gemini::{Flavour, GeminiChat};
use isthmus_adapters::dialects::openai::OpenAiCaller;
use isthmus_inference::request::Operation;
use serde_json::{Value, json};

/// From what goes in to what comes out.
type Way = fn(&[u8]) -> String;

/// What stands in a case's folder, what must come of it, and the way from one to the other.
const WAYS: [(&str, &str, Way); 4] = [
    ("request.json", "upstream.json", written),
    ("answer.json", "answer.txt", read),
    ("answer.json", "openai.json", told),
    ("stream.txt", "events.txt", streamed),
];

fn folders() -> Vec<PathBuf> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/gemini");
    let entries = fs::read_dir(all).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<_> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

/// A request of OpenAI's as Gemini gets it.
fn written(case: &[u8]) -> String {
    let case: Value = serde_json::from_slice(case).unwrap();
    let flavour = match case["service"].as_str().unwrap() {
        "studio" => Flavour::Studio,
        _ => Flavour::Vertex,
    };
    let request = OpenAiCaller.read(Operation::Chat, case["chat"].to_string().into()).unwrap();
    let chat = OpenAiCaller.chat(&request).unwrap();
    let model = case["model"].as_str().unwrap().into();
    let encoded = GeminiChat { flavour }.encode(&chat, &model, false).unwrap();
    let body = String::from_utf8(encoded.body.whole().into()).unwrap();
    let headers = encoded.headers.iter();
    let headers: Vec<_> =
        headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    let (dropped, format_tool) = (encoded.dropped, encoded.format_tool);
    let beside = json!({ "headers": headers, "dropped": dropped, "format_tool": format_tool });
    // The body's own text shows that numbers stay as they are written.
    format!("{beside}\n{}\n", body.replace("{\"role\"", "\n{\"role\""))
}

fn read(body: &[u8]) -> String {
    format!("{:#?}\n", GeminiChat { flavour: Flavour::Studio }.decode(body).unwrap())
}

/// The answer as a caller of OpenAI's language sees it.
fn told(body: &[u8]) -> String {
    let chat = json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] });
    let request = OpenAiCaller.read(Operation::Chat, chat.to_string().into()).unwrap();
    let stamp = Stamp { id: "chatcmpl-1", created: 1, model: "m" };
    let answer = GeminiChat { flavour: Flavour::Studio }.decode(body).unwrap();
    let told = OpenAiCaller.answer(&request, &answer, &stamp);
    format!("{:#}\n", serde_json::from_slice::<Value>(&told).unwrap())
}

fn streamed(stream: &[u8]) -> String {
    let (mut decoder, mut events) = (GeminiChat { flavour: Flavour::Studio }.decoder(), vec![]);
    decoder.push(Bytes::copy_from_slice(stream), &mut events).unwrap();
    decoder.end(&mut events).unwrap();
    events.iter().map(|event| format!("{event:?}\n")).collect()
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
    assert!(tried >= 6, "cases are missing");
}
