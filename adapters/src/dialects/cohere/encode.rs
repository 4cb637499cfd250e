//! A request for a chat, written for the API.

use isthmus_inference::chat::{AnswerFormat, ChatRequest, Effort, Tool, ToolChoice};
use isthmus_inference::failure::Failure;
use isthmus_inference::ident::UpstreamModel;
use serde_json::{Map, Value, json};

use super::turns::Turns;
use crate::dialect::Encoded;
use crate::dialects::refusals::{one_answer, unable};

/// The function that stands for the answer's format beside other functions, with which the API takes
/// no format.
const FORMAT_TOOL: &str = "json_tool_call";
/// Members that only this vendor knows; they are passed on as the caller wrote them.
const OWN_MEMBERS: [&str; 5] =
    ["citation_options", "documents", "priority", "safety_mode", "strict_tools"];
/// How the names of models begin that do not think.
const THOUGHTLESS: [&str; 7] = [
    "c4ai-aya",
    "command-a-03",
    "command-a-translate",
    "command-a-vision",
    "command-light",
    "command-r",
    "tiny-aya",
];
/// The most stop texts that the API takes.
const MOST_STOPS: usize = 5;
/// The answer's length against which an effort counts where the caller sets no limit.
const USUAL_LENGTH: u32 = 8192;

/// Writes a request.
pub(super) fn encode(
    chat: &ChatRequest,
    model: &UpstreamModel,
    stream: bool,
) -> Result<Encoded, Failure> {
    refuse(chat)?;
    let mut dropped = Vec::new();
    let turns = Turns::of(chat.messages(), takes_documents(chat), &mut dropped)?;
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
    put("model", model.as_str().into());
    put("messages", turns.messages.into());
    if stream {
        put("stream", true.into());
    }
    body.extend(sampling(chat, &mut dropped));
    let format_tool = tools(chat, &mut body, &mut dropped);
    body.extend(thinking(chat, model.as_str(), &mut dropped));
    for (name, value) in &chat.extra {
        if OWN_MEMBERS.contains(&name.as_str()) {
            body.insert(name.clone(), value.clone());
        } else {
            dropped.push(name.clone());
        }
    }
    if !turns.documents.is_empty() {
        let documents = body.entry("documents").or_insert_with(|| json!([]));
        if let Value::Array(documents) = documents {
            documents.extend(turns.documents);
        }
    }
    drop_wishes(chat, &mut dropped);
    let body = Value::Object(body).to_string().into();
    Ok(Encoded { body, dropped, format_tool, ..Encoded::default() })
}

/// What no model of this vendor can do.
fn refuse(chat: &ChatRequest) -> Result<(), Failure> {
    one_answer(chat)?;
    if chat.top_logprobs.is_some_and(|alternatives| alternatives > 0) {
        return Err(unable("top_logprobs", "the alternatives of a token"));
    }
    if !chat.native_tools.is_empty() {
        return Err(unable("tools", "this type of tool"));
    }
    if matches!(chat.format, AnswerFormat::Grammar(_)) {
        return Err(unable("response_format", "an answer in a grammar"));
    }
    Ok(())
}

/// Whether tools may be called.
fn may_call(chat: &ChatRequest) -> bool {
    chat.tool_choice != ToolChoice::None && !chat.tools.is_empty()
}

/// Whether documents may stand beside the conversation: no format goes with them (the vendor's SDK,
/// `JsonObjectResponseFormatV2`).
fn takes_documents(chat: &ChatRequest) -> bool {
    chat.format == AnswerFormat::Text || may_call(chat)
}

fn sampling(chat: &ChatRequest, dropped: &mut Vec<String>) -> Map<String, Value> {
    let wanted = &chat.sampling;
    let mut out = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        out.extend(value.map(|value| (name.to_owned(), value)));
    };
    put("max_tokens", wanted.max_tokens.map(Value::from));
    put("logprobs", chat.top_logprobs.map(|_| true.into()));
    put("temperature", wanted.temperature.map(|heat| heat.min(1.0).into()));
    // `p` is from 0.01 to 0.99; 1 sets no limit.
    let spread = wanted.top_p.filter(|spread| *spread < 1.0);
    put("p", spread.map(|spread| spread.clamp(0.01, 0.99).into()));
    put("k", wanted.top_k.filter(|limit| *limit > 0).map(|limit| limit.min(500).into()));
    put("seed", wanted.seed.map(Value::from));
    if !wanted.stop.is_empty() {
        let kept = &wanted.stop[..wanted.stop.len().min(MOST_STOPS)];
        put("stop_sequences", Some(kept.into()));
    }
    let penalties = [
        ("presence_penalty", wanted.presence_penalty),
        ("frequency_penalty", wanted.frequency_penalty),
    ];
    for (name, penalty) in penalties {
        // From 0 to 1; there is no reward for repetition.
        match penalty {
            penalty if penalty < 0.0 => dropped.push(name.to_owned()),
            penalty if penalty > 0.0 => put(name, Some(penalty.min(1.0).into())),
            _ => {}
        }
    }
    out
}

