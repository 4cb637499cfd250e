//! A chat, written as a request for a response.

use isthmus_inference::chat::{
    AnswerFormat, ChatRequest, Effort, FreeText, JsonSchema, Summary, Tool, ToolChoice,
};
use isthmus_inference::failure::Failure;
use isthmus_inference::ident::UpstreamModel;
use isthmus_inference::part::formats;
use serde_json::{Map, Value, json};

use super::turns;
use crate::dialect::Encoded;
use crate::dialects::openai_provider::{effort_of, nearest, openai_efforts, reasons, unsupported};

/// OpenAI refuses a smaller limit (API reference, `max_output_tokens`).
const LEAST_TOKENS: u32 = 16;
/// The members that have no neutral word and that OpenAI knows.
const KNOWN: [&str; 9] = [
    "store",
    "truncation",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prompt_cache_options",
    "moderation",
    "max_tool_calls",
    "include",
    "prompt",
];

/// Writes the request.
pub(super) fn encode(
    chat: &ChatRequest,
    model: &UpstreamModel,
    stream: bool,
) -> Result<Encoded, Failure> {
    let mut body = Map::new();
    let mut dropped = Vec::new();
    let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
    put("model", model.as_str().into());
    put("input", turns::items(chat.messages())?.into());
    if stream {
        put("stream", true.into());
    }
    refuse(chat)?;
    if chat.messages().iter().any(|turn| turn.name.is_some()) {
        dropped.push("messages.name".to_owned());
    }
    let sampling = &chat.sampling;
    if let Some(limit) = sampling.max_tokens {
        put("max_output_tokens", limit.max(LEAST_TOKENS).into());
    }
    let drawn_freely = reasons(model.as_str());
    for (name, value) in [("temperature", sampling.temperature), ("top_p", sampling.top_p)] {
        match value {
            Some(_) if drawn_freely => dropped.push(name.to_owned()),
            Some(value) => _ = put(name, value.into()),
            None => {}
        }
    }
    let unknown = [
        ("top_k", sampling.top_k.is_some()),
        ("seed", sampling.seed.is_some()),
        ("presence_penalty", sampling.presence_penalty != 0.0),
        ("frequency_penalty", sampling.frequency_penalty != 0.0),
        ("logit_bias", !sampling.logit_bias.is_empty()),
    ];
    dropped.extend(unknown.into_iter().filter(|(_, said)| *said).map(|(name, _)| name.to_owned()));
    if let Some(tools) = tools(chat)? {
        put("tools", tools);
        if let Some(choice) = choice(chat) {
            put("tool_choice", choice);
        }
        if chat.parallel_tool_calls == Some(false) {
            put("parallel_tool_calls", false.into());
        }
    }
    if let Some(text) = text(chat)? {
        put("text", text);
    }
    match reasoning(chat, model.as_str()) {
        Some(reasoning) => _ = put("reasoning", reasoning),
        None if chat.reasoning.effort.is_some() || chat.reasoning.budget.is_some() => {
            dropped.push("reasoning_effort".to_owned());
        }
        None => {}
    }
    if let Some(top) = chat.top_logprobs {
        put("top_logprobs", top.into());
    }
    put_labels(chat, &mut body);
    for (name, value) in &chat.extra {
        match name.as_str() {
            "verbosity" => {}
            known if KNOWN.contains(&known) => _ = body.insert(name.clone(), value.clone()),
            _ => dropped.push(name.clone()),
        }
    }
    include(&mut body, drawn_freely, chat.top_logprobs.is_some());
    let body = Value::Object(body).to_string().into();
    Ok(Encoded { body, dropped, ..Encoded::default() })
}

/// What Responses have no word for, and the answer depends on.
fn refuse(chat: &ChatRequest) -> Result<(), Failure> {
    if chat.wanted_choices() > 1 {
        return Err(unsupported("n", "more than one answer"));
    }
    if !chat.sampling.stop.is_empty() {
        return Err(unsupported("stop", "stop texts"));
    }
    Ok(())
}

/// Thoughts are asked for in a form that can be sent back, so that nothing need be stored there.
fn include(body: &mut Map<String, Value>, thinks: bool, logprobs: bool) {
    let wanted =
        [(thinks, "reasoning.encrypted_content"), (logprobs, "message.output_text.logprobs")];
    let mut include: Vec<Value> =
        body.get("include").and_then(Value::as_array).cloned().unwrap_or_default();
    for (_, word) in wanted.into_iter().filter(|(wanted, _)| *wanted) {
        if !include.iter().any(|known| known == word) {
            include.push(word.into());
        }
    }
    if !include.is_empty() {
        body.insert("include".to_owned(), include.into());
    }
}

fn put_labels(chat: &ChatRequest, body: &mut Map<String, Value>) {
    if let Some(user) = &chat.user {
        body.insert("safety_identifier".to_owned(), user.as_str().into());
    }
    if !chat.metadata.is_empty() {
        body.insert("metadata".to_owned(), chat.metadata.clone().into());
    }
    if let Some(tier) = &chat.service_tier {
        body.insert("service_tier".to_owned(), tier.as_str().into());
    }
}

// === tools ===

fn tools(chat: &ChatRequest) -> Result<Option<Value>, Failure> {
    let mut tools: Vec<Value> = chat.tools.iter().map(tool).collect();
    for native in &chat.native_tools {
        if native.format != formats::RESPONSES {
            let kind = native.value["type"].as_str().unwrap_or("unknown");
            return Err(unsupported("tools", &format!("tools of type `{kind}` in this form")));
        }
        tools.push(native.value.clone());
    }
    Ok((!tools.is_empty()).then(|| tools.into()))
}

