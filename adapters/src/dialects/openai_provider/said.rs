//! What a message or a delta says: text, pictures, probabilities, and what it is from.

use isthmus_inference::answer::TokenLogprob;
use isthmus_inference::part::{Media, Part, Signature, formats};
use isthmus_inference::stream::Event;
use serde_json::{Map, Value};

use crate::dialects::citations::{ANNOTATIONS, CITATIONS, SEARCH_RESULTS, annotated};
use crate::dialects::openai_chat::reasoning;

/// Tells what is said; whether that has annotations is the answer.
pub(super) fn say(
    choice: u32,
    said: &Value,
    logprobs: Option<&Value>,
    events: &mut Vec<Event>,
) -> bool {
    let logprobs = logprobs.map(tokens).unwrap_or_default();
    match said.get("content") {
        Some(Value::String(text)) if !text.is_empty() || !logprobs.is_empty() => {
            events.push(Event::Text { choice, text: text.clone(), logprobs });
        }
        Some(Value::Array(chunks)) => chunks.iter().for_each(|part| chunk(choice, part, events)),
        // Cloudflare gives the JSON that a schema asked for as JSON.
        Some(object @ Value::Object(_)) => {
            events.push(Event::Text { choice, text: object.to_string(), logprobs });
        }
        _ if !logprobs.is_empty() => {
            events.push(Event::Text { choice, text: String::new(), logprobs });
        }
        _ => {}
    }
    if let Some(text) = said.get("refusal").and_then(Value::as_str)
        && !text.is_empty()
    {
        events.push(Event::Refusal { choice, text: text.to_owned() });
    }
    let annotations = said.get(ANNOTATIONS);
    let cited = annotations.and_then(|cited| annotated(formats::OPENAI_CHAT, cited));
    let is_cited = cited.is_some();
    events.extend(cited.map(|part| Event::Part { choice, part }));
    let images = said.get("images").and_then(Value::as_array);
    events.extend(images.into_iter().flatten().filter_map(|image| picture(choice, image)));
    is_cited
}

/// The pages that an answer, or a chunk of one, names beside its choices.
pub(super) fn found(answer: &Value) -> Option<Part> {
    let named = [SEARCH_RESULTS, CITATIONS].into_iter().filter_map(|name| {
        let pages = answer.get(name)?;
        let some = pages.as_array().is_some_and(|pages| !pages.is_empty());
        some.then(|| (name.to_owned(), pages.clone()))
    });
    let value: Map<String, Value> = named.collect();
    (!value.is_empty()).then(|| Part::Native { format: formats::OPENAI_CHAT, value: value.into() })
}

/// A part of Mistral's content lists.
fn chunk(choice: u32, part: &Value, events: &mut Vec<Event>) {
    match part.get("type").and_then(Value::as_str) {
        Some("text") => {
            let text = part.get("text").and_then(Value::as_str).unwrap_or_default().to_owned();
            events.push(Event::Text { choice, text, logprobs: vec![] });
        }
        Some("thinking") => {
            let text = match part.get("thinking") {
                Some(Value::String(text)) => text.clone(),
                Some(chunks) => reasoning::thought_text(chunks),
                None => String::new(),
            };
            let signature = part.get("signature").and_then(Value::as_str).unwrap_or_default();
            events.push(Event::Reasoning { choice, text });
            // Some thoughts are to be sent back with what signs them (its SDK, `ThinkChunk`).
            if !signature.is_empty() {
                let signature = Signature::new(formats::MISTRAL, signature);
                events.push(Event::ReasoningSigned { choice, signature });
            }
        }
        Some("image_url") => events.extend(picture(choice, part)),
        // A kind that is yet to come: of what it says, its text is what all can read.
        _ if part["text"].is_string() => {
            let text = part["text"].as_str().unwrap_or_default().to_owned();
            events.push(Event::Text { choice, text, logprobs: vec![] });
        }
        _ => {
            let part = Part::Native { format: formats::OPENAI_CHAT, value: part.clone() };
            events.push(Event::Part { choice, part });
        }
    }
}

fn picture(choice: u32, image: &Value) -> Option<Event> {
    let url = image.pointer("/image_url/url").or_else(|| image.get("image_url"))?.as_str()?;
    let media = Media::of_url(url.to_owned());
    Some(Event::Part { choice, part: Part::Image { media, detail: None } })
}

fn tokens(logprobs: &Value) -> Vec<TokenLogprob> {
    let tokens = logprobs.get("content").and_then(Value::as_array);
    let token = |value: &Value| {
        let top = value.get("top_logprobs").and_then(Value::as_array);
        let top = top.into_iter().flatten().filter_map(weighed).collect();
        let (bytes, logprob) = weighed(value)?;
        Some(TokenLogprob { bytes, logprob, top })
    };
    tokens.into_iter().flatten().filter_map(token).collect()
}

fn weighed(token: &Value) -> Option<(Vec<u8>, f32)> {
    let logprob = token.get("logprob")?.as_f64()? as f32;
    let bytes = token
        .get("bytes")
        .and_then(Value::as_array)
        .map(|bytes| bytes.iter().filter_map(|byte| u8::try_from(byte.as_u64()?).ok()).collect());
    let text = || Some(token.get("token")?.as_str()?.as_bytes().to_vec());
    Some((bytes.or_else(text)?, logprob))
}
