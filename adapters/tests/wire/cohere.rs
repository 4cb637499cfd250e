//! Cohere's row on a real socket, and real answers of Cohere's from a collection beside the repository
//! where there is one.

#![allow(clippy::print_stdout, reason = "a test that skips says so")]

use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use isthmus_adapters::adapter::{Answer, Content};
use isthmus_adapters::dialect::{ChatDialect, EmbeddingDialect, Refused};
use isthmus_adapters::dialects::cohere::{CohereChat, CohereEmbed};
use isthmus_inference::answer::{ChatAnswer, FinishReason};
use isthmus_inference::failure::Kind;
use isthmus_inference::request::Operation;
use isthmus_inference::stream::{Event, Fold};
use serde_json::{Value, json as value};

use crate::recordings::{count, cut, of_vendor};
use crate::upstream::{KEY, Upstream, attempt, chat, json};

const ANSWER: &str = r#"{"id":"x","message":{"role":"assistant","content":[{"type":"text","text":"hi"}]},"finish_reason":"COMPLETE","usage":{"billed_units":{"input_tokens":5,"output_tokens":2}}}"#;
const VECTORS: &str =
    r#"{"id":"x","embeddings":{"float":[[0.5,1.0]]},"meta":{"billed_units":{"input_tokens":3}}}"#;

