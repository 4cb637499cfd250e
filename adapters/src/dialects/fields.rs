//! Fields of a request body, read one by one, so that each complaint names its field.

use std::ops::RangeInclusive;

use isthmus_inference::failure::Failure;
use serde_json::{Map, Value};

/// The members of a JSON object in a request. `null` counts as absent, as it does for OpenAI.
#[derive(Default)]
pub(crate) struct Fields {
    members: Map<String, Value>,
    /// What stands before a member's name in complaints: empty, or like `messages[0].`.
    path: String,
}

// === impl Fields ===

impl Fields {
    /// The members of a whole body.
    pub(crate) fn of_body(body: &[u8]) -> Result<Self, Failure> {
        let value: Value = serde_json::from_slice(body).map_err(|error| {
            Failure::invalid("", format!("the body is not valid JSON: {error}"))
        })?;
        match value {
            Value::Object(members) => Ok(Self { members, path: String::new() }),
            other => {
                let got = name_of(&other);
                Err(Failure::invalid("", format!("the body must be a JSON object, got {got}")))
            }
        }
    }

    /// The members of a value within a body; `param` is where it stands.
    pub(crate) fn of_value(value: Value, param: &str) -> Result<Self, Failure> {
        match value {
            Value::Object(members) => Ok(Self { members, path: format!("{param}.") }),
            other => Err(wrong_type(param, "an object", name_of(&other))),
        }
    }

    /// The full name of a member, as OpenAI's `param`.
    pub(crate) fn param(&self, name: &str) -> String {
        format!("{}{name}", self.path)
    }

    /// Whether a member is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(|value| !value.is_null())
    }

    /// Takes a member out, whatever its type.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name).filter(|value| !value.is_null())
    }

    /// Gives all remaining members back.
    pub(crate) fn into_value(self) -> Value {
        Value::Object(self.members)
    }

    /// Gives all remaining members back, save those that are absent by being `null`.
    pub(crate) fn rest(self) -> Map<String, Value> {
        self.members.into_iter().filter(|(_, value)| !value.is_null()).collect()
    }

    /// Puts a member back.
    pub(crate) fn put(&mut self, name: &str, value: Value) {
        self.members.insert(name.to_owned(), value);
    }

    /// Takes a member that must be there.
    pub(crate) fn required(&mut self, name: &str) -> Result<Value, Failure> {
        self.take(name).ok_or_else(|| {
            let param = self.param(name);
            Failure::invalid(&param, format!("missing required parameter: `{param}`"))
        })
    }

    /// Takes text.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, Failure> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong_type(&self.param(name), "a string", name_of(&other))),
        }
    }

    /// Takes text that must be there.
    pub(crate) fn required_text(&mut self, name: &str) -> Result<String, Failure> {
        let value = self.required(name)?;
        match value {
            Value::String(text) => Ok(text),
            other => Err(wrong_type(&self.param(name), "a string", name_of(&other))),
        }
    }

    /// Takes a truth value.
    pub(crate) fn boolean(&mut self, name: &str) -> Result<Option<bool>, Failure> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(truth)) => Ok(Some(truth)),
            Some(other) => Err(wrong_type(&self.param(name), "a boolean", name_of(&other))),
        }
    }

    /// Takes a list; empty if absent.
    pub(crate) fn list(&mut self, name: &str) -> Result<Vec<Value>, Failure> {
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => Ok(items),
            Some(other) => Err(wrong_type(&self.param(name), "an array", name_of(&other))),
        }
    }

    /// Takes an object.
    pub(crate) fn object(&mut self, name: &str) -> Result<Option<Self>, Failure> {
        let param = self.param(name);
        self.take(name).map(|value| Self::of_value(value, &param)).transpose()
    }

    /// Takes a number within `range`.
    pub(crate) fn number(
        &mut self,
        name: &str,
        range: RangeInclusive<f64>,
    ) -> Result<Option<f64>, Failure> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let param = self.param(name);
        let Some(number) = value.as_f64() else {
            return Err(wrong_type(&param, "a number", name_of(&value)));
        };
        if !range.contains(&number) {
            let (low, high) = range.into_inner();
            let message = format!("`{param}` must be from {low} to {high}, got {number}");
            return Err(Failure::invalid(&param, message));
        }
        Ok(Some(number))
    }

    /// Takes an integer within `range`.
    pub(crate) fn integer(
        &mut self,
        name: &str,
        range: RangeInclusive<u32>,
    ) -> Result<Option<u32>, Failure> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let param = self.param(name);
        if !value.is_i64() && !value.is_u64() {
            return Err(wrong_type(&param, "an integer", name_of(&value)));
        }
        let fits = value.as_u64().and_then(|number| u32::try_from(number).ok());
        match fits.filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => {
                let (low, high) = range.into_inner();
                let bounds = match high {
                    u32::MAX => format!("at least {low}"),
                    _ => format!("from {low} to {high}"),
                };
                Err(Failure::invalid(&param, format!("`{param}` must be {bounds}, got {value}")))
            }
        }
    }
}

/// The complaint about a value of the wrong type.
pub(crate) fn wrong_type(param: &str, expected: &str, got: &str) -> Failure {
    let message = format!("invalid type for `{param}`: expected {expected}, got {got}");
    Failure::invalid(param, message)
}

/// What a value is, in words.
pub(crate) fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a decimal number",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// What a valid JSON text is, in words, by its first character.
pub(crate) fn name_of_type(json: &str) -> &'static str {
    match json.as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}
