//! A chat, written as a chat completion request.

use isthmus_inference::chat::{
    AnswerFormat, ChatRequest, Effort, FreeText, JsonSchema, Reasoning, Summary, Tool, ToolChoice,
};
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::ident::UpstreamModel;
use isthmus_inference::part::formats;
use serde_json::{Map, Value, json};

use super::style::{Continuation, Style, Thinking, nearest};
use super::turns::{self, cache_control};
use crate::dialect::Encoded;
use crate::dialects::openai_request::StreamUsage;

/// The most stop texts that OpenAI takes.
const MOST_STOPS: usize = 4;
/// Of how long an answer a budget is a share, where the caller does not limit it.
const USUAL_ANSWER: u32 = 32_000;
/// What Mistral and Groq call the tier that OpenAI calls `default`.
const USUAL_TIERS: [&str; 2] = ["standard_only", "on_demand"];
/// The name of a schema that has none.
const UNNAMED: &str = "answer";

/// A request that is being written.
struct Writer<'a> {
    style: &'a Style,
    body: Map<String, Value>,
    dropped: Vec<String>,
}

/// Writes the request.
pub(super) fn encode(
    style: &Style,
    chat: &ChatRequest,
    model: &UpstreamModel,
    stream: bool,
) -> Result<Encoded, Failure> {
    let mut writer = Writer { style, body: Map::new(), dropped: Vec::new() };
    writer.put("model", model.as_str());
    writer.put("messages", turns::messages(style, chat.messages(), chat.continued)?);
    if !style.names && chat.messages().iter().any(|turn| turn.name.is_some()) {
        writer.dropped.push("messages.name".to_owned());
    }
    if chat.continued && style.continuation == Continuation::FinalMessage {
        // Both speak of the same place: an open turn leaves no room for the start of another.
        writer.put("continue_final_message", true);
        writer.put("add_generation_prompt", false);
    }
    if stream {
        writer.put("stream", true);
        if style.stream_usage == StreamUsage::Asked {
            writer.put("stream_options", json!({"include_usage": true}));
        }
    }
    let drawn_freely = (style.drawn_freely)(model.as_str());
    writer.sampling(chat, drawn_freely)?;
    writer.tools(chat)?;
    writer.format(&chat.format)?;
    writer.reasoning(&chat.reasoning, chat.sampling.max_tokens, model.as_str());
    writer.labels(chat);
    writer.extra(&chat.extra);
    let body = Value::Object(writer.body).to_string().into();
    Ok(Encoded { body, dropped: writer.dropped, ..Encoded::default() })
}

/// The provider cannot do this, and the answer depends on it.
pub(crate) fn unsupported(param: &str, what: &str) -> Failure {
    Failure::new(Kind::Unsupported, format!("the provider of this model does not take {what}"))
        .with_param(param)
}

/// An effort for whoever counts tokens.
pub(crate) fn effort_of(reasoning: &Reasoning, max_tokens: Option<u32>) -> Option<Effort> {
    let of_budget = |budget| Effort::of_budget(budget, max_tokens.unwrap_or(USUAL_ANSWER));
    reasoning.effort.or_else(|| reasoning.budget.map(of_budget))
}

// === impl Writer ===

