//! Requests that Converse cannot carry, and what becomes of the others.

use isthmus_inference::chat::{AnswerFormat, Message, Role, Tool, ToolChoice};
use isthmus_inference::part::{Media, Part, formats};

use super::*;

const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

/// A chat of one turn of this part.
fn saying(part: Part) -> ChatRequest {
    let message = Message { role: Role::User, content: vec![part], name: None };
    ChatRequest { prompt: Prompt::Messages(vec![message]), ..ChatRequest::default() }
}

fn hi() -> ChatRequest {
    saying(Part::text("hi"))
}

#[test]
fn what_converse_cannot_carry_is_refused_by_name() {
    let named = |name: &str| Tool { name: name.into(), ..Tool::default() };
    let tools = || vec![named("f")];
    let choosing = |tool_choice| ChatRequest { tools: tools(), tool_choice, ..hi() };
    let image = |url: &str| {
        let media = Media::Url { url: url.into(), media_type: None };
        saying(Part::Image { media, detail: None })
    };
    let native = Part::Native { format: formats::GEMINI, value: json!({}) };
    let single = |tool_choice| ChatRequest {
        tools: tools(),
        tool_choice,
        parallel_tool_calls: Some(false),
        ..hi()
    };
    let old = "anthropic.claude-3-haiku-20240307-v1:0";
    let cases = [
        (CLAUDE, ChatRequest { choices: 2, ..hi() }, "n"),
        (CLAUDE, ChatRequest { top_logprobs: Some(1), ..hi() }, "logprobs"),
        (CLAUDE, ChatRequest { prompt: Prompt::Text("hi".into()), ..hi() }, "prompt"),
        (
            CLAUDE,
            ChatRequest { format: AnswerFormat::Grammar("start: /a/".into()), ..hi() },
            "response_format",
        ),
        (CLAUDE, image("https://example.com/a.png"), "messages[0].content[0]"),
        (CLAUDE, saying(native), "messages[0].content[0]"),
        (old, single(ToolChoice::Auto), "parallel_tool_calls"),
        ("amazon.nova-lite-v1:0", single(ToolChoice::Auto), "parallel_tool_calls"),
        ("meta.llama3-1-70b-instruct-v1:0", choosing(ToolChoice::Required), "tool_choice"),
        (
            "cohere.command-r-v1:0",
            ChatRequest { format: AnswerFormat::JsonObject, ..hi() },
            "response_format",
        ),
        (CLAUDE, ChatRequest { tools: vec![named("a.b")], ..hi() }, "tools[0]"),
    ];
    for (model, chat, param) in cases {
        let failure = encode(&chat, &model.into()).unwrap_err();
        assert_eq!(failure.kind, Kind::Unsupported, "{param}");
        assert_eq!(failure.param.as_deref(), Some(param));
    }
    for (choice, kind) in [
        (ToolChoice::Auto, "auto"),
        (ToolChoice::Required, "any"),
        (ToolChoice::Named("f".into()), "tool"),
    ] {
        let encoded = encode(&single(choice), &CLAUDE.into()).unwrap();
        let body: Value = serde_json::from_slice(&encoded.body.whole()).unwrap();
        assert_eq!(body["additionalModelRequestFields"]["tool_choice"]["type"], kind);
        assert_eq!(body["toolConfig"]["toolChoice"], Value::Null);
    }
}

#[test]
fn one_function_is_forced_where_it_is_the_only_one_or_can_be_named() {
    let tool = |name: &str| Tool { name: name.into(), ..Tool::default() };
    let chat = ChatRequest {
        tools: vec![tool("f"), tool("g")],
        tool_choice: ToolChoice::Named("g".into()),
        ..hi()
    };
    for (model, tools, choice) in [
        (CLAUDE, 2, json!({"tool": {"name": "g"}})),
        ("us.amazon.nova-pro-v1:0", 2, json!({"tool": {"name": "g"}})),
        ("mistral.mistral-large-2407-v1:0", 1, json!({"any": {}})),
        ("openai.gpt-oss-120b-1:0", 1, json!({"any": {}})),
    ] {
        let encoded = encode(&chat, &model.into()).unwrap();
        let body: Value = serde_json::from_slice(&encoded.body.whole()).unwrap();
        let config = &body["toolConfig"];
        let count = config["tools"].as_array().unwrap().len();
        assert_eq!((count, &config["toolChoice"]), (tools, &choice), "{model}");
    }
}

#[test]
fn documents_are_cited_where_the_model_can() {
    let media = Media::Text("words".into());
    let mut chat = saying(Part::Document { media, name: Some("a".into()) });
    chat.extra.insert(CITED_DOCUMENTS.to_owned(), true.into());
    for (model, cites) in [(CLAUDE, true), ("amazon.nova-lite-v1:0", false)] {
        let encoded = encode(&chat, &model.into()).unwrap();
        let body: Value = serde_json::from_slice(&encoded.body.whole()).unwrap();
        let document = &body["messages"][0]["content"][1]["document"];
        assert_eq!(document["citations"] == json!({"enabled": true}), cites, "{model}");
        assert_eq!(encoded.dropped.is_empty(), cites, "{model}");
    }
}

#[test]
fn command_has_words_of_its_own() {
    let mut chat = hi();
    chat.sampling.seed = Some(7);
    chat.sampling.presence_penalty = 0.5;
    chat.sampling.frequency_penalty = -0.5;
    let encoded = encode(&chat, &"cohere.command-r-plus-v1:0".into()).unwrap();
    let body: Value = serde_json::from_slice(&encoded.body.whole()).unwrap();
    let said = json!({"seed": 7, "presence_penalty": 0.5});
    assert_eq!(body["additionalModelRequestFields"], said);
    assert_eq!(encoded.dropped, ["frequency_penalty"]);
}

#[test]
fn what_the_system_alone_says_is_the_users_turn() {
    let message = Message::text(Role::System, "Say hello.");
    let chat = ChatRequest { prompt: Prompt::Messages(vec![message]), ..hi() };
    let encoded = encode(&chat, &CLAUDE.into()).unwrap();
    let body: Value = serde_json::from_slice(&encoded.body.whole()).unwrap();
    let turn = json!([{"role": "user", "content": [{"text": "Say hello."}]}]);
    assert_eq!((&body["messages"], &body["system"]), (&turn, &Value::Null));
}

#[test]
fn labels_that_aws_would_refuse_are_left_out() {
    let with = |name: &str, value: Value| {
        let mut chat = hi();
        chat.metadata.insert(name.into(), value);
        encode(&chat, &CLAUDE.into()).unwrap().dropped
    };
    assert!(with("team", "blue 7".into()).is_empty());
    for (name, value) in [("team", json!("a\nb")), ("", json!("x")), ("team", json!(7))] {
        assert_eq!(with(name, value), ["metadata"]);
    }
}
