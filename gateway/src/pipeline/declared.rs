//! What a caller says of the data in a request: headers, and the same words in its metadata.

use std::collections::BTreeSet;

use http::{HeaderMap, HeaderName};
use isthmus_inference::failure::Failure;
use isthmus_inference::request::Request;
use isthmus_policies::class::{Class, DataClass};
use isthmus_policies::classify::Classified;
use isthmus_policies::question::Context;

/// What the caller says of the data. Nothing that is not understood passes: a restriction with a
/// slip of the pen in it is still meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Declared {
    /// Which classes it is of.
    pub class: Option<Class>,
    /// Where the people live whom it is of.
    pub subject_regions: BTreeSet<String>,
    /// Where it may be processed and stored.
    pub allowed_regions: Option<BTreeSet<String>>,
    /// What it is used for.
    pub purpose: String,
}

/// A list of comma-separated words: which classes.
pub const DATA_CLASS: &str = "x-isthmus-data-class";
/// A list of regions: where the people live.
pub const SUBJECT_REGIONS: &str = "x-isthmus-subject-regions";
/// A list of regions: where the data may go.
pub const ALLOWED_REGIONS: &str = "x-isthmus-allowed-regions";
/// A few words.
pub const PURPOSE: &str = "x-isthmus-purpose";

/// The headers in which these are said; a name that is a text would be read anew for each request.
static HEADERS: [HeaderName; 4] = [
    HeaderName::from_static(DATA_CLASS),
    HeaderName::from_static(SUBJECT_REGIONS),
    HeaderName::from_static(ALLOWED_REGIONS),
    HeaderName::from_static(PURPOSE),
];

/// The most bytes that a purpose has: it becomes part of the keys of caches.
const LONGEST_PURPOSE: usize = 128;

/// The member of the body that OpenAI's dialects hand through, and the beginning of our names in it.
const METADATA: &str = "metadata";
const PREFIX: &str = "isthmus.";

/// Reads headers and metadata.
pub fn declared(headers: &HeaderMap, request: &Request) -> Result<Declared, Failure> {
    let mut declared = Declared::default();
    for (header, value) in headers.iter().filter(|(name, _)| HEADERS.contains(name)) {
        let name = header.as_str();
        let text = value.to_str().map_err(|_| {
            Failure::invalid(name, format!("the header `{name}` is not plain ASCII text"))
        })?;
        declared.say(name, name, text)?;
    }
    declared.read_metadata(request)?;
    Ok(declared)
}

// === impl Declared ===

impl Declared {
    /// What policy may know of the request, with the class that was made of it.
    pub fn context(self, classified: Classified) -> Context {
        Context {
            class: classified.class,
            declared: classified.declared,
            subject_regions: self.subject_regions,
            allowed_regions: self.allowed_regions,
            purpose: self.purpose,
        }
    }

    /// Takes one value of a header, or of the field of metadata that means the same; `place` is
    /// what the caller calls it. Several values add up.
    fn say(&mut self, name: &str, place: &str, text: &str) -> Result<(), Failure> {
        match name {
            DATA_CLASS => {
                for word in words(place, text)? {
                    let said = Class::only(class(place, word)?);
                    self.class = Some(self.class.map_or(said, |before| before.and(said)));
                }
            }
            SUBJECT_REGIONS => {
                for word in words(place, text)? {
                    self.subject_regions.insert(region(place, word)?);
                }
            }
            ALLOWED_REGIONS => {
                for word in words(place, text)? {
                    self.allowed_regions.get_or_insert_default().insert(region(place, word)?);
                }
            }
            _ => self.purpose = purpose(place, &self.purpose, text)?,
        }
        Ok(())
    }

    /// `metadata: {"isthmus.data_class": "pii,phi"}`, for callers that cannot set headers.
    fn read_metadata(&mut self, request: &Request) -> Result<(), Failure> {
        for member in request.outline.named(&request.body, METADATA) {
            let written = &request.body[member.value.clone()];
            if !written.starts_with(b"{") {
                continue;
            }
            // Read as pairs, because one that is named twice counts twice.
            let Pairs(pairs) = serde_json::from_slice(written).map_err(|error| {
                Failure::invalid(METADATA, format!("`metadata` cannot be read: {error}"))
            })?;
            for (key, value) in pairs {
                let Some(field) = key.strip_prefix(PREFIX) else { continue };
                let name = match field {
                    "data_class" => DATA_CLASS,
                    "subject_regions" => SUBJECT_REGIONS,
                    "allowed_regions" => ALLOWED_REGIONS,
                    "purpose" => PURPOSE,
                    _ => return Err(unknown_field(&key)),
                };
                let Some(text) = value.as_str() else {
                    let message = format!("`metadata` has `{key}`, which must be text");
                    return Err(Failure::invalid(METADATA, message));
                };
                self.say(name, &key, text)?;
            }
        }
        Ok(())
    }
}

/// The members of an object, in order and as often as they are written.
struct Pairs(Vec<(String, serde_json::Value)>);

