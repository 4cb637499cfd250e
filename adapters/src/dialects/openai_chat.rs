//! Chat completion requests in full, for an engine that does not speak OpenAI's language itself.
//!
//! Fields that steer nothing here (`user`, `metadata`, `store` …) are passed over; a field that
//! would change the answer and cannot be honoured is refused.

use isthmus_inference::chat::{
    ChatRequest, Message, Part, Prompt, Role, Tool, ToolCall, ToolChoice,
};
use isthmus_inference::failure::{Failure, Kind};
use serde_json::Value;

use crate::dialects::openai_fields::{Fields, name_of, wrong_type};
use crate::dialects::openai_sampling::{choices, format, sampling};

/// The most alternatives beside each generated token.
const MOST_TOP_LOGPROBS: u32 = 20;

/// Reads the body of `POST /chat/completions`.
pub fn decode_chat(body: &[u8]) -> Result<ChatRequest, Failure> {
    let mut fields = Fields::of_body(body)?;
    refuse_retired(&mut fields)?;
    let mut sampling = sampling(&mut fields)?;
    sampling.max_tokens = max_tokens(&mut fields)?;
    let tools = tools(&mut fields)?;
    let tool_choice = tool_choice(&mut fields, &tools)?;
    Ok(ChatRequest {
        prompt: Prompt::Messages(messages(&mut fields)?),
        tools,
        tool_choice,
        format: format(&mut fields)?,
        sampling,
        choices: choices(&mut fields)?,
        top_logprobs: top_logprobs(&mut fields)?,
        echo: false,
    })
}

/// `functions` and `function_call` came before `tools`; an answer in their shape is not made here.
fn refuse_retired(fields: &mut Fields) -> Result<(), Failure> {
    for (retired, instead) in [("functions", "tools"), ("function_call", "tool_choice")] {
        if fields.take(retired).is_some() {
            let message = format!("`{retired}` is not supported by this model; use `{instead}`");
            return Err(Failure::new(Kind::Unsupported, message).with_param(retired));
        }
    }
    Ok(())
}

/// `max_completion_tokens` is the newer name; the smaller one counts where both are given.
fn max_tokens(fields: &mut Fields) -> Result<Option<u32>, Failure> {
    let newer = fields.integer("max_completion_tokens", 1..=u32::MAX)?;
    let older = fields.integer("max_tokens", 1..=u32::MAX)?;
    Ok(newer.into_iter().chain(older).min())
}

fn top_logprobs(fields: &mut Fields) -> Result<Option<u8>, Failure> {
    let wanted = fields.boolean("logprobs")?.unwrap_or(false);
    let top = fields.integer("top_logprobs", 0..=MOST_TOP_LOGPROBS)?;
    match top.map(u8::try_from) {
        Some(_) if !wanted => {
            Err(Failure::invalid("top_logprobs", "`top_logprobs` needs `logprobs` to be true"))
        }
        Some(Ok(top)) => Ok(Some(top)),
        _ => Ok(wanted.then_some(0)),
    }
}

// === messages ===

fn messages(fields: &mut Fields) -> Result<Vec<Message>, Failure> {
    fields.required("messages").and_then(|value| match value {
        Value::Array(items) if items.is_empty() => {
            Err(Failure::invalid("messages", "`messages` is empty; give at least one"))
        }
        Value::Array(items) => items
            .into_iter()
            .enumerate()
            .map(|(at, item)| message(Fields::of_value(item, &format!("messages[{at}]"))?))
            .collect(),
        other => Err(wrong_type("messages", "an array of messages", name_of(&other))),
    })
}

fn message(mut fields: Fields) -> Result<Message, Failure> {
    let role = role(&mut fields)?;
    let tool_calls = tool_calls(&mut fields)?;
    let content = content(&mut fields)?;
    if content.is_none() && tool_calls.is_empty() {
        let param = fields.param("content");
        return Err(Failure::invalid(&param, format!("missing required parameter: `{param}`")));
    }
    Ok(Message {
        role,
        content: content.unwrap_or_default(),
        name: fields.text("name")?,
        tool_calls,
        tool_call_id: match role {
            Role::Tool => Some(fields.required_text("tool_call_id")?),
            _ => None,
        },
    })
}

fn role(fields: &mut Fields) -> Result<Role, Failure> {
    let role = fields.required_text("role")?;
    match role.as_str() {
        "system" | "developer" => Ok(Role::System),
        "user" => Ok(Role::User),
        "assistant" => Ok(Role::Assistant),
        "tool" => Ok(Role::Tool),
        other => {
            let param = fields.param("role");
            let message = format!(
                "`{param}` must be `system`, `developer`, `user`, `assistant` or `tool`, \
                 got `{other}`"
            );
            Err(Failure::invalid(&param, message))
        }
    }
}

