//! Tools, which of them must be called, and the shape that the answer must have.

use isthmus_inference::chat::{AnswerFormat, ChatRequest, JsonSchema, Tool, ToolChoice};
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::part::{CacheLife, formats};
use serde_json::{Map, Value, json};

use super::models::Abilities;
use super::schema::within_subset;
use super::thinking::is_forced;

/// The function that stands for the answer's format where the model knows no format of its own.
const FORMAT_TOOL: &str = "json_tool_call";

/// What a request says of tools and of the answer's shape.
#[derive(Debug, Default)]
pub(super) struct Toolbox {
    /// `tools`.
    pub(super) tools: Vec<Value>,
    /// `tool_choice`.
    pub(super) choice: Option<Value>,
    /// `output_config.format`.
    pub(super) format: Option<Value>,
    /// See [`crate::dialect::Encoded::format_tool`].
    pub(super) format_tool: Option<&'static str>,
    /// Whether a call is forced.
    pub(super) forced: bool,
}

impl Toolbox {
    /// The tools and the format of this request.
    pub(super) fn of(
        chat: &ChatRequest,
        abilities: &Abilities,
        dropped: &mut Vec<String>,
    ) -> Result<Self, Failure> {
        let mut toolbox = Self::default();
        for tool in &chat.tools {
            toolbox.tools.push(function(tool, abilities, dropped));
        }
        for (at, tool) in chat.native_tools.iter().enumerate() {
            if tool.format != formats::ANTHROPIC {
                let message = "the endpoint does not know this type of tool";
                return Err(Failure::new(Kind::Unsupported, message)
                    .with_param(format!("tools[{}]", chat.tools.len() + at)));
            }
            toolbox.tools.push(tool.value.clone());
        }
        let mut choice = chat.tool_choice.clone();
        match &chat.format {
            AnswerFormat::Text => {}
            AnswerFormat::JsonObject => {
                toolbox.format_by_tool(&JsonSchema::default(), &mut choice);
            }
            AnswerFormat::JsonSchema(format) => {
                match abilities.schemas.then(|| within_subset(&format.schema)).flatten() {
                    Some(schema) => {
                        toolbox.format = Some(json!({ "type": "json_schema", "schema": schema }));
                    }
                    None => toolbox.format_by_tool(format, &mut choice),
                }
            }
            AnswerFormat::Grammar(_) => {
                let message = "the endpoint cannot keep an answer to a grammar";
                return Err(Failure::new(Kind::Unsupported, message).with_param("response_format"));
            }
        }
        toolbox.forced = !toolbox.tools.is_empty() && is_forced(&choice);
        if toolbox.forced && !abilities.forced_tools {
            let param =
                if is_forced(&chat.tool_choice) { "tool_choice" } else { "response_format" };
            let message = "the endpoint's model cannot be made to call a function";
            return Err(Failure::new(Kind::Unsupported, message).with_param(param));
        }
        if !toolbox.tools.is_empty() {
            toolbox.choice = written(&choice, chat.parallel_tool_calls);
        }
        Ok(toolbox)
    }

    /// Adds the function that stands for the format, unless the caller demands calls instead of an
    /// answer.
    fn format_by_tool(&mut self, format: &JsonSchema, choice: &mut ToolChoice) {
        if is_forced(choice) {
            return;
        }
        let about = "Give the answer by calling this function; its arguments are the answer.";
        let description = match &format.description {
            Some(description) => format!("{about}\n\n{description}"),
            None => about.to_owned(),
        };
        self.tools.push(json!({
            "name": FORMAT_TOOL,
            "description": description,
            "input_schema": object_schema(&format.schema),
        }));
        self.format_tool = Some(FORMAT_TOOL);
        *choice = match choice {
            // With other functions at hand, the answer may have to wait for their results.
            ToolChoice::Auto if self.tools.len() > 1 => ToolChoice::Required,
            _ => ToolChoice::Named(FORMAT_TOOL.to_owned()),
        };
    }
}

fn function(tool: &Tool, abilities: &Abilities, dropped: &mut Vec<String>) -> Value {
    let mut out = Map::new();
    out.insert("name".to_owned(), tool.name.clone().into());
    if let Some(description) = &tool.description {
        out.insert("description".to_owned(), description.clone().into());
    }
    let strict = (tool.strict == Some(true))
        .then(|| within_subset(&tool.parameters).filter(|_| abilities.schemas));
    match strict {
        Some(Some(schema)) => {
            out.insert("input_schema".to_owned(), schema);
            out.insert("strict".to_owned(), true.into());
        }
        other => {
            out.insert("input_schema".to_owned(), object_schema(&tool.parameters));
            if other.is_some() && !dropped.iter().any(|name| name == "tools.strict") {
                dropped.push("tools.strict".to_owned());
            }
        }
    }
    if let Some(life) = tool.cache {
        out.insert("cache_control".to_owned(), cache_control(life));
    }
    out.into()
}

/// A schema with the `type` that the API demands.
fn object_schema(schema: &Value) -> Value {
    let mut members = schema.as_object().cloned().unwrap_or_default();
    members.insert("type".to_owned(), "object".into());
    members.into()
}

/// `cache_control` of a prefix that lives so long.
pub(super) fn cache_control(life: CacheLife) -> Value {
    match life {
        CacheLife::FiveMinutes => json!({ "type": "ephemeral" }),
        CacheLife::OneHour => json!({ "type": "ephemeral", "ttl": "1h" }),
    }
}

fn written(choice: &ToolChoice, parallel: Option<bool>) -> Option<Value> {
    let single = parallel == Some(false);
    let mut out = match choice {
        ToolChoice::Auto if !single => return None,
        ToolChoice::Auto => json!({ "type": "auto" }),
        ToolChoice::None => return Some(json!({ "type": "none" })),
        ToolChoice::Required => json!({ "type": "any" }),
        ToolChoice::Named(name) => json!({ "type": "tool", "name": name }),
    };
    if single {
        out["disable_parallel_tool_use"] = true.into();
    }
    Some(out)
}