impl Writer<'_> {
    fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.body.insert(name.to_owned(), value.into());
    }

    fn takes(&self, name: &str) -> bool {
        self.style.takes.contains(&name)
    }

    /// What is a wish: left out where the provider has no word for it.
    fn wish(&mut self, name: &str, value: Option<impl Into<Value>>) {
        match value {
            Some(value) if self.takes(name) => self.put(name, value),
            Some(_) => self.dropped.push(name.to_owned()),
            None => {}
        }
    }

    /// `drawn_freely`: the model refuses to be told how tokens are drawn.
    fn sampling(&mut self, chat: &ChatRequest, drawn_freely: bool) -> Result<(), Failure> {
        let sampling = &chat.sampling;
        if let Some(limit) = sampling.max_tokens {
            self.put(self.style.max_tokens, limit);
        }
        let drawn = [
            ("temperature", sampling.temperature.map(|heat| heat.min(self.style.hottest))),
            ("top_p", sampling.top_p),
            ("presence_penalty", Some(sampling.presence_penalty).filter(|weight| *weight != 0.0)),
            ("frequency_penalty", Some(sampling.frequency_penalty).filter(|weight| *weight != 0.0)),
        ];
        for (name, value) in drawn {
            let known = name == "temperature" || name == "top_p" || self.takes(name);
            match value {
                Some(value) if known && !drawn_freely => self.put(name, value),
                Some(_) => self.dropped.push(name.to_owned()),
                None => {}
            }
        }
        self.wish("top_k", sampling.top_k);
        let biases: Map<String, Value> = sampling
            .logit_bias
            .iter()
            .map(|(token, bias)| (token.to_string(), json!(bias)))
            .collect();
        let biased = (!biases.is_empty()).then_some(biases);
        if drawn_freely && biased.is_some() {
            self.dropped.push("logit_bias".to_owned());
        } else {
            self.wish("logit_bias", biased);
        }
        match sampling.seed.map(u64::cast_signed) {
            // Mistral's seeds are not negative.
            Some(seed) if self.style.seed == "random_seed" => {
                self.put(self.style.seed, seed.unsigned_abs());
            }
            Some(seed) if self.takes("seed") => self.put(self.style.seed, seed),
            Some(_) => self.dropped.push("seed".to_owned()),
            None => {}
        }
        self.stop(&sampling.stop, drawn_freely)?;
        if chat.wanted_choices() > 1 {
            self.demand("n", "more than one answer")?;
            self.put("n", chat.wanted_choices());
        }
        if let Some(top) = chat.top_logprobs {
            self.demand("logprobs", "log-probabilities")?;
            self.put("logprobs", true);
            if top > 0 {
                self.put("top_logprobs", top);
            }
        }
        Ok(())
    }

    fn demand(&self, name: &str, what: &str) -> Result<(), Failure> {
        if self.takes(name) { Ok(()) } else { Err(unsupported(name, what)) }
    }

    fn stop(&mut self, stops: &[String], drawn_freely: bool) -> Result<(), Failure> {
        if stops.is_empty() {
            return Ok(());
        }
        if drawn_freely {
            return Err(unsupported("stop", "stop texts"));
        }
        if self.style.openai_models && stops.len() > MOST_STOPS {
            return Err(unsupported("stop", &format!("more than {MOST_STOPS} stop texts")));
        }
        self.put("stop", stops.to_vec());
        Ok(())
    }

    fn tools(&mut self, chat: &ChatRequest) -> Result<(), Failure> {
        let mut tools: Vec<Value> = chat.tools.iter().map(|tool| self.tool(tool)).collect();
        for native in &chat.native_tools {
            let kind = native.value.get("type").and_then(Value::as_str);
            let openai = self.style.openai_models;
            match (&native.value, kind) {
                _ if native.format != formats::OPENAI_CHAT => return Err(foreign_tool(kind)),
                (Value::Object(members), None) if openai => self.body.extend(members.clone()),
                (_, None) => return Err(unsupported("web_search_options", "web searches")),
                (value, Some(_)) => tools.push(value.clone()),
            }
        }
        if tools.is_empty() {
            return Ok(());
        }
        self.put("tools", tools);
        match &chat.tool_choice {
            ToolChoice::Auto => {}
            ToolChoice::None => self.put("tool_choice", "none"),
            ToolChoice::Required => self.put("tool_choice", "required"),
            ToolChoice::Named(name) => {
                let kind = if chat.takes_free_text(name) { "custom" } else { "function" };
                self.put("tool_choice", json!({"type": kind, kind: {"name": name}}));
            }
        }
        // Several at once are the usual; only "one at a time" is a wish.
        self.wish("parallel_tool_calls", chat.parallel_tool_calls.filter(|several| !several));
        Ok(())
    }

    fn tool(&self, tool: &Tool) -> Value {
        if let Some(free_text) = &tool.free_text {
            return custom_tool(tool, free_text);
        }
        let mut function = Map::new();
        function.insert("name".into(), tool.name.as_str().into());
        if let Some(description) = &tool.description {
            function.insert("description".into(), description.as_str().into());
        }
        let empty = tool.parameters.as_object().is_none_or(Map::is_empty);
        let nothing = || json!({"type": "object", "properties": {}});
        let parameters = if empty { nothing() } else { tool.parameters.clone() };
        function.insert("parameters".into(), parameters);
        if let Some(strict) = tool.strict {
            function.insert("strict".into(), strict.into());
        }
        let mut written = json!({"type": "function", "function": function});
        if let Some(life) = tool.cache.filter(|_| self.style.cache_marks) {
            written["cache_control"] = cache_control(life);
        }
        written
    }

    fn format(&mut self, format: &AnswerFormat) -> Result<(), Failure> {
        let written = match format {
            AnswerFormat::Text => return Ok(()),
            AnswerFormat::JsonObject => json!({"type": "json_object"}),
            AnswerFormat::JsonSchema(schema) => {
                json!({"type": "json_schema", "json_schema": json_schema(schema)})
            }
            AnswerFormat::Grammar(_) => return Err(unsupported("response_format", "a grammar")),
        };
        self.put("response_format", written);
        Ok(())
    }

    fn reasoning(&mut self, reasoning: &Reasoning, max_tokens: Option<u32>, model: &str) {
        let written = match self.style.thinking {
            Thinking::Effort(efforts) => effort_of(reasoning, max_tokens)
                .and_then(|wanted| nearest(wanted, efforts(model)))
                .map(|effort| ("reasoning_effort", effort.as_str().into())),
            Thinking::Object => reasoning_object(reasoning).map(|value| ("reasoning", value)),
            Thinking::Switch => reasoning.is_asked().then(|| {
                let word = if reasoning.is_off() { "disabled" } else { "enabled" };
                ("thinking", json!({"type": word}))
            }),
        };
        match written {
            Some((name, value)) => self.put(name, value),
            // Who leaves the amount to the model is served by silence.
            None if reasoning.effort.is_some() || reasoning.budget.is_some() => {
                self.dropped.push("reasoning_effort".to_owned());
            }
            None => {}
        }
    }

    /// What is said about the exchange, not about the answer.
    fn labels(&mut self, chat: &ChatRequest) {
        self.wish("user", chat.user.as_deref());
        // OpenAI keeps labels only with what it stores, and refuses them otherwise.
        let stored = chat.extra.get("store") == Some(&Value::Bool(true));
        let kept = !self.style.openai_models || stored;
        if !chat.metadata.is_empty() && kept {
            self.wish("metadata", Some(chat.metadata.clone()));
        } else if !chat.metadata.is_empty() {
            self.dropped.push("metadata".to_owned());
        }
        match chat.service_tier.as_deref() {
            Some(tier) if self.style.tiers.contains(&tier) => self.put("service_tier", tier),
            Some("default") if let Some(usual) = self.usual_tier() => {
                self.put("service_tier", usual);
            }
            Some(_) => self.dropped.push("service_tier".to_owned()),
            None => {}
        }
    }

    /// The provider's own word for what everybody gets.
    fn usual_tier(&self) -> Option<&'static str> {
        self.style.tiers.iter().copied().find(|tier| USUAL_TIERS.contains(tier))
    }

    fn extra(&mut self, extra: &Map<String, Value>) {
        for (name, value) in extra {
            match value.pointer("/content").and_then(Value::as_array) {
                // What is expected may be in parts at OpenAI alone.
                Some(parts) if name == "prediction" && !self.style.openai_models => {
                    let text: String =
                        parts.iter().filter_map(|part| part.get("text")?.as_str()).collect();
                    self.wish(name, Some(json!({"type": "content", "content": text})));
                }
                _ => self.wish(name, Some(value.clone())),
            }
        }
    }
}

