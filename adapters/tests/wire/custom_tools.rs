//! OpenAI's custom tools at a provider that knows functions alone.

use std::sync::Arc;

use isthmus_adapters::adapter::{Answer, Attempt, Content, Piece};
use isthmus_adapters::dialect::Stamp;
use isthmus_adapters::dialects::caller;
use isthmus_inference::failure::Kind;
use isthmus_inference::request::{Dialect, Operation};
use serde_json::{Value, json as value};

use crate::upstream::{LIMITS, Upstream, json, pieces, stream};

const ANSWER: &str = r#"{"type":"message","model":"m","content":[{"type":"tool_use","id":"t1","name":"patch","input":{"input":"-\"a\"\n+b"}}],"stop_reason":"tool_use","usage":{"input_tokens":5,"output_tokens":2}}"#;

/// What a caller of this dialect asks for, with this format of the tool's.
fn attempt(dialect: Dialect, format: &Value, streamed: bool) -> Attempt {
    let call = value!({"name": "patch", "input": "x\"y"});
    let body = if dialect == Dialect::Responses {
        value!({
            "model": "m", "stream": streamed,
            "tools": [{"type": "custom", "name": "patch", "format": format}],
            "tool_choice": {"type": "custom", "name": "patch"},
            "input": [
                {"role": "user", "content": "go"},
                {"type": "custom_tool_call", "call_id": "c0", "name": "patch", "input": "x\"y"},
                {"type": "custom_tool_call_output", "call_id": "c0", "output": "done"},
            ],
        })
    } else {
        value!({
            "model": "m", "stream": streamed,
            "tools": [{"type": "custom", "custom": {"name": "patch", "format": format}}],
            "tool_choice": {"type": "custom", "custom": {"name": "patch"}},
            "messages": [
                {"role": "user", "content": "go"},
                {"role": "assistant", "tool_calls": [{"id": "c0", "type": "custom", "custom": call}]},
                {"role": "tool", "tool_call_id": "c0", "content": "done"},
            ],
        })
    };
    let request = caller(dialect).read(Operation::Chat, body.to_string().into()).unwrap();
    Attempt {
        request: Arc::new(request),
        model: "claude-sonnet-4-5".into(),
        reasons: false,
        timeouts: LIMITS,
        beginning: None,
    }
}

fn text() -> Value {
    value!({"type": "text"})
}

#[tokio::test]
async fn a_function_stands_for_the_tool() {
    for dialect in [Dialect::OpenAi, Dialect::Responses] {
        let mut server = Upstream::start(|_| json(200, ANSWER)).await;
        let answer =
            server.account("anthropic").call(attempt(dialect, &text(), false)).await.unwrap();
        let sent = server.next_seen().await.json();
        let schema = &sent["tools"][0]["input_schema"];
        assert_eq!(schema["properties"]["input"]["type"], "string", "{sent}");
        assert_eq!(sent["tool_choice"], value!({"type": "tool", "name": "patch"}));
        let past = &sent["messages"][1]["content"][0];
        assert_eq!(past["input"], value!({"input": "x\"y"}), "{sent}");

        let Answer::Whole(whole) = answer else { panic!("not a whole answer") };
        let Content::Chat(answer) = whole.content else { panic!("relayed") };
        let calls: Vec<_> = answer.choices[0].tool_calls().collect();
        assert_eq!((calls[0].free_text, &*calls[0].arguments), (true, "-\"a\"\n+b"));
    }
}

#[tokio::test]
async fn its_calls_stream_back_as_free_text() {
    let event =
        |data: Value| format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap());
    let piece = |json: &str| {
        let delta = value!({"type": "input_json_delta", "partial_json": json});
        event(value!({"type": "content_block_delta", "index": 0, "delta": delta}))
    };
    let call = value!({"type": "tool_use", "id": "t1", "name": "patch", "input": {}});
    let chunks = [
        event(
            value!({"type": "message_start", "message": {"usage": {"input_tokens": 5, "output_tokens": 1}}}),
        ),
        event(value!({"type": "content_block_start", "index": 0, "content_block": call})),
        piece("{\"inp"),
        piece("ut\": \"-\\\"a\\"),
        piece("\"\\n+b"),
        piece("\"}"),
        event(value!({"type": "content_block_stop", "index": 0})),
        event(
            value!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 2}}),
        ),
        event(value!({"type": "message_stop"})),
    ];
    for (dialect, part) in [
        (Dialect::OpenAi, r#""custom":{"input":"-\"a""#),
        (Dialect::Responses, r#""input":"-\"a\"\n+b""#),
    ] {
        let chunks = chunks.clone();
        let server = Upstream::start(move |_| {
            stream(&chunks.iter().map(String::as_str).collect::<Vec<_>>())
        })
        .await;
        let asked = attempt(dialect, &text(), true);
        let request = Arc::clone(&asked.request);
        let answer = server.account("anthropic").call(asked).await;
        let stamp = Stamp { id: "x_1", created: 0, model: "m" };
        let mut writer = caller(dialect).encoder(&request, &stamp);
        let mut told = Vec::new();
        let (pieces, failure) = pieces(answer).await;
        assert!(failure.is_none(), "{failure:?}");
        for piece in pieces {
            if let Piece::Event(event) = piece {
                told.extend_from_slice(&writer.encode(&event));
            }
        }
        told.extend_from_slice(&writer.done());
        let told = String::from_utf8(told).unwrap();
        assert!(told.contains(part), "{told}");
        assert!(!told.contains("\"function"), "{told}");
    }
}

#[tokio::test]
async fn a_grammar_is_not_asked_of_who_cannot_keep_it() {
    let chat = value!({"type": "grammar", "grammar": {"syntax": "regex", "definition": "a"}});
    let responses = value!({"type": "grammar", "syntax": "regex", "definition": "a"});
    let server = Upstream::start(|_| json(200, ANSWER)).await;
    for (dialect, format) in [(Dialect::OpenAi, chat), (Dialect::Responses, responses)] {
        let asked = attempt(dialect, &format, false);
        let failure = server.account("anthropic").call(asked).await.err().expect("refused");
        assert_eq!((failure.kind, failure.param.as_deref()), (Kind::Unsupported, Some("tools")));
    }
    assert_eq!(server.connections(), 0);
}
