//! Real streams of real providers: our few in `tests/data`, and a larger collection beside the
//! repository where there is one. Cut at random, they come out as they went in.

#![allow(clippy::print_stdout, reason = "a test that skips says so")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use isthmus_adapters::adapter::Piece;
use isthmus_adapters::dialect::Refused;
use isthmus_adapters::dialects::openai_error::from_response;
use isthmus_adapters::dialects::openai_relay::Relay;
use isthmus_adapters::dialects::openai_usage::read_answer;
use isthmus_adapters::framing::sse::{self, Splitter};
use isthmus_inference::failure::{Failure, Kind};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

/// Vendors that speak OpenAI's chat, completions and embeddings.
const VENDORS: [&str; 5] = ["openai", "groq", "mistral", "compat", "azure"];

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Streams by name: our own, and those of the collection.
fn streams() -> Vec<(String, Bytes)> {
    let mut streams: Vec<_> = files(&here().join("tests/data"), "sse")
        .into_iter()
        .map(|path| (name(&path), fs::read(&path).unwrap().into()))
        .collect();
    assert!(streams.len() >= 5, "our own streams are missing");
    for (name, recording) in recordings() {
        let text = recording["response"]["body_text"].as_str();
        let text = text.filter(|text| text.starts_with("data:") || text.starts_with(':'));
        streams.extend(text.map(|text| (name, text.to_owned().into())));
    }
    streams
}

/// Exchanges of the collection, save those of other APIs.
pub(crate) fn recordings() -> Vec<(String, Value)> {
    recordings_of(|recording| recording["api"] != "responses")
}

/// Those exchanges that this picks.
pub(crate) fn recordings_of(picks: impl Fn(&Value) -> bool) -> Vec<(String, Value)> {
    let all = VENDORS.iter().flat_map(|vendor| of_vendor(vendor));
    all.filter(|(_, recording)| picks(recording)).collect()
}

/// The exchanges with one vendor in the collection.
pub(crate) fn of_vendor(vendor: &str) -> Vec<(String, Value)> {
    let folder = here().join("../../shared/kit/recordings");
    if !folder.exists() {
        println!("skipped the recorded traffic: {} is not there", folder.display());
        return Vec::new();
    }
    files(&folder.join(vendor), "json")
        .into_iter()
        .map(|path| (name(&path), serde_json::from_slice(&fs::read(&path).unwrap()).unwrap()))
        .collect()
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|found| found == ending)).collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}

/// The stream in pieces of these lengths, over and over.
pub(crate) fn cut<'a>(stream: &'a Bytes, lengths: &'a [usize]) -> impl Iterator<Item = Bytes> + 'a {
    let mut at = 0;
    lengths.iter().cycle().map_while(move |length| {
        let end = (at + length).min(stream.len());
        let piece = (at < end).then(|| stream.slice(at..end));
        at = end;
        piece
    })
}

fn events(stream: &Bytes, lengths: &[usize]) -> Vec<Bytes> {
    let mut splitter = Splitter::new(usize::MAX);
    let mut events = Vec::new();
    for read in cut(stream, lengths) {
        splitter.push(read);
        while let Some(event) = splitter.next_event().unwrap() {
            events.push(event);
        }
    }
    events.extend(splitter.finish());
    events
}

/// What a relay makes of a stream.
fn relay(stream: &Bytes, lengths: &[usize]) -> (Vec<Piece>, Result<(), Failure>) {
    let mut relay = Relay::new(1);
    let mut pieces = Vec::new();
    let mut outcome = Ok(());
    for read in cut(stream, lengths) {
        outcome = relay.push(read);
        pieces.extend(std::iter::from_fn(|| relay.next_piece()));
        if outcome.is_err() {
            return (pieces, outcome);
        }
    }
    if outcome.is_ok() {
        outcome = relay.end();
        pieces.extend(std::iter::from_fn(|| relay.next_piece()));
    }
    (pieces, outcome)
}

fn bytes_of(pieces: &[Piece]) -> Vec<u8> {
    let bytes = |piece: &Piece| match piece {
        Piece::Relay(event) | Piece::Usage { event, .. } | Piece::Done { event: Some(event) } => {
            event.clone()
        }
        Piece::Event(_) | Piece::Done { event: None } => Bytes::new(),
    };
    pieces.iter().map(bytes).collect::<Vec<_>>().concat()
}

