//! Functions, the tools that Google runs itself, and whether one must be called.

use isthmus_inference::chat::{AnswerFormat, ChatRequest, JsonSchema, Tool, ToolChoice};
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::part::formats;
use serde_json::{Map, Value, json};

use super::Flavour;
use super::model::Model;
use super::schema;

/// The function that stands for an answer's format, for models that do not take one beside functions.
pub(super) const FORMAT_TOOL: &str = "give_final_answer";
const FORMAT_TOOL_PURPOSE: &str =
    "Gives the final answer to the user. Call it once everything needed for the answer is known.";

/// The longest name of a function (`FunctionDeclaration`).
const LONGEST_NAME: usize = 128;

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
pub(super) fn tools(
    chat: &ChatRequest,
    model: Model<'_>,
    flavour: Flavour,
) -> Result<Tools, Failure> {
    refuse(chat)?;
    if chat.parallel_tool_calls == Some(false) && chat.tools.len() > 1 {
        let message = "the provider cannot be kept from calling several functions at once; \
                       leave out `parallel_tool_calls`";
        return Err(Failure::new(Kind::Unsupported, message).with_param("parallel_tool_calls"));
    }
    let formatted = chat.format != AnswerFormat::Text;
    let clash = formatted && !chat.tools.is_empty() && !model.mixes_tools_and_json();
    let mut written = Tools {
        tools: native(chat, flavour)?,
        config: Map::new(),
        format_tool: false,
        native_format: true,
    };
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
    let declared = written.tools.len() > chat.native_tools.len();
    if declared && !chat.native_tools.is_empty() && flavour == Flavour::Studio {
        // It refuses the two together otherwise; Vertex does not know the word.
        written.config.insert("includeServerSideToolInvocations".to_owned(), true.into());
    }
    Ok(written)
}

/// What has no form here whatever the model.
fn refuse(chat: &ChatRequest) -> Result<(), Failure> {
    let fits = |name: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
        let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        begins && name.len() <= LONGEST_NAME && name.chars().all(allowed)
    };
    if let Some(at) = chat.tools.iter().position(|tool| !fits(&tool.name)) {
        let message = "the provider takes only functions' names of letters, digits and `_.:-` that \
                       begin with a letter or `_`";
        return Err(Failure::new(Kind::Unsupported, message).with_param(format!("tools[{at}]")));
    }
    // Its modes are for functions alone.
    if chat.tool_choice == ToolChoice::Required && chat.tools.is_empty() {
        let message = "the provider cannot be made to use a tool that it runs itself";
        return Err(Failure::new(Kind::Unsupported, message).with_param("tool_choice"));
    }
    Ok(())
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

/// Google's tools by the words that callers of other languages have for them, and which of its two
/// services has them, unless both have.
const GOOGLES: [(&str, &str, Option<Flavour>); 12] = [
    ("google_search", "googleSearch", None),
    ("google_search_retrieval", "googleSearchRetrieval", None),
    ("google_maps", "googleMaps", None),
    ("url_context", "urlContext", None),
    ("code_execution", "codeExecution", None),
    ("computer_use", "computerUse", None),
    ("mcp_servers", "mcpServers", None),
    ("file_search", "fileSearch", Some(Flavour::Studio)),
    ("enterprise_web_search", "enterpriseWebSearch", Some(Flavour::Vertex)),
    ("parallel_ai_search", "parallelAiSearch", Some(Flavour::Vertex)),
    ("exa_ai_search", "exaAiSearch", Some(Flavour::Vertex)),
    ("retrieval", "retrieval", Some(Flavour::Vertex)),
];
/// Members of others' tools for searching the web that promise nothing about what is found.
const WISHES: [&str; 4] = ["type", "name", "search_context_size", "user_location"];
/// Anthropic's word for pages that are not to be found, and Google's, which Vertex alone has.
const BLOCKED: (&str, &str) = ("blocked_domains", "excludeDomains");

