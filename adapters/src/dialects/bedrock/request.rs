//! A request, written for `Converse`.

use isthmus_inference::chat::{ChatRequest, Prompt};
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::ident::UpstreamModel;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::blocks::Writer;
use super::family::Family;
use super::fields::Fields;
use super::tools::{Toolbox, note};
use super::turns::{Turn, Turns};
use crate::dialect::Encoded;
use crate::dialects::citations::CITED_DOCUMENTS;
use crate::dialects::refusals::{one_plain_answer, unable};

/// Members of a request that are AWS's own words; they are passed on as the caller wrote them.
const OWN_MEMBERS: [&str; 4] =
    ["guardrailConfig", "performanceConfig", "promptVariables", "requestMetadata"];
/// What the model is to say of itself beside its answer.
const WANTED: &str = "additionalModelResponseFieldPaths";
/// Members that are Claude's own words.
const CLAUDE_MEMBERS: [&str; 2] = ["anthropic_beta", "context_management"];
/// The words for how urgent a request is (API reference, `ServiceTier`).
const TIERS: [&str; 4] = ["priority", "default", "flex", "reserved"];

/// The body, in the order in which the API reference shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    messages: Vec<Turn>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    inference_config: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    additional_model_request_fields: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    output_config: Map<String, Value>,
    #[serde(flatten)]
    own: Map<String, Value>,
}

/// Writes a request.
pub(super) fn encode(chat: &ChatRequest, model: &UpstreamModel) -> Result<Encoded, Failure> {
    refuse(chat)?;
    let model = model.as_str();
    let family = Family::of(model);
    let mut dropped = Vec::new();
    let toolbox = Toolbox::of(chat, model, &mut dropped)?;
    let tool_config = toolbox.config();
    let mut writer = Writer {
        family,
        calls_as_text: tool_config.is_none(),
        cites: family.cites() && chat.extra.contains_key(CITED_DOCUMENTS),
        documents: Vec::new(),
        unmarked: false,
    };
    let turns = Turns::of(chat.messages(), &mut writer)?;
    if writer.unmarked {
        note(&mut dropped, "cache_control");
    }
    let mut fields = Fields::of(chat, model, &toolbox, &mut dropped)?;
    let mut output_config = Map::new();
    output_config.extend(toolbox.format.map(|format| ("textFormat".to_owned(), format)));
    output_config.extend(fields.effort.map(|effort| ("effort".to_owned(), effort.into())));
    let mut own = Map::new();
    labels(chat, &mut own, &mut dropped);
    for (name, value) in &chat.extra {
        match (name.as_str(), value) {
            ("additionalModelRequestFields", Value::Object(more)) => {
                merge(&mut fields.additional, more);
            }
            ("outputConfig", Value::Object(more)) => merge(&mut output_config, more),
            (WANTED, Value::Array(more)) => {
                fields.wanted.retain(|path| !more.contains(path));
                fields.wanted.extend_from_slice(more);
            }
            (name, value) if OWN_MEMBERS.contains(&name) => {
                own.insert(name.to_owned(), value.clone());
            }
            (CITED_DOCUMENTS, _) if family.cites() => {}
            (name, value) if family == Family::Claude && CLAUDE_MEMBERS.contains(&name) => {
                fields.additional.insert(name.to_owned(), value.clone());
            }
            (name, _) => note(&mut dropped, name),
        }
    }
    if !fields.wanted.is_empty() {
        own.insert(WANTED.to_owned(), fields.wanted.into());
    }
    let body = Body {
        messages: turns.messages,
        system: turns.system,
        inference_config: fields.inference,
        tool_config,
        additional_model_request_fields: fields.additional,
        service_tier: service_tier(chat, &mut dropped),
        output_config,
        own,
    };
    drop_wishes(chat, family, &mut dropped);
    let body = serde_json::to_vec(&body).map_err(|error| {
        Failure::new(Kind::Internal, "a request could not be written").with_detail(error)
    })?;
    let format_tool = toolbox.format_tool;
    Ok(Encoded { body: body.into(), dropped, format_tool, ..Encoded::default() })
}

/// What Converse cannot do with any model.
fn refuse(chat: &ChatRequest) -> Result<(), Failure> {
    if !matches!(chat.prompt, Prompt::Messages(_)) {
        return Err(unable("prompt", "a completion without a conversation"));
    }
    one_plain_answer(chat)?;
    Ok(())
}

