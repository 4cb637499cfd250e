//! Just enough of an OpenAI request to route it.
//!
//! A relay reads the body once, looks at a handful of top-level members and skips the rest. On the
//! way out [`rewrite`] changes as few bytes as it can.

use std::borrow::Cow;

use bytes::Bytes;
use isthmus_inference::failure::Failure;
use isthmus_inference::outline::Outline;
use isthmus_inference::request::{Dialect, Operation, Request};
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::dialects::fields::{name_of_type, wrong_type};

mod rewrite;

pub use rewrite::{Quirks, StreamUsage, rewrite};

/// The members that routing and accounting read.
const READ_HERE: [&str; 7] =
    ["model", "stream", "stream_options", "n", "messages", "prompt", "input"];
/// The most answers to one request, as OpenAI has it.
const MOST_CHOICES: u64 = 128;
/// The longest name of a model, in bytes: far more than any provider's.
const LONGEST_MODEL: usize = 256;

/// Reads of the caller's bytes what routing and accounting need.
pub fn decode(operation: Operation, body: Bytes) -> Result<Request, Failure> {
    let members = Members::of(&body, &READ_HERE)?;
    let value = |name: &str| members.value(name);

    let model = model(value("model"))?;
    check_subject(operation, value(subject(operation)))?;
    check_choices(value("n"))?;
    let stream = operation != Operation::Embedding && boolean("stream", value("stream"))?;
    let usage_wanted = stream && usage_wanted(value("stream_options"))?;
    let model = model.as_ref().into();
    Ok(Request {
        operation,
        dialect: Dialect::OpenAi,
        model,
        stream,
        usage_wanted,
        outline: members.outline,
        body,
        forwarded: Vec::new(),
        query: None,
    })
}

/// The same of a request to `POST /responses`. Its answer always tells usage.
pub fn decode_responses(body: Bytes) -> Result<Request, Failure> {
    let members = Members::of(&body, &READ_HERE)?;
    let value = |name: &str| members.value(name);
    let model = model(value("model"))?.as_ref().into();
    if let Some(input) = value("input").filter(|input| !input.starts_with(['[', '"'])) {
        return Err(wrong_type("input", "a string or an array", name_of_type(input)));
    }
    let stream = boolean("stream", value("stream"))?;
    Ok(Request {
        operation: Operation::Chat,
        dialect: Dialect::Responses,
        model,
        stream,
        usage_wanted: false,
        outline: members.outline,
        body,
        forwarded: Vec::new(),
        query: None,
    })
}

/// How many choices an answer to this request has: `n` for each prompt.
pub fn choices(request: &Request) -> usize {
    let value = |name: &str| {
        let member = request.outline.named(&request.body, name).next()?;
        Some(&request.body[member.value.clone()])
    };
    let each = value("n").and_then(|value| serde_json::from_slice(value).ok()).unwrap_or(1);
    let prompts = match (request.operation, value("prompt")) {
        (Operation::Completion, Some(prompt)) => prompts(prompt),
        _ => 1,
    };
    prompts.saturating_mul(each)
}

/// How many prompts there are; a list of numbers is one, in tokens.
fn prompts(value: &[u8]) -> usize {
    let items: Vec<&RawValue> = serde_json::from_slice(value).unwrap_or_default();
    let one_in_tokens = items.first().is_none_or(|item| !item.get().starts_with(['"', '[']));
    if one_in_tokens { 1 } else { items.len() }
}

/// Why a text is not an object, in the words and with the line and column of a parser. Slow, and
/// asked only after the fact.
fn not_an_object(text: &str) -> Failure {
    match serde_json::from_str::<IgnoredAny>(text) {
        Err(error) => Failure::invalid("", format!("the body is not valid JSON: {error}")),
        Ok(_) => Failure::invalid("", "the body must be a JSON object"),
    }
}

/// The members of a request that is a JSON object, found and not yet read.
pub(crate) struct Members<'b> {
    text: &'b str,
    /// Where they lie.
    pub(crate) outline: Outline,
}

impl<'b> Members<'b> {
    /// Finds them. Readers differ in which of two they believe, so one that is read `here` comes once.
    pub(crate) fn of(body: &'b [u8], here: &[&str]) -> Result<Self, Failure> {
        let text = as_text(body)?;
        let outline = Outline::of(text).map_err(|_| not_an_object(text))?;
        let twice = |name: &&&str| outline.named(body, name).nth(1).is_some();
        match here.iter().find(twice) {
            Some(name) => Err(Failure::invalid(name, format!("`{name}` is given twice"))),
            None => Ok(Self { text, outline }),
        }
    }

    /// The text of a member's value, unless it is absent or null.
    pub(crate) fn value(&self, name: &str) -> Option<&'b str> {
        let member = self.outline.named(self.text.as_bytes(), name).next()?;
        Some(&self.text[member.value.clone()]).filter(|value| *value != "null")
    }
}

