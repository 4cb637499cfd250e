//! Real answers of Anthropic, from a collection beside the repository where there is one.

#![allow(clippy::print_stdout, reason = "a test that skips says so")]

use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use isthmus_adapters::adapter::Piece;
use isthmus_adapters::dialect::{ChatDialect, Refused, RelayDialect};
use isthmus_adapters::dialects::anthropic::{AnthropicChat, AnthropicRelay, Flavour};
use isthmus_adapters::dialects::caller;
use isthmus_inference::answer::{Choice, FinishReason};
use isthmus_inference::failure::Kind;
use isthmus_inference::request::{Dialect, Operation};
use isthmus_inference::stream::{Event, Fold};
use isthmus_inference::usage::Usage;
use serde_json::{Value, json};

use crate::recordings::{count, cut, of_vendor};

static CHAT: AnthropicChat = AnthropicChat { flavour: Flavour::Direct };

/// The message that a stream's events build up, as the vendor's documents tell to.
fn built(stream: &str) -> Value {
    let mut message = Value::Null;
    for data in stream.lines().filter_map(|line| line.strip_prefix("data:")) {
        let data: Value = serde_json::from_str(data).unwrap();
        let block = data["index"].as_u64().unwrap_or(0) as usize;
        match data["type"].as_str().unwrap() {
            "message_start" => message = data["message"].clone(),
            "content_block_start" => {
                let mut block = data["content_block"].clone();
                block["json"] = "".into();
                message["content"].as_array_mut().unwrap().push(block);
            }
            "content_block_delta" => {
                let block = &mut message["content"][block];
                for (piece, whole) in
                    [("text", "text"), ("thinking", "thinking"), ("partial_json", "json")]
                {
                    if let Some(piece) = data["delta"][piece].as_str() {
                        block[whole] = (block[whole].as_str().unwrap().to_owned() + piece).into();
                    }
                }
            }
            "content_block_stop" => {
                let block = &mut message["content"][block];
                if let Ok(input) = serde_json::from_str(block["json"].as_str().unwrap()) {
                    block["input"] = input;
                }
            }
            "message_delta" => {
                for (name, value) in data["delta"].as_object().unwrap() {
                    message[name] = value.clone();
                }
                for (name, value) in data["usage"].as_object().unwrap() {
                    message["usage"][name] = value.clone();
                }
            }
            _ => {}
        }
    }
    message
}

/// Everything that callers must see of a message, as the message has it.
fn expected(message: &Value) -> Value {
    let blocks = || message["content"].as_array().unwrap().iter();
    let joined = |kind: &str| -> String {
        blocks()
            .filter(|block| block["type"] == kind)
            .map(|block| block[kind].as_str().unwrap())
            .collect()
    };
    let calls: Vec<_> = blocks()
        .filter(|block| block["type"] == "tool_use")
        .map(|block| json!([block["id"], block["name"], block["input"]]))
        .collect();
    let usage = &message["usage"];
    let input = ["input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"];
    let input: u64 = input.iter().map(|name| count(&usage[*name])).sum();
    json!({
        "text": joined("text"), "thinking": joined("thinking"), "calls": calls,
        "input": input, "output": count(&usage["output_tokens"]), "cached": count(&usage["cache_read_input_tokens"]),
        "finish": match message["stop_reason"].as_str().unwrap() {
            "end_turn" | "stop_sequence" | "pause_turn" => "stop",
            "max_tokens" | "model_context_window_exceeded" => "length",
            "tool_use" => "tool_calls",
            "refusal" => "content_filter",
            other => panic!("{other}"),
        },
    })
}

fn found(choice: &Choice, usage: &Usage) -> Value {
    let calls: Vec<_> = choice
        .tool_calls()
        .map(|call| {
            json!([call.id, call.name, serde_json::from_str::<Value>(&call.arguments).unwrap()])
        })
        .collect();
    json!({
        "text": choice.text(), "thinking": choice.reasoning(), "calls": calls,
        "input": usage.input(), "output": usage.output(), "cached": usage.cache_read,
        "finish": choice.finish.map(FinishReason::as_openai),
    })
}

fn events(stream: &Bytes, lengths: &[usize]) -> Vec<Event> {
    let mut decoder = CHAT.decoder();
    let mut events = Vec::new();
    for read in cut(stream, lengths) {
        decoder.push(read, &mut events).unwrap();
    }
    decoder.end(&mut events).unwrap();
    events
}

#[test]
fn real_streams_are_read_however_they_are_cut() {
    let mut read = 0;
    for (name, recording) in of_vendor("anthropic") {
        let Some(text) = recording["response"]["body_text"].as_str() else { continue };
        let stream = Bytes::copy_from_slice(text.as_bytes());
        let whole = events(&stream, &[usize::MAX >> 1]);
        for lengths in [&[1][..], &[7, 3, 64], &[1000, 1]] {
            assert_eq!(events(&stream, lengths), whole, "{name}");
        }
        let mut fold = Fold::default();
        whole.into_iter().for_each(|event| fold.push(event));
        let answer = fold.finish("m".into()).unwrap();
        assert_eq!(found(&answer.choices[0], &answer.usage), expected(&built(text)), "{name}");
        read += 1;
    }
    println!("{read} streams");
}

