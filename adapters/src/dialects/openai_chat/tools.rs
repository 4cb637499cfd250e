//! The tools of a chat completion request, and whether they must be called.

use isthmus_inference::chat::{FreeText, NativeTool, Tool, ToolChoice};
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::part::formats;
use serde_json::{Value, json};

use super::content::cache_mark;
use crate::dialects::fields::{Fields, name_of, wrong_type};

/// What the model may call.
#[derive(Default)]
pub(super) struct Offered {
    pub(super) tools: Vec<Tool>,
    pub(super) native: Vec<NativeTool>,
    pub(super) choice: ToolChoice,
}

/// Reads `tools`, `tool_choice` and `web_search_options`.
pub(super) fn offered(fields: &mut Fields) -> Result<Offered, Failure> {
    let mut offered = Offered::default();
    for (at, item) in fields.list("tools")?.into_iter().enumerate() {
        offered.take_in(item, &format!("tools[{at}]"))?;
    }
    if let Some(options) = fields.take("web_search_options") {
        offered.native.push(native(json!({ "web_search_options": options })));
    }
    if let Some(choice) = fields.take("tool_choice") {
        offered.choose(choice)?;
    }
    Ok(offered)
}

fn native(value: Value) -> NativeTool {
    NativeTool { format: formats::OPENAI_CHAT, value }
}

// === impl Offered ===

impl Offered {
    fn take_in(&mut self, item: Value, param: &str) -> Result<(), Failure> {
        let mut fields = Fields::of_value(item, param)?;
        // Mistral's callers may leave out what is the usual there.
        let usual = fields.has("function").then(|| "function".to_owned());
        let kind = fields.text("type")?.or(usual);
        let kind = kind.map_or_else(|| fields.required_text("type"), Ok)?;
        match kind.as_str() {
            "function" => self.tools.push(function(fields)?),
            "custom" => self.tools.push(custom(fields)?),
            _ => {
                fields.put("type", kind.into());
                self.native.push(native(fields.into_value()));
            }
        }
        Ok(())
    }

    fn choose(&mut self, choice: Value) -> Result<(), Failure> {
        let param = "tool_choice";
        self.choice = match choice {
            Value::String(word) => word_choice(&word, param)?,
            value => self.object_choice(Fields::of_value(value, param)?)?,
        };
        match &self.choice {
            ToolChoice::Required if self.tools.is_empty() && self.native.is_empty() => {
                let message = "`tool_choice` is `required`, but there are no `tools`";
                Err(Failure::invalid(param, message))
            }
            ToolChoice::Named(name) if !self.tools.iter().any(|tool| tool.name == *name) => {
                let message =
                    format!("`tool_choice` names `{name}`, which is not among the `tools`");
                Err(Failure::invalid(param, message))
            }
            _ => Ok(()),
        }
    }

    fn object_choice(&mut self, mut choice: Fields) -> Result<ToolChoice, Failure> {
        match choice.text("type")?.as_deref() {
            Some("allowed_tools") => {
                let mut allowed = Fields::of_value(
                    choice.required("allowed_tools")?,
                    "tool_choice.allowed_tools",
                )?;
                self.allow(&mut allowed)
            }
            Some("custom") => {
                let custom = choice.required("custom")?;
                let mut custom = Fields::of_value(custom, "tool_choice.custom")?;
                Ok(ToolChoice::Named(custom.required_text("name")?))
            }
            Some("function") | None => {
                let function = choice.required("function")?;
                let mut function = Fields::of_value(function, "tool_choice.function")?;
                Ok(ToolChoice::Named(function.required_text("name")?))
            }
            Some(other) => {
                let message =
                    format!("`tool_choice` of type `{other}` is not supported by this model");
                Err(Failure::new(Kind::Unsupported, message).with_param("tool_choice.type"))
            }
        }
    }

    /// Tools that are not allowed need not be offered.
    fn allow(&mut self, allowed: &mut Fields) -> Result<ToolChoice, Failure> {
        let tools = allowed.list("tools")?;
        let named = |name: &str| {
            tools.iter().any(|tool| {
                let nested =
                    tool.pointer("/function/name").or_else(|| tool.pointer("/custom/name"));
                nested.or_else(|| tool.get("name")).is_some_and(|allowed| allowed == name)
            })
        };
        self.tools.retain(|tool| named(&tool.name));
        word_choice(&allowed.required_text("mode")?, "tool_choice.allowed_tools.mode")
    }
}

fn word_choice(word: &str, param: &str) -> Result<ToolChoice, Failure> {
    match word {
        "auto" => Ok(ToolChoice::Auto),
        "none" => Ok(ToolChoice::None),
        // `any` is Mistral's word.
        "required" | "any" => Ok(ToolChoice::Required),
        other => {
            let message = format!(
                "`{param}` must be `auto`, `none`, `required` or a function, got `{other}`"
            );
            Err(Failure::invalid(param, message))
        }
    }
}

fn function(mut fields: Fields) -> Result<Tool, Failure> {
    let param = fields.param("function");
    let mut function = Fields::of_value(fields.required("function")?, &param)?;
    let parameters = function.take("parameters").unwrap_or_else(|| json!({}));
    if !parameters.is_object() {
        let param = function.param("parameters");
        return Err(wrong_type(&param, "a JSON Schema object", name_of(&parameters)));
    }
    // OpenRouter's clients write the mark beside the function, LiteLLM's within.
    let cache = cache_mark(&mut fields)?.or(cache_mark(&mut function)?);
    Ok(Tool {
        name: function.required_text("name")?,
        description: function.text("description")?,
        parameters,
        strict: function.boolean("strict")?,
        cache,
        free_text: None,
    })
}

fn custom(mut fields: Fields) -> Result<Tool, Failure> {
    let param = fields.param("custom");
    let mut custom = Fields::of_value(fields.required("custom")?, &param)?;
    let mut format = custom.object("format")?;
    let free_text = match &mut format {
        None => FreeText::Any,
        Some(format) => free_text(format, |format| {
            let param = format.param("grammar");
            Fields::of_value(format.required("grammar")?, &param)
        })?,
    };
    Ok(Tool {
        name: custom.required_text("name")?,
        description: custom.text("description")?,
        free_text: Some(free_text),
        ..Tool::default()
    })
}

/// Reads the `format` of a custom tool; `grammar` finds in it what describes one.
pub(crate) fn free_text(
    format: &mut Fields,
    grammar: impl FnOnce(&mut Fields) -> Result<Fields, Failure>,
) -> Result<FreeText, Failure> {
    match format.required_text("type")?.as_str() {
        "text" => Ok(FreeText::Any),
        "grammar" => {
            let mut grammar = grammar(format)?;
            let syntax = grammar.required_text("syntax")?;
            Ok(FreeText::Grammar { syntax, definition: grammar.required_text("definition")? })
        }
        other => {
            let param = format.param("type");
            let message = format!("`{param}` must be `text` or `grammar`, got `{other}`");
            Err(Failure::invalid(&param, message))
        }
    }
}
