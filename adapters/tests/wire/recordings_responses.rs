//! Real responses: read into neutral events, written again, relayed; whole or cut anyhow.

#![allow(clippy::print_stdout, reason = "a test that skips says so")]

use bytes::{Bytes, BytesMut};
use isthmus_adapters::adapter::Piece;
use isthmus_adapters::dialect::{CallerDialect, ChatDialect, RelayDialect, Stamp};
use isthmus_adapters::dialects::responses::{ResponsesCaller, ResponsesChat, ResponsesRelay};
use isthmus_adapters::framing::sse::{self, Splitter};
use isthmus_inference::answer::ChatAnswer;
use isthmus_inference::failure::Failure;
use isthmus_inference::part::Part;
use isthmus_inference::request::{Operation, Request};
use isthmus_inference::stream::{Event, Fold};
use isthmus_inference::tier::Tier;
use isthmus_inference::usage::Usage;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

use crate::recordings::{cut, recordings_of};

const STAMP: Stamp<'_> = Stamp { id: "resp_1", created: 7, model: "shown" };

/// The bodies of responses that ended well, by name, and whether they are streams.
fn responses() -> impl Iterator<Item = (String, Bytes, bool)> {
    let all = recordings_of(|recording| recording["api"] == "responses");
    all.into_iter().filter(|(_, recording)| recording["response"]["status"] == 200).map(
        |(name, recording)| match recording["response"]["body_text"].as_str() {
            Some(text) => (name, text.to_owned().into(), true),
            None => (name, recording["response"]["body"].to_string().into(), false),
        },
    )
}

fn decoded(stream: &Bytes, lengths: &[usize]) -> Result<Vec<Event>, Failure> {
    let mut decoder = ResponsesChat.decoder();
    let mut events = Vec::new();
    for read in cut(stream, lengths) {
        decoder.push(read, &mut events)?;
    }
    decoder.end(&mut events)?;
    Ok(events)
}

fn folded(events: &[Event]) -> ChatAnswer {
    let mut fold = Fold::default();
    events.iter().cloned().for_each(|event| fold.push(event));
    fold.finish("m".into()).expect("usage came")
}

/// The response in the event that ends a stream.
fn last(stream: &Bytes) -> Value {
    let mut splitter = Splitter::new(usize::MAX);
    splitter.push(stream.clone());
    let mut last = Value::Null;
    while let Some(event) = splitter.next_event().unwrap() {
        let data = sse::data(&event).unwrap_or_default();
        let event: Value = serde_json::from_slice(&data).unwrap_or_default();
        if ["response.completed", "response.incomplete"].contains(&event["type"].as_str().unwrap())
        {
            last = event["response"].clone();
        }
    }
    last
}

fn request() -> Request {
    let body = r#"{"model":"m","input":"hi","temperature":0.5}"#;
    ResponsesCaller.read(Operation::Chat, body.into()).unwrap()
}

/// What a response says: its text, the names of its calls with their arguments, its usage.
fn said(response: &Value) -> (String, Vec<(String, String)>, (u64, u64)) {
    let mut text = String::new();
    let mut calls = Vec::new();
    for item in response["output"].as_array().unwrap() {
        for part in item["content"].as_array().into_iter().flatten() {
            if part["type"] == "output_text" {
                text.push_str(part["text"].as_str().unwrap());
            }
        }
        let word = |name: &str| item[name].as_str().unwrap().to_owned();
        match item["type"].as_str() {
            Some("function_call") => calls.push((word("name"), word("arguments"))),
            Some("custom_tool_call") => calls.push((word("name"), word("input"))),
            _ => {}
        }
    }
    let count = |name: &str| response["usage"][name].as_u64().unwrap();
    (text, calls, (count("input_tokens"), count("output_tokens")))
}

fn of(answer: &ChatAnswer) -> (String, Vec<(String, String)>, (u64, u64)) {
    let choice = &answer.choices[0];
    let calls = choice.tool_calls().map(|call| (call.name.clone(), call.arguments.clone()));
    (choice.text(), calls.collect(), (answer.usage.input(), answer.usage.output()))
}

