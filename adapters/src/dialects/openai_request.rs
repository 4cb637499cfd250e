//! Just enough of an OpenAI request to route it, and its way out with few bytes changed.
//!
//! A relay reads the body once, looks at a handful of top-level members and skips the rest. What it
//! must change on the way out it splices into the caller's own text, so that unknown fields, the
//! order of keys and the formatting arrive upstream as they were written.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use isthmus_inference::failure::Failure;
use isthmus_inference::ident::UpstreamModel;
use isthmus_inference::request::{Dialect, Operation, Request};
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::dialects::openai_fields::{name_of_type, wrong_type};

/// What an upstream must be sent otherwise than the caller wrote it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quirks {
    /// How it comes to report the usage of a stream.
    pub stream_usage: StreamUsage,
    /// Top-level fields that it knows by another name: (OpenAI's, its own).
    pub renames: &'static [(&'static str, &'static str)],
}

/// How an upstream comes to report the usage of a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StreamUsage {
    /// It must be asked, with `stream_options.include_usage`.
    #[default]
    Asked,
    /// It reports unasked; what the caller wrote is passed on.
    Unasked,
    /// It reports unasked and refuses `stream_options`, which is therefore taken out.
    OptionRefused,
}

/// A top-level member of the body.
struct Member<'a> {
    /// Borrowed from the text unless it was written with escapes.
    key: Cow<'a, str>,
    value: &'a RawValue,
}

/// One change to the text.
struct Edit<'a> {
    place: Range<usize>,
    text: Cow<'a, str>,
}

/// The members that the house reads. Twice the same one is refused, because readers differ in
/// which of the two they believe.
const READ_HERE: [&str; 7] =
    ["model", "stream", "stream_options", "n", "messages", "prompt", "input"];

/// The most answers to one request, as OpenAI has it.
const MOST_CHOICES: u64 = 128;

/// Reads of the caller's bytes what routing and accounting need.
pub fn decode(operation: Operation, body: Bytes) -> Result<Request, Failure> {
    let text = as_text(&body)?;
    let members = members(text, &[])?;
    let value = |name: &str| {
        let member = members.iter().find(|member| member.key == name)?;
        (member.value.get() != "null").then_some(member.value)
    };

    let model = model(value("model"))?;
    check_subject(operation, value(subject(operation)))?;
    check_choices(value("n"))?;
    let stream = operation != Operation::Embedding && boolean("stream", value("stream"))?;
    let usage_wanted = stream && usage_wanted(value("stream_options"))?;
    let model = model.as_ref().into();
    Ok(Request { operation, dialect: Dialect::OpenAi, model, stream, usage_wanted, body })
}

/// The body to send upstream: the caller's own, with the upstream's name of the model, with usage
/// asked for, and with the upstream's quirks. The same bytes come back if nothing needs to change.
pub fn rewrite(
    request: &Request,
    model: &UpstreamModel,
    quirks: &Quirks,
) -> Result<Bytes, Failure> {
    let ask = request.stream
        && match quirks.stream_usage {
            StreamUsage::Asked => !request.usage_wanted,
            StreamUsage::Unasked => false,
            StreamUsage::OptionRefused => true,
        };
    if !ask && quirks.renames.is_empty() && request.model.as_str() == model.as_str() {
        return Ok(request.body.clone());
    }
    let text = as_text(&request.body)?;
    let members = members(text, quirks.renames)?;
    let mut edits = edits(text, &members, request, model, quirks);
    if edits.is_empty() {
        return Ok(request.body.clone());
    }
    edits.sort_by_key(|edit| edit.place.start);
    Ok(splice(text, &edits))
}

fn as_text(body: &[u8]) -> Result<&str, Failure> {
    std::str::from_utf8(body).map_err(|error| {
        let place = error.valid_up_to();
        Failure::invalid("", format!("the body is not UTF-8: byte {place} fits no character"))
    })
}

// === reading ===

