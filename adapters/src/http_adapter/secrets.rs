//! The house's own credentials, struck out of what a provider repeats of them.

use std::sync::Arc;

use bytes::Bytes;
use isthmus_inference::failure::Failure;
use isthmus_inference::secret::Secret;
use serde_json::{Map, Value};

/// The values that no caller and no log may see.
#[derive(Debug, Clone)]
pub(super) struct Secrets(Arc<[Secret]>);

/// Shorter values are no credentials but settings such as `1`, and stand in every text.
const SHORTEST: usize = 8;
/// What stands in a secret's place.
const DOTS: &str = "•••";

impl Secrets {
    pub(super) fn new<'s>(values: impl Iterator<Item = &'s Secret>) -> Self {
        Self(values.filter(|secret| secret.expose().len() >= SHORTEST).cloned().collect())
    }

    /// These and more.
    pub(super) fn and(&self, more: Vec<Secret>) -> Self {
        let all = self.0.iter().cloned().chain(more);
        Self(all.filter(|secret| secret.expose().len() >= SHORTEST).collect())
    }

    /// The body without the secrets. JSON stays JSON: it is struck inside its texts, however they
    /// are escaped. A body without secrets comes back as it was.
    pub(super) fn strike_body(&self, body: Bytes) -> Bytes {
        let Ok(mut value) = serde_json::from_slice::<Value>(&body) else {
            let mut text = String::from_utf8_lossy(&body).into_owned();
            return if self.strike(&mut text) { text.into() } else { body };
        };
        if self.strike_value(&mut value) { value.to_string().into() } else { body }
    }

    /// The failure without the secrets.
    pub(super) fn strike_failure(&self, mut failure: Failure) -> Failure {
        self.strike(&mut failure.message);
        for text in [&mut failure.detail, &mut failure.param].into_iter().flatten() {
            self.strike(text);
        }
        if let Some(upstream) = &mut failure.upstream {
            upstream.body = self.strike_body(std::mem::take(&mut upstream.body));
        }
        failure
    }

    /// Whether there was anything to strike.
    fn strike(&self, text: &mut String) -> bool {
        let mut struck = false;
        for secret in self.0.iter().map(Secret::expose) {
            if text.contains(secret) {
                *text = text.replace(secret, DOTS);
                struck = true;
            }
        }
        struck
    }

    fn strike_value(&self, value: &mut Value) -> bool {
        match value {
            Value::String(text) => self.strike(text),
            Value::Array(items) => {
                items.iter_mut().fold(false, |struck, item| self.strike_value(item) | struck)
            }
            Value::Object(members) => self.strike_members(members),
            Value::Number(number) => {
                let mut text = number.to_string();
                let struck = self.strike(&mut text);
                if struck {
                    *value = text.into();
                }
                struck
            }
            Value::Null | Value::Bool(_) => false,
        }
    }

    fn strike_members(&self, members: &mut Map<String, Value>) -> bool {
        let mut struck = false;
        *members = std::mem::take(members)
            .into_iter()
            .map(|(mut key, mut value)| {
                struck |= self.strike(&mut key) | self.strike_value(&mut value);
                (key, value)
            })
            .collect();
        struck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn struck(secrets: &[&'static str], body: &'static str) -> String {
        let secrets: Vec<_> = secrets.iter().map(|text| Secret::from(*text)).collect();
        let body = Secrets::new(secrets.iter()).strike_body(Bytes::from_static(body.as_bytes()));
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[test]
    fn short_settings_edit_nothing() {
        let body = r#"{"error":{"message":"1 of 10 is true","code":401}}"#;
        assert_eq!(struck(&["1", "true", "", "message"], body), body);
    }

    #[test]
    fn a_secret_goes_wherever_it_stands_and_json_stays_json() {
        let cases = [
            (r#"{"error":"no: sk-secret/1"}"#, r#"{"error":"no: •••"}"#),
            (r#"{"error":"no: sk-secret\/1"}"#, r#"{"error":"no: •••"}"#),
            (r#"{"sk-secret/1":[1,"sk-secret/1"]}"#, r#"{"•••":[1,"•••"]}"#),
            (r#"{"error":"m","code":429}"#, r#"{"error":"m","code":429}"#),
            (r#"{"call":8005550100}"#, r#"{"call":"•••"}"#),
            ("a page with sk-secret/1.", "a page with •••."),
        ];
        for (body, expected) in cases {
            assert_eq!(struck(&["sk-secret/1", "\"error\":", "8005550100"], body), expected);
        }
    }
}