/// Labels that are kept with the exchange, where AWS's rules for them allow it (API reference,
/// `requestMetadata`).
fn labels(chat: &ChatRequest, own: &mut Map<String, Value>, dropped: &mut Vec<String>) {
    let allowed = |c: char| c.is_ascii_alphanumeric() || " \t:_@$#=/+,-.".contains(c);
    let fits =
        |text: &str, least: usize| (least..=256).contains(&text.len()) && text.chars().all(allowed);
    let is_label = |(name, value): (&String, &Value)| {
        fits(name, 1) && value.as_str().is_some_and(|value| fits(value, 0))
    };
    match &chat.metadata {
        labels if labels.is_empty() => {}
        labels if labels.len() <= 16 && labels.iter().all(is_label) => {
            own.insert("requestMetadata".to_owned(), labels.clone().into());
        }
        _ => note(dropped, "metadata"),
    }
}

/// `serviceTier`; `auto` leaves it to the provider, as silence does.
fn service_tier(chat: &ChatRequest, dropped: &mut Vec<String>) -> Option<Value> {
    match chat.service_tier.as_deref()? {
        "auto" => None,
        tier if TIERS.contains(&tier) => Some(json!({ "type": tier })),
        _ => {
            note(dropped, "service_tier");
            None
        }
    }
}

/// Adds members; what the caller wrote in AWS's own words wins, member by member.
fn merge(into: &mut Map<String, Value>, more: &Map<String, Value>) {
    for (name, value) in more {
        match (into.get_mut(name), value) {
            (Some(Value::Object(known)), Value::Object(value)) => merge(known, value),
            _ => {
                into.insert(name.clone(), value.clone());
            }
        }
    }
}

/// Names the wishes that Converse has no word for.
fn drop_wishes(chat: &ChatRequest, family: Family, dropped: &mut Vec<String>) {
    let sampling = &chat.sampling;
    // Command has its own words for these.
    let others = family != Family::Cohere;
    let wishes = [
        ("seed", others && sampling.seed.is_some()),
        ("presence_penalty", others && sampling.presence_penalty != 0.0),
        ("frequency_penalty", others && sampling.frequency_penalty != 0.0),
        ("logit_bias", !sampling.logit_bias.is_empty()),
        ("user", chat.user.is_some()),
        ("name", chat.messages().iter().any(|message| message.name.is_some())),
    ];
    for (name, _) in wishes.iter().filter(|(_, given)| *given) {
        note(dropped, name);
    }
}

#[cfg(test)]
mod tests {
    use isthmus_inference::chat::{AnswerFormat, Message, Role, Tool, ToolChoice};
    use isthmus_inference::part::{Media, Part, formats};

    use super::*;

    const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

    /// A chat of one turn of this part.
    fn saying(part: Part) -> ChatRequest {
        let message = Message { role: Role::User, content: vec![part], name: None };
        ChatRequest { prompt: Prompt::Messages(vec![message]), ..ChatRequest::default() }
    }

    fn hi() -> ChatRequest {
        saying(Part::text("hi"))
    }

    #[test]
    fn what_converse_cannot_carry_is_refused_by_name() {
        let named = |name: &str| Tool { name: name.into(), ..Tool::default() };
        let tools = || vec![named("f")];
        let choosing = |tool_choice| ChatRequest { tools: tools(), tool_choice, ..hi() };
        let image = |url: &str| {
            let media = Media::Url { url: url.into(), media_type: None };
            saying(Part::Image { media, detail: None })
        };
        let native = Part::Native { format: formats::GEMINI, value: json!({}) };
        let single = |tool_choice| ChatRequest {
            tools: tools(),
            tool_choice,
            parallel_tool_calls: Some(false),
            ..hi()
        };
        let old = "anthropic.claude-3-haiku-20240307-v1:0";
        let cases = [
            (CLAUDE, ChatRequest { choices: 2, ..hi() }, "n"),
            (CLAUDE, ChatRequest { top_logprobs: Some(1), ..hi() }, "logprobs"),
            (CLAUDE, ChatRequest { prompt: Prompt::Text("hi".into()), ..hi() }, "prompt"),
            (
                CLAUDE,
                ChatRequest { format: AnswerFormat::Grammar("start: /a/".into()), ..hi() },
                "response_format",
            ),
            (CLAUDE, image("https://example.com/a.png"), "messages[0].content[0]"),
            (CLAUDE, saying(native), "messages[0].content[0]"),
            (old, single(ToolChoice::Auto), "parallel_tool_calls"),
            ("amazon.nova-lite-v1:0", single(ToolChoice::Auto), "parallel_tool_calls"),
            ("meta.llama3-1-70b-instruct-v1:0", choosing(ToolChoice::Required), "tool_choice"),
            (
                "cohere.command-r-v1:0",
                ChatRequest { format: AnswerFormat::JsonObject, ..hi() },
                "response_format",
            ),
            (CLAUDE, ChatRequest { tools: vec![named("a.b")], ..hi() }, "tools[0]"),
        ];
        for (model, chat, param) in cases {
            let failure = encode(&chat, &model.into()).unwrap_err();
            assert_eq!(failure.kind, Kind::Unsupported, "{param}");
            assert_eq!(failure.param.as_deref(), Some(param));
        }
        for (choice, kind) in [
            (ToolChoice::Auto, "auto"),
            (ToolChoice::Required, "any"),
            (ToolChoice::Named("f".into()), "tool"),
        ] {
            let encoded = encode(&single(choice), &CLAUDE.into()).unwrap();
            let body: Value = serde_json::from_slice(&encoded.body).unwrap();
            assert_eq!(body["additionalModelRequestFields"]["tool_choice"]["type"], kind);
            assert_eq!(body["toolConfig"]["toolChoice"], Value::Null);
        }
    }