#[test]
fn real_responses_are_read_whole_and_written_again() {
    let mut read = 0;
    for (name, body, streamed) in responses() {
        let response = if streamed { last(&body) } else { serde_json::from_slice(&body).unwrap() };
        if response["status"] == "queued" {
            continue;
        }
        let whole = ResponsesChat.decode(response.to_string().as_bytes());
        let whole = whole.unwrap_or_else(|failure| panic!("{name}: {failure}"));
        assert_eq!(of(&whole), said(&response), "{name}");
        let written = ResponsesCaller.answer(&request(), &whole, &STAMP);
        let again = ResponsesChat.decode(&written).unwrap();
        assert_eq!(again.choices[0].text(), whole.choices[0].text(), "{name}");
        assert_eq!(again.choices[0].finish, whole.choices[0].finish, "{name}");
        assert_eq!(again.choices[0].content, joined(&whole.choices[0].content), "{name}");
        // Whoever writes an answer names its tier, if only the usual one.
        let tier = whole.usage.tier.or(Some(Tier::Standard));
        assert_eq!(again.usage, Usage { tier, ..whole.usage }, "{name}");
        read += 1;
    }
    println!("{read} responses");
}

/// Nothing, or the same with neighbouring texts in one, as the fold has them.
fn joined(parts: &[Part]) -> Vec<Part> {
    let mut joined: Vec<Part> = Vec::new();
    for part in parts {
        match (joined.last_mut(), part) {
            (Some(Part::Text(before)), Part::Text(text)) => before.push_str(text),
            _ => joined.push(part.clone()),
        }
    }
    joined
}

#[test]
fn however_it_is_cut_a_real_response_tells_the_same() {
    let mut runner =
        TestRunner::new(Config { cases: 4, failure_persistence: None, ..Config::default() });
    for (name, stream, _) in responses().filter(|(_, _, streamed)| *streamed) {
        let whole = decoded(&stream, &[1 << 30]).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(of(&folded(&whole)), said(&last(&stream)), "{name}");
        let lengths = proptest::collection::vec(1usize..400, 1..20);
        runner
            .run(&lengths, |lengths| {
                prop_assert_eq!(&decoded(&stream, &lengths).unwrap(), &whole, "{}", name);
                let (pieces, outcome) = relayed(&stream, &lengths);
                prop_assert!(outcome.is_ok(), "{}: {:?}", name, outcome);
                prop_assert_eq!(pieces, &stream[..], "{}", name);
                Ok(())
            })
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let half = stream.slice(..stream.len() / 2);
        assert!(decoded(&half, &[1 << 30]).is_err(), "{name}: half of a stream is no answer");
        assert!(relayed(&half, &[1 << 30]).1.is_err(), "{name}: half of a stream is no answer");
    }
}

/// The bytes that a relay passes on.
fn relayed(stream: &Bytes, lengths: &[usize]) -> (Vec<u8>, Result<(), Failure>) {
    let mut watch = ResponsesRelay.watch(&request());
    let mut bytes = Vec::new();
    let mut outcome = Ok(());
    for read in cut(stream, lengths) {
        outcome = outcome.and_then(|()| watch.push(read));
        while let Some(piece) = watch.next_piece() {
            match piece {
                Piece::Relay(event) | Piece::Usage { event, .. } => bytes.extend_from_slice(&event),
                Piece::Done { event } => assert_eq!(event, None),
                Piece::Event(event) => panic!("{event:?}"),
            }
        }
    }
    (bytes, outcome.and_then(|()| watch.end()))
}

#[test]
fn what_is_written_as_a_stream_is_read_as_it_was() {
    for (name, stream, _) in responses().filter(|(_, _, streamed)| *streamed) {
        let events = decoded(&stream, &[1 << 30]).unwrap();
        let mut encoder = ResponsesCaller.encoder(&request(), &STAMP);
        let mut out = BytesMut::new();
        events.iter().for_each(|event| out.extend_from_slice(&encoder.encode(event)));
        out.extend_from_slice(&encoder.done());
        let written = out.freeze();
        let again = folded(&decoded(&written, &[1 << 30]).unwrap());
        assert_eq!(of(&again), of(&folded(&events)), "{name}");
        assert_eq!(said(&last(&written)), said(&last(&stream)), "{name}");
        let numbers = numbers(&written);
        assert!(numbers.iter().copied().eq(0..numbers.len() as u64), "{name}: {numbers:?}");
        assert_eq!(relayed(&written, &[100]).0, &written[..], "{name}");
    }
}

fn numbers(stream: &Bytes) -> Vec<u64> {
    let mut splitter = Splitter::new(usize::MAX);
    splitter.push(stream.clone());
    let mut numbers = Vec::new();
    while let Some(event) = splitter.next_event().unwrap() {
        let event: Value = serde_json::from_slice(&sse::data(&event).unwrap()).unwrap();
        numbers.push(event["sequence_number"].as_u64().unwrap());
    }
    numbers
}