/// A tool that takes free text.
fn custom_tool(tool: &Tool, free_text: &FreeText) -> Value {
    let mut custom = json!({"name": tool.name});
    if let Some(description) = &tool.description {
        custom["description"] = description.as_str().into();
    }
    if let FreeText::Grammar { syntax, definition } = free_text {
        let grammar = json!({"syntax": syntax, "definition": definition});
        custom["format"] = json!({"type": "grammar", "grammar": grammar});
    }
    json!({"type": "custom", "custom": custom})
}

fn foreign_tool(kind: Option<&str>) -> Failure {
    unsupported("tools", &format!("tools of type `{}`", kind.unwrap_or("unknown")))
}

/// OpenAI wants a name of up to 64 letters, digits, `_` and `-`.
fn json_schema(schema: &JsonSchema) -> Value {
    let fits = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let name: String = schema.name.chars().filter(fits).take(64).collect();
    let name = if name.is_empty() { UNNAMED.to_owned() } else { name };
    let mut written = json!({"name": name, "schema": schema.schema});
    if let Some(description) = &schema.description {
        written["description"] = description.as_str().into();
    }
    if let Some(strict) = schema.strict {
        written["strict"] = strict.into();
    }
    written
}

/// OpenRouter takes an effort or a budget, not both.
fn reasoning_object(reasoning: &Reasoning) -> Option<Value> {
    let mut object = Map::new();
    match (reasoning.budget, reasoning.effort) {
        _ if reasoning.is_off() => _ = object.insert("enabled".into(), false.into()),
        (Some(budget), _) => _ = object.insert("max_tokens".into(), budget.into()),
        (_, Some(effort)) => {
            let effort = effort.min(Effort::XHigh);
            object.insert("effort".into(), effort.as_str().into());
        }
        _ if reasoning.adaptive => _ = object.insert("enabled".into(), true.into()),
        _ => {}
    }
    if reasoning.summary == Some(Summary::Hidden) {
        object.insert("exclude".into(), true.into());
    }
    (!object.is_empty()).then_some(Value::Object(object))
}

