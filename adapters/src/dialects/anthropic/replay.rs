//! What other vendors want to see again on the next turn, carried by blocks that Anthropic's clients
//! send back as they came: a `signature` or `data` that only this house can read.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use isthmus_inference::part::{Signature, formats};
use serde::{Deserialize, Serialize};

/// How all that is carried begins. No signature of the vendor's own does: a colon is no Base64.
pub(super) const MARK: &str = "isthmus:";
/// Stands for the signature of a thought that has none, which the vendor's clients still expect.
const UNSIGNED: &str = "isthmus:unsigned";

/// What is carried.
#[derive(Debug, Serialize, Deserialize)]
struct Carried {
    format: String,
    data: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// The call that it belongs to, where it is no thought's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    call: Option<String>,
}

/// What was carried.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    /// Nothing: the thought was not signed.
    Unsigned,
    /// A thought's signature.
    Thought(Signature),
    /// The signature of the call with this id.
    Call(String, Signature),
}

/// The text for a thought's signature.
pub(super) fn thought(signature: Option<&Signature>) -> String {
    match signature {
        None => UNSIGNED.to_owned(),
        Some(by) if by.format == formats::ANTHROPIC => by.data.clone(),
        Some(by) => carried(by, None),
    }
}

/// The text for a call's signature.
pub(super) fn call(id: &str, signature: &Signature) -> String {
    carried(signature, Some(id.to_owned()))
}

/// What a signature that came back carries.
pub(super) fn found(text: String, redacted: bool) -> Found {
    if text.is_empty() || text == UNSIGNED {
        return Found::Unsigned;
    }
    let Some(rest) = text.strip_prefix(MARK) else {
        let signature = Signature::new(formats::ANTHROPIC, text);
        return Found::Thought(Signature { redacted, ..signature });
    };
    let bytes = STANDARD.decode(rest).unwrap_or_default();
    match serde_json::from_slice::<Carried>(&bytes) {
        Ok(Carried { format, data, id, call }) => {
            let signature = Signature { format, data, redacted, id };
            match call {
                Some(call) => Found::Call(call, Signature { redacted: false, ..signature }),
                None => Found::Thought(signature),
            }
        }
        Err(_) => Found::Unsigned,
    }
}

fn carried(by: &Signature, call: Option<String>) -> String {
    let (format, data, id) = (by.format.clone(), by.data.clone(), by.id.clone());
    let text = serde_json::to_vec(&Carried { format, data, id, call }).unwrap_or_default();
    format!("{MARK}{}", STANDARD.encode(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_carried_comes_back() {
        let own = Signature::new(formats::ANTHROPIC, "EqQB");
        assert_eq!(thought(Some(&own)), "EqQB");
        let foreign =
            Signature { id: Some("rs_1".into()), ..Signature::new(formats::GEMINI, "a:b") };
        for signature in [own, foreign.clone()] {
            let text = thought(Some(&signature));
            assert_eq!(found(text, false), Found::Thought(signature));
        }
        let redacted = Signature { redacted: true, ..foreign.clone() };
        assert_eq!(found(thought(Some(&redacted)), true), Found::Thought(redacted));
        assert_eq!(found(call("c1", &foreign), true), Found::Call("c1".into(), foreign));
        assert_eq!(found(thought(None), false), Found::Unsigned);
        assert_eq!(found("isthmus:%%".into(), false), Found::Unsigned);
    }
}
