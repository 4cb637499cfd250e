//! A chat request as the named fields of somebody's own protocol, and back, as the operator mapped them.
//!
//! A subnet's synapse or a node's container takes a handful of fields of its own choosing. The mapping
//! says for each what goes in. What a caller asks for and no field takes is refused, never dropped.

use std::collections::BTreeMap;

use isthmus_inference::failure::{Failure, Kind};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

mod answer;
mod said;
mod text;

pub use answer::AnswerFields;
pub(crate) use answer::answer_with;
pub use said::{Said, Source};
pub use text::TextPieces;

/// The fields to send, by name.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Mapping(BTreeMap<String, Field>);

/// What goes into one field: `{ from: temperature, value: 0.7 }`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// What of the request.
    from: Option<Source>,
    /// What goes in where the request says nothing; always, if there is no `from`. Write it as the
    /// field's type has it: `1.0`, not `1`, for a number with decimals.
    #[serde(default, deserialize_with = "present")]
    value: Option<Value>,
}

/// Tells a written `null` from nothing.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

// === impl Mapping ===

impl Mapping {
    /// What is wrong with it, if anything.
    pub fn check(&self) -> Result<(), String> {
        if let Some((name, _)) =
            self.0.iter().find(|(_, field)| field.from.is_none() && field.value.is_none())
        {
            return Err(format!("the field `{name}` needs `from`, `value` or both"));
        }
        let takes = |source| self.0.values().any(|field| field.from == Some(source));
        let split = takes(Source::Roles) && takes(Source::Contents);
        if takes(Source::Messages) || takes(Source::Prompt) || split {
            return Ok(());
        }
        let message = "no field takes the conversation: map one from `messages` or `prompt`, \
                       or two from `roles` and `contents`";
        Err(message.to_owned())
    }

    /// The names of the fields.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether a field of this name has a value in every call.
    pub fn always_has(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|field| {
            field.value.is_some() || field.from.is_some_and(Source::is_always_said)
        })
    }

    /// The fields of a call.
    pub fn fields(&self, said: &Said) -> Result<Map<String, Value>, Failure> {
        let untaken = said.sources().find(|source| !self.takes(*source));
        if let Some(source) = untaken {
            let param = source.param();
            let message = format!(
                "`{param}` cannot be sent to this endpoint, which has no field for it; \
                 leave it out or ask for another model"
            );
            return Err(Failure::new(Kind::Unsupported, message).with_param(param));
        }
        let mut fields = Map::new();
        for (name, field) in &self.0 {
            let said = field.from.map(|source| said.value(source)).transpose()?.flatten();
            if let Some(value) = said.or_else(|| field.value.clone()) {
                fields.insert(name.clone(), value);
            }
        }
        Ok(fields)
    }

    fn takes(&self, source: Source) -> bool {
        let taken = self.0.values().filter_map(|field| field.from);
        taken.into_iter().any(|taken| taken.param() == source.param())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::dialects::openai_chat::decode_chat;

    fn mapping(value: Value) -> Mapping {
        serde_json::from_value(value).unwrap()
    }

    fn said(body: &Value) -> Said {
        Said::of(&decode_chat(body.to_string().as_bytes()).unwrap(), "up").unwrap()
    }

    #[test]
    fn fields_are_filled_from_the_request_then_from_the_mapping() {
        let mapping = mapping(json!({
            "messages": { "from": "messages" },
            "temp": { "from": "temperature", "value": 0.7 },
            "seed": { "from": "seed", "value": null },
            "top_p": { "from": "top_p" },
            "flag": { "value": true },
        }));
        let messages = json!([{ "role": "user", "content": "hi" }]);
        let fields = mapping.fields(&said(&json!({ "model": "m", "messages": messages })));
        let expected = json!({ "flag": true, "messages": messages, "seed": null, "temp": 0.7 });
        assert_eq!(Value::Object(fields.unwrap()), expected);

        let body = json!({ "model": "m", "messages": messages, "temperature": 1, "seed": 3 });
        let fields = mapping.fields(&said(&body)).unwrap();
        assert_eq!(fields["temp"].to_string(), "1.0", "a temperature stays a number with decimals");
        assert_eq!(fields["seed"], 3);
    }

    #[test]
    fn what_no_field_takes_is_refused_by_its_name() {
        let mapping = mapping(json!({ "messages": { "from": "messages" } }));
        let messages = json!([{ "role": "user", "content": "hi" }]);
        for (param, value) in [
            ("temperature", json!(0.5)),
            ("top_p", json!(0.5)),
            ("seed", json!(1)),
            ("stop", json!(["x"])),
            ("max_tokens", json!(5)),
            ("presence_penalty", json!(0.5)),
            ("frequency_penalty", json!(0.5)),
        ] {
            let mut body = json!({ "model": "m", "messages": messages });
            body[param] = value;
            let failure = mapping.fields(&said(&body)).unwrap_err();
            assert_eq!(failure.kind, Kind::Unsupported, "{param}");
            assert_eq!(failure.param.as_deref(), Some(param));
        }
    }

    #[test]
    fn a_mapping_must_take_the_conversation() {
        for (mapping_of, complaint) in [
            (json!({ "m": { "from": "messages" } }), None),
            (json!({ "m": { "from": "prompt" } }), None),
            (json!({ "r": { "from": "roles" }, "c": { "from": "contents" } }), None),
            (json!({ "c": { "from": "contents" } }), Some("takes the conversation")),
            (json!({}), Some("takes the conversation")),
            (json!({ "m": { "from": "messages" }, "x": {} }), Some("`x` needs")),
        ] {
            let checked = mapping(mapping_of.clone()).check();
            assert_eq!(checked.is_ok(), complaint.is_none(), "{mapping_of}");
            if let (Err(said), Some(complaint)) = (checked, complaint) {
                assert!(said.contains(complaint), "{said}");
            }
        }
    }

    #[test]
    fn fields_that_may_be_absent_are_known() {
        let mapping = mapping(json!({
            "messages": { "from": "messages" },
            "seed": { "from": "seed" },
            "top": { "from": "top_p", "value": null },
        }));
        let always: Vec<_> =
            ["messages", "seed", "top", "none"].map(|name| mapping.always_has(name)).into();
        assert_eq!(always, [true, false, true, false]);
    }

    #[test]
    fn unknown_words_are_refused() {
        for wrong in [json!({ "m": { "from": "mesages" } }), json!({ "m": { "default": 1 } })] {
            assert!(serde_json::from_value::<Mapping>(wrong).is_err());
        }
    }
}
