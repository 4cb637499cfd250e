//! Tokens, counted as a model's own tokenizer counts them, where that is known.
//!
//! Counting is work: a few milliseconds for a long conversation, of which a part is looked at. It is
//! done off the reactor, and only where no provider counts.
//!
//! * `vocabulary`: the tokenizers that are public, by the names of models
//! * `prompt`: what a tokenizer makes of a request

use std::sync::Arc;

use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::request::Request;
use tokio::sync::Semaphore;

mod prompt;
mod vocabulary;

use prompt::of_request;
pub use vocabulary::{Vocabulary, nearest};

/// Counts the tokens of texts as one model does.
pub trait Tokenizer: Send + Sync {
    /// How many tokens a text is; words that look like control tokens are text.
    fn count(&self, text: &str) -> u64;
}

/// A text in pieces, each as long as `cut` says of what is left.
fn pieces(mut text: &str, cut: impl Fn(&str) -> usize) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let (piece, rest) = text.split_at(cut(text));
        text = rest;
        Some(piece).filter(|piece| !piece.is_empty())
    })
}

/// So many requests are counted at the same time; the others wait, and those whose callers leave
/// meanwhile are not counted.
static PLACES: Semaphore = Semaphore::const_new(2);

/// The tokens of a request's text, counted off the reactor. The files in it are not counted
/// ([`isthmus_inference::outline::Encoded`]). Fails where the request cannot be read.
pub async fn count(request: Arc<Request>, tokenizer: Arc<dyn Tokenizer>) -> Result<u64, Failure> {
    let place = PLACES.acquire().await;
    let count = move || {
        let _place = place;
        of_request(&request, &*tokenizer)
    };
    let counted = tokio::task::spawn_blocking(count).await;
    counted.unwrap_or_else(|_| Err(Failure::new(Kind::Internal, "the tokens could not be counted")))
}