fn as_text(body: &[u8]) -> Result<&str, Failure> {
    simdutf8::compat::from_utf8(body).map_err(|error| {
        let place = error.valid_up_to();
        Failure::invalid("", format!("the body is not UTF-8: byte {place} fits no character"))
    })
}

/// The field that says what is to be answered.
const fn subject(operation: Operation) -> &'static str {
    match operation {
        Operation::Chat | Operation::CountTokens => "messages",
        Operation::Completion => "prompt",
        Operation::Embedding => "input",
    }
}

pub(crate) fn model(value: Option<&str>) -> Result<Cow<'_, str>, Failure> {
    let Some(value) = value else {
        return Err(Failure::invalid("model", "you must provide a `model`"));
    };
    match serde_json::from_str::<Text<'_>>(value) {
        Ok(Text(name)) if name.is_empty() => {
            Err(Failure::invalid("model", "`model` is empty; name a model"))
        }
        // Not repeated: it would fill the log with whatever it is.
        Ok(Text(name)) if name.len() > LONGEST_MODEL => Err(Failure::invalid(
            "model",
            format!("`model` is longer than {LONGEST_MODEL} bytes; name a model"),
        )),
        Ok(Text(name)) => Ok(name),
        Err(_) => Err(wrong_type("model", "a string", name_of_type(value))),
    }
}

/// Text, borrowed where it was written without escapes.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

fn check_subject(operation: Operation, value: Option<&str>) -> Result<(), Failure> {
    let param = subject(operation);
    let Some(text) = value else {
        // OpenAI's legacy completions start from an empty text without a prompt.
        return match operation {
            Operation::Completion => Ok(()),
            _ => Err(Failure::invalid(param, format!("missing required parameter: `{param}`"))),
        };
    };
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

fn check_choices(value: Option<&str>) -> Result<(), Failure> {
    let Some(value) = value else { return Ok(()) };
    match value.parse::<u64>() {
        Ok(1..=MOST_CHOICES) => Ok(()),
        _ => {
            let message = format!("`n` must be an integer from 1 to {MOST_CHOICES}");
            Err(Failure::invalid("n", message))
        }
    }
}

pub(crate) fn boolean(param: &str, value: Option<&str>) -> Result<bool, Failure> {
    match value {
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

fn usage_wanted(value: Option<&str>) -> Result<bool, Failure> {
    let Some(value) = value else { return Ok(false) };
    if !value.starts_with('{') {
        return Err(wrong_type("stream_options", "an object", name_of_type(value)));
    }
    let options: StreamOptions<'_> = serde_json::from_str(value).map_err(|error| {
        Failure::invalid("stream_options", format!("`stream_options`: {error}"))
    })?;
    boolean("stream_options.include_usage", options.include_usage.map(RawValue::get))
}

#[cfg(test)]
mod tests {
    use isthmus_inference::failure::Kind;
    use proptest::prelude::*;

    use super::*;

    fn chat(body: &str) -> Result<Request, Failure> {
        decode(Operation::Chat, Bytes::copy_from_slice(body.as_bytes()))
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
    fn a_model_whose_name_is_a_novel_is_refused_without_repeating_it() {
        let request =
            |length| chat(&format!(r#"{{"model":"{}","messages":[{{}}]}}"#, "x".repeat(length)));
        assert!(request(LONGEST_MODEL).is_ok());
        let failure = request(LONGEST_MODEL + 1).unwrap_err();
        assert_eq!(failure.param.as_deref(), Some("model"));
        assert!(!failure.message.contains("xxx"), "{}", failure.message);
    }

    #[test]
    fn choices_are_counted_for_each_prompt() {
        let cases = [
            (Operation::Chat, r#"{"model":"m","messages":[{}]}"#, 1),
            (Operation::Chat, r#"{"model":"m","messages":[{}],"n":null}"#, 1),
            (Operation::Chat, r#"{"model":"m","messages":[{}],"n":3}"#, 3),
            (Operation::Completion, r#"{"model":"m"}"#, 1),
            (Operation::Completion, r#"{"model":"m","prompt":"a","n":2}"#, 2),
            (Operation::Completion, r#"{"model":"m","prompt":["a","b"],"n":2}"#, 4),
            (Operation::Completion, r#"{"model":"m","prompt":[1,2,3]}"#, 1),
            (Operation::Completion, r#"{"model":"m","prompt":[[1,2],[3],[4]]}"#, 3),
        ];
        for (operation, body, count) in cases {
            let request = decode(operation, Bytes::from_static(body.as_bytes())).unwrap();
            assert_eq!(choices(&request), count, "{body}");
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

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            for operation in [Operation::Chat, Operation::Completion, Operation::Embedding] {
                let _ = decode(operation, Bytes::copy_from_slice(&body));
            }
        }
    }
}
