//! Tools, which of them must be called, and the shape that the answer must have.

use std::borrow::Cow;

use isthmus_inference::chat::{AnswerFormat, ChatRequest, JsonSchema, Tool, ToolChoice};
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::part::formats;
use serde_json::{Map, Value, json};

use super::blocks::cache_point;
use super::family::{Family, knows_schemas};
use crate::dialects::anthropic::schema::within_subset;
use crate::dialects::anthropic::thinking::is_forced;
use crate::dialects::refusals::unable;

/// The function that stands for the answer's format where the model knows no format of its own.
const FORMAT_TOOL: &str = "json_tool_call";

/// What a request says of tools and of the answer's shape.
#[derive(Debug, Default)]
pub(super) struct Toolbox {
    /// `toolConfig.tools`.
    tools: Vec<Value>,
    choice: ToolChoice,
    /// `outputConfig.textFormat`.
    pub(super) format: Option<Value>,
    /// See [`crate::dialect::Encoded::format_tool`].
    pub(super) format_tool: Option<&'static str>,
    /// Whether a call is forced.
    pub(super) forced: bool,
    /// Whether no more than one call may be made at once.
    pub(super) single: bool,
}

impl Toolbox {
    /// The tools and the format of this request.
    pub(super) fn of(
        chat: &ChatRequest,
        model: &str,
        dropped: &mut Vec<String>,
    ) -> Result<Self, Failure> {
        let mut toolbox = Self::default();
        // Converse has no word for `none`: what may not be called is not shown.
        let none = chat.tool_choice == ToolChoice::None;
        if !none {
            toolbox.show(chat, model, dropped)?;
        }
        let mut choice = if none { ToolChoice::Auto } else { chat.tool_choice.clone() };
        match &chat.format {
            AnswerFormat::Text => {}
            AnswerFormat::JsonObject => {
                toolbox.format_by_tool(&JsonSchema::default(), &mut choice)?;
            }
            AnswerFormat::JsonSchema(format) => {
                match knows_schemas(model).then(|| within_subset(&format.schema)).flatten() {
                    Some(schema) => toolbox.format = Some(text_format(format, &schema)),
                    None => toolbox.format_by_tool(format, &mut choice)?,
                }
            }
            AnswerFormat::Grammar(_) => {
                let message = "the endpoint cannot keep an answer to a grammar";
                return Err(Failure::new(Kind::Unsupported, message).with_param("response_format"));
            }
        }
        if !toolbox.tools.is_empty() {
            toolbox.choose(choice, Family::of(model))?;
            toolbox.single = chat.parallel_tool_calls == Some(false);
        }
        Ok(toolbox)
    }

    /// Sets which call is to be made, as far as models of this family can be told.
    fn choose(&mut self, choice: ToolChoice, family: Family) -> Result<(), Failure> {
        self.forced = is_forced(&choice);
        self.choice = choice;
        if self.forced && !family.forces_calls() {
            let wish = if self.format_tool.is_some() { "response_format" } else { "tool_choice" };
            return Err(unable(wish, "a call that its model is forced to make"));
        }
        if let ToolChoice::Named(name) = &self.choice
            && !family.forces_one()
        {
            // Where there is no other, any is this one.
            self.tools.retain(|tool| tool["toolSpec"]["name"] == name.as_str());
            self.choice = ToolChoice::Required;
        }
        Ok(())
    }

    /// `toolConfig`, if there is a tool.
    pub(super) fn config(&self) -> Option<Value> {
        let mut config = json!({ "tools": self.tools });
        if let Some(choice) = written(&self.choice).filter(|_| !self.single) {
            config["toolChoice"] = choice;
        }
        (!self.tools.is_empty()).then_some(config)
    }

    /// Claude's own `tool_choice`, which knows how to ask for no more than one call: it stands in
    /// `toolChoice`'s place.
    pub(super) fn single_choice(&self) -> Option<Value> {
        let mut choice = match &self.choice {
            ToolChoice::Auto | ToolChoice::None => json!({ "type": "auto" }),
            ToolChoice::Required => json!({ "type": "any" }),
            ToolChoice::Named(name) => json!({ "type": "tool", "name": name }),
        };
        choice["disable_parallel_tool_use"] = true.into();
        self.single.then_some(choice)
    }

