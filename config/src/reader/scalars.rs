//! Scalars with a type: text, secrets, numbers, words, durations, and whatever parses.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use isthmus_inference::secret::Secret;
use serde_json::Value as Json;

use crate::near;
use crate::reader::Value;
use crate::tree::{Content, Scalar, shown};
use crate::units;
use crate::variables;

const CONTROL_CHARACTER: &str = "contains a line break or another control character";

impl<'a> Value<'a> {
    /// Text that is not empty. What looks like a number or like true or false needs quotes, so
    /// that a slip of the hand does not become a name.
    pub(crate) fn text(&self) -> Option<String> {
        let scalar = self.scalar("text")?;
        if !matches!(kind_of(scalar), "text") {
            return self.refuse(format!(
                "expected text, found {}; put it in quotes if it is meant",
                kind_of(scalar)
            ));
        }
        let text = self.expanded(scalar)?;
        if text.trim().is_empty() { self.refuse("must not be empty") } else { Some(text) }
    }

    /// A scalar as it is written, be it text, a number or a word: a project's number, a version.
    pub(crate) fn scalar_text(&self) -> Option<String> {
        let scalar = self.scalar("text")?;
        let text = self.expanded(scalar)?;
        if text.trim().is_empty() { self.refuse("must not be empty") } else { Some(text) }
    }

    /// Text as far as it can be known: nothing, and no complaint, where a variable is not set.
    pub(crate) fn known_text(&self) -> Option<String> {
        let Content::Scalar(scalar) = &self.node.content else { return None };
        variables::expand(&scalar.text, self.reader.env).ok()
    }

    /// Any value, as JSON: what a provider's adapter reads by itself.
    pub(crate) fn json(&self) -> Option<Json> {
        match &self.node.content {
            Content::Nothing => Some(Json::Null),
            Content::List(_) => self.list(Value::json).map(Json::Array),
            Content::Map(_) => {
                let mut members = serde_json::Map::new();
                self.each(|name, value| {
                    members.extend(value.json().map(|value| (name.to_owned(), value)));
                })?;
                Some(Json::Object(members))
            }
            Content::Scalar(scalar) => {
                let text = self.expanded(scalar)?;
                let typed = unquoted(scalar) && !matches!(kind_of(scalar), "text");
                let value = typed.then(|| serde_json::from_str(&text).ok()).flatten();
                Some(value.unwrap_or(Json::String(text)))
            }
        }
    }

    /// Text that no complaint may show. It will travel in a header, so a line break at its end,
    /// as files and shells like to leave one, is refused here and not at the first request.
    pub(crate) fn secret(&self) -> Option<Secret> {
        let text = self.text()?;
        if text.contains(char::is_control) {
            return self.refuse(CONTROL_CHARACTER);
        }
        Some(Secret::from(text))
    }

    /// An environment variable that no complaint may show, unless it is unset or empty.
    pub(crate) fn secret_variable(&self, name: &str) -> Option<Secret> {
        let text = self.variable(name)?;
        if text.contains(char::is_control) {
            self.refuse_variable(name, CONTROL_CHARACTER.to_owned());
        }
        Some(Secret::from(text))
    }

    /// True or false.
    pub(crate) fn boolean(&self) -> Option<bool> {
        const EXPECTED: &str = "`true` or `false`";
        let scalar = self.scalar(EXPECTED)?;
        match self.expanded(scalar)?.as_str() {
            "true" | "True" | "TRUE" if unquoted(scalar) => Some(true),
            "false" | "False" | "FALSE" if unquoted(scalar) => Some(false),
            _ => self.expected_instead(EXPECTED, scalar),
        }
    }

    /// A whole number within a range.
    pub(crate) fn integer<T>(&self, range: RangeInclusive<T>) -> Option<T>
    where
        T: Copy + Display + FromStr + PartialOrd,
    {
        let scalar = self.scalar("a whole number")?;
        let text = self.expanded(scalar)?;
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !unquoted(scalar) || !(digits || kind_of(scalar) == "a number" && text.starts_with('-'))
        {
            return self.expected_instead("a whole number", scalar);
        }
        match text.parse() {
            Ok(number) if range.contains(&number) => Some(number),
            _ => self.refuse(format!(
                "{} is out of range: expected {} to {}",
                written(scalar),
                range.start(),
                range.end()
            )),
        }
    }

