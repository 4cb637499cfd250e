//! Functions, the tools that Google runs itself, and whether one must be called.

use isthmus_inference::chat::{AnswerFormat, ChatRequest, JsonSchema, Tool, ToolChoice};
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::part::formats;
use serde_json::{Map, Value, json};

use super::model::Model;
use super::schema;

/// The function that stands for an answer's format, for models that do not take one beside functions.
pub(super) const FORMAT_TOOL: &str = "give_final_answer";
const FORMAT_TOOL_PURPOSE: &str =
    "Gives the final answer to the user. Call it once everything needed for the answer is known.";

/// The tools of a request, written.
pub(super) struct Tools {
    pub(super) tools: Vec<Value>,
    pub(super) config: Map<String, Value>,
    /// Whether [`FORMAT_TOOL`] stands for the answer's format.
    pub(super) format_tool: bool,
    /// Whether the tools leave the answer's format to be said in Gemini's own way.
    pub(super) native_format: bool,
}

/// Writes the tools of a request.
pub(super) fn tools(chat: &ChatRequest, model: Model<'_>) -> Result<Tools, Failure> {
    if chat.parallel_tool_calls == Some(false) && chat.tools.len() > 1 {
        let message = "the provider cannot be kept from calling several functions at once; \
                       leave out `parallel_tool_calls`";
        return Err(Failure::new(Kind::Unsupported, message).with_param("parallel_tool_calls"));
    }
    let formatted = chat.format != AnswerFormat::Text;
    let clash = formatted && !chat.tools.is_empty() && !model.mixes_tools_and_json();
    let mut written =
        Tools { tools: native(chat)?, config: Map::new(), format_tool: false, native_format: true };
    match (&chat.format, clash, &chat.tool_choice) {
        // Functions that must not be called anyway are left out.
        (_, true, ToolChoice::None) => {}
        (AnswerFormat::JsonSchema(format), true, ToolChoice::Auto) => {
            written.declare(chat.tools.iter().map(declaration).chain([format_tool(format)]));
            written.config = calling("ANY", None);
            (written.format_tool, written.native_format) = (true, false);
        }
        // A function is called first; the format is for the turn that answers.
        (_, true, ToolChoice::Required | ToolChoice::Named(_)) => {
            written.declare(chat.tools.iter().map(declaration));
            written.config = choice(chat, model);
            written.native_format = false;
        }
        (_, true, ToolChoice::Auto) => {
            let message = "this model does not give JSON answers beside functions; \
                           use a JSON schema, or another model";
            return Err(Failure::new(Kind::Unsupported, message).with_param("response_format"));
        }
        (_, false, _) => {
            written.declare(chat.tools.iter().map(declaration));
            written.config = choice(chat, model);
        }
    }
    Ok(written)
}

/// Where a caller names what was cached, or may.
const CACHED: [&str; 4] = ["cachedContent", "cached_content", "extra_body", "google"];

/// Whether a request has tools that name their sources, or may have some in what was cached before.
pub(super) fn look_up(chat: &ChatRequest) -> bool {
    let cached = |name: &String| CACHED.contains(&name.as_str());
    !chat.native_tools.is_empty() || chat.extra.keys().any(cached)
}

impl Tools {
    fn declare(&mut self, declarations: impl Iterator<Item = Value>) {
        let declarations: Vec<_> = declarations.collect();
        if !declarations.is_empty() {
            self.tools.push(json!({ "functionDeclarations": declarations }));
        }
    }
}

fn declaration(tool: &Tool) -> Value {
    let mut declaration = Map::new();
    declaration.insert("name".to_owned(), tool.name.as_str().into());
    if let Some(description) = &tool.description {
        declaration.insert("description".to_owned(), description.as_str().into());
    }
    if schema::says_something(&tool.parameters) {
        let parameters = schema::rewritten(&tool.parameters);
        declaration.insert("parametersJsonSchema".to_owned(), parameters);
    }
    Value::Object(declaration)
}