/// The members that are read here or renamed, after a check that the whole text is JSON.
fn members<'a>(text: &'a str, renames: &[(&str, &str)]) -> Result<Vec<Member<'a>>, Failure> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let members = Members { renames }.deserialize(&mut reader);
    members.and_then(|members| reader.end().map(|()| members)).map_err(|error| {
        let what = if error.is_data() { "cannot be read" } else { "is not valid JSON" };
        Failure::invalid("", format!("the body {what}: {error}"))
    })
}

/// Reads one object, keeps the wanted members, and skips all others without looking inside.
struct Members<'r> {
    renames: &'r [(&'r str, &'r str)],
}

impl<'a> DeserializeSeed<'a> for Members<'_> {
    type Value = Vec<Member<'a>>;

    fn deserialize<D: serde::Deserializer<'a>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for Members<'_> {
    type Value = Vec<Member<'a>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members: Vec<Member<'a>> = Vec::with_capacity(READ_HERE.len());
        while let Some(Key(key)) = map.next_key()? {
            let wanted = READ_HERE.contains(&key.as_ref())
                || self.renames.iter().any(|(theirs, _)| *theirs == key);
            if !wanted {
                map.next_value::<IgnoredAny>()?;
            } else if members.iter().any(|member| member.key == key) {
                return Err(A::Error::custom(format!("`{key}` is given twice")));
            } else {
                members.push(Member { key, value: map.next_value()? });
            }
        }
        Ok(members)
    }
}

/// A key, borrowed where the text allows it.
#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// The field that says what is to be answered.
const fn subject(operation: Operation) -> &'static str {
    match operation {
        Operation::Chat => "messages",
        Operation::Completion => "prompt",
        Operation::Embedding => "input",
    }
}

fn model(value: Option<&RawValue>) -> Result<Cow<'_, str>, Failure> {
    let Some(value) = value else {
        return Err(Failure::invalid("model", "you must provide a `model`"));
    };
    match serde_json::from_str::<Key<'_>>(value.get()) {
        Ok(Key(name)) if name.is_empty() => {
            Err(Failure::invalid("model", "`model` is empty; name a model"))
        }
        Ok(Key(name)) => Ok(name),
        Err(_) => Err(wrong_type("model", "a string", name_of_type(value.get()))),
    }
}

fn check_subject(operation: Operation, value: Option<&RawValue>) -> Result<(), Failure> {
    let param = subject(operation);
    let Some(value) = value else {
        // OpenAI's legacy completions start from an empty text without a prompt.
        return match operation {
            Operation::Completion => Ok(()),
            _ => Err(Failure::invalid(param, format!("missing required parameter: `{param}`"))),
        };
    };
    let text = value.get();
    let (fits, expected) = match operation {
        Operation::Chat => (text.starts_with('['), "an array of messages"),
        _ => (text.starts_with(['[', '"']), "a string or an array"),
    };
    if !fits {
        return Err(wrong_type(param, expected, name_of_type(text)));
    }
    if text.starts_with('[') && text[1..].trim_start().starts_with(']') {
        return Err(Failure::invalid(param, format!("`{param}` is empty; give at least one item")));
    }
    Ok(())
}

fn check_choices(value: Option<&RawValue>) -> Result<(), Failure> {
    let Some(value) = value else { return Ok(()) };
    match value.get().parse::<u64>() {
        Ok(1..=MOST_CHOICES) => Ok(()),
        _ => {
            let message = format!("`n` must be an integer from 1 to {MOST_CHOICES}");
            Err(Failure::invalid("n", message))
        }
    }
}

fn boolean(param: &str, value: Option<&RawValue>) -> Result<bool, Failure> {
    match value.map(RawValue::get) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(wrong_type(param, "a boolean", name_of_type(other))),
    }
}

/// What a caller may say in `stream_options`, as far as it is read here.
#[derive(serde::Deserialize)]
struct StreamOptions<'a> {
    #[serde(borrow)]
    include_usage: Option<&'a RawValue>,
}

