//! The top-level members of a body, each with its place in it; nothing inside them is built.

use std::borrow::Cow;
use std::fmt;

use isthmus_inference::failure::Failure;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::Deserializer;
use serde_json::de::Read;
use serde_json::value::RawValue;

/// A top-level member of the body.
pub(super) struct Member<'a> {
    /// Borrowed from the text unless it was written with escapes.
    pub(super) key: Cow<'a, str>,
    pub(super) value: &'a RawValue,
}

/// The wanted members, after a check that the whole text is JSON. Twice the same one is refused,
/// because readers differ in which of the two they believe.
pub(super) fn members<'a, R: Read<'a>>(
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

/// A key, or other text, borrowed where it was written without escapes.
#[derive(serde::Deserialize)]
pub(super) struct Key<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);
