//! Requests of callers, read: what each field becomes, and what is refused.

use bytes::Bytes;
use isthmus_inference::chat::{Message, NativeTool, Role, Tool, ToolChoice};
use isthmus_inference::part::{CacheLife, Media, Part, Signature, ToolCall, ToolResult, formats};
use serde_json::json;

use super::super::read::read;
use super::*;

/// A request with these members beside one message.
fn with(members: &Value) -> Result<ChatRequest, Failure> {
    let mut body =
        json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
    for (key, value) in members.as_object().unwrap() {
        body[key] = value.clone();
    }
    chat(&read(Operation::Chat, Bytes::from(body.to_string()))?)
}

fn turn(role: Role, content: Vec<Part>) -> Message {
    Message { role, content, name: None }
}

#[test]
fn a_conversation_is_read_whole() {
    let chat = with(&json!({
        "system": [{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "look"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}},
                {"type": "document", "source": {"type": "url", "url": "https://x/a.pdf"}, "title": "a",
                 "context": "of last year"},
            ]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "sig"},
                {"type": "redacted_thinking", "data": "xx"},
                {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
                {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "t", "content": "no", "is_error": true,
                 "cache_control": {"type": "ephemeral"}},
                {"type": "text", "text": "why?"},
            ]},
            {"role": "system", "content": "hurry"},
        ],
    }))
    .unwrap();
    let image = Media::Inline { media_type: "image/png".into(), base64: "AA".into() };
    let url = Media::Url { url: "https://x/a.pdf".into(), media_type: None };
    let own = |data: &str, redacted| {
        Some(Signature { redacted, ..Signature::new(formats::ANTHROPIC, data) })
    };
    let call = ToolCall {
        id: "t".into(),
        name: "f".into(),
        arguments: "{\"a\":1}".into(),
        ..ToolCall::default()
    };
    let result = ToolResult {
        call_id: "t".into(),
        content: vec![Part::text("no")],
        is_error: true,
        name: None,
    };
    let native = json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}});
    let expected = [
        turn(Role::System, vec![Part::text("be brief"), Part::CachePoint(CacheLife::OneHour)]),
        turn(
            Role::User,
            vec![
                Part::text("look"),
                Part::Image { media: image, detail: None },
                Part::text("of last year"),
                Part::Document { media: url, name: Some("a".into()) },
            ],
        ),
        turn(
            Role::Assistant,
            vec![
                Part::Thinking { text: "hm".into(), signature: own("sig", false) },
                Part::Thinking { text: String::new(), signature: own("xx", true) },
                Part::ToolCall(call),
                Part::Native { format: formats::ANTHROPIC, value: native },
            ],
        ),
        turn(Role::Tool, vec![Part::ToolResult(result), Part::CachePoint(CacheLife::FiveMinutes)]),
        turn(Role::User, vec![Part::text("why?")]),
        turn(Role::System, vec![Part::text("hurry")]),
    ];
    assert_eq!(chat.messages(), expected);
}