    fn show(
        &mut self,
        chat: &ChatRequest,
        model: &str,
        dropped: &mut Vec<String>,
    ) -> Result<(), Failure> {
        let family = Family::of(model);
        let can_be_strict = knows_schemas(model);
        for (at, tool) in chat.tools.iter().enumerate() {
            if tool_name(&tool.name) != tool.name {
                let message = format!(
                    "the endpoint takes only functions' names of up to {LONGEST_NAME} letters, digits, \
                     `_` and `-`"
                );
                let failure = Failure::new(Kind::Unsupported, message);
                return Err(failure.with_param(format!("tools[{at}]")));
            }
            self.tools.push(spec(tool, can_be_strict, dropped));
            match tool.cache {
                Some(life) if family.caches_tools() => self.tools.push(cache_point(life)),
                Some(_) => note(dropped, "cache_control"),
                None => {}
            }
        }
        for (at, tool) in chat.native_tools.iter().enumerate() {
            if tool.format != formats::BEDROCK {
                let message = "the endpoint does not know this type of tool";
                let param = format!("tools[{}]", chat.tools.len() + at);
                return Err(Failure::new(Kind::Unsupported, message).with_param(param));
            }
            self.tools.push(tool.value.clone());
        }
        Ok(())
    }

    /// Adds the function that stands for the format, unless the caller demands calls instead of an
    /// answer.
    fn format_by_tool(
        &mut self,
        format: &JsonSchema,
        choice: &mut ToolChoice,
    ) -> Result<(), Failure> {
        if is_forced(choice) {
            return Ok(());
        }
        if format.schema.get("type").is_some_and(|kind| kind != "object") {
            let message = "the endpoint can give JSON of this schema only if it is an object";
            return Err(Failure::new(Kind::Unsupported, message).with_param("response_format"));
        }
        let about = "Give the answer by calling this function; its arguments are the answer.";
        let description = match &format.description {
            Some(description) => format!("{about}\n\n{description}"),
            None => about.to_owned(),
        };
        // With other functions at hand, the answer may have to wait for their results.
        *choice = match self.tools.is_empty() {
            true => ToolChoice::Named(FORMAT_TOOL.to_owned()),
            false => ToolChoice::Required,
        };
        self.tools.push(json!({ "toolSpec": {
            "name": FORMAT_TOOL,
            "description": description,
            "inputSchema": { "json": object_schema(&format.schema) },
        }}));
        self.format_tool = Some(FORMAT_TOOL);
        Ok(())
    }
}

/// The longest name of a function (API reference, `ToolSpecification`).
const LONGEST_NAME: usize = 64;

/// A name that AWS takes: the caller's own if it does, else one that is like it.
pub(super) fn tool_name(name: &str) -> Cow<'_, str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.len() <= LONGEST_NAME && name.chars().all(allowed) {
        return Cow::Borrowed(name);
    }
    let like = name.chars().map(|c| if allowed(c) { c } else { '_' }).take(LONGEST_NAME);
    let like: String = like.collect();
    Cow::Owned(if like.is_empty() { "_".to_owned() } else { like })
}

/// Names a field that was left out, once.
pub(super) fn note(dropped: &mut Vec<String>, name: &str) {
    if !dropped.iter().any(|known| known == name) {
        dropped.push(name.to_owned());
    }
}

fn spec(tool: &Tool, can_be_strict: bool, dropped: &mut Vec<String>) -> Value {
    let mut spec = Map::new();
    spec.insert("name".to_owned(), tool.name.clone().into());
    if let Some(description) = tool.description.as_ref().filter(|text| !text.trim().is_empty()) {
        spec.insert("description".to_owned(), description.clone().into());
    }
    let strict = tool.strict == Some(true);
    let narrow = (strict && can_be_strict).then(|| within_subset(&tool.parameters)).flatten();
    let is_narrow = narrow.is_some();
    let schema = narrow.unwrap_or_else(|| object_schema(&tool.parameters));
    spec.insert("inputSchema".to_owned(), json!({ "json": schema }));
    if is_narrow {
        spec.insert("strict".to_owned(), true.into());
    } else if strict {
        note(dropped, "tools.strict");
    }
    json!({ "toolSpec": spec })
}

/// A schema with the `type` that Converse demands.
fn object_schema(schema: &Value) -> Value {
    let mut members = schema.as_object().cloned().unwrap_or_default();
    members.insert("type".to_owned(), "object".into());
    members.into()
}

/// `outputConfig.textFormat`; the schema is text there.
fn text_format(format: &JsonSchema, schema: &Value) -> Value {
    let mut definition = json!({ "schema": schema.to_string() });
    if !format.name.is_empty() {
        definition["name"] = format.name.clone().into();
    }
    if let Some(description) = &format.description {
        definition["description"] = description.clone().into();
    }
    json!({ "type": "json_schema", "structure": { "jsonSchema": definition } })
}

/// `toolChoice`; `auto` is the usual, and not every model takes the word.
fn written(choice: &ToolChoice) -> Option<Value> {
    match choice {
        ToolChoice::Auto | ToolChoice::None => None,
        ToolChoice::Required => Some(json!({ "any": {} })),
        ToolChoice::Named(name) => Some(json!({ "tool": { "name": name } })),
    }
}
