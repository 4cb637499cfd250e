//! Input items, read as turns.

use isthmus_inference::chat::{Message, Role};
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::part::{Media, Part, ToolCall, ToolResult, formats};
use serde_json::{Value, json};

use super::sealed;
use crate::dialects::fields::Fields;
use crate::dialects::openai_chat::parts;
use crate::dialects::openai_chat::reasoning::call_signature;

/// What stands between the parts of a summary.
const BREAK: &str = "\n\n";
/// What a file is that comes without a type.
const PDF: &str = "application/pdf";

/// Adds the turns of these items. What the model did lies in several items; one after the other they
/// are one turn.
pub(super) fn read(items: Vec<Value>, messages: &mut Vec<Message>) -> Result<(), Failure> {
    for (at, item) in items.into_iter().enumerate() {
        let fields = Fields::of_value(item, &format!("input[{at}]"))?;
        let (role, content) = item_turn(fields)?;
        match messages.last_mut() {
            Some(last) if role == Role::Assistant && last.role == Role::Assistant => {
                last.content.extend(content);
            }
            _ => messages.push(Message { role, content, name: None }),
        }
    }
    Ok(())
}

fn item_turn(mut fields: Fields) -> Result<(Role, Vec<Part>), Failure> {
    let kind = fields.text("type")?;
    match kind.as_deref() {
        None | Some("message") => message(&mut fields),
        Some(kind @ ("function_call" | "custom_tool_call")) => {
            let free_text = kind == "custom_tool_call";
            Ok((Role::Assistant, vec![call(&mut fields, free_text)?]))
        }
        Some("function_call_output" | "custom_tool_call_output") => {
            Ok((Role::Tool, vec![result(&mut fields)?]))
        }
        Some("reasoning") => Ok((Role::Assistant, vec![thought(&mut fields)?])),
        Some("item_reference") => {
            let param = fields.param("id");
            let message = format!(
                "`{param}` refers to an item that is not in this request, which only an endpoint \
                 that speaks Responses itself can resolve; send the item"
            );
            Err(Failure::new(Kind::Unsupported, message).with_param(param))
        }
        Some(other) => {
            fields.put("type", other.into());
            let part = Part::Native { format: formats::RESPONSES, value: fields.into_value() };
            Ok((Role::Assistant, vec![part]))
        }
    }
}

fn message(fields: &mut Fields) -> Result<(Role, Vec<Part>), Failure> {
    let role = match fields.required_text("role")?.as_str() {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        other => {
            let param = fields.param("role");
            let message = format!(
                "`{param}` must be `system`, `developer`, `user` or `assistant`, got `{other}`"
            );
            return Err(Failure::invalid(&param, message));
        }
    };
    let param = fields.param("content");
    Ok((role, parts(fields.required("content")?, &param, part)?))
}

fn part(mut fields: Fields) -> Result<Part, Failure> {
    let kind = fields.required_text("type")?;
    match kind.as_str() {
        "input_text" | "output_text" | "text" => Ok(Part::Text(fields.required_text("text")?)),
        "refusal" => Ok(Part::Refusal(fields.required_text("refusal")?)),
        "input_image" => {
            let detail = fields.text("detail")?;
            let media = match fields.text("file_id")? {
                Some(id) => Media::File { id },
                None => Media::of_url(fields.required_text("image_url")?),
            };
            Ok(Part::Image { media, detail })
        }
        "input_file" => file(&mut fields),
        "input_audio" => audio(&mut fields),
        _ => {
            fields.put("type", kind.into());
            Ok(Part::Native { format: formats::RESPONSES, value: fields.into_value() })
        }
    }
}

fn file(fields: &mut Fields) -> Result<Part, Failure> {
    let name = fields.text("filename")?;
    let id = fields.text("file_id")?;
    let url = fields.text("file_url")?;
    let media = match (id, url) {
        (Some(id), _) => Media::File { id },
        (_, Some(url)) => Media::of_url(url),
        _ => match fields.required_text("file_data")? {
            url if url.starts_with("data:") => Media::of_url(url),
            base64 => Media::Inline { media_type: PDF.to_owned(), base64 },
        },
    };
    Ok(Part::Document { media, name })
}

fn audio(fields: &mut Fields) -> Result<Part, Failure> {
    let param = fields.param("input_audio");
    let mut inner = Fields::of_value(fields.required("input_audio")?, &param)?;
    let base64 = inner.required_text("data")?;
    let media_type = match inner.required_text("format")?.as_str() {
        "mp3" => "audio/mpeg".to_owned(),
        format => format!("audio/{format}"),
    };
    Ok(Part::Audio(Media::Inline { media_type, base64 }))
}

fn call(fields: &mut Fields, free_text: bool) -> Result<Part, Failure> {
    let extra = fields.take("extra_content").unwrap_or_default();
    let signature = call_signature(&json!({ "extra_content": extra }));
    Ok(Part::ToolCall(ToolCall {
        id: fields.required_text("call_id")?,
        name: fields.required_text("name")?,
        arguments: fields.required_text(if free_text { "input" } else { "arguments" })?,
        free_text,
        signature,
    }))
}

fn result(fields: &mut Fields) -> Result<Part, Failure> {
    let call_id = fields.required_text("call_id")?;
    let param = fields.param("output");
    let content = parts(fields.required("output")?, &param, part)?;
    // `incomplete` is the only word that the format has for a call that did not succeed.
    let is_error = fields.text("status")?.is_some_and(|status| status == "incomplete");
    Ok(Part::ToolResult(ToolResult { call_id, name: None, content, is_error }))
}

fn thought(fields: &mut Fields) -> Result<Part, Failure> {
    let texts = |parts: Vec<Value>| {
        let texts = parts.iter().filter_map(|part| Some(part["text"].as_str()?.to_owned()));
        texts.collect::<Vec<_>>()
    };
    let summary = texts(fields.list("summary")?);
    let shown = texts(fields.list("content")?);
    let text = if summary.is_empty() { shown.concat() } else { summary.join(BREAK) };
    let id = fields.text("id")?;
    let signature = fields.text("encrypted_content")?.map(|sealed| sealed::open(&sealed, id));
    Ok(Part::Thinking { text, signature })
}
