//! `system` and `messages`.

use isthmus_inference::chat::{Message, Role};
use isthmus_inference::failure::Failure;
use isthmus_inference::part::Part;
use serde_json::Value;

use super::parts::parts;
use crate::dialects::citations::CITED_DOCUMENTS;
use crate::dialects::fields::{Fields, name_of, wrong_type};

/// The text of `system` as the first turn; none if there is none.
pub(super) fn system(fields: &mut Fields) -> Result<Option<Message>, Failure> {
    let Some(value) = fields.take("system") else { return Ok(None) };
    let content = parts(value, "system")?;
    Ok((!content.is_empty()).then_some(Message { role: Role::System, content, name: None }))
}

/// The turns of `messages`.
pub(super) fn messages(fields: &mut Fields) -> Result<Vec<Message>, Failure> {
    let items = match fields.required("messages")? {
        Value::Array(items) if !items.is_empty() => items,
        Value::Array(_) => {
            let message = "messages: at least one message is required";
            return Err(Failure::invalid("messages", message));
        }
        other => return Err(wrong_type("messages", "an array of messages", name_of(&other))),
    };
    if items.iter().any(|item| asks_citations(&item["content"])) {
        fields.put(CITED_DOCUMENTS, true.into());
    }
    let mut messages = Vec::with_capacity(items.len());
    for (at, item) in items.into_iter().enumerate() {
        let param = format!("messages[{at}]");
        message(Fields::of_value(item, &param)?, &mut messages)?;
    }
    Ok(messages)
}

/// Whether documents among these blocks, or in the results among them, are to be cited.
fn asks_citations(content: &Value) -> bool {
    content.as_array().into_iter().flatten().any(|block| match block["type"].as_str() {
        Some("document" | "search_result") => block["citations"]["enabled"] == true,
        Some("tool_result") => asks_citations(&block["content"]),
        _ => false,
    })
}

fn message(mut fields: Fields, messages: &mut Vec<Message>) -> Result<(), Failure> {
    let param = fields.param("role");
    let role = match fields.required_text("role")?.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        other => {
            let message = format!("`{param}` must be `user` or `assistant`, got `{other}`");
            return Err(Failure::invalid(&param, message));
        }
    };
    let param = fields.param("content");
    let content = parts(fields.required("content")?, &param)?;
    if role != Role::User {
        messages.push(Message { role, content, name: None });
        return Ok(());
    }
    let (results, rest) = apart(content);
    for (role, content) in [(Role::Tool, results), (Role::User, rest)] {
        if !content.is_empty() {
            messages.push(Message { role, content, name: None });
        }
    }
    Ok(())
}

/// The results of calls with their cache marks, and what the user says beside them.
fn apart(content: Vec<Part>) -> (Vec<Part>, Vec<Part>) {
    let (mut results, mut rest) = (Vec::new(), Vec::new());
    let mut of_result = false;
    for part in content {
        of_result = match part {
            Part::ToolResult(_) => true,
            Part::CachePoint(_) => of_result,
            _ => false,
        };
        if of_result { results.push(part) } else { rest.push(part) }
    }
    (results, rest)
}
