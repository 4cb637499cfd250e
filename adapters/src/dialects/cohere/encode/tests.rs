//! Requests as Cohere is sent them, and what it cannot be asked.

use isthmus_inference::chat::{JsonSchema, Message, Prompt, Reasoning, Role, Sampling};
use isthmus_inference::failure::Kind;
use isthmus_inference::part::{Media, Part, Signature, ToolCall, ToolResult, formats};

use super::super::turns::PLAN;
use super::*;

fn written(chat: &ChatRequest, model: &str) -> (Value, Encoded) {
    let encoded = encode(chat, &model.into(), false).unwrap();
    (serde_json::from_slice(&encoded.body.whole()).unwrap(), encoded)
}

fn saying(messages: Vec<Message>) -> ChatRequest {
    ChatRequest { prompt: Prompt::Messages(messages), ..ChatRequest::default() }
}

fn tool(name: &str) -> Tool {
    Tool { name: name.into(), parameters: json!({"type": "object"}), ..Tool::default() }
}

#[test]
fn a_conversation_is_written_whole() {
    let thought = |text: &str, data: &str| Part::Thinking {
        text: text.into(),
        signature: Some(Signature::new(formats::COHERE, data)),
    };
    let call = ToolCall { id: "c1".into(), name: "f".into(), ..ToolCall::default() };
    let result = |is_error| {
        let content = vec![Part::text("42")];
        Part::ToolResult(ToolResult { call_id: "c1".into(), content, is_error, name: None })
    };
    let turn = |role, content| Message { role, content, name: None };
    let image = Media::Url { url: "https://x/a.png".into(), media_type: None };
    let document = Media::Text("grass is green".into());
    let foreign = Part::Thinking { text: "x".into(), signature: None };
    let chat = saying(vec![
        Message::text(Role::System, "be brief"),
        turn(
            Role::User,
            vec![
                Part::text("look"),
                Part::Image { media: image, detail: Some("low".into()) },
                Part::Document { media: document, name: Some("d".into()) },
            ],
        ),
        turn(Role::Assistant, vec![thought("first f", PLAN), foreign, Part::ToolCall(call)]),
        turn(Role::Tool, vec![result(false), result(true)]),
        turn(Role::Assistant, vec![thought("hm", ""), Part::text("so")]),
    ]);
    let (body, encoded) = written(&chat, "command-a-reasoning-08-2025");
    let expected = json!({
        "model": "command-a-reasoning-08-2025",
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": [
                {"type": "text", "text": "look"},
                {"type": "image_url", "image_url": {"url": "https://x/a.png", "detail": "low"}},
            ]},
            {"role": "assistant", "tool_plan": "first f", "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            ]},
            {"role": "tool", "tool_call_id": "c1", "content": "42"},
            {"role": "tool", "tool_call_id": "c1", "content": "{\"error\":\"42\"}"},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "so"},
            ]},
        ],
        "documents": [{"id": "document-0", "data": {"title": "d", "text": "grass is green"}}],
    });
    assert_eq!((body, encoded.dropped), (expected, vec![]));
}

#[test]
fn wishes_are_kept_in_the_vendors_words_or_named() {
    let chat = ChatRequest {
        sampling: Sampling {
            temperature: Some(1.5),
            top_p: Some(1.0),
            top_k: Some(9000),
            seed: Some(7),
            stop: vec!["a".into()],
            max_tokens: Some(50),
            presence_penalty: -1.0,
            frequency_penalty: 1.5,
            logit_bias: vec![(1, 1.0)],
        },
        user: Some("u".into()),
        reasoning: Reasoning { effort: Some(Effort::High), ..Reasoning::default() },
        extra: Map::from_iter([
            ("safety_mode".into(), json!("OFF")),
            ("store".into(), json!(true)),
        ]),
        ..ChatRequest::default()
    };
    let (body, encoded) = written(&chat, "command-a-03-2025");
    let expected = json!({"model": "command-a-03-2025", "messages": [], "max_tokens": 50,
        "temperature": 1.0, "k": 500, "seed": 7, "stop_sequences": ["a"], "frequency_penalty": 1.0,
        "safety_mode": "OFF"});
    assert_eq!(body, expected);
    let dropped = ["presence_penalty", "reasoning_effort", "store", "logit_bias", "user"];
    assert_eq!(encoded.dropped, dropped);
    let (body, _) = written(&chat, "command-a-reasoning-08-2025");
    assert_eq!(body["thinking"], json!({"type": "enabled", "token_budget": 40}));
}

