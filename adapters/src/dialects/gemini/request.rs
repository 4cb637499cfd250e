//! A request to `generateContent`, put together from its parts.

use http::{HeaderMap, HeaderName, HeaderValue};
use isthmus_inference::chat::{ChatRequest, Tool};
use isthmus_inference::failure::Failure;
use isthmus_inference::ident::UpstreamModel;
use serde_json::{Map, Value};

use super::Flavour;
use super::contents::turns;
use super::extras::Extras;
use super::generation::generation;
use super::model::Model;
use super::tools::{FORMAT_TOOL, tools};
use super::wire::{Body, Content};
use crate::dialect::Encoded;

/// Vertex takes the tier of a request as a header (guides "Priority PayGo" and "Flex PayGo").
const VERTEX_TIER: HeaderName = HeaderName::from_static("x-vertex-ai-llm-shared-request-type");

/// OpenAI's words for how urgent a request is, and Google's.
const TIERS: [(&str, &str); 3] =
    [("default", "standard"), ("flex", "flex"), ("priority", "priority")];

/// The longest name of a label, and its longest value.
const LONGEST_LABEL: usize = 63;

/// Writes a request.
pub(super) fn encode(
    chat: &ChatRequest,
    model: &UpstreamModel,
    flavour: Flavour,
) -> Result<Encoded, Failure> {
    let model = Model::new(model.as_str());
    let turns = turns(chat.messages(), model, flavour)?;
    let mut tools = tools(chat, model, flavour)?;
    let mut generation = generation(chat, model, tools.native_format)?;
    let mut dropped: Vec<_> = turns.dropped.iter().chain(&generation.dropped).copied().collect();
    dropped.extend(nobodys(chat));
    let mut rest = Map::new();
    dropped.extend(labels(chat, flavour, &mut rest));
    let mut extras = Extras {
        rest: &mut rest,
        generation: &mut generation.config,
        tool_config: &mut tools.config,
        flavour,
        dropped: dropped.into_iter().map(str::to_owned).collect(),
    };
    extras.place(&chat.extra);
    let mut dropped = extras.dropped;
    let mut headers = HeaderMap::new();
    if let Some(tier) = chat.service_tier.as_deref().filter(|tier| *tier != "auto") {
        match TIERS.iter().find(|(theirs, _)| *theirs == tier) {
            Some((_, tier)) if flavour == Flavour::Studio => {
                rest.insert("serviceTier".to_owned(), (*tier).into());
            }
            Some((_, "standard")) => {}
            Some((_, tier)) => {
                headers.insert(VERTEX_TIER, HeaderValue::from_static(tier));
            }
            None => dropped.push("service_tier".to_owned()),
        }
    }
    let system = turns.system;
    let body = Body {
        contents: turns.contents,
        system_instruction: (!system.is_empty()).then_some(Content { role: None, parts: system }),
        tools: tools.tools,
        tool_config: tools.config,
        generation_config: generation.config,
        rest,
    };
    let body = serde_json::to_vec(&body).expect("text keys, and raw values that were JSON");
    let format_tool = tools.format_tool.then_some(FORMAT_TOOL);
    Ok(Encoded { body: body.into(), headers, dropped, format_tool })
}

/// Labels that Vertex keeps with the exchange, where its rules for them allow it (reference,
/// `GenerateContentRequest.labels`); else what the caller calls them.
fn labels(
    chat: &ChatRequest,
    flavour: Flavour,
    rest: &mut Map<String, Value>,
) -> Option<&'static str> {
    let fits = |text: &str| {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
        text.len() <= LONGEST_LABEL && text.chars().all(allowed)
    };
    let is_label = |(name, value): (&String, &Value)| {
        let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
        begins && fits(name) && value.as_str().is_some_and(fits)
    };
    if chat.metadata.is_empty() {
        return None;
    }
    if flavour != Flavour::Vertex || !chat.metadata.iter().all(is_label) {
        return Some("metadata");
    }
    rest.insert("labels".to_owned(), chat.metadata.clone().into());
    None
}

/// What Gemini has no word for, by the caller's names.
fn nobodys(chat: &ChatRequest) -> impl Iterator<Item = &'static str> {
    let given = [
        (chat.user.is_some(), "user"),
        (chat.tools.iter().any(|Tool { cache, .. }| cache.is_some()), "tools[].cache_control"),
    ];
    given.into_iter().filter(|(given, _)| *given).map(|(_, name)| name)
}