#[test]
fn the_rest_of_a_request_is_read_too() {
    let chat = with(&json!({
        "tools": [
            {"type": "custom", "name": "f", "description": "d", "input_schema": {"type": "object"},
             "strict": true, "cache_control": {"type": "ephemeral"}, "defer_loading": true},
            {"type": "web_search_20250305", "name": "web_search"},
        ],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": true},
        "thinking": {"type": "enabled", "budget_tokens": 2000, "display": "omitted"},
        "output_config": {"effort": "high", "task_budget": {"type": "tokens", "total": 9}, "format": {"type": "json_schema", "schema": {"type": "object"}}},
        "stop_sequences": ["a", "b"], "temperature": 0.5, "top_p": 0.9, "top_k": 5,
        "metadata": {"user_id": "u"}, "service_tier": "standard_only",
        "container": "c", "speed": null,
    }))
    .unwrap();
    let tool = Tool {
        name: "f".into(),
        description: Some("d".into()),
        parameters: json!({"type": "object"}),
        strict: Some(true),
        cache: Some(CacheLife::FiveMinutes),
        ..Tool::default()
    };
    assert_eq!(chat.tools, [tool]);
    let value = json!({"type": "web_search_20250305", "name": "web_search"});
    assert_eq!(chat.native_tools, [NativeTool { format: formats::ANTHROPIC, value }]);
    assert_eq!((&chat.tool_choice, chat.parallel_tool_calls), (&ToolChoice::Required, Some(false)));
    let reasoning = Reasoning {
        effort: Some(Effort::High),
        budget: Some(2000),
        adaptive: false,
        summary: Some(Summary::Hidden),
    };
    assert_eq!(chat.reasoning, reasoning);
    let schema = JsonSchema {
        schema: json!({"type": "object"}),
        strict: Some(true),
        ..JsonSchema::default()
    };
    assert_eq!(chat.format, AnswerFormat::JsonSchema(schema));
    assert_eq!((chat.sampling.top_k, chat.sampling.max_tokens), (Some(5), Some(9)));
    assert_eq!((chat.user.as_deref(), chat.service_tier.as_deref()), (Some("u"), Some("default")));
    let unsaid = json!({"container": "c", "tools.defer_loading": true,
        "output_config.task_budget": {"type": "tokens", "total": 9}});
    assert_eq!(Value::Object(chat.extra), unsaid);
}

#[test]
fn every_complaint_names_its_field() {
    let content = |block: Value| json!({"messages": [{"role": "user", "content": [block]}]});
    let cases = [
        (json!({"messages": [{"role": "tool", "content": "x"}]}), "messages[0].role"),
        (json!({"messages": [{"role": "user"}]}), "messages[0].content"),
        (json!({"messages": [{"role": "user", "content": 1}]}), "messages[0].content"),
        (content(json!({"text": "x"})), "messages[0].content[0].type"),
        (content(json!({"type": "image"})), "messages[0].content[0].source"),
        (
            content(json!({"type": "image", "source": {"type": "x"}})),
            "messages[0].content[0].source.type",
        ),
        (content(json!({"type": "tool_result"})), "messages[0].content[0].tool_use_id"),
        (json!({"temperature": 1.5}), "temperature"),
        (json!({"tools": [{"name": "f"}]}), "tools[0].input_schema"),
        (json!({"tool_choice": {"type": "x"}}), "tool_choice.type"),
        (json!({"thinking": {"type": "enabled", "budget_tokens": 1}}), "thinking.budget_tokens"),
        (json!({"output_config": {"effort": "huge"}}), "output_config.effort"),
        (json!({"output_format": {"type": "xml"}}), "output_format.type"),
        (json!({"stop_sequences": [1]}), "stop_sequences[0]"),
    ];
    for (members, param) in cases {
        let failure = with(&members).unwrap_err();
        assert_eq!(failure.param.as_deref(), Some(param), "{members}");
    }
}

#[test]
fn documents_that_are_to_be_cited_are_known_wherever_they_stand() {
    let asked = |content: Value| {
        let turn = json!({"role": "user", "content": content});
        with(&json!({"messages": [turn]})).unwrap().extra.contains_key("documents.citations")
    };
    let document = |enabled: bool| {
        json!({"type": "document", "source": {"type": "text", "data": "d"},
            "citations": {"enabled": enabled}})
    };
    let result = json!({"type": "tool_result", "tool_use_id": "t", "content": [document(true)]});
    let found = json!({"type": "search_result", "source": "s", "title": "t", "content": [],
        "citations": {"enabled": true}});
    for (content, expected) in [
        (json!("hi"), false),
        (json!([document(false)]), false),
        (json!([document(true)]), true),
        (json!([result]), true),
        (json!([found]), true),
    ] {
        assert_eq!(asked(content.clone()), expected, "{content}");
    }
}