#[tokio::test]
async fn each_operation_has_its_path() {
    let mut server = Upstream::start(|seen| match seen.line.as_str() {
        "POST /v1/v2/embed" => json(200, VECTORS),
        "GET /v1/v1/models?page_size=1000" => {
            json(200, r#"{"models":[{"name":"a"},{"name":"b"}]}"#)
        }
        _ => json(200, ANSWER),
    })
    .await;
    let account = server.account("cohere");
    let Answer::Whole(whole) = account.call(chat(false)).await.unwrap() else { panic!() };
    assert!(matches!(&whole.content, Content::Chat(answer) if answer.choices[0].text() == "hi"));
    let seen = server.next_seen().await;
    assert_eq!(seen.line, "POST /v1/v2/chat");
    assert_eq!(seen.header("authorization"), Some(format!("Bearer {KEY}").as_str()));

    let embedding = attempt(Operation::Embedding, r#"{"model":"m","input":["a"]}"#);
    let Answer::Whole(whole) = account.call(embedding).await.unwrap() else { panic!() };
    assert!(matches!(&whole.content, Content::Embedding(answer) if answer.vectors == [[0.5, 1.0]]));
    assert_eq!(server.next_seen().await.json()["texts"], value!(["a"]));
    assert_eq!(account.models().await.unwrap(), ["a", "b"]);
}

/// Everything that callers must see of an answer, as its body has it.
fn expected(body: &Value) -> Value {
    let message = &body["message"];
    let joined = |kind: &str| -> String {
        let parts = message["content"].as_array().into_iter().flatten();
        parts.filter(|part| part["type"] == kind).map(|part| part[kind].as_str().unwrap()).collect()
    };
    let plan = message["tool_plan"].as_str().unwrap_or_default();
    let calls = message["tool_calls"].as_array().into_iter().flatten().map(|call| {
        let arguments = call["function"]["arguments"].as_str().filter(|text| !text.is_empty());
        let arguments: Value = serde_json::from_str(arguments.unwrap_or("{}")).unwrap();
        value!([call["id"], call["function"]["name"], arguments])
    });
    let usage = &body["usage"]["billed_units"];
    value!({
        "text": joined("text"), "thinking": plan.to_owned() + &joined("thinking"),
        "calls": calls.collect::<Vec<_>>(),
        "usage": usage.is_object().then(|| (whole(&usage["input_tokens"]), whole(&usage["output_tokens"]))),
        "finish": match body["finish_reason"].as_str().unwrap() {
            "COMPLETE" | "STOP_SEQUENCE" => "stop",
            "MAX_TOKENS" => "length",
            "TOOL_CALL" => "tool_calls",
            "ERROR" => "error",
            other => panic!("{other}"),
        },
    })
}

fn whole(count: &Value) -> u64 {
    count.as_f64().unwrap_or(0.0) as u64
}

fn found(answer: &ChatAnswer, counted: bool) -> Value {
    let choice = &answer.choices[0];
    let calls = choice.tool_calls().map(|call| {
        let arguments: Value = serde_json::from_str(&call.arguments).unwrap();
        value!([call.id, call.name, arguments])
    });
    value!({
        "text": choice.text(), "thinking": choice.reasoning(), "calls": calls.collect::<Vec<_>>(),
        "usage": counted.then(|| (answer.usage.input(), answer.usage.output())),
        "finish": choice.finish.map(FinishReason::as_openai),
    })
}

/// The whole answer that a stream's events build up.
fn built(stream: &str) -> Value {
    let mut body = value!({"message": {"content": [], "tool_calls": [], "tool_plan": ""}});
    let grow = |text: &mut Value, piece: &Value| {
        if let Some(piece) = piece.as_str() {
            *text = (text.as_str().unwrap_or_default().to_owned() + piece).into();
        }
    };
    for data in stream.lines().filter_map(|line| line.strip_prefix("data:")) {
        let Ok(data) = serde_json::from_str::<Value>(data) else { continue };
        let index = data["index"].as_u64().unwrap_or(0) as usize;
        let delta = &data["delta"]["message"];
        let message = &mut body["message"];
        match data["type"].as_str().unwrap() {
            "tool-plan-delta" => grow(&mut message["tool_plan"], &delta["tool_plan"]),
            "content-start" => {
                message["content"].as_array_mut().unwrap().push(delta["content"].clone());
            }
            "content-delta" => {
                for kind in ["text", "thinking"] {
                    grow(&mut message["content"][index][kind], &delta["content"][kind]);
                }
            }
            "tool-call-start" => {
                message["tool_calls"].as_array_mut().unwrap().push(delta["tool_calls"].clone());
            }
            "tool-call-delta" => grow(
                &mut message["tool_calls"][index]["function"]["arguments"],
                &delta["tool_calls"]["function"]["arguments"],
            ),
            "message-end" => {
                body["finish_reason"] = data["delta"]["finish_reason"].clone();
                body["usage"] = data["delta"]["usage"].clone();
            }
            _ => {}
        }
    }
    body
}

fn events(stream: &Bytes, lengths: &[usize]) -> Vec<Event> {
    let mut decoder = CohereChat.decoder();
    let mut events = Vec::new();
    for read in cut(stream, lengths) {
        decoder.push(read, &mut events).unwrap();
    }
    decoder.end(&mut events).unwrap();
    events
}

#[test]
fn real_answers_are_read_whole_and_however_they_are_cut() {
    let (mut answers, mut streams) = (0, 0);
    for (name, recording) in of_vendor("cohere") {
        let response = &recording["response"];
        if recording["api"] != "v2-chat" || response["status"] != 200 {
            continue;
        }
        let (answer, said) = if let Some(text) = response["body_text"].as_str() {
            streams += 1;
            let stream = Bytes::copy_from_slice(text.as_bytes());
            let whole = events(&stream, &[usize::MAX >> 1]);
            for lengths in [&[1][..], &[7, 3, 64], &[1000, 1]] {
                assert_eq!(events(&stream, lengths), whole, "{name}");
            }
            let mut fold = Fold::default();
            whole.into_iter().for_each(|event| fold.push(event));
            (fold.finish("".into()).unwrap(), expected(&built(text)))
        } else {
            answers += 1;
            let answer = CohereChat.decode(response["body"].to_string().as_bytes()).unwrap();
            (answer, expected(&response["body"]))
        };
        assert_eq!(found(&answer, !said["usage"].is_null()), said, "{name}");
    }
    println!("{answers} answers, {streams} streams");
}

#[test]
fn real_vectors_and_errors_are_read() {
    for (name, recording) in of_vendor("cohere") {
        let response = &recording["response"];
        let body = &response["body"];
        let status = count(&response["status"]);
        if recording["api"] == "v2-embed" && status == 200 {
            let answer =
                CohereEmbed.decode(&HeaderMap::new(), body.to_string().as_bytes()).unwrap();
            let vectors = body["embeddings"]["float"].as_array().unwrap();
            assert_eq!(answer.vectors.len(), vectors.len(), "{name}");
            assert_eq!(answer.usage.input(), whole(&body["meta"]["billed_units"]["input_tokens"]));
        }
        if status >= 400 {
            let failure = CohereChat.failure(Refused {
                status: StatusCode::from_u16(status.try_into().unwrap()).unwrap(),
                headers: &HeaderMap::new(),
                body: body.to_string().into(),
                request_id: None,
                now: SystemTime::UNIX_EPOCH,
            });
            let expected = match status {
                401 => Kind::UpstreamAuth,
                404 => Kind::NotFound,
                400 if body["error_type"] == "TOO_MANY_TOKENS" => Kind::ContextLength,
                _ => Kind::InvalidRequest,
            };
            assert_eq!(failure.kind, expected, "{name}");
        }
    }
}
