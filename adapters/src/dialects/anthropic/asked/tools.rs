//! `tools` and `tool_choice`.

use isthmus_inference::chat::{NativeTool, Tool, ToolChoice};
use isthmus_inference::failure::Failure;
use isthmus_inference::part::formats;
use serde_json::Value;

use super::parts::cache_life;
use crate::dialects::fields::{Fields, name_of, wrong_type};

/// The caller's functions, and the tools that the vendor runs itself. What else is said of a function
/// (`input_examples`, `defer_loading` …) is put back, by its whole name.
pub(super) fn tools(fields: &mut Fields) -> Result<(Vec<Tool>, Vec<NativeTool>), Failure> {
    let (mut functions, mut native) = (Vec::new(), Vec::new());
    for (at, item) in fields.list("tools")?.into_iter().enumerate() {
        let kind = item.get("type").and_then(Value::as_str);
        if kind.is_some_and(|kind| kind != "custom") {
            native.push(NativeTool { format: formats::ANTHROPIC, value: item });
        } else {
            let mut tool = Fields::of_value(item, &format!("tools[{at}]"))?;
            tool.take("type");
            functions.push(function(&mut tool)?);
            for (name, value) in tool.rest() {
                fields.put(&format!("tools.{name}"), value);
            }
        }
    }
    Ok((functions, native))
}

fn function(fields: &mut Fields) -> Result<Tool, Failure> {
    let param = fields.param("input_schema");
    let parameters = fields.required("input_schema")?;
    if !parameters.is_object() {
        return Err(wrong_type(&param, "a JSON Schema object", name_of(&parameters)));
    }
    Ok(Tool {
        name: fields.required_text("name")?,
        description: fields.text("description")?,
        parameters,
        strict: fields.boolean("strict")?,
        cache: cache_life(fields)?,
        free_text: None,
    })
}

/// Which tool must be called, and whether several may be at once.
pub(super) fn choice(fields: &mut Fields) -> Result<(ToolChoice, Option<bool>), Failure> {
    let Some(mut choice) = fields.object("tool_choice")? else {
        return Ok((ToolChoice::Auto, None));
    };
    let chosen = match choice.required_text("type")?.as_str() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Named(choice.required_text("name")?),
        other => {
            let message = format!(
                "`tool_choice.type` must be `auto`, `any`, `tool` or `none`, got `{other}`"
            );
            return Err(Failure::invalid("tool_choice.type", message));
        }
    };
    let parallel = choice.boolean("disable_parallel_tool_use")?.map(|single| !single);
    Ok((chosen, parallel))
}
