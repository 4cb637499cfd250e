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
const TOP: [&str; 3] = ["safetySettings", "cachedContent", "continuationToken"];
/// Those that AI Studio alone has, and Vertex alone.
const TOP_OF_STUDIO: [&str; 1] = ["store"];
const TOP_OF_VERTEX: [&str; 1] = ["modelArmorConfig"];
/// Members of `generationConfig`.
const GENERATION: [&str; 8] = [
    "thinkingConfig",
    "responseModalities",
    "mediaResolution",
    "speechConfig",
    "imageConfig",
    "enableAffectiveDialog",
    "audioTranscriptionConfig",
    "translationConfig",
];
const GENERATION_OF_STUDIO: [&str; 1] = ["enableEnhancedCivicAnswers"];
const GENERATION_OF_VERTEX: [&str; 3] = ["audioTimestamp", "routingConfig", "modelConfig"];

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
        let (top, generation) = match self.flavour {
            Flavour::Studio => (&TOP_OF_STUDIO[..], &GENERATION_OF_STUDIO[..]),
            Flavour::Vertex => (&TOP_OF_VERTEX[..], &GENERATION_OF_VERTEX[..]),
        };
        match (known, value) {
            ("labels", Value::Object(labels)) => self.label(labels),
            _ if TOP.contains(&known) || top.contains(&known) => join(self.rest, &camel, value),
            _ if GENERATION.contains(&known) || generation.contains(&known) => {
                join(self.generation, &camel, value);
            }
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

    /// The names of labels are the caller's own; those of its metadata are there already.
    fn label(&mut self, labels: &Map<String, Value>) {
        let known = self.rest.entry("labels").or_insert_with(|| json!({}));
        if let Value::Object(known) = known {
            known.extend(labels.clone());
        }
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
        // Sound comes in the one form that Google makes.
        if wanted.get("format").is_some_and(|format| format != "pcm16") {
            self.dropped.push("audio.format".to_owned());
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
            "safety_settings": [1], "labels": {"a_b": "c"},
            "extra_body": {"google": {"thinking_config": {"include_thoughts": true},
                "cached_content": "c"}},
            "toolConfig": {"retrieval_config": {}}, "modalities": ["text", "image"],
            "audio": {"voice": "Kore", "format": "mp3"}, "verbosity": "low", "audio_timestamp": true
        });
        let expected = json!([
            {"safetySettings": [1], "labels": {"a_b": "c"}, "cachedContent": "c"},
            {"thinkingConfig": {"include_thoughts": true}, "responseModalities": ["TEXT", "IMAGE"],
                "audioTimestamp": true, "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}}},
            {"retrievalConfig": {}}
        ]);
        let (written, dropped) = placed(Flavour::Vertex, &extra);
        assert_eq!(
            (written, dropped),
            (expected, ["audio.format", "verbosity"].map(str::to_owned).into())
        );
        let studio = ["audio.format", "verbosity", "audio_timestamp"];
        assert_eq!(placed(Flavour::Studio, &extra).1, studio);
        let store = json!({"store": false});
        assert_eq!(placed(Flavour::Studio, &store), (json!([store, {}, {}]), vec![]));
        assert_eq!(placed(Flavour::Vertex, &store).1, ["store"]);
    }
}