#[test]
fn real_answers_are_read_and_written_again() {
    let mut read = 0;
    for (name, recording) in of_vendor("anthropic") {
        let body = &recording["response"]["body"];
        if recording["response"]["status"] != 200 || !body.is_object() {
            continue;
        }
        let answer = CHAT.decode(body.to_string().as_bytes()).unwrap();
        assert_eq!(found(&answer.choices[0], &answer.usage), expected(body), "{name}");
        read += 1;
    }
    println!("{read} answers");
}

#[test]
fn real_streams_are_relayed_as_they_came() {
    let relay = AnthropicRelay { flavour: Flavour::Direct };
    let body = r#"{"model":"m","max_tokens":1,"messages":[{}],"stream":true}"#;
    let request = caller(Dialect::Anthropic).read(Operation::Chat, body.into()).unwrap();
    for (name, recording) in of_vendor("anthropic") {
        let Some(text) = recording["response"]["body_text"].as_str() else { continue };
        let stream = Bytes::copy_from_slice(text.as_bytes());
        for lengths in [&[usize::MAX >> 1][..], &[1], &[100, 3]] {
            let mut watch = relay.watch(&request);
            let mut passed = Vec::new();
            let mut last = Usage::default();
            for read in cut(&stream, lengths) {
                watch.push(read).unwrap();
                while let Some(piece) = watch.next_piece() {
                    match piece {
                        Piece::Relay(event) | Piece::Done { event: Some(event) } => {
                            passed.push(event);
                        }
                        Piece::Usage { usage, event, .. } => {
                            last = usage;
                            passed.push(event);
                        }
                        other => panic!("{name}: {other:?}"),
                    }
                }
            }
            assert!(watch.is_over(), "{name}");
            assert_eq!(passed.concat(), stream, "{name}");
            let said = expected(&built(text));
            assert_eq!(
                (json!(last.input()), json!(last.output())),
                (said["input"].clone(), said["output"].clone()),
                "{name}"
            );
        }
    }
}

#[test]
fn real_errors_say_what_they_said() {
    for (name, recording) in of_vendor("anthropic") {
        let status = count(&recording["response"]["status"]);
        if status < 400 {
            continue;
        }
        let body = &recording["response"]["body"];
        let failure = CHAT.failure(Refused {
            status: StatusCode::from_u16(status.try_into().unwrap()).unwrap(),
            headers: &HeaderMap::new(),
            body: body.to_string().into(),
            request_id: None,
            now: SystemTime::UNIX_EPOCH,
        });
        let said = body["error"]["message"].as_str().unwrap();
        let expected = match status {
            401 => Kind::UpstreamAuth,
            404 => Kind::NotFound,
            _ if said.contains("too long") => Kind::ContextLength,
            _ => Kind::InvalidRequest,
        };
        assert_eq!(failure.kind, expected, "{name}");
        assert!(status == 401 || failure.message == said, "{name}: {}", failure.message);
    }
}

/// What callers of this dialect really sent is read in full, and written again it means the same.
#[test]
fn real_requests_are_read_and_written_again() {
    let mut read = 0;
    for (name, recording) in of_vendor("anthropic") {
        if recording["response"]["status"] != 200 {
            continue;
        }
        let body = &recording["request"]["body"];
        let callers = caller(Dialect::Anthropic);
        let request = callers.read(Operation::Chat, body.to_string().into()).unwrap();
        let chat = callers.chat(&request).unwrap_or_else(|failure| panic!("{name}: {failure}"));
        let model = body["model"].as_str().unwrap();
        let written = CHAT.encode(&chat, &model.into(), request.stream);
        let written = written.unwrap_or_else(|failure| panic!("{name}: {failure}"));
        let sent: Value = serde_json::from_slice(&written.body.whole()).unwrap();
        for member in
            ["model", "max_tokens", "stop_sequences", "container", "mcp_servers", "thinking"]
        {
            // Thinking is left out where the model would refuse to go on without its thoughts.
            if !(member == "thinking"
                && written.dropped.iter().any(|name| name == "reasoning_effort"))
            {
                assert_eq!(sent.get(member), body.get(member), "{name}: {member}");
            }
        }
        let tools = |body: &Value| body["tools"].as_array().map_or(0, Vec::len);
        assert_eq!(tools(&sent), tools(body), "{name}");
        let roles = |body: &Value| {
            let messages = body["messages"].as_array().unwrap().iter();
            let mut roles: Vec<_> = messages.map(|message| message["role"].clone()).collect();
            roles.dedup();
            roles
        };
        assert_eq!(roles(&sent), roles(body), "{name}");
        read += 1;
    }
    println!("{read} requests");
}
