//! Real exchanges with Bedrock, where there are recordings beside the repository: however a stream is
//! cut it tells the same, and what is read is what the recording says.

#![allow(clippy::print_stdout, reason = "a test that skips says so")]

use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode};
use isthmus_adapters::dialect::{ChatDialect, Refused};
use isthmus_adapters::dialects::bedrock::Converse;
use isthmus_adapters::framing::aws_event_stream::{Kind as Said, Splitter};
use isthmus_inference::answer::{ChatAnswer, FinishReason};
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::stream::{Event, Fold};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::recordings::{cut, of_vendor};

/// Exchanges over Converse.
fn recordings(api: &str) -> Vec<(String, Value)> {
    let mut found = of_vendor("bedrock");
    found.retain(|(_, recording)| recording["api"] == api);
    found
}

fn dialect(recording: &Value) -> &'static Converse {
    Converse::of(recording["model"].as_str().unwrap())
}

fn is_answered(recording: &Value) -> bool {
    recording["response"]["status"] == 200
}

fn events(recording: &Value, stream: &Bytes, lengths: &[usize]) -> Result<Vec<Event>, Failure> {
    let mut decoder = dialect(recording).decoder();
    let mut events = Vec::new();
    for read in cut(stream, lengths) {
        decoder.push(read, &mut events)?;
    }
    decoder.end(&mut events)?;
    assert!(decoder.is_over());
    Ok(events)
}

fn stream_of(recording: &Value) -> Bytes {
    STANDARD.decode(recording["response"]["body_base64"].as_str().unwrap()).unwrap().into()
}

/// The same as a whole answer has it: put together from the messages of a stream by the API's
/// documentation alone.
fn as_whole(stream: &Bytes) -> Value {
    let mut splitter = Splitter::new(usize::MAX);
    splitter.push(stream.clone());
    let (mut blocks, mut whole) = (Vec::<Value>::new(), json!({}));
    while let Some(message) = splitter.next_event().unwrap() {
        let Said::Event { name } = message.kind() else { panic!("an error in a recording") };
        let data: Value = serde_json::from_slice(&message.payload).unwrap();
        let at = data["contentBlockIndex"].as_u64().unwrap_or(0) as usize;
        blocks.resize(blocks.len().max(at + 1), json!({}));
        match name {
            "contentBlockStart" => blocks[at] = data["start"].clone(),
            "contentBlockDelta" => grow(&mut blocks[at], &data["delta"]),
            "messageStop" => whole["stopReason"] = data["stopReason"].clone(),
            "metadata" => whole["usage"] = data["usage"].clone(),
            _ => {}
        }
    }
    for block in &mut blocks {
        if let Some(input) = block.pointer_mut("/toolUse/input") {
            *input = serde_json::from_str(input.as_str().unwrap()).unwrap_or(json!({}));
        }
    }
    whole["output"]["message"]["content"] = blocks.into();
    whole
}

fn grow(block: &mut Value, delta: &Value) {
    let mut append = |path: &[&str], text: &Value| {
        let place = path.iter().fold(&mut *block, |place, key| &mut place[*key]);
        *place = format!("{}{}", place.as_str().unwrap_or(""), text.as_str().unwrap()).into();
    };
    if let Some(text) = delta.get("text") {
        append(&["text"], text);
    } else if let Some(input) = delta.pointer("/toolUse/input") {
        append(&["toolUse", "input"], input);
    } else if let Some(text) = delta.pointer("/reasoningContent/text") {
        append(&["reasoningContent", "reasoningText", "text"], text);
    }
}

