//! The turns of a chat completion request.

use isthmus_inference::chat::{Message, Role};
use isthmus_inference::failure::Failure;
use isthmus_inference::part::{Media, Part, ToolCall, ToolResult};
use serde_json::Value;

use super::content::{cache_mark, content};
use super::reasoning::{self, Detail};
use crate::dialects::fields::{Fields, name_of, wrong_type};

/// Reads `messages`.
pub(super) fn messages(fields: &mut Fields) -> Result<Vec<Message>, Failure> {
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
    let name = fields.text("name")?;
    let mark = cache_mark(&mut fields)?.map(Part::CachePoint);
    let mut content = match role {
        Role::Assistant => assistant(&mut fields)?,
        Role::Tool => return tool(fields, name, mark),
        Role::System | Role::User => content(&mut fields)?.ok_or_else(|| missing(&fields))?,
    };
    content.extend(mark);
    Ok(Message { role, content, name })
}

fn missing(fields: &Fields) -> Failure {
    let param = fields.param("content");
    Failure::invalid(&param, format!("missing required parameter: `{param}`"))
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

/// What the model thought, said, declined and called, in the order in which it does so.
fn assistant(fields: &mut Fields) -> Result<Vec<Part>, Failure> {
    let mut parts = thoughts(fields)?;
    let said = content(fields)?;
    let refusal = fields.text("refusal")?;
    let images = images(fields)?;
    let calls = tool_calls(fields)?;
    if said.is_none()
        && parts.is_empty()
        && refusal.is_none()
        && images.is_empty()
        && calls.is_empty()
    {
        return Err(missing(fields));
    }
    // An empty text beside calls is how some clients write that nothing was said.
    let silent = |part: &Part| matches!(part, Part::Text(text) if text.is_empty());
    let keep_silence = calls.is_empty() && refusal.is_none();
    parts.extend(said.unwrap_or_default().into_iter().filter(|part| keep_silence || !silent(part)));
    parts.extend(refusal.map(Part::Refusal));
    parts.extend(images);
    parts.extend(calls.into_iter().map(Part::ToolCall));
    Ok(parts)
}

/// `reasoning_details` say all that `reasoning_content` and `reasoning` do, unless they are nothing
/// but encrypted.
fn thoughts(fields: &mut Fields) -> Result<Vec<Part>, Failure> {
    let mut parts = Detail::thoughts(&fields.list("reasoning_details")?);
    let plain = fields.text("reasoning_content")?;
    let plain = plain.or(fields.text("reasoning")?).filter(|text| !text.is_empty());
    let shown =
        parts.iter().any(|part| matches!(part, Part::Thinking { text, .. } if !text.is_empty()));
    if let Some(text) = plain.filter(|_| !shown) {
        parts.insert(0, Part::Thinking { text, signature: None });
    }
    Ok(parts)
}

/// Pictures that the model made, as OpenRouter gives them in answers and takes them back.
fn images(fields: &mut Fields) -> Result<Vec<Part>, Failure> {
    let images = fields.list("images")?;
    let url = |image: &Value| Some(image.pointer("/image_url/url")?.as_str()?.to_owned());
    let part = |url| Part::Image { media: Media::of_url(url), detail: None };
    Ok(images.iter().filter_map(url).map(part).collect())
}

/// `is_error` is an extension; OpenAI's tools say in words that they failed.
fn tool(mut fields: Fields, name: Option<String>, mark: Option<Part>) -> Result<Message, Failure> {
    let content = content(&mut fields)?.ok_or_else(|| missing(&fields))?;
    let call_id = fields.required_text("tool_call_id")?;
    let is_error = fields.boolean("is_error")?.unwrap_or(false);
    let result = Part::ToolResult(ToolResult { call_id, name, content, is_error });
    let content = std::iter::once(result).chain(mark).collect();
    Ok(Message { role: Role::Tool, content, name: None })
}

fn tool_calls(fields: &mut Fields) -> Result<Vec<ToolCall>, Failure> {
    let param = fields.param("tool_calls");
    let items = fields.list("tool_calls")?.into_iter().enumerate();
    items.map(|(at, item)| tool_call(item, &format!("{param}[{at}]"))).collect()
}

fn tool_call(item: Value, param: &str) -> Result<ToolCall, Failure> {
    let signature = reasoning::call_signature(&item);
    let free_text = item["type"] == "custom";
    let (kind, said) = if free_text { ("custom", "input") } else { ("function", "arguments") };
    let mut call = Fields::of_value(item, param)?;
    let mut called = Fields::of_value(call.required(kind)?, &format!("{param}.{kind}"))?;
    Ok(ToolCall {
        id: call.required_text("id")?,
        name: called.required_text("name")?,
        arguments: called.required_text(said)?,
        free_text,
        signature,
    })
}
