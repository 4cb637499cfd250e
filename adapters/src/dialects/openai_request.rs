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
use serde_json::Deserializer;
use serde_json::de::Read;
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

/// The members that routing and accounting read. Twice the same one is refused, because readers
/// differ in which of the two they believe.
const READ_HERE: [&str; 7] =
    ["model", "stream", "stream_options", "n", "messages", "prompt", "input"];
/// The members that may be changed on the way out, beside those that are renamed.
const CHANGED_HERE: [&str; 2] = ["model", "stream_options"];

/// The most answers to one request, as OpenAI has it.
const MOST_CHOICES: u64 = 128;

/// Reads of the caller's bytes what routing and accounting need.
pub fn decode(operation: Operation, body: Bytes) -> Result<Request, Failure> {
    let members = members(Deserializer::from_str(as_text(&body)?), &READ_HERE)?;
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
    let theirs = quirks.renames.iter().map(|(ours, _)| *ours);
    let wanted: Vec<&str> = CHANGED_HERE.into_iter().chain(theirs).collect();
    // The text was checked when it came in, so that this time it is skipped as plain bytes.
    let members = members(Deserializer::from_slice(&request.body), &wanted)?;
    let mut edits = edits(&request.body, &members, request, model, quirks);
    if edits.is_empty() {
        return Ok(request.body.clone());
    }
    edits.sort_by_key(|edit| edit.place.start);
    Ok(splice(&request.body, &edits))
}

fn as_text(body: &[u8]) -> Result<&str, Failure> {
    simdutf8::compat::from_utf8(body).map_err(|error| {
        let place = error.valid_up_to();
        Failure::invalid("", format!("the body is not UTF-8: byte {place} fits no character"))
    })
}

// === reading ===

/// The wanted members, after a check that the whole text is JSON.
fn members<'a, R: Read<'a>>(
    mut reader: Deserializer<R>,
    wanted: &[&str],
) -> Result<Vec<Member<'a>>, Failure> {
    let members = Members { wanted }.deserialize(&mut reader);
    members.and_then(|members| reader.end().map(|()| members)).map_err(|error| {
        let what = if error.is_data() { "cannot be read" } else { "is not valid JSON" };
        Failure::invalid("", format!("the body {what}: {error}"))
    })
}

/// Reads one object, keeps the wanted members, and skips all others without looking inside.
struct Members<'w> {
    wanted: &'w [&'w str],
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
        let mut members: Vec<Member<'a>> = Vec::with_capacity(self.wanted.len());
        while let Some(Key(key)) = map.next_key()? {
            if !self.wanted.contains(&key.as_ref()) {
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
    if !value.get().starts_with('{') {
        return Err(wrong_type("stream_options", "an object", name_of_type(value.get())));
    }
    let options: StreamOptions<'_> = serde_json::from_str(value.get()).map_err(|error| {
        Failure::invalid("stream_options", format!("`stream_options`: {error}"))
    })?;
    boolean("stream_options.include_usage", options.include_usage)
}

// === changing ===

fn edits<'t>(
    body: &[u8],
    members: &[Member<'t>],
    request: &Request,
    model: &UpstreamModel,
    quirks: &Quirks,
) -> Vec<Edit<'t>> {
    let find = |name: &str| members.iter().find(|member| member.key == name);
    let mut edits = Vec::new();
    let Some(named) = find("model") else { return edits };
    let named_at = place_of(body, named.value.get());
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
                edits.push(ask_in(body, options.value));
            }
            (StreamUsage::OptionRefused, Some(options)) => {
                edits.extend(take_out(body, options));
            }
            _ => {}
        }
    }
    for (ours, theirs) in quirks.renames {
        if let Some(Member { key: Cow::Borrowed(key), .. }) = find(ours) {
            edits.push(Edit { place: place_of(body, key), text: (*theirs).into() });
        }
    }
    edits
}

/// The edit that makes these `stream_options` ask for usage and leaves its other members alone.
fn ask_in<'t>(body: &[u8], options: &RawValue) -> Edit<'t> {
    let place = place_of(body, options.get());
    let known = serde_json::from_str::<StreamOptions<'_>>(options.get());
    if let Ok(StreamOptions { include_usage: Some(answer) }) = known {
        return Edit { place: place_of(body, answer.get()), text: "true".into() };
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
fn take_out<'t>(body: &[u8], member: &Member<'_>) -> Option<Edit<'t>> {
    let Cow::Borrowed(key) = member.key else { return None };
    let mut start = place_of(body, key).start - 1;
    let mut end = place_of(body, member.value.get()).end;
    match body[end..].trim_ascii_start().strip_prefix(b",") {
        Some(rest) => end = body.len() - rest.len(),
        None => start = memchr::memrchr(b',', &body[..start])?,
    }
    Some(Edit { place: start..end, text: "".into() })
}

/// Where `part`, which was borrowed from `body`, lies in it.
fn place_of(body: &[u8], part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - body.as_ptr() as usize;
    start..start + part.len()
}

