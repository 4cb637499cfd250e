//! One request to the scheduler: a prompt that is read once, and the answers that go on from it.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use isthmus_inference::failure::Failure;
use isthmus_inference::stream::Event;
use isthmus_inference::usage::{Source, Usage};
use tokio::sync::mpsc::UnboundedSender;

use super::queue::Waits;
use super::scheduler::Lane;

/// What all answers to one request share.
pub(crate) struct Exchange {
    /// What is to be continued; never empty, and shorter than the context window.
    pub(crate) prompt: Vec<u32>,
    /// The first of the prompt's tokens whose own log-probability is wanted; at least 1.
    pub(crate) scored_from: Option<usize>,
    /// The prompt as text, if each answer is to begin with it.
    pub(crate) echo: Option<String>,
    /// The most tokens to generate; 0 only reads.
    pub(crate) max_tokens: usize,
    /// Alternatives beside each token, if log-probabilities are wanted.
    pub(crate) top_logprobs: Option<usize>,
    reply: UnboundedSender<Result<Event, Failure>>,
    /// Answers that are not finished. The engine's thread alone writes this and what follows; they
    /// are atomics only because a request is made on another one.
    open: AtomicU32,
    reused: AtomicU64,
    generated: AtomicU64,
    failed: AtomicBool,
}

/// The answers of one exchange, on their way to the scheduler.
pub(crate) struct Job(pub(crate) Vec<Lane>);

// === impl Exchange ===

impl Exchange {
    /// A plain continuation of the prompt; the other fields may be set before it is shared.
    pub(crate) fn new(
        prompt: Vec<u32>,
        max_tokens: usize,
        choices: u32,
        reply: UnboundedSender<Result<Event, Failure>>,
    ) -> Self {
        Self {
            prompt,
            scored_from: None,
            echo: None,
            max_tokens,
            top_logprobs: None,
            reply,
            open: AtomicU32::new(choices),
            reused: AtomicU64::new(0),
            generated: AtomicU64::new(0),
            failed: AtomicBool::new(false),
        }
    }

    /// Tokens at the prompt's beginning that need no computing if they are held somewhere: not the
    /// last one, whose logits begin the answer, and none whose logits score the next.
    pub(crate) fn reusable(&self) -> usize {
        let last = self.prompt.len() - 1;
        self.scored_from.map_or(last, |from| last.min(from - 1))
    }

    /// Whether the logits behind this place of the prompt are wanted.
    pub(crate) fn wants_logits(&self, position: usize) -> bool {
        let next = position + 1;
        next >= self.prompt.len() || self.scored_from.is_some_and(|from| next >= from)
    }

    /// Nobody reads the answers any more, or one of them failed.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.failed.load(Relaxed) || self.reply.is_closed()
    }

    /// The prompt's first answer found this many of its tokens already computed.
    pub(crate) fn note_reused(&self, tokens: usize) {
        self.reused.store(tokens as u64, Relaxed);
    }

    pub(crate) fn send(&self, event: Event) {
        // A reader who left is noticed at the next step.
        let _ = self.reply.send(Ok(event));
    }

    /// Ends one answer; with the last one the usage goes out. Whether it was the last.
    pub(crate) fn close(&self, generated: usize) -> bool {
        let generated = self.generated.fetch_add(generated as u64, Relaxed) + generated as u64;
        if self.open.fetch_sub(1, Relaxed) > 1 {
            return false;
        }
        let cache_read = self.reused.load(Relaxed);
        self.send(Event::Usage(Usage {
            uncached_input: self.prompt.len() as u64 - cache_read,
            cache_read,
            text_output: generated,
            source: Source::Reported,
            ..Usage::default()
        }));
        true
    }

    /// Ends all answers.
    pub(crate) fn fail(&self, failure: Failure) {
        if !self.failed.swap(true, Relaxed) {
            let _ = self.reply.send(Err(failure));
        }
    }
}

// === impl Job ===

impl Waits for Job {
    fn is_abandoned(&self) -> bool {
        self.0.iter().all(|lane| lane.exchange.is_abandoned())
    }

    fn places(&self) -> usize {
        self.0.len()
    }
}
