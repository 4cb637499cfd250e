//! What proves a thought to be the model's own, between Converse's form and the neutral one.
//!
//! A thought that is withheld (`redactedContent`) is a blob, in JSON base64. Claude's bytes are the
//! text that Anthropic's own API calls `data`, so that one can be sent back through the other.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use isthmus_inference::part::{Signature, formats};

/// The signature of a thought that is withheld. `format` is whose the model's signatures are.
pub(super) fn withheld(base64: &str, format: &str) -> Signature {
    let text = || String::from_utf8(STANDARD.decode(base64).ok()?).ok();
    let own = (format == formats::ANTHROPIC).then(text).flatten();
    let signature = match own {
        Some(text) => Signature::new(formats::ANTHROPIC, text),
        None => Signature::new(formats::BEDROCK, base64),
    };
    Signature { redacted: true, ..signature }
}

/// The blob of a thought that is withheld, in base64.
pub(super) fn blob(signature: &Signature) -> String {
    if signature.format == formats::ANTHROPIC {
        STANDARD.encode(&signature.data)
    } else {
        signature.data.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_withheld_thought_goes_there_and_back() {
        for (base64, format, data) in [
            ("RXU4RQ==", formats::ANTHROPIC, "Eu8E"),
            ("RXU4RQ==", formats::BEDROCK, "RXU4RQ=="),
            ("//8=", formats::ANTHROPIC, "//8="),
        ] {
            let signature = withheld(base64, format);
            assert_eq!((signature.data.as_str(), signature.redacted), (data, true));
            assert_eq!(blob(&signature), base64);
        }
    }
}
