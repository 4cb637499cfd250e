//! What an operator says about a subnet's synapse.

use serde::Deserialize;

use crate::bittensor::dendrite::RESERVED;
use crate::mapping::{AnswerFields, Mapping};

/// A subnet's request class, and how a chat becomes one.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Synapse {
    /// The Python class, which is the path too.
    pub name: String,
    /// What goes into its fields.
    pub fields: Mapping,
    /// The fields that have no default in the class.
    #[serde(default)]
    pub required: Vec<String>,
    /// The class's `required_hash_fields`, in its order.
    #[serde(default)]
    pub hashed: Vec<String>,
    /// Whether the answer is a stream of plain text (a `StreamingSynapse`).
    #[serde(default)]
    pub streams: bool,
    /// Where the text is in an answer that is not streamed.
    pub answer: Option<AnswerFields>,
}

// === impl Synapse ===

impl Synapse {
    /// What is wrong with it, if anything.
    pub fn check(&self) -> Result<(), String> {
        let is_word = |name: &str| {
            !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        if !is_word(&self.name) {
            return Err("`name` must be the name of a Python class".to_owned());
        }
        if self.streams == self.answer.is_some() {
            return Err("give either `streams: true` or `answer`".to_owned());
        }
        self.fields.check().map_err(|error| format!("`fields`: {error}"))?;
        let bad = |name: &&str| !is_word(name) || RESERVED.contains(name);
        if let Some(name) = self.fields.names().find(bad) {
            return Err(format!("`fields`: `{name}` cannot be a field of a subnet's own"));
        }
        for (list, names) in [("required", &self.required), ("hashed", &self.hashed)] {
            if let Some(name) = names.iter().find(|name| !self.fields.always_has(name)) {
                let message = format!(
                    "`{list}`: the field `{name}` may be absent; give it under `fields` with the \
                     `value` that it has when the caller says nothing"
                );
                return Err(message);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn checked(change: impl FnOnce(&mut Value)) -> Result<(), String> {
        let mut value = json!({
            "name": "Chat",
            "fields": { "messages": { "from": "messages" }, "seed": { "from": "seed" } },
            "required": ["messages"],
            "hashed": ["messages"],
            "answer": { "text": "completion" },
        });
        change(&mut value);
        serde_json::from_value::<Synapse>(value).map_err(|error| error.to_string())?.check()
    }

    #[test]
    fn a_synapse_is_checked_before_it_is_called() {
        assert_eq!(checked(|_| ()), Ok(()));
        for (key, value, complaint) in [
            ("name", json!("a/b"), "`name`"),
            ("streams", json!(true), "either `streams: true` or `answer`"),
            ("answer", Value::Null, "either `streams: true` or `answer`"),
            ("fields", json!({ "seed": { "from": "seed" } }), "takes the conversation"),
            (
                "fields",
                json!({ "messages": { "from": "messages" }, "axon": { "value": 1 } }),
                "`axon` cannot be",
            ),
            ("required", json!(["other"]), "`required`: the field `other` may be absent"),
            ("hashed", json!(["messages", "seed"]), "`hashed`: the field `seed` may be absent"),
            ("hash", json!([]), "unknown field `hash`"),
        ] {
            let message = checked(|synapse| synapse[key] = value).unwrap_err();
            assert!(message.contains(complaint), "{key}: {message}");
        }
    }
}