fn usage_wanted(value: Option<&RawValue>) -> Result<bool, Failure> {
    let Some(value) = value else { return Ok(false) };
    let options: StreamOptions<'_> = serde_json::from_str(value.get())
        .map_err(|_| wrong_type("stream_options", "an object", name_of_type(value.get())))?;
    boolean("stream_options.include_usage", options.include_usage)
}

// === changing ===

fn edits<'t>(
    text: &str,
    members: &[Member<'t>],
    request: &Request,
    model: &UpstreamModel,
    quirks: &Quirks,
) -> Vec<Edit<'t>> {
    let find = |name: &str| members.iter().find(|member| member.key == name);
    let mut edits = Vec::new();
    let Some(named) = find("model") else { return edits };
    let named_at = place_of(text, named.value.get());
    if request.model.as_str() != model.as_str() {
        let name = serde_json::Value::from(model.as_str()).to_string();
        edits.push(Edit { place: named_at.clone(), text: name.into() });
    }
    if request.stream {
        match (quirks.stream_usage, find("stream_options")) {
            (StreamUsage::Asked, None) => {
                let text = r#","stream_options":{"include_usage":true}"#.into();
                edits.push(Edit { place: named_at.end..named_at.end, text });
            }
            (StreamUsage::Asked, Some(options)) if !request.usage_wanted => {
                edits.push(ask_in(text, options.value));
            }
            (StreamUsage::OptionRefused, Some(options)) => {
                edits.extend(take_out(text, options));
            }
            _ => {}
        }
    }
    for (ours, theirs) in quirks.renames {
        if let Some(Member { key: Cow::Borrowed(key), .. }) = find(ours) {
            edits.push(Edit { place: place_of(text, key), text: (*theirs).into() });
        }
    }
    edits
}

/// The edit that makes these `stream_options` ask for usage and leaves its other members alone.
fn ask_in<'t>(text: &str, options: &RawValue) -> Edit<'t> {
    let place = place_of(text, options.get());
    let known = serde_json::from_str::<StreamOptions<'_>>(options.get());
    if let Ok(StreamOptions { include_usage: Some(answer) }) = known {
        return Edit { place: place_of(text, answer.get()), text: "true".into() };
    }
    match options.get().strip_prefix('{').map(str::trim_start) {
        Some(rest) if !rest.starts_with('}') => Edit {
            place: place.start + 1..place.start + 1,
            text: r#""include_usage":true,"#.into(),
        },
        _ => Edit { place, text: r#"{"include_usage":true}"#.into() },
    }
}

/// The edit that removes a member together with one of the commas beside it. There is always one,
/// because `model` is there too.
fn take_out<'t>(text: &str, member: &Member<'_>) -> Option<Edit<'t>> {
    let Cow::Borrowed(key) = member.key else { return None };
    let mut start = place_of(text, key).start - 1;
    let mut end = place_of(text, member.value.get()).end;
    let after = text[end..].trim_start();
    if let Some(rest) = after.strip_prefix(',') {
        end = text.len() - rest.len();
    } else {
        start = text[..start].rfind(',')?;
    }
    Some(Edit { place: start..end, text: "".into() })
}

/// Where `part`, which was borrowed from `text`, lies in it.
fn place_of(text: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - text.as_ptr() as usize;
    start..start + part.len()
}

/// `text` with `edits` made, which are in order and apart.
fn splice(text: &str, edits: &[Edit<'_>]) -> Bytes {
    let added: usize = edits.iter().map(|edit| edit.text.len()).sum();
    let mut out = String::with_capacity(text.len() + added);
    let mut copied = 0;
    for edit in edits {
        out.push_str(&text[copied..edit.place.start]);
        out.push_str(&edit.text);
        copied = edit.place.end;
    }
    out.push_str(&text[copied..]);
    out.into()
}
