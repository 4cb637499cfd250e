//! Members of a caller's request that are Google's own words, and where they belong.

use serde_json::{Map, Value, json};

use super::Flavour;

/// Where members go that no neutral word exists for.
pub(super) struct Extras<'r> {
    pub(super) rest: &'r mut Map<String, Value>,
    pub(super) generation: &'r mut Map<String, Value>,
    pub(super) tool_config: &'r mut Map<String, Value>,
    pub(super) flavour: Flavour,
    /// The names of what has no place.
    pub(super) dropped: Vec<String>,
}

/// Members of the body itself.
const TOP: [&str; 2] = ["safetySettings", "cachedContent"];
/// Those that Vertex alone has.
const TOP_OF_VERTEX: [&str; 2] = ["labels", "modelArmorConfig"];
/// Members of `generationConfig`.
const GENERATION: [&str; 8] = [
    "thinkingConfig",
    "responseModalities",
    "mediaResolution",
    "speechConfig",
    "imageConfig",
    "audioTimestamp",
    "routingConfig",
    "enableAffectiveDialog",
];

// === impl Extras ===

impl Extras<'_> {
    /// Puts each member where it belongs. Both of Google's spellings are understood.
    pub(super) fn place(&mut self, members: &Map<String, Value>) {
        for (name, value) in members {
            if !self.placed(name, value) {
                self.dropped.push(name.clone());
            }
        }
    }

    fn placed(&mut self, name: &str, value: &Value) -> bool {
        let camel = camel(name);
        let known = camel.as_str();
        match (known, value) {
            _ if TOP.contains(&known)
                || (self.flavour == Flavour::Vertex && TOP_OF_VERTEX.contains(&known)) =>
            {
                self.rest.insert(camel, value.clone());
            }
            _ if GENERATION.contains(&known) => join(self.generation, &camel, value),
            ("generationConfig", Value::Object(members)) => {
                let members = members.iter();
                members.for_each(|(name, value)| join(self.generation, &self::camel(name), value));
            }
            ("toolConfig", Value::Object(members)) => {
                let members = members.iter();
                members.for_each(|(name, value)| join(self.tool_config, &self::camel(name), value));
            }
            // How callers of Google's own OpenAI-shaped API say such things.
            ("google", Value::Object(members)) => self.place(members),
            ("extraBody", Value::Object(members)) if members.contains_key("google") => {
                self.place(members);
            }
            ("modalities", Value::Array(kinds)) => self.modalities(kinds),
            ("audio", Value::Object(wanted)) => self.voice(wanted),
            _ => return false,
        }
        true
    }

    fn modalities(&mut self, kinds: &[Value]) {
        let kinds = kinds.iter().filter_map(Value::as_str).map(str::to_ascii_uppercase);
        let kinds: Vec<_> = kinds.collect();
        if kinds != ["TEXT"] {
            self.generation.insert("responseModalities".to_owned(), json!(kinds));
        }
    }

    fn voice(&mut self, wanted: &Map<String, Value>) {
        if let Some(voice) = wanted.get("voice").and_then(Value::as_str) {
            let config =
                json!({ "voiceConfig": { "prebuiltVoiceConfig": { "voiceName": voice } } });
            self.generation.entry("speechConfig").or_insert(config);
        }
    }
}

/// Sets a member; one that is an object already gets the new members beside the old.
fn join(into: &mut Map<String, Value>, name: &str, value: &Value) {
    match (into.get_mut(name), value) {
        (Some(Value::Object(old)), Value::Object(new)) => {
            for (name, value) in new {
                old.insert(camel(name), value.clone());
            }
        }
        _ => {
            into.insert(name.to_owned(), value.clone());
        }
    }
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut all, word| {
        let mut letters = word.chars();
        all.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        all.push_str(letters.as_str());
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(flavour: Flavour, extra: &Value) -> (Value, Vec<String>) {
        let (mut rest, mut generation, mut tool_config) = Default::default();
        let mut extras = Extras {
            rest: &mut rest,
            generation: &mut generation,
            tool_config: &mut tool_config,
            flavour,
            dropped: vec![],
        };
        extras.place(extra.as_object().unwrap());
        let dropped = extras.dropped;
        (json!([rest, generation, tool_config]), dropped)
    }

    #[test]
    fn googles_own_words_are_passed_on_in_either_spelling() {
        let extra = json!({
            "safety_settings": [1], "labels": {"a": "b"},
            "extra_body": {"google": {"thinking_config": {"include_thoughts": true},
                "cached_content": "c"}},
            "toolConfig": {"retrieval_config": {}}, "modalities": ["text", "image"],
            "audio": {"voice": "Kore"}, "verbosity": "low"
        });
        let expected = json!([
            {"safetySettings": [1], "labels": {"a": "b"}, "cachedContent": "c"},
            {"thinkingConfig": {"include_thoughts": true}, "responseModalities": ["TEXT", "IMAGE"],
                "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}}},
            {"retrievalConfig": {}}
        ]);
        let (written, dropped) = placed(Flavour::Vertex, &extra);
        assert_eq!((written, dropped), (expected, vec!["verbosity".to_owned()]));
        assert_eq!(placed(Flavour::Studio, &extra).1, ["labels", "verbosity"]);
    }
}
