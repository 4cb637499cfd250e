//! What several languages have no word for, refused in the same words.

use isthmus_inference::chat::ChatRequest;
use isthmus_inference::failure::{Failure, Kind};

/// The endpoint cannot do this, which the answer would depend on; another may.
pub(super) fn unable(param: &str, what: &str) -> Failure {
    let message = format!("the endpoint cannot give {what}");
    Failure::new(Kind::Unsupported, message).with_param(param)
}

/// Only one answer, and its tokens without their probabilities.
pub(super) fn one_plain_answer(chat: &ChatRequest) -> Result<(), Failure> {
    one_answer(chat)?;
    if chat.top_logprobs.is_some() {
        return Err(unable("logprobs", "log-probabilities"));
    }
    Ok(())
}

/// Only one answer.
pub(super) fn one_answer(chat: &ChatRequest) -> Result<(), Failure> {
    match chat.wanted_choices() {
        1 => Ok(()),
        _ => Err(unable("n", "more than one answer to a request")),
    }
}