impl<'de> serde::Deserialize<'de> for Pairs {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Pairs;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Pairs, A::Error> {
                let mut pairs = vec![];
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// The words of a list, of which there is one at least.
fn words<'t>(place: &str, text: &'t str) -> Result<impl Iterator<Item = &'t str>, Failure> {
    let words = || text.split(',').map(str::trim);
    if words().any(str::is_empty) {
        let message = format!(
            "`{place}` has an empty word; write words with commas between, or leave it out"
        );
        return Err(Failure::invalid(place, message));
    }
    Ok(words())
}

fn class(place: &str, word: &str) -> Result<DataClass, Failure> {
    DataClass::of(word).ok_or_else(|| {
        let known: Vec<_> = DataClass::WORDS.iter().map(|(known, _)| *known).collect();
        let message = format!(
            "`{place}` has the word `{}`, which is no data class; there are {}",
            shown(word),
            known.join(", ")
        );
        Failure::invalid(place, message)
    })
}

fn region(place: &str, word: &str) -> Result<String, Failure> {
    if word.len() == 2 && word.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Ok(word.to_ascii_uppercase());
    }
    let message = format!(
        "`{place}` has `{}`; write countries by their two letters, such as DE, or EU",
        shown(word)
    );
    Err(Failure::invalid(place, message))
}

fn purpose(place: &str, before: &str, text: &str) -> Result<String, Failure> {
    let text = text.trim();
    let sensible =
        !text.is_empty() && text.len() <= LONGEST_PURPOSE && !text.contains(char::is_control);
    if sensible && (before.is_empty() || before == text) {
        return Ok(text.to_owned());
    }
    let message = format!("`{place}` must be one text of 1 to {LONGEST_PURPOSE} bytes on one line");
    Err(Failure::invalid(place, message))
}

fn unknown_field(key: &str) -> Failure {
    let message = format!(
        "`metadata` has `{}`, which is none of isthmus.data_class, isthmus.subject_regions, \
         isthmus.allowed_regions and isthmus.purpose",
        shown(key)
    );
    Failure::invalid(METADATA, message)
}

/// The beginning of a word, fit for a message.
fn shown(word: &str) -> String {
    word.chars().take(32).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use isthmus_inference::outline::Outline;
    use isthmus_inference::request::{Dialect, Operation};

    use super::*;

    fn request(body: &'static str) -> Request {
        Request {
            operation: Operation::Chat,
            dialect: Dialect::OpenAi,
            model: "chat".into(),
            stream: false,
            usage_wanted: false,
            body: Bytes::from_static(body.as_bytes()),
            outline: Outline::of(body).unwrap(),
            forwarded: vec![],
            query: None,
        }
    }

    fn read(
        headers: &[(&'static str, &'static str)],
        body: &'static str,
    ) -> Result<Declared, Failure> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        declared(&map, &request(body))
    }

    #[test]
    fn several_values_and_metadata_add_up() {
        let headers = [
            (DATA_CLASS, "pii, phi"),
            (DATA_CLASS, "internal"),
            (SUBJECT_REGIONS, "eu,US"),
            (PURPOSE, "support"),
        ];
        let body = r#"{"metadata":{"isthmus.data_class":"pci","isthmus.allowed_regions":"EU","user":"u"}}"#;
        let told = read(&headers, body).unwrap();
        assert_eq!(told.class.unwrap().to_string(), "internal,pii,pci,phi");
        assert_eq!(Vec::from_iter(told.subject_regions), ["EU", "US"]);
        assert_eq!(Vec::from_iter(told.allowed_regions.unwrap()), ["EU"]);
        assert_eq!(told.purpose, "support");
        assert_eq!(
            read(&[], r#"{"metadata":{"user_id":7},"model":"chat"}"#).unwrap(),
            Declared::default()
        );
        assert_eq!(read(&[], r#"{"metadata":null}"#).unwrap(), Declared::default());
    }

    #[test]
    fn what_is_not_understood_is_refused_with_the_words_that_are() {
        let told = read(&[(DATA_CLASS, "privat")], "{}").unwrap_err();
        assert!(
            told.message.contains("`privat`") && told.message.contains("confidential, pii"),
            "{told}"
        );
        assert_eq!(told.param.as_deref(), Some(DATA_CLASS));
        for (name, value) in [
            (DATA_CLASS, ""),
            (DATA_CLASS, "PII"),
            (DATA_CLASS, "pii,"),
            (SUBJECT_REGIONS, "Europe"),
            (ALLOWED_REGIONS, ""),
            (ALLOWED_REGIONS, "E1"),
            (PURPOSE, ""),
        ] {
            assert!(read(&[(name, value)], "{}").is_err(), "{name}: {value:?}");
        }
        for body in [
            r#"{"metadata":{"isthmus.data_clas":"pii"}}"#,
            r#"{"metadata":{"isthmus.data_class":["pii"]}}"#,
            r#"{"metadata":{"isthmus.data_class":"public","isthmus.data_class":"none"}}"#,
        ] {
            assert!(read(&[], body).is_err(), "{body}");
        }
        assert!(read(&[(PURPOSE, "a"), (PURPOSE, "b")], "{}").is_err());
    }
}