/// Tools and the answer's format, which the API takes only one without the other.
fn tools(
    chat: &ChatRequest,
    body: &mut Map<String, Value>,
    dropped: &mut Vec<String>,
) -> Option<&'static str> {
    let schema = match &chat.format {
        AnswerFormat::JsonSchema(format) => Some(format.schema.clone()),
        AnswerFormat::JsonObject => Some(json!({ "type": "object" })),
        AnswerFormat::Text | AnswerFormat::Grammar(_) => None,
    };
    if let Some(schema) = &schema
        && !may_call(chat)
    {
        let format = match chat.format {
            AnswerFormat::JsonObject => json!({ "type": "json_object" }),
            _ => json!({ "type": "json_object", "json_schema": schema }),
        };
        body.insert("response_format".to_owned(), format);
        return None;
    }
    if chat.tools.is_empty() {
        return None;
    }
    // One function is named by offering no other.
    let offered = |tool: &&Tool| match &chat.tool_choice {
        ToolChoice::Named(name) => tool.name == *name,
        _ => true,
    };
    let offered: Vec<&Tool> = chat.tools.iter().filter(offered).collect();
    let mut tools: Vec<Value> = offered.iter().map(|tool| function(tool)).collect();
    let mut forced = match &chat.tool_choice {
        ToolChoice::Auto => None,
        ToolChoice::None => Some("NONE"),
        ToolChoice::Required | ToolChoice::Named(_) => Some("REQUIRED"),
    };
    let format_tool = schema.filter(|_| forced.is_none()).map(|schema| {
        let about = "Give the answer by calling this function; its arguments are the answer.";
        let tool = Tool {
            name: FORMAT_TOOL.to_owned(),
            description: Some(about.to_owned()),
            parameters: schema,
            ..Tool::default()
        };
        tools.push(function(&tool));
        forced = Some("REQUIRED");
        FORMAT_TOOL
    });
    body.insert("tools".to_owned(), tools.into());
    body.extend(forced.map(|word| ("tool_choice".to_owned(), word.into())));
    // It holds for all tools or for none.
    let strict = offered.iter().filter(|tool| tool.strict == Some(true)).count();
    if strict > 0 && strict == offered.len() && format_tool.is_none() {
        body.insert("strict_tools".to_owned(), true.into());
    } else if strict > 0 {
        dropped.push("tools.strict".to_owned());
    }
    if chat.parallel_tool_calls == Some(false) {
        dropped.push("parallel_tool_calls".to_owned());
    }
    format_tool
}

fn function(tool: &Tool) -> Value {
    let mut parameters = tool.parameters.as_object().cloned().unwrap_or_default();
    if parameters.is_empty() {
        parameters.insert("type".to_owned(), "object".into());
        parameters.insert("properties".to_owned(), json!({}));
    }
    let mut function = json!({ "name": tool.name });
    if let Some(description) = &tool.description {
        function["description"] = description.clone().into();
    }
    function["parameters"] = parameters.into();
    json!({ "type": "function", "function": function })
}

fn thinking(chat: &ChatRequest, model: &str, dropped: &mut Vec<String>) -> Option<(String, Value)> {
    let reasoning = &chat.reasoning;
    if !reasoning.is_asked() {
        return None;
    }
    let thoughtless =
        model == "command" || THOUGHTLESS.iter().any(|start| model.starts_with(start));
    if thoughtless {
        if !reasoning.is_off() {
            dropped.push("reasoning_effort".to_owned());
        }
        return None;
    }
    let length = chat.sampling.max_tokens.unwrap_or(USUAL_LENGTH);
    // Without a bound is how it thinks by itself.
    // A budget is a positive number.
    let of_effort =
        |effort: Effort| (effort < Effort::Max).then(|| effort.as_budget(length).max(1));
    let budget = reasoning.budget.or_else(|| reasoning.effort.and_then(of_effort));
    let value = match budget {
        _ if reasoning.is_off() => json!({ "type": "disabled" }),
        Some(budget) => json!({ "type": "enabled", "token_budget": budget }),
        None => json!({ "type": "enabled" }),
    };
    Some(("thinking".to_owned(), value))
}

/// Names the wishes that the API has no word for.
fn drop_wishes(chat: &ChatRequest, dropped: &mut Vec<String>) {
    let wishes = [
        ("logit_bias", !chat.sampling.logit_bias.is_empty()),
        ("stop", chat.sampling.stop.len() > MOST_STOPS),
        ("user", chat.user.is_some()),
        ("metadata", !chat.metadata.is_empty()),
        ("service_tier", chat.service_tier.is_some()),
    ];
    dropped.extend(wishes.iter().filter(|(_, given)| *given).map(|(name, _)| (*name).to_owned()));
}

#[cfg(test)]
mod tests;
