//! Real chat completions, read into neutral events: whole or cut anyhow, they say what they said.

#![allow(clippy::print_stdout, reason = "a test that skips says so")]

use bytes::Bytes;
use isthmus_adapters::dialect::ChatDialect;
use isthmus_adapters::dialects::openai_provider::{OPENAI, OpenAiChat};
use isthmus_adapters::framing::sse::{self, Splitter};
use isthmus_inference::answer::ChatAnswer;
use isthmus_inference::failure::Failure;
use isthmus_inference::stream::{Event, Fold};
use isthmus_inference::usage::Source;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

use crate::recordings::{cut, recordings};

const DIALECT: OpenAiChat = OpenAiChat { style: OPENAI };

/// What a person would read in a recording: text, thinking, calls, and the vendor's total of tokens.
#[derive(Debug, Default, PartialEq)]
struct Said {
    text: String,
    thought: String,
    calls: Vec<(String, String)>,
    total: Option<(u64, u64)>,
}

/// The chats among the recordings that ended well: streamed ones as text, whole ones as JSON.
fn chats() -> impl Iterator<Item = (String, Bytes, bool)> {
    recordings().into_iter().filter_map(|(name, recording)| {
        let response = &recording["response"];
        let streamed = response["body_text"].as_str();
        let body = match streamed {
            Some(text) => text.to_owned(),
            None => response["body"].to_string(),
        };
        let chat = recording["api"] == "chat" && response["status"] == 200;
        let whole = !body.contains("\"error\":{\"");
        (chat && whole).then(|| (name, body.into(), streamed.is_some()))
    })
}

fn decoded(stream: &Bytes, lengths: &[usize]) -> Result<Vec<Event>, Failure> {
    let mut decoder = DIALECT.decoder();
    let mut events = Vec::new();
    for read in cut(stream, lengths) {
        decoder.push(read, &mut events)?;
    }
    decoder.end(&mut events)?;
    assert!(decoder.is_over());
    Ok(events)
}

fn folded(events: Vec<Event>) -> ChatAnswer {
    let mut fold = Fold::default();
    events.into_iter().for_each(|event| fold.push(event));
    fold.finish("m".into()).expect("usage came")
}

// === reading a recording by hand ===

fn chunks(stream: &Bytes) -> Vec<Value> {
    let mut splitter = Splitter::new(usize::MAX);
    splitter.push(stream.clone());
    let mut chunks = Vec::new();
    while let Some(event) = splitter.next_event().unwrap() {
        let data = sse::data(&event).unwrap_or_default();
        chunks.extend(serde_json::from_slice::<Value>(&data).ok());
    }
    chunks
}

impl Said {
    fn of(chunks: &[Value], part: &str) -> Self {
        let mut said = Self::default();
        for chunk in chunks {
            let usage = [&chunk["usage"], &chunk["x_groq"]["usage"]].into_iter();
            if let Some(usage) = usage.into_iter().find(|usage| usage["prompt_tokens"].is_u64()) {
                let count = |name: &str| usage[name].as_u64().unwrap_or(0);
                // xAI counts reasoning only in the total, Mistral what nobody knows.
                let output = count("completion_tokens")
                    .max(count("total_tokens").saturating_sub(count("prompt_tokens")));
                said.total = Some((count("prompt_tokens"), output));
            }
            let first = chunk["choices"].as_array().into_iter().flatten();
            for choice in first.filter(|choice| choice["index"].as_u64().unwrap_or(0) == 0) {
                said.read(&choice[part]);
            }
        }
        said
    }

    fn read(&mut self, message: &Value) {
        match &message["content"] {
            Value::String(text) => self.text.push_str(text),
            Value::Array(parts) => parts.iter().for_each(|part| {
                self.text.push_str(part["text"].as_str().unwrap_or_default());
                let thoughts = part["thinking"].as_array().into_iter().flatten();
                thoughts
                    .for_each(|thought| self.thought.push_str(thought["text"].as_str().unwrap()));
            }),
            Value::Null => {}
            object => self.text.push_str(&object.to_string()),
        }
        let thought = ["reasoning_content", "reasoning"].into_iter();
        let thought =
            thought.filter_map(|name| message[name].as_str()).find(|text| !text.is_empty());
        match thought {
            Some(text) => self.thought.push_str(text),
            None => {
                let details = message["reasoning_details"].as_array().into_iter().flatten();
                let texts = details.flat_map(|detail| [&detail["text"], &detail["summary"]]);
                texts.filter_map(Value::as_str).for_each(|text| self.thought.push_str(text));
            }
        }
        let calls = message["tool_calls"].as_array().into_iter().flatten();
        let calls = calls.flat_map(|call| [&call["function"], &call["custom"]]);
        for call in calls.chain([&message["function_call"]]) {
            if !call.is_object() {
                continue;
            }
            // Some leave the arguments out where there are none.
            let arguments = match call.get("input").unwrap_or(&call["arguments"]) {
                Value::String(text) => text.clone(),
                Value::Null => String::new(),
                object => object.to_string(),
            };
            match call["name"].as_str().filter(|name| !name.is_empty()) {
                Some(name) => self.calls.push((name.to_owned(), arguments)),
                None => self.calls.last_mut().unwrap().1.push_str(&arguments),
            }
        }
    }
}

fn said(answer: &ChatAnswer) -> Said {
    let choice = &answer.choices[0];
    let calls = choice.tool_calls().map(|call| (call.name.clone(), call.arguments.clone()));
    let reported = answer.usage.source == Source::Reported;
    Said {
        text: choice.text(),
        thought: choice.reasoning(),
        calls: calls.collect(),
        total: reported
            .then(|| (answer.usage.input(), answer.usage.total() - answer.usage.input())),
    }
}

// === the tests ===

#[test]
fn real_answers_are_read_whole() {
    let mut read = 0;
    for (name, body, streamed) in chats() {
        let (answer, chunks, part) = if streamed {
            let events =
                decoded(&body, &[1 << 30]).unwrap_or_else(|error| panic!("{name}: {error}"));
            (folded(events), chunks(&body), "delta")
        } else {
            let answer = DIALECT.decode(&body).unwrap_or_else(|error| panic!("{name}: {error}"));
            (answer, vec![serde_json::from_slice(&body).unwrap()], "message")
        };
        assert_eq!(said(&answer), Said::of(&chunks, part), "{name}");
        assert!(answer.choices.iter().all(|choice| choice.finish.is_some()), "{name}");
        read += 1;
    }
    println!("{read} answers");
}

#[test]
fn however_it_is_cut_a_real_stream_tells_the_same() {
    let mut runner =
        TestRunner::new(Config { cases: 6, failure_persistence: None, ..Config::default() });
    for (name, stream, _) in chats().filter(|(_, _, streamed)| *streamed) {
        let whole = decoded(&stream, &[1 << 30]).unwrap();
        let lengths = proptest::collection::vec(1usize..300, 1..20);
        runner
            .run(&lengths, |lengths| {
                prop_assert_eq!(&decoded(&stream, &lengths).unwrap(), &whole, "{}", name);
                Ok(())
            })
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let cut_off = stream.slice(..stream.len() / 2);
        assert!(decoded(&cut_off, &[1 << 30]).is_err(), "{name}: half of a stream is no answer");
    }
}