fn content(fields: &mut Fields) -> Result<Option<Vec<Part>>, Failure> {
    let param = fields.param("content");
    match fields.take("content") {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(vec![Part::Text(text)])),
        Some(Value::Array(parts)) => parts
            .into_iter()
            .enumerate()
            .map(|(at, value)| part(Fields::of_value(value, &format!("{param}[{at}]"))?))
            .collect::<Result<_, _>>()
            .map(Some),
        Some(other) => Err(wrong_type(&param, "a string or an array of parts", name_of(&other))),
    }
}

fn part(mut fields: Fields) -> Result<Part, Failure> {
    let kind = fields.required_text("type")?;
    match kind.as_str() {
        "text" => Ok(Part::Text(fields.required_text("text")?)),
        // A refusal is what the model said in an earlier turn.
        "refusal" => Ok(Part::Text(fields.required_text("refusal")?)),
        "image_url" => {
            let param = fields.param("image_url");
            let mut image = Fields::of_value(fields.required("image_url")?, &param)?;
            Ok(Part::Image { url: image.required_text("url")? })
        }
        _ => {
            let mut value = fields.into_value();
            value["type"] = kind.into();
            Ok(Part::Other(value))
        }
    }
}

// === tools ===

fn tool_calls(fields: &mut Fields) -> Result<Vec<ToolCall>, Failure> {
    let param = fields.param("tool_calls");
    let items = fields.list("tool_calls")?.into_iter().enumerate();
    items.map(|(at, item)| tool_call(item, &format!("{param}[{at}]"))).collect()
}

fn tool_call(item: Value, param: &str) -> Result<ToolCall, Failure> {
    let mut call = Fields::of_value(item, param)?;
    let mut function = Fields::of_value(call.required("function")?, &format!("{param}.function"))?;
    Ok(ToolCall {
        id: call.required_text("id")?,
        name: function.required_text("name")?,
        arguments: function.required_text("arguments")?,
    })
}

fn tools(fields: &mut Fields) -> Result<Vec<Tool>, Failure> {
    let items = fields.list("tools")?.into_iter().enumerate();
    items.map(|(at, item)| tool(item, &format!("tools[{at}]"))).collect()
}

fn tool(item: Value, param: &str) -> Result<Tool, Failure> {
    let mut fields = Fields::of_value(item, param)?;
    let kind = fields.required_text("type")?;
    if kind != "function" {
        let message = format!("tools of type `{kind}` are not supported by this model");
        let param = format!("{param}.type");
        return Err(Failure::new(Kind::Unsupported, message).with_param(param));
    }
    let param = format!("{param}.function");
    let mut function = Fields::of_value(fields.required("function")?, &param)?;
    let parameters = function.take("parameters").unwrap_or_else(|| serde_json::json!({}));
    if !parameters.is_object() {
        let param = function.param("parameters");
        return Err(wrong_type(&param, "a JSON Schema object", name_of(&parameters)));
    }
    Ok(Tool {
        name: function.required_text("name")?,
        description: function.text("description")?,
        parameters,
    })
}

fn tool_choice(fields: &mut Fields, tools: &[Tool]) -> Result<ToolChoice, Failure> {
    let param = "tool_choice";
    let choice = match fields.take(param) {
        None => return Ok(ToolChoice::Auto),
        Some(Value::String(word)) => match word.as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" => ToolChoice::Required,
            other => {
                let message = format!(
                    "`tool_choice` must be `auto`, `none`, `required` or a function, got `{other}`"
                );
                return Err(Failure::invalid(param, message));
            }
        },
        Some(value) => {
            let mut choice = Fields::of_value(value, param)?;
            let function = choice.required("function")?;
            let mut function = Fields::of_value(function, "tool_choice.function")?;
            ToolChoice::Named(function.required_text("name")?)
        }
    };
    match &choice {
        ToolChoice::Required if tools.is_empty() => {
            Err(Failure::invalid(param, "`tool_choice` is `required`, but there are no `tools`"))
        }
        ToolChoice::Named(name) if !tools.iter().any(|tool| tool.name == *name) => {
            let message = format!("`tool_choice` names `{name}`, which is not among the `tools`");
            Err(Failure::invalid(param, message))
        }
        _ => Ok(choice),
    }
}