#[test]
fn formats_and_tools_exclude_each_other() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let format =
        AnswerFormat::JsonSchema(JsonSchema { schema: schema.clone(), ..JsonSchema::default() });
    let cases = [
        (
            vec![],
            ToolChoice::Auto,
            json!({"type": "json_object", "json_schema": schema}),
            json!(null),
            None,
        ),
        (vec![tool("f")], ToolChoice::Auto, json!(null), json!("REQUIRED"), Some(FORMAT_TOOL)),
        (vec![tool("f")], ToolChoice::Required, json!(null), json!("REQUIRED"), None),
    ];
    for (tools, tool_choice, response_format, forced, format_tool) in cases {
        let chat =
            ChatRequest { tools, tool_choice, format: format.clone(), ..ChatRequest::default() };
        let (body, encoded) = written(&chat, "m");
        assert_eq!((&body["response_format"], &body["tool_choice"]), (&response_format, &forced));
        assert_eq!(encoded.format_tool, format_tool);
    }
}

#[test]
fn documents_are_said_where_none_can_stand_beside_a_format() {
    let shown = || {
        let media = Media::Text("grass is green".into());
        let document = Part::Document { media, name: Some("d".into()) };
        let content = vec![Part::text("look"), document];
        saying(vec![Message { role: Role::User, content, name: None }])
    };
    let formatted = ChatRequest { format: AnswerFormat::JsonObject, ..shown() };
    let (body, _) = written(&formatted, "m");
    let said = json!([
        {"type": "text", "text": "look"},
        {"type": "text", "text": "<document title=\"d\">\ngrass is green\n</document>"},
    ]);
    assert_eq!((&body["messages"][0]["content"], &body["documents"]), (&said, &json!(null)));
    assert_eq!(body["response_format"], json!({"type": "json_object"}));
    let (body, _) = written(&ChatRequest { tools: vec![tool("f")], ..formatted }, "m");
    assert_eq!(body["documents"][0]["data"]["title"], "d", "a function stands for the format");
}

#[test]
fn a_budget_is_a_positive_number_and_weights_are_asked_for() {
    let chat = ChatRequest {
        sampling: Sampling { max_tokens: Some(5), ..Sampling::default() },
        reasoning: Reasoning { effort: Some(Effort::Minimal), ..Reasoning::default() },
        top_logprobs: Some(0),
        ..ChatRequest::default()
    };
    let (body, _) = written(&chat, "command-a-reasoning-08-2025");
    assert_eq!(body["thinking"], json!({"type": "enabled", "token_budget": 1}));
    assert_eq!(body["logprobs"], true);
}

#[test]
fn one_function_is_named_by_offering_no_other() {
    let strict = |name: &str| Tool { strict: Some(true), ..tool(name) };
    let chat = ChatRequest {
        tools: vec![tool("f"), strict("g")],
        tool_choice: ToolChoice::Named("g".into()),
        ..ChatRequest::default()
    };
    let (body, _) = written(&chat, "m");
    assert_eq!(body["tools"].as_array().unwrap().len(), 1);
    assert_eq!((&body["tool_choice"], &body["strict_tools"]), (&json!("REQUIRED"), &json!(true)));
}

#[test]
fn what_cannot_be_given_names_its_field() {
    let cases = [
        (ChatRequest { choices: 2, ..ChatRequest::default() }, "n"),
        (ChatRequest { top_logprobs: Some(1), ..ChatRequest::default() }, "top_logprobs"),
        (
            saying(vec![Message {
                role: Role::User,
                content: vec![Part::Audio(Media::Text(String::new()))],
                name: None,
            }]),
            "messages[0].content[0]",
        ),
    ];
    for (chat, param) in cases {
        let failure = encode(&chat, &"m".into(), false).unwrap_err();
        assert_eq!((failure.kind, failure.param.as_deref()), (Kind::Unsupported, Some(param)));
    }
}
