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
mod tests;
