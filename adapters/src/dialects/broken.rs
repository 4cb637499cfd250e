//! What is said of an upstream's stream that is not what it should be, whatever its language.

use isthmus_inference::failure::{Failure, Kind};

use crate::dialects::openai_error::class;
use crate::framing::sse::TooLarge;

/// What is said of an answer that its provider gave up.
pub(super) const BROKEN_OFF: &str = "the provider broke the answer off";

/// It stopped without saying that it was complete.
pub(crate) fn cut() -> Failure {
    Failure::new(Kind::Malformed, "the provider's stream was cut before it was finished")
}

/// It holds something that is no event of its language. The log learns of what kind, not what.
pub(super) fn no_event_stream(event: &[u8]) -> Failure {
    let message = "the provider's answer is not the event stream that was asked for";
    let detail = format!("it sent an event of {}", class(event));
    Failure::new(Kind::Malformed, message).with_detail(detail)
}

/// It holds an event larger than the house passes on.
pub(super) fn event_too_large(error: TooLarge) -> Failure {
    let message = "the provider sent an event that is too large to relay";
    Failure::new(Kind::Malformed, message).with_detail(error)
}

/// All of it together, or a part that waits for its end, is more than the house keeps.
pub(super) fn answer_too_large(what: impl ToString) -> Failure {
    Failure::new(Kind::Malformed, "the provider's answer is too large").with_detail(what)
}