#[test]
fn however_it_is_cut_a_real_stream_comes_out_as_it_went_in() {
    let streams = streams();
    let mut runner =
        TestRunner::new(Config { cases: 8, failure_persistence: None, ..Config::default() });
    for (name, stream) in &streams {
        let (whole, ended) = relay(stream, &[usize::MAX >> 1]);
        let failed = ended.err().map(|failure| failure.message);
        let lengths = proptest::collection::vec(
            prop_oneof![3 => 1usize..6, 3 => 1usize..200, 1 => 200usize..5000],
            1..20,
        );
        runner
            .run(&lengths, |lengths| {
                prop_assert_eq!(events(stream, &lengths).concat(), &stream[..]);
                let (pieces, outcome) = relay(stream, &lengths);
                prop_assert_eq!(bytes_of(&pieces), bytes_of(&whole), "{}", name);
                prop_assert_eq!(outcome.err().map(|failure| failure.message), failed.clone());
                if failed.is_none() {
                    prop_assert_eq!(bytes_of(&pieces), &stream[..], "{}", name);
                }
                Ok(())
            })
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    println!("{} streams", streams.len());
}

#[test]
fn real_streams_end_as_they_really_ended() {
    for (name, stream) in streams() {
        let (pieces, outcome) = relay(&stream, &[4096]);
        let text = String::from_utf8_lossy(&stream);
        let expected = text.contains("\"error\":{\"") || name.starts_with("cut");
        assert_eq!(outcome.is_err(), expected, "{name}: {outcome:?}");
        assert_eq!(matches!(pieces.last(), Some(Piece::Done { .. })), !expected, "{name}");
    }
}

#[test]
fn the_usage_of_real_streams_is_what_they_say() {
    for (name, stream) in streams() {
        let said = events(&stream, &[stream.len()])
            .iter()
            .filter_map(|event| serde_json::from_slice::<Value>(&sse::data(event)?).ok())
            .filter(|chunk| chunk.get("error").is_none_or(Value::is_null))
            .filter_map(|chunk| {
                [&chunk["usage"], &chunk["x_groq"]["usage"]]
                    .into_iter()
                    .find(|usage| usage.is_object())
                    .map(|usage| {
                        (count(&usage["prompt_tokens"]), count(&usage["completion_tokens"]))
                    })
            })
            .next_back();
        let (pieces, _) = relay(&stream, &[1000]);
        let found = pieces.iter().rev().find_map(|piece| match piece {
            Piece::Usage { usage, .. } => Some((usage.input(), usage.output())),
            _ => None,
        });
        assert_eq!(found, said, "{name}");
    }
}

#[test]
fn the_usage_of_real_answers_is_what_they_say() {
    let mut read = 0;
    for (name, recording) in recordings() {
        let body = &recording["response"]["body"];
        if !body.is_object() || recording["response"]["status"] != 200 {
            continue;
        }
        let usage =
            read_answer(body.to_string().as_bytes()).unwrap_or_else(|f| panic!("{name}: {f}"));
        let said = body["usage"].is_object().then(|| {
            (count(&body["usage"]["prompt_tokens"]), count(&body["usage"]["completion_tokens"]))
        });
        assert_eq!(usage.map(|usage| (usage.input(), usage.output())), said, "{name}");
        read += 1;
    }
    println!("{read} answers");
}

#[test]
fn real_errors_say_what_they_said() {
    let mut read = 0;
    for (name, recording) in recordings() {
        let response = &recording["response"];
        let status = count(&response["status"]);
        if status < 400 {
            continue;
        }
        let body = &response["body"];
        let failure = from_response(Refused {
            status: StatusCode::from_u16(status.try_into().unwrap()).unwrap(),
            headers: &HeaderMap::new(),
            body: body.to_string().into(),
            request_id: None,
            now: SystemTime::UNIX_EPOCH,
        });
        let said = [&body["error"]["message"], &body["detail"], &body["message"]];
        let said = said.into_iter().find_map(Value::as_str).unwrap();
        if status == 401 {
            assert_eq!(failure.kind, Kind::UpstreamAuth, "{name}");
        } else {
            assert!(failure.message.starts_with(said), "{name}: {}", failure.message);
            assert_eq!(failure.kind == Kind::NotFound, status == 404, "{name}: {failure:?}");
            assert_eq!(failure.kind == Kind::RateLimited, status == 429, "{name}: {failure:?}");
            assert_eq!(
                failure.kind == Kind::ContextLength,
                said.contains("context length") || said.contains("too long"),
                "{name}"
            );
        }
        read += 1;
    }
    println!("{read} errors");
}

pub(crate) fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}