/// `body` with `edits` made, which are in order and apart.
fn splice(body: &[u8], edits: &[Edit<'_>]) -> Bytes {
    let added: usize = edits.iter().map(|edit| edit.text.len()).sum();
    let mut out = Vec::with_capacity(body.len() + added);
    let mut copied = 0;
    for edit in edits {
        out.extend_from_slice(&body[copied..edit.place.start]);
        out.extend_from_slice(edit.text.as_bytes());
        copied = edit.place.end;
    }
    out.extend_from_slice(&body[copied..]);
    out.into()
}

#[cfg(test)]
mod tests {
    use isthmus_inference::failure::Kind;
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::*;

    const PLAIN: Quirks = Quirks { stream_usage: StreamUsage::Asked, renames: &[] };
    const MISTRAL: Quirks =
        Quirks { stream_usage: StreamUsage::OptionRefused, renames: &[("input", "inputs")] };

    fn chat(body: &str) -> Result<Request, Failure> {
        decode(Operation::Chat, Bytes::copy_from_slice(body.as_bytes()))
    }

    fn rewritten(body: &str, model: &str, quirks: &Quirks) -> String {
        let request = chat(body).unwrap();
        String::from_utf8(rewrite(&request, &model.into(), quirks).unwrap().to_vec()).unwrap()
    }

    #[test]
    fn what_routing_needs_is_read() {
        let request = chat(
            r#"{"messages":[{}],"model":"g\u0070t","stream":true,"stream_options":{"include_usage":true,"x":1}}"#,
        )
        .unwrap();
        assert_eq!(request.model.as_str(), "gpt");
        assert!(request.stream && request.usage_wanted);

        let request = chat(r#"{"model":"m","messages":[{}],"stream":null,"n":null}"#).unwrap();
        assert!(!request.stream && !request.usage_wanted);
    }

    #[test]
    fn each_complaint_names_its_field() {
        let cases = [
            (r#"{"messages":[{}]}"#, "model"),
            (r#"{"model":null,"messages":[{}]}"#, "model"),
            (r#"{"model":"","messages":[{}]}"#, "model"),
            (r#"{"model":7,"messages":[{}]}"#, "model"),
            (r#"{"model":"m"}"#, "messages"),
            (r#"{"model":"m","messages":"hi"}"#, "messages"),
            (r#"{"model":"m","messages":[ ]}"#, "messages"),
            (r#"{"model":"m","messages":[{}],"stream":"yes"}"#, "stream"),
            (
                r#"{"model":"m","messages":[{}],"stream":true,"stream_options":[1]}"#,
                "stream_options",
            ),
            (
                r#"{"model":"m","messages":[{}],"stream":true,"stream_options":{"include_usage":1}}"#,
                "stream_options.include_usage",
            ),
            (r#"{"model":"m","messages":[{}],"n":0}"#, "n"),
            (r#"{"model":"m","messages":[{}],"n":1.5}"#, "n"),
            (r#"{"model":"m","messages":[{}],"n":129}"#, "n"),
        ];
        for (body, param) in cases {
            let failure = chat(body).unwrap_err();
            assert_eq!(failure.kind, Kind::InvalidRequest, "{body}");
            assert_eq!(failure.param.as_deref(), Some(param), "{body}");
            assert!(failure.message.contains(&format!("`{param}`")), "{body}: {}", failure.message);
        }
    }

    #[test]
    fn what_is_no_object_says_where_it_goes_wrong() {
        let cases = [
            ("", "line 1 column 0"),
            ("{\"model\": \"m\",\n  oops}", "line 2 column 3"),
            ("{\"model\":\"m\"} {}", "trailing characters"),
            ("[1]", "a JSON object"),
            ("{\"messages\":[{]}", "line 1 column 15"),
            (r#"{"model":"a","model":"b"}"#, "`model` is given twice"),
        ];
        for (body, said) in cases {
            let failure = chat(body).unwrap_err();
            assert!(failure.message.contains(said), "{body}: {}", failure.message);
            assert_eq!(failure.kind, Kind::InvalidRequest);
        }
        let failure = decode(Operation::Chat, Bytes::from_static(b"{\"model\":\"\xFF\"}"));
        assert!(failure.unwrap_err().message.contains("byte 10"));
    }

    #[test]
    fn a_deep_body_is_skipped_without_recursion() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let request = chat(&format!(r#"{{"x":{deep},"model":"m","messages":{deep}}}"#));
        assert_eq!(request.unwrap().model.as_str(), "m");
    }

    #[test]
    fn nothing_to_change_gives_the_same_bytes() {
        let body = r#"{"model":"m","messages":[{}],"stream":true,"stream_options":{"include_usage":true}}"#;
        let request = chat(body).unwrap();
        let sent = rewrite(&request, &"m".into(), &PLAIN).unwrap();
        assert_eq!(sent.as_ptr(), request.body.as_ptr());
    }

    #[test]
    fn only_what_must_change_is_changed() {
        let cases = [
            (
                r#"{"messages":[{}], "model" : "m\"x" , "z":1.50}"#,
                r#"{"messages":[{}], "model" : "up\"s" , "z":1.50}"#,
            ),
            (
                r#"{"model":"m","messages":[{}],"stream":true}"#,
                r#"{"model":"up\"s","stream_options":{"include_usage":true},"messages":[{}],"stream":true}"#,
            ),
            (
                r#"{"stream_options":{ "a":1},"model":"m","messages":[{}],"stream":true}"#,
                r#"{"stream_options":{"include_usage":true, "a":1},"model":"up\"s","messages":[{}],"stream":true}"#,
            ),
            (
                r#"{"model":"m","messages":[{}],"stream":true,"stream_options":{"include_usage" : false }}"#,
                r#"{"model":"up\"s","messages":[{}],"stream":true,"stream_options":{"include_usage" : true }}"#,
            ),
            (
                r#"{"model":"m","messages":[{}],"stream":true,"stream_options": { } }"#,
                r#"{"model":"up\"s","messages":[{}],"stream":true,"stream_options": {"include_usage":true} }"#,
            ),
            (
                r#"{"model":"m","messages":[{}],"stream":true,"stream_options":null}"#,
                r#"{"model":"up\"s","messages":[{}],"stream":true,"stream_options":{"include_usage":true}}"#,
            ),
        ];
        for (body, expected) in cases {
            assert_eq!(rewritten(body, "up\"s", &PLAIN), expected);
        }
    }

    #[test]
    fn refused_options_go_with_their_comma() {
        let cases = [
            r#"{"stream_options":{"a":[1,2]} , "model":"m","messages":[{}],"stream":true}"#,
            r#"{"model":"m", "stream_options":{},"messages":[{}],"stream":true}"#,
            r#"{"model":"m","messages":[{}],"stream":true , "stream_options":null }"#,
        ];
        for body in cases {
            let sent: Value = serde_json::from_str(&rewritten(body, "m", &MISTRAL)).unwrap();
            assert_eq!(sent, json!({"model":"m","messages":[{}],"stream":true}), "{body}");
        }
    }

    /// Bodies with the members that are read here, in any order among others.
    fn bodies() -> impl Strategy<Value = (Map<String, Value>, String)> {
        let options = prop_oneof![
            Just(json!({"include_usage": true})),
            Just(json!({"include_usage": false, "other": [1]})),
            Just(json!({"other": {"a": "}"}})),
            Just(json!({})),
            Just(Value::Null),
        ];
        let members = (
            "[a-z\"\\\\/é]{1,8}",
            proptest::option::of(any::<bool>()),
            proptest::option::of(options),
            proptest::collection::vec(("x[a-z\"]{0,4}", "[ -~é\\n]{0,20}"), 0..4),
            any::<bool>(),
        );
        let members = members.prop_map(|(model, stream, options, others, pretty)| {
            let mut members = vec![
                ("model".to_owned(), json!(model)),
                ("messages".to_owned(), json!([{"role": "user"}])),
                ("input".to_owned(), json!(7)),
            ];
            members.extend(stream.map(|stream| ("stream".to_owned(), json!(stream))));
            members.extend(options.map(|options| ("stream_options".to_owned(), options)));
            members.extend(others.into_iter().map(|(key, text)| (key, json!({ "t": text }))));
            (members, pretty)
        });
        members
            .prop_flat_map(|(members, pretty)| (Just(members).prop_shuffle(), Just(pretty)))
            .prop_map(|(members, pretty)| {
                let body: Map<String, Value> = members.into_iter().collect();
                let text = match pretty {
                    true => serde_json::to_string_pretty(&body),
                    false => serde_json::to_string(&body),
                };
                (body, text.unwrap())
            })
    }

    proptest! {
        #[test]
        fn splicing_does_to_the_text_what_it_should_to_the_values((body, text) in bodies()) {
            let streamed = body.get("stream") == Some(&json!(true));
            for quirks in [PLAIN, MISTRAL] {
                let mut expected = body.clone();
                expected["model"] = json!("up/stream");
                match quirks.stream_usage {
                    StreamUsage::Asked if streamed => {
                        let options = expected.entry("stream_options").or_insert(Value::Null);
                        if options.is_null() {
                            *options = json!({});
                        }
                        options["include_usage"] = json!(true);
                    }
                    StreamUsage::OptionRefused if streamed => {
                        expected.shift_remove("stream_options");
                    }
                    _ => {}
                }
                if !quirks.renames.is_empty() {
                    let input = expected.shift_remove("input").unwrap();
                    expected.insert("inputs".to_owned(), input);
                }
                let sent: Value = serde_json::from_str(&rewritten(&text, "up/stream", &quirks)).unwrap();
                prop_assert_eq!(sent, Value::Object(expected));
            }
        }

        #[test]
        fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            for operation in [Operation::Chat, Operation::Completion, Operation::Embedding] {
                let _ = decode(operation, Bytes::copy_from_slice(&body));
            }
        }
    }
}
