//! A caller's request in full.

use isthmus_inference::chat::{
    AnswerFormat, ChatRequest, Effort, JsonSchema, Prompt, Reasoning, Sampling, Summary,
};
use isthmus_inference::failure::Failure;
use isthmus_inference::request::{Operation, Request};
use serde_json::Value;

use crate::dialects::fields::Fields;

mod parts;
mod tools;
mod turns;

/// Reads the body of `POST /v1/messages`, or of `…/count_tokens`, which needs no limit.
pub(super) fn chat(request: &Request) -> Result<ChatRequest, Failure> {
    let mut fields = Fields::of_body(&request.body)?;
    // Read before, or told by the URL where the API is spoken elsewhere.
    for read in ["model", "stream", "anthropic_version"] {
        fields.take(read);
    }
    let max_tokens = fields.integer("max_tokens", 0..=u32::MAX)?;
    if request.operation == Operation::Chat && max_tokens.is_none() {
        return Err(Failure::invalid("max_tokens", "max_tokens: Field required"));
    }
    let mut messages = Vec::from_iter(turns::system(&mut fields)?);
    messages.extend(turns::messages(&mut fields)?);
    let (tools, native_tools) = tools::tools(&mut fields)?;
    let (tool_choice, parallel_tool_calls) = tools::choice(&mut fields)?;
    let mut reasoning = thinking(&mut fields)?;
    let format = format(&mut fields, &mut reasoning)?;
    let sampling = Sampling {
        temperature: fields.number("temperature", 0.0..=1.0)?,
        top_p: fields.number("top_p", 0.0..=1.0)?,
        top_k: fields.integer("top_k", 0..=u32::MAX)?,
        stop: stop_sequences(&mut fields)?,
        max_tokens,
        ..Sampling::default()
    };
    let user = match fields.object("metadata")? {
        Some(mut metadata) => metadata.text("user_id")?,
        None => None,
    };
    let service_tier = fields.text("service_tier")?.map(|tier| match tier.as_str() {
        // The neutral word for what everybody gets.
        "standard_only" => "default".to_owned(),
        _ => tier,
    });
    Ok(ChatRequest {
        prompt: Prompt::Messages(messages),
        tools,
        native_tools,
        tool_choice,
        parallel_tool_calls,
        format,
        sampling,
        reasoning,
        choices: 1,
        service_tier,
        user,
        extra: fields.rest(),
        ..ChatRequest::default()
    })
}

fn stop_sequences(fields: &mut Fields) -> Result<Vec<String>, Failure> {
    let items = fields.list("stop_sequences")?.into_iter().enumerate();
    let text = |(at, item): (usize, Value)| match item {
        Value::String(text) => Ok(text),
        _ => {
            let param = format!("stop_sequences[{at}]");
            Err(Failure::invalid(&param, format!("`{param}` must be a string")))
        }
    };
    items.map(text).collect()
}

fn thinking(fields: &mut Fields) -> Result<Reasoning, Failure> {
    let Some(mut thinking) = fields.object("thinking")? else { return Ok(Reasoning::default()) };
    let mut reasoning = Reasoning::default();
    match thinking.required_text("type")?.as_str() {
        "enabled" => reasoning.budget = thinking.integer("budget_tokens", 1024..=u32::MAX)?,
        // How much, and before which of its turns, is the model's affair in both.
        "adaptive" | "between_tools" => reasoning.adaptive = true,
        "disabled" => reasoning.budget = Some(0),
        other => {
            let message = format!(
                "`thinking.type` must be `enabled`, `adaptive`, `between_tools` or `disabled`, \
                 got `{other}`"
            );
            return Err(Failure::invalid("thinking.type", message));
        }
    }
    reasoning.summary = match thinking.text("display")?.as_deref() {
        Some("omitted") => Some(Summary::Hidden),
        Some(_) => Some(Summary::Auto),
        None => None,
    };
    Ok(reasoning)
}

/// `output_config`, and `output_format`, which was its member's name in trial. What no neutral word
/// exists for is put back, by its whole name.
fn format(fields: &mut Fields, reasoning: &mut Reasoning) -> Result<AnswerFormat, Failure> {
    let trial = fields.object("output_format")?;
    let mut config = fields.object("output_config")?;
    if let Some(config) = &mut config {
        reasoning.effort = match config.text("effort")? {
            None => None,
            Some(word) => Some(Effort::of_word(&word).ok_or_else(|| {
                let message = format!("`output_config.effort` cannot be `{word}`");
                Failure::invalid("output_config.effort", message)
            })?),
        };
    }
    let settled = config.as_mut().map_or(Ok(None), |config| config.object("format"))?;
    for (name, value) in config.map(Fields::rest).unwrap_or_default() {
        fields.put(&format!("output_config.{name}"), value);
    }
    let Some(mut format) = settled.or(trial) else { return Ok(AnswerFormat::Text) };
    match format.required_text("type")?.as_str() {
        "json_schema" => Ok(AnswerFormat::JsonSchema(JsonSchema {
            schema: format.required("schema")?,
            strict: Some(true),
            ..JsonSchema::default()
        })),
        other => {
            let param = format.param("type");
            let message = format!("`{param}` must be `json_schema`, got `{other}`");
            Err(Failure::invalid(&param, message))
        }
    }
}

#[cfg(test)]
mod tests;
