//! What an axon's refusals mean. It answers `{"message": …}` with a status (bittensor 10.5.0,
//! `core/axon.py`); the miner's own words are kept with the failure.

use isthmus_inference::failure::{Blame, Failure, Kind};

use crate::dialect::Refused;
use crate::dialects::openai_error::{self, class};

/// Words in an axon's message, and what the operator should look at.
const HINTS: [(&str, &str); 4] = [
    ("Nonce is too old", "this machine's clock and the miner's are apart"),
    ("Nonce is too small", "another program signs with the same hotkey and sender"),
    ("Signature mismatch", "`axon_hotkey` is not the hotkey of the miner at this address"),
    ("blacklisted", "the miner does not serve this hotkey; is it registered in the subnet?"),
];

/// An error of an axon, with what is known of its cause.
pub(super) fn of(refused: Refused<'_>) -> Failure {
    let failure = openai_error::from_response(refused);
    match failure.kind {
        Kind::UpstreamAuth => {
            let said = failure.detail.clone().unwrap_or_default();
            let hint = HINTS.iter().find(|(words, _)| said.contains(words)).map(|(_, hint)| *hint);
            let hint = hint.unwrap_or("the miner refused the call's signature");
            failure.with_detail(format!("{hint}; {said}"))
        }
        // The synapse is the operator's choice, not the caller's.
        Kind::NotFound => failure.blamed_on(Blame::House),
        _ => failure,
    }
}

/// An answer in the other form than the mapping says.
pub(super) fn other_form(streams: bool) -> Failure {
    let (expected, came) =
        if streams { ("a stream", "one object") } else { ("one object", "text") };
    Failure::new(Kind::Malformed, "the provider's answer is not of the form that was expected")
        .with_detail(format!("the synapse's mapping expects {expected}, but {came} came"))
        .blamed_on(Blame::House)
}

/// An answer that is no JSON.
pub(super) fn no_synapse(body: &[u8]) -> Failure {
    Failure::new(Kind::Malformed, "the provider's answer is not the JSON object that it should be")
        .with_detail(class(body))
}