/// The tools that Google runs itself.
fn native(chat: &ChatRequest, flavour: Flavour) -> Result<Vec<Value>, Failure> {
    let written = chat.native_tools.iter().enumerate().map(|(at, tool)| {
        if tool.format == formats::GEMINI {
            return Ok(tool.value.clone());
        }
        googles(&tool.value, flavour).ok_or_else(|| {
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
fn googles(tool: &Value, flavour: Flavour) -> Option<Value> {
    if tool.get("web_search_options").is_some() {
        return Some(json!({ "googleSearch": {} }));
    }
    let members = tool.as_object()?;
    let kind = members.get("type")?.as_str()?;
    if let Some((_, name, only)) = GOOGLES.iter().find(|(theirs, ..)| *theirs == kind) {
        if only.is_some_and(|only| only != flavour) {
            return None;
        }
        let mut options = members.clone();
        options.shift_remove("type");
        return Some(json!({ *name: options }));
    }
    let mut options = Map::new();
    for (name, value) in members.iter().filter(|(name, _)| !WISHES.contains(&name.as_str())) {
        match (name.as_str(), value) {
            (_, Value::Null) => {}
            (name, Value::Array(_)) if name == BLOCKED.0 && flavour == Flavour::Vertex => {
                options.insert(BLOCKED.1.to_owned(), value.clone());
            }
            _ => return None,
        }
    }
    kind.starts_with("web_search").then(|| json!({ "googleSearch": options }))
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
    use isthmus_inference::chat::NativeTool;

    use super::*;

    #[test]
    fn searches_of_other_languages_are_googles_if_nothing_is_promised() {
        for (tool, expected) in [
            (json!({"web_search_options": {}}), Some(json!({"googleSearch": {}}))),
            (
                json!({"type": "web_search_20250305", "name": "web_search"}),
                Some(json!({"googleSearch": {}})),
            ),
            (
                json!({"type": "web_search", "filters": null, "search_context_size": "low"}),
                Some(json!({"googleSearch": {}})),
            ),
            (json!({"type": "web_search_20250305", "blocked_domains": ["a"]}), None),
            (json!({"type": "web_search_20250305", "allowed_domains": ["a"]}), None),
            (json!({"type": "enterprise_web_search"}), None),
            (
                json!({"type": "file_search", "fileSearchStoreNames": ["s"]}),
                Some(json!({"fileSearch": {"fileSearchStoreNames": ["s"]}})),
            ),
            (json!({"type": "bash_20250124"}), None),
        ] {
            assert_eq!(googles(&tool, Flavour::Studio), expected, "{tool}");
        }
        let blocked = json!({"type": "web_search_20250305", "blocked_domains": ["a"]});
        let excluded = json!({"googleSearch": {"excludeDomains": ["a"]}});
        for (tool, expected) in [
            (blocked, Some(excluded)),
            (json!({"type": "enterprise_web_search"}), Some(json!({"enterpriseWebSearch": {}}))),
            (json!({"type": "file_search"}), None),
        ] {
            assert_eq!(googles(&tool, Flavour::Vertex), expected, "{tool}");
        }
    }

    #[test]
    fn functions_and_googles_tools_go_together_where_that_is_said() {
        let mut chat = ChatRequest {
            tools: vec![Tool { name: "f".into(), ..Tool::default() }],
            native_tools: vec![NativeTool {
                format: formats::OPENAI_CHAT,
                value: json!({"type": "google_search"}),
            }],
            ..ChatRequest::default()
        };
        let model = Model::new("gemini-3.5-flash");
        let config = |chat: &ChatRequest, flavour| tools(chat, model, flavour).map(|it| it.config);
        let said = config(&chat, Flavour::Studio).unwrap();
        assert_eq!(said["includeServerSideToolInvocations"], true);
        assert!(config(&chat, Flavour::Vertex).unwrap().is_empty());
        chat.tools[0].name = "1st".into();
        let named = config(&chat, Flavour::Vertex).unwrap_err();
        assert_eq!(named.param.as_deref(), Some("tools[0]"));
        chat.tools.clear();
        assert!(config(&chat, Flavour::Studio).unwrap().is_empty());
        chat.tool_choice = ToolChoice::Required;
        let forced = config(&chat, Flavour::Studio).unwrap_err();
        assert_eq!(
            (forced.kind, forced.param.as_deref()),
            (Kind::Unsupported, Some("tool_choice"))
        );
    }
}