/// `strict` is the usual here and the exception elsewhere, so it is always said.
fn tool(tool: &Tool) -> Value {
    if let Some(free_text) = &tool.free_text {
        return custom_tool(tool, free_text);
    }
    let mut written = json!({
        "type": "function",
        "name": tool.name,
        "parameters": tool.parameters,
        "strict": tool.strict.unwrap_or(false),
    });
    if let Some(description) = &tool.description {
        written["description"] = description.as_str().into();
    }
    written
}

/// A tool that takes free text.
fn custom_tool(tool: &Tool, free_text: &FreeText) -> Value {
    let mut written = json!({"type": "custom", "name": tool.name});
    if let Some(description) = &tool.description {
        written["description"] = description.as_str().into();
    }
    if let FreeText::Grammar { syntax, definition } = free_text {
        written["format"] = json!({"type": "grammar", "syntax": syntax, "definition": definition});
    }
    written
}

fn choice(chat: &ChatRequest) -> Option<Value> {
    match &chat.tool_choice {
        ToolChoice::Auto => None,
        ToolChoice::None => Some("none".into()),
        ToolChoice::Required => Some("required".into()),
        ToolChoice::Named(name) => {
            let kind = if chat.takes_free_text(name) { "custom" } else { "function" };
            Some(json!({"type": kind, "name": name}))
        }
    }
}

// === text and thought ===

fn text(chat: &ChatRequest) -> Result<Option<Value>, Failure> {
    let mut text = Map::new();
    match &chat.format {
        AnswerFormat::Text => {}
        AnswerFormat::JsonObject => {
            text.insert("format".to_owned(), json!({"type": "json_object"}));
        }
        AnswerFormat::JsonSchema(schema) => {
            text.insert("format".to_owned(), json_schema(schema));
        }
        AnswerFormat::Grammar(_) => return Err(unsupported("response_format", "a grammar")),
    }
    if let Some(verbosity) = chat.extra.get("verbosity") {
        text.insert("verbosity".to_owned(), verbosity.clone());
    }
    Ok((!text.is_empty()).then(|| text.into()))
}

fn json_schema(schema: &JsonSchema) -> Value {
    let name = if schema.name.is_empty() { "answer" } else { &schema.name };
    let mut written = json!({"type": "json_schema", "name": name, "schema": schema.schema});
    if let Some(description) = &schema.description {
        written["description"] = description.as_str().into();
    }
    if let Some(strict) = schema.strict {
        written["strict"] = strict.into();
    }
    written
}

fn reasoning(chat: &ChatRequest, model: &str) -> Option<Value> {
    let mut reasoning = Map::new();
    let wanted = effort_of(&chat.reasoning, chat.sampling.max_tokens);
    let effort = wanted.and_then(|wanted| nearest(wanted, openai_efforts(model)));
    if let Some(effort) = effort.map(Effort::as_str) {
        reasoning.insert("effort".to_owned(), effort.into());
    }
    let summary = match chat.reasoning.summary {
        Some(Summary::Auto) => Some("auto"),
        Some(Summary::Concise) => Some("concise"),
        Some(Summary::Detailed) => Some("detailed"),
        Some(Summary::Hidden) | None => None,
    };
    if let Some(summary) = summary.filter(|_| reasons(model)) {
        reasoning.insert("summary".to_owned(), summary.into());
    }
    (!reasoning.is_empty()).then(|| reasoning.into())
}

#[cfg(test)]
mod tests {
    use isthmus_inference::chat::{Message, NativeTool, Prompt, Role, Sampling};
    use isthmus_inference::failure::Kind;

    use super::*;
    use crate::dialects::responses::only;

    #[test]
    fn what_cannot_be_carried_is_refused_by_name() {
        let sampling = Sampling { stop: vec!["x".into()], ..Sampling::default() };
        let value = json!({"type": "teleport"});
        let native = NativeTool { format: formats::OPENAI_CHAT, value };
        let cases = [
            (ChatRequest { choices: 2, ..ChatRequest::default() }, "n"),
            (ChatRequest { sampling, ..ChatRequest::default() }, "stop"),
            (ChatRequest { native_tools: vec![native], ..ChatRequest::default() }, "tools"),
        ];
        for (chat, param) in cases {
            let failure = encode(&chat, &"o3-pro".into(), false).unwrap_err();
            assert_eq!((failure.kind, failure.param.as_deref()), (Kind::Unsupported, Some(param)));
        }
    }

    #[test]
    fn speakers_names_are_dropped_aloud() {
        let turn = Message { name: Some("ann".into()), ..Message::text(Role::User, "hi") };
        let chat = ChatRequest { prompt: Prompt::Messages(vec![turn]), ..ChatRequest::default() };
        assert_eq!(encode(&chat, &"gpt-5".into(), false).unwrap().dropped, ["messages.name"]);
    }

    #[test]
    fn models_that_speak_responses_alone_are_known_by_name() {
        for model in [
            "o1-pro",
            "o3-pro-2025-06-10",
            "gpt-5-pro",
            "gpt-5.2-pro",
            "gpt-5-codex",
            "codex-mini-latest",
        ] {
            assert!(only(model), "{model}");
        }
        for model in ["o1", "o3", "gpt-5", "gpt-5-mini", "gpt-4o", "o4-mini"] {
            assert!(!only(model), "{model}");
        }
        assert!(only("o3-deep-research") && only("computer-use-preview"));
    }
}
