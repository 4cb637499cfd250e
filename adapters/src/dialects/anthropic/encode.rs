//! A request, written for the API.

use http::{HeaderMap, HeaderValue};
use isthmus_inference::chat::ChatRequest;
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::ident::UpstreamModel;
use serde::Serialize;
use serde_json::{Map, Value};

use super::Flavour;
use super::betas;
use super::models::Abilities;
use super::thinking::{Thought, sampling};
use super::tools::Toolbox;
use super::turns::{Turn, Turns};
use crate::dialect::Encoded;
use crate::dialects::refusals::one_plain_answer;

/// Members of a request that only this vendor knows; they are passed on as the caller wrote them.
const OWN_MEMBERS: [&str; 13] = [
    "cache_control",
    "compaction",
    "container",
    "context_management",
    "diagnostics",
    "fallback_credit_token",
    "fallbacks",
    "inference_geo",
    "mcp_servers",
    "speed",
    "thread",
    "user_profile_id",
    "anthropic_beta",
];
/// The header of the member `user_profile_id`: the API has none in the body (the vendor's SDK,
/// `Messages.create`).
const USER_PROFILE: &str = "anthropic-user-profile-id";

/// The body, in the order in which the vendor's documents show it.
#[derive(Serialize)]
struct Body {
    #[serde(skip_serializing_if = "Option::is_none")]
    anthropic_version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    max_tokens: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<Value>,
    messages: Vec<Turn>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    output_config: Map<String, Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop_sequences: Vec<String>,
    #[serde(flatten)]
    sampling: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
    #[serde(flatten)]
    own: Map<String, Value>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
}

#[derive(Serialize)]
struct Metadata {
    user_id: String,
}

/// Writes a request.
pub(super) fn encode(
    chat: &ChatRequest,
    model: &UpstreamModel,
    stream: bool,
    flavour: Flavour,
) -> Result<Encoded, Failure> {
    one_plain_answer(chat)?;
    let abilities = Abilities::of(model.as_str());
    let mut dropped = Vec::new();
    let max_tokens = chat.sampling.max_tokens.unwrap_or(abilities.max_tokens);
    let turns = Turns::of(chat.messages(), &abilities, &mut dropped)?;
    let toolbox = Toolbox::of(chat, &abilities, &mut dropped)?;
    let thought = Thought::of(chat, &abilities, max_tokens, toolbox.forced);
    if thought.dropped {
        dropped.push("reasoning_effort".to_owned());
    }
    let sampling = sampling(chat, &abilities, thought.is_on(), &mut dropped);
    let own = own_members(chat, &mut dropped);
    let format_tool = toolbox.format_tool;
    let mut output_config = Map::new();
    output_config.extend(thought.effort.map(|word| ("effort".to_owned(), word.into())));
    output_config.extend(toolbox.format.map(|format| ("format".to_owned(), format)));
    let mut body = Body {
        anthropic_version: flavour.version_member(),
        model: flavour.names_model().then(|| model.as_str().to_owned()),
        max_tokens,
        system: turns.system_value(),
        messages: turns.messages,
        tools: toolbox.tools,
        tool_choice: toolbox.choice,
        thinking: thought.thinking,
        output_config,
        stop_sequences: stop_sequences(chat, &mut dropped),
        sampling,
        metadata: chat.user.clone().map(|user_id| Metadata { user_id }),
        service_tier: service_tier(chat, &mut dropped),
        own,
        stream,
    };
    drop_wishes(chat, &mut dropped);
    let headers = headers(&mut body)?;
    let body = serde_json::to_vec(&body).map_err(|error| {
        Failure::new(Kind::Internal, "a request could not be written").with_detail(error)
    })?;
    Ok(Encoded { body: body.into(), headers, dropped, format_tool })
}

/// Texts of nothing but space are refused by the API.
fn stop_sequences(chat: &ChatRequest, dropped: &mut Vec<String>) -> Vec<String> {
    let (kept, blank): (Vec<_>, Vec<_>) =
        chat.sampling.stop.iter().cloned().partition(|text| !text.trim().is_empty());
    if !blank.is_empty() {
        dropped.push("stop".to_owned());
    }
    kept
}

/// `auto` takes what was bought ahead where there is some; `standard_only` never does.
fn service_tier(chat: &ChatRequest, dropped: &mut Vec<String>) -> Option<&'static str> {
    match chat.service_tier.as_deref()? {
        "auto" | "priority" | "fast" => Some("auto"),
        "default" | "standard" | "standard_only" => Some("standard_only"),
        _ => {
            dropped.push("service_tier".to_owned());
            None
        }
    }
}

fn own_members(chat: &ChatRequest, dropped: &mut Vec<String>) -> Map<String, Value> {
    let (own, others): (Map<_, _>, Map<_, _>) =
        chat.extra.clone().into_iter().partition(|(name, _)| OWN_MEMBERS.contains(&name.as_str()));
    dropped.extend(others.into_iter().map(|(name, _)| name));
    own
}

/// Names the wishes that the API has no word for.
fn drop_wishes(chat: &ChatRequest, dropped: &mut Vec<String>) {
    let sampling = &chat.sampling;
    let wishes = [
        ("seed", sampling.seed.is_some()),
        ("presence_penalty", sampling.presence_penalty != 0.0),
        ("frequency_penalty", sampling.frequency_penalty != 0.0),
        ("logit_bias", !sampling.logit_bias.is_empty()),
        ("metadata", !chat.metadata.is_empty()),
    ];
    dropped.extend(wishes.iter().filter(|(_, given)| *given).map(|(name, _)| (*name).to_owned()));
}

/// The features that are still in trial must be named in a header, on Vertex too.
fn headers(body: &mut Body) -> Result<HeaderMap, Failure> {
    let mut named: Vec<String> = match body.own.shift_remove("anthropic_beta") {
        Some(Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        Some(Value::String(names)) => names.split(',').map(|name| name.trim().to_owned()).collect(),
        _ => Vec::new(),
    };
    let turns = body.messages.iter().flat_map(Turn::content);
    for name in betas::needed(&body.own, &body.tools, turns) {
        if !named.iter().any(|known| known == name) {
            named.push(name.to_owned());
        }
    }
    let mut headers = HeaderMap::new();
    if let Some(Value::String(profile)) = body.own.shift_remove("user_profile_id") {
        headers.insert(USER_PROFILE, held("user_profile_id", &profile)?);
    }
    if !named.is_empty() {
        headers.insert(betas::HEADER, held("anthropic_beta", &named.join(","))?);
    }
    Ok(headers)
}

/// A member's text as a header holds it.
fn held(member: &str, text: &str) -> Result<HeaderValue, Failure> {
    HeaderValue::from_str(text).map_err(|_| {
        let message = format!("`{member}` has characters that no header can hold");
        Failure::invalid(member, message)
    })
}
