//! Thoughts that callers carry from one turn to the next in `encrypted_content`.
//!
//! What OpenAI encrypted stays as it is. The signature of another vendor's thought is put into the
//! same place behind a mark, so that it finds its way back to who can read it.

use isthmus_inference::part::{Signature, formats};

/// What stands before a signature that is not OpenAI's (`isthmus.FORMAT.KIND.DATA`), or of an item
/// that has another id there (`isthmus.FORMAT.ID.DATA`).
const MARK: &str = "isthmus.";
const REDACTED: &str = "r";
const SIGNED: &str = "s";

/// A signature as the `encrypted_content` of an item with this id. What OpenAI encrypted belongs to
/// the id that OpenAI gave it, so that another id must be remembered with it.
pub(super) fn seal(signature: &Signature, item: &str) -> String {
    let Signature { format, data, redacted, id } = signature;
    match id.as_deref().filter(|id| *id != item) {
        _ if format != formats::RESPONSES => {
            let kind = if *redacted { REDACTED } else { SIGNED };
            format!("{MARK}{format}.{kind}.{data}")
        }
        Some(id) => format!("{MARK}{format}.{id}.{data}"),
        None => data.clone(),
    }
}

/// The signature in an `encrypted_content`.
pub(super) fn open(sealed: &str, id: Option<String>) -> Signature {
    let marked = sealed.strip_prefix(MARK).and_then(|rest| {
        let (format, rest) = rest.split_once('.')?;
        let (kind, data) = rest.split_once('.')?;
        let id = (format == formats::RESPONSES).then(|| kind.to_owned());
        Some(Signature { redacted: kind == REDACTED, id, ..Signature::new(format, data) })
    });
    marked.unwrap_or_else(|| Signature { id, ..Signature::new(formats::RESPONSES, sealed) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signature_survives_its_envelope() {
        let redacted = Signature { redacted: true, ..Signature::new(formats::ANTHROPIC, "a.b") };
        let openai =
            Signature { id: Some("rs_1".into()), ..Signature::new(formats::RESPONSES, "x") };
        for signature in [redacted, openai, Signature::new(formats::GEMINI, "g==")] {
            assert_eq!(open(&seal(&signature, "rs_1"), signature.id.clone()), signature);
            assert_eq!(open(&seal(&signature, "rs_2"), Some("rs_2".into())), signature);
        }
        assert_eq!(seal(&Signature::new(formats::RESPONSES, "x"), "rs_2"), "x");
    }
}