    #[test]
    fn one_function_is_forced_where_it_is_the_only_one_or_can_be_named() {
        let tool = |name: &str| Tool { name: name.into(), ..Tool::default() };
        let chat = ChatRequest {
            tools: vec![tool("f"), tool("g")],
            tool_choice: ToolChoice::Named("g".into()),
            ..hi()
        };
        for (model, tools, choice) in [
            (CLAUDE, 2, json!({"tool": {"name": "g"}})),
            ("us.amazon.nova-pro-v1:0", 2, json!({"tool": {"name": "g"}})),
            ("mistral.mistral-large-2407-v1:0", 1, json!({"any": {}})),
            ("openai.gpt-oss-120b-1:0", 1, json!({"any": {}})),
        ] {
            let encoded = encode(&chat, &model.into()).unwrap();
            let body: Value = serde_json::from_slice(&encoded.body).unwrap();
            let config = &body["toolConfig"];
            let count = config["tools"].as_array().unwrap().len();
            assert_eq!((count, &config["toolChoice"]), (tools, &choice), "{model}");
        }
    }

    #[test]
    fn documents_are_cited_where_the_model_can() {
        let media = Media::Text("words".into());
        let mut chat = saying(Part::Document { media, name: Some("a".into()) });
        chat.extra.insert(CITED_DOCUMENTS.to_owned(), true.into());
        for (model, cites) in [(CLAUDE, true), ("amazon.nova-lite-v1:0", false)] {
            let encoded = encode(&chat, &model.into()).unwrap();
            let body: Value = serde_json::from_slice(&encoded.body).unwrap();
            let document = &body["messages"][0]["content"][1]["document"];
            assert_eq!(document["citations"] == json!({"enabled": true}), cites, "{model}");
            assert_eq!(encoded.dropped.is_empty(), cites, "{model}");
        }
    }

    #[test]
    fn command_has_words_of_its_own() {
        let mut chat = hi();
        chat.sampling.seed = Some(7);
        chat.sampling.presence_penalty = 0.5;
        chat.sampling.frequency_penalty = -0.5;
        let encoded = encode(&chat, &"cohere.command-r-plus-v1:0".into()).unwrap();
        let body: Value = serde_json::from_slice(&encoded.body).unwrap();
        let said = json!({"seed": 7, "presence_penalty": 0.5});
        assert_eq!(body["additionalModelRequestFields"], said);
        assert_eq!(encoded.dropped, ["frequency_penalty"]);
    }

    #[test]
    fn what_the_system_alone_says_is_the_users_turn() {
        let message = Message::text(Role::System, "Say hello.");
        let chat = ChatRequest { prompt: Prompt::Messages(vec![message]), ..hi() };
        let encoded = encode(&chat, &CLAUDE.into()).unwrap();
        let body: Value = serde_json::from_slice(&encoded.body).unwrap();
        let turn = json!([{"role": "user", "content": [{"text": "Say hello."}]}]);
        assert_eq!((&body["messages"], &body["system"]), (&turn, &Value::Null));
    }

    #[test]
    fn labels_that_aws_would_refuse_are_left_out() {
        let with = |name: &str, value: Value| {
            let mut chat = hi();
            chat.metadata.insert(name.into(), value);
            encode(&chat, &CLAUDE.into()).unwrap().dropped
        };
        assert!(with("team", "blue 7".into()).is_empty());
        for (name, value) in [("team", json!("a\nb")), ("", json!("x")), ("team", json!(7))] {
            assert_eq!(with(name, value), ["metadata"]);
        }
    }
}