#[cfg(test)]
mod tests {
    use isthmus_inference::chat::{Message, NativeTool, Prompt, Role, Sampling};
    use isthmus_inference::part::{Media, Part};

    use super::super::style::{COMPATIBLE, OPENAI};
    use super::*;

    /// A chat in which the user says this.
    fn saying(part: Part) -> ChatRequest {
        let turn = Message { role: Role::User, content: vec![part], name: None };
        ChatRequest { prompt: Prompt::Messages(vec![turn]), ..ChatRequest::default() }
    }

    fn hi() -> ChatRequest {
        saying(Part::text("hi"))
    }

    #[test]
    fn what_cannot_be_carried_is_refused_by_name() {
        let stop = |count| Sampling { stop: vec!["x".into(); count], ..Sampling::default() };
        let native = |format, value| vec![NativeTool { format, value }];
        let pdf = Media::Inline { media_type: "application/pdf".into(), base64: "AA".into() };
        let film = Media::Url { url: "https://a.example/v".into(), media_type: None };
        let foreign = Part::Native { format: formats::ANTHROPIC, value: json!({}) };
        let search = json!({"web_search_options": {}});
        let grammar = AnswerFormat::Grammar("start: \"x\"".into());
        let cases = [
            (&COMPATIBLE, "m", saying(Part::Document { media: pdf, name: None }), "messages"),
            (&OPENAI, "m", saying(Part::Video(film)), "messages"),
            (&OPENAI, "m", saying(foreign), "messages"),
            (&OPENAI, "m", ChatRequest { sampling: stop(5), ..hi() }, "stop"),
            (&OPENAI, "o3", ChatRequest { sampling: stop(1), ..hi() }, "stop"),
            (&OPENAI, "m", ChatRequest { format: grammar, ..hi() }, "response_format"),
            (
                &OPENAI,
                "m",
                ChatRequest {
                    native_tools: native(formats::ANTHROPIC, json!({"type": "bash"})),
                    ..hi()
                },
                "tools",
            ),
            (
                &COMPATIBLE,
                "m",
                ChatRequest { native_tools: native(formats::OPENAI_CHAT, search), ..hi() },
                "web_search_options",
            ),
        ];
        for (style, model, chat, param) in cases {
            let failure = encode(style, &chat, &model.into(), false).unwrap_err();
            assert_eq!(failure.kind, Kind::Unsupported, "{failure}");
            assert_eq!(failure.param.as_deref(), Some(param), "{failure}");
        }
        let single = Style { takes: &[], ..COMPATIBLE };
        for (chat, param) in [
            (ChatRequest { choices: 2, ..hi() }, "n"),
            (ChatRequest { top_logprobs: Some(0), ..hi() }, "logprobs"),
        ] {
            let failure = encode(&single, &chat, &"m".into(), false).unwrap_err();
            assert_eq!(failure.param.as_deref(), Some(param));
        }
    }
}