fn format_tool(format: &JsonSchema) -> Value {
    json!({
        "name": FORMAT_TOOL,
        "description": format.description.as_deref().unwrap_or(FORMAT_TOOL_PURPOSE),
        "parametersJsonSchema": schema::rewritten(&format.schema),
    })
}

/// Google's tools by the words that callers of other languages have for them.
const GOOGLES: [(&str, &str); 8] = [
    ("google_search", "googleSearch"),
    ("google_maps", "googleMaps"),
    ("url_context", "urlContext"),
    ("code_execution", "codeExecution"),
    ("file_search", "fileSearch"),
    ("computer_use", "computerUse"),
    ("enterprise_web_search", "enterpriseWebSearch"),
    ("retrieval", "retrieval"),
];
/// Members of others' tools for searching the web that promise nothing about what is found.
const WISHES: [&str; 4] = ["type", "name", "search_context_size", "user_location"];

/// The tools that Google runs itself.
fn native(chat: &ChatRequest) -> Result<Vec<Value>, Failure> {
    let written = chat.native_tools.iter().enumerate().map(|(at, tool)| {
        if tool.format == formats::GEMINI {
            return Ok(tool.value.clone());
        }
        googles(&tool.value).ok_or_else(|| {
            let kind = tool.value.get("type").and_then(Value::as_str).unwrap_or("of another kind");
            let message =
                format!("the provider does not have the tool `{kind}` as it is asked for");
            Failure::new(Kind::Unsupported, message).with_param(format!("tools[{at}]"))
        })
    });
    written.collect()
}

/// Google's tool for one of another language: the same by its type, its other members kept; or a
/// search of the web, which has none that could be kept.
fn googles(tool: &Value) -> Option<Value> {
    if tool.get("web_search_options").is_some() {
        return Some(json!({ "googleSearch": {} }));
    }
    let members = tool.as_object()?;
    let kind = members.get("type")?.as_str()?;
    if let Some((_, name)) = GOOGLES.iter().find(|(theirs, _)| *theirs == kind) {
        let mut options = members.clone();
        options.shift_remove("type");
        return Some(json!({ *name: options }));
    }
    let search = kind.starts_with("web_search");
    let plain = members.keys().all(|name| WISHES.contains(&name.as_str()));
    (search && plain).then(|| json!({ "googleSearch": {} }))
}

fn choice(chat: &ChatRequest, model: Model<'_>) -> Map<String, Value> {
    let strict = chat.tools.iter().any(|tool| tool.strict == Some(true));
    match &chat.tool_choice {
        _ if chat.tools.is_empty() => Map::new(),
        // The only mode in which arguments are held to their schema and text may be said too.
        ToolChoice::Auto if strict && model.validates() => calling("VALIDATED", None),
        ToolChoice::Auto => Map::new(),
        ToolChoice::None => calling("NONE", None),
        ToolChoice::Required => calling("ANY", None),
        ToolChoice::Named(name) => calling("ANY", Some(name)),
    }
}

fn calling(mode: &str, only: Option<&str>) -> Map<String, Value> {
    let mut config = Map::from_iter([("mode".to_owned(), mode.into())]);
    if let Some(name) = only {
        config.insert("allowedFunctionNames".to_owned(), json!([name]));
    }
    Map::from_iter([("functionCallingConfig".to_owned(), config.into())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn searches_of_other_languages_are_googles_if_nothing_is_promised() {
        for (tool, expected) in [
            (json!({"web_search_options": {}}), Some(json!({"googleSearch": {}}))),
            (
                json!({"type": "web_search_20250305", "name": "web_search"}),
                Some(json!({"googleSearch": {}})),
            ),
            (json!({"type": "web_search_20250305", "blocked_domains": ["a"]}), None),
            (
                json!({"type": "file_search", "fileSearchStoreNames": ["s"]}),
                Some(json!({"fileSearch": {"fileSearchStoreNames": ["s"]}})),
            ),
            (json!({"type": "bash_20250124"}), None),
        ] {
            assert_eq!(googles(&tool), expected, "{tool}");
        }
    }
}