    /// A number that is not negative, whole or decimal.
    pub(crate) fn number(&self) -> Option<f64> {
        const EXPECTED: &str = "a number that is not negative";
        let scalar = self.scalar(EXPECTED)?;
        match self.expanded(scalar)?.parse::<f64>() {
            Ok(number) if unquoted(scalar) && number.is_finite() && number >= 0.0 => Some(number),
            _ => self.expected_instead(EXPECTED, scalar),
        }
    }

    /// A duration with its unit.
    pub(crate) fn duration(&self) -> Option<Duration> {
        let scalar = self.scalar("a duration such as `5s`")?;
        match units::duration(&self.expanded(scalar)?) {
            Ok(duration) => Some(duration),
            Err(error) => self.refuse(format!("{error}; found {}", written(scalar))),
        }
    }

    /// A number of bytes within a range, with its unit.
    pub(crate) fn size(&self, range: RangeInclusive<u64>) -> Option<u64> {
        let scalar = self.scalar("a size such as `64MiB`")?;
        match units::size(&self.expanded(scalar)?) {
            Some(size) if range.contains(&size) => Some(size),
            Some(_) => self.refuse(format!(
                "{} is out of range: expected {} to {}",
                written(scalar),
                units::shown(*range.start()),
                units::shown(*range.end())
            )),
            None => self.expected_instead("a size such as `64KiB`, `256MiB` or `1GiB`", scalar),
        }
    }

    /// A duration that is longer than nothing.
    pub(crate) fn time_limit(&self) -> Option<Duration> {
        let duration = self.duration()?;
        if duration.is_zero() { self.refuse("must be longer than nothing") } else { Some(duration) }
    }

    /// One word of several.
    pub(crate) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let scalar = self.scalar("a word")?;
        let text = self.expanded(scalar)?;
        if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*meaning);
        }
        let hint = near::hint(&text, words.iter().map(|(word, _)| *word));
        self.refuse(format!("unknown word {}{hint}", written(scalar)))
    }

    /// Whatever its own type reads from text. `what` is expected, as in "expected a date".
    pub(crate) fn parsed<T: FromStr>(&self, what: &str) -> Option<T> {
        let scalar = self.scalar(what)?;
        match self.expanded(scalar)?.parse() {
            Ok(value) => Some(value),
            Err(_) => self.expected_instead(what, scalar),
        }
    }

    /// A part of this text, fit for a complaint: what a variable holds stays hidden behind the whole
    /// of what is written.
    pub(crate) fn quoted(&self, part: &str) -> String {
        match &self.node.content {
            Content::Scalar(scalar) if variables::mentioned(&scalar.text) => written(scalar),
            _ => format!("`{}`", shown(part)),
        }
    }

    /// Whether it is a scalar with just this text.
    pub(crate) fn is_word(&self, word: &str) -> bool {
        matches!(&self.node.content, Content::Scalar(scalar) if scalar.text == word)
    }

    fn scalar(&self, expected: &str) -> Option<&'a Scalar> {
        match &self.node.content {
            Content::Scalar(scalar) => Some(scalar),
            Content::Nothing | Content::List(_) | Content::Map(_) => self.expected(expected),
        }
    }

    fn expanded(&self, scalar: &Scalar) -> Option<String> {
        variables::expand(&scalar.text, self.reader.env)
            .map_or_else(|error| self.refuse(error.to_string()), Some)
    }

    fn expected_instead<T>(&self, what: &str, scalar: &Scalar) -> Option<T> {
        let quotes = if scalar.plain || scalar.text.is_empty() { "" } else { " in quotes" };
        self.refuse(format!("expected {what}, found {}{quotes}", written(scalar)))
    }
}

/// A scalar as it stands in the file, before variables were replaced.
fn written(scalar: &Scalar) -> String {
    if scalar.text.is_empty() {
        "empty text".to_owned()
    } else {
        format!("`{}`", shown(&scalar.text))
    }
}

/// A value made from a variable counts as unquoted: YAML's flow style asks for quotes around it.
fn unquoted(scalar: &Scalar) -> bool {
    scalar.plain || variables::mentioned(&scalar.text)
}

/// What a scalar is in YAML, in words that fit after "found".
pub(super) fn kind_of(scalar: &Scalar) -> &'static str {
    match scalar.text.as_str() {
        _ if !scalar.plain => "text",
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => "true or false",
        text if text.bytes().any(|byte| byte.is_ascii_digit()) && text.parse::<f64>().is_ok() => {
            "a number"
        }
        _ => "text",
    }
}