/// What an answer says against what was read of it.
fn check(name: &str, said: &Value, answer: &ChatAnswer) {
    let blocks = said["output"]["message"]["content"].as_array().unwrap();
    let text: String = blocks
        .iter()
        .flat_map(|block| {
            let cited = block.pointer("/citationsContent/content").and_then(Value::as_array);
            let cited = cited.into_iter().flatten().filter_map(|piece| piece["text"].as_str());
            block["text"].as_str().into_iter().chain(cited)
        })
        .collect();
    let thoughts: String = blocks
        .iter()
        .filter_map(|block| block.pointer("/reasoningContent/reasoningText/text")?.as_str())
        .collect();
    let calls: Vec<_> = blocks
        .iter()
        .filter_map(|block| block.get("toolUse"))
        .filter(|call| call["type"] != "server_tool_use")
        .map(|call| (call["toolUseId"].clone(), call["name"].clone(), call["input"].clone()))
        .collect();
    let choice = &answer.choices[0];
    assert_eq!(choice.text(), text, "{name}");
    assert_eq!(choice.reasoning(), thoughts, "{name}");
    let read: Vec<_> = choice
        .tool_calls()
        .map(|call| {
            let arguments = serde_json::from_str(&call.arguments).unwrap();
            (json!(call.id), json!(call.name), arguments)
        })
        .collect();
    assert_eq!(read, calls, "{name}");
    let reason = match said["stopReason"].as_str().unwrap() {
        "end_turn" => FinishReason::Stop,
        "tool_use" => FinishReason::ToolCalls,
        "max_tokens" => FinishReason::Length,
        "guardrail_intervened" => FinishReason::ContentFilter,
        other => panic!("{name}: {other}"),
    };
    assert_eq!(choice.finish, Some(reason), "{name}");
    let usage = &said["usage"];
    let cached = ["inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens"];
    let input: u64 = cached.iter().filter_map(|name| usage[*name].as_u64()).sum();
    assert_eq!(answer.usage.input(), input, "{name}");
    assert_eq!(json!(answer.usage.output()), usage["outputTokens"], "{name}");
    assert_eq!(json!(answer.usage.total()), usage["totalTokens"], "{name}");
    assert_eq!(answer.usage.unexplained, 0, "{name}");
}

#[test]
fn real_answers_are_read_as_they_are() {
    let mut read = 0;
    for (name, recording) in recordings("converse").iter().filter(|(_, it)| is_answered(it)) {
        let said = &recording["response"]["body"];
        let body = said.to_string();
        let answer = dialect(recording).decode(body.as_bytes()).unwrap();
        check(name, said, &answer);
        read += 1;
    }
    println!("{read} answers");
}

#[test]
fn however_it_is_cut_a_real_stream_says_the_same() {
    let mut runner =
        TestRunner::new(Config { cases: 16, failure_persistence: None, ..Config::default() });
    let lengths =
        proptest::collection::vec(prop_oneof![1usize..6, 1usize..200, 200usize..5000], 1..20);
    let mut read = 0;
    for (name, recording) in recordings("converse-stream").iter().filter(|(_, it)| is_answered(it))
    {
        let stream = stream_of(recording);
        let whole = events(recording, &stream, &[usize::MAX >> 1]).unwrap();
        assert!(matches!(whole.last(), Some(Event::Usage(_))), "{name}");
        let mut fold = Fold::default();
        whole.iter().cloned().for_each(|event| fold.push(event));
        check(name, &as_whole(&stream), &fold.finish("".into()).unwrap());
        runner
            .run(&lengths, |lengths| {
                prop_assert_eq!(&events(recording, &stream, &lengths).unwrap(), &whole);
                Ok(())
            })
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        // What is cut off short is no answer.
        for kept in [stream.len() - 1, stream.len() / 2] {
            let cut = stream.slice(..kept);
            let failure = events(recording, &cut, &[4096]).unwrap_err();
            assert_eq!(failure.kind, Kind::Malformed, "{name}");
        }
        read += 1;
    }
    println!("{read} streams");
}

#[test]
fn real_errors_say_what_they_said() {
    let mut read = 0;
    let all = [recordings("converse"), recordings("converse-stream")].concat();
    for (name, recording) in all.iter().filter(|(_, it)| !is_answered(it)) {
        let response = &recording["response"];
        let status = response["status"].as_u64().unwrap();
        let headers: HeaderMap = response["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| {
                let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
                (name, value.as_str().unwrap().parse().unwrap())
            })
            .collect();
        let failure = dialect(recording).failure(Refused {
            status: StatusCode::from_u16(status.try_into().unwrap()).unwrap(),
            headers: &headers,
            body: response["body"].to_string().into(),
            request_id: None,
            now: SystemTime::UNIX_EPOCH,
        });
        let said = response["body"]["message"].as_str().unwrap();
        match status {
            403 => {
                assert_eq!((failure.kind, failure.status()), (Kind::UpstreamAuth, 502), "{name}");
            }
            _ => assert_eq!(
                (&*failure.message, u64::from(failure.status())),
                (said, status),
                "{name}"
            ),
        }
        if said.contains("doesn't support") {
            assert_eq!(failure.kind, Kind::Unsupported, "{name}");
        }
        read += 1;
    }
    println!("{read} errors");
}
