//! Whether a stream that broke may be continued on another endpoint.
//!
//! The other one gets the conversation with the part that the caller already has as the beginning
//! of the assistant's turn. That can go wrong unseen unless all that was said is plain text, so
//! everything else ends with an error event instead.

use std::time::Duration;

/// A stream that broke in the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken {
    /// Whether the operator allows it for this pool.
    pub allowed: bool,
    /// Whether the caller has seen some text. Without, it is not a continuation but a new try.
    pub has_text: bool,
    /// Whether anything else was sent: a part of a tool call, reasoning with a signature, sound,
    /// log-probabilities, a second choice of several.
    pub has_other: bool,
    /// Whether the answer must obey a grammar or a schema: half of one cannot be handed over.
    pub constrained: bool,
    /// How often this answer was continued already.
    pub splices: u32,
    /// What is left of the caller's deadline.
    pub time_left: Duration,
}

/// The endpoint that could continue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Successor {
    /// Whether policy permits it for a fallback, and it may be asked now.
    pub may_serve: bool,
    /// Whether it goes on with an assistant's turn that is already begun.
    pub continues_turns: bool,
    /// Seconds until its first token, usually.
    pub ttft_p50: f64,
}

/// Why a stream is not continued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoSplice {
    /// The operator does not allow it.
    #[error("`splice` is off for this model")]
    Off,
    /// The caller has nothing yet.
    #[error("nothing was sent yet; another endpoint can be asked afresh")]
    NothingSent,
    /// What was sent is not plain text.
    #[error("more than plain text was already sent")]
    NotText,
    /// It must obey a schema.
    #[error("an answer that obeys a schema cannot be continued elsewhere")]
    Constrained,
    /// It was continued often enough.
    #[error("the answer was already continued as often as is allowed")]
    TooOften,
    /// No endpoint is able to.
    #[error("no permitted endpoint can continue an answer")]
    Nobody,
    /// It would take too long.
    #[error("no time is left to continue the answer elsewhere")]
    TooLate,
}

/// An answer that breaks so often is better given up.
pub const MOST_SPLICES: u32 = 2;

impl Broken {
    /// The first of the successors, in the order of the plan, that may continue; by its place.
    pub fn successor(&self, successors: &[Successor]) -> Result<usize, NoSplice> {
        match *self {
            Self { allowed: false, .. } => return Err(NoSplice::Off),
            Self { has_other: true, .. } => return Err(NoSplice::NotText),
            Self { has_text: false, .. } => return Err(NoSplice::NothingSent),
            Self { constrained: true, .. } => return Err(NoSplice::Constrained),
            Self { splices: MOST_SPLICES.., .. } => return Err(NoSplice::TooOften),
            Self { .. } => {}
        }
        let able = |it: &Successor| it.may_serve && it.continues_turns;
        let in_time = |it: &Successor| it.ttft_p50 < self.time_left.as_secs_f64();
        if !successors.iter().any(able) {
            return Err(NoSplice::Nobody);
        }
        successors.iter().position(|it| able(it) && in_time(it)).ok_or(NoSplice::TooLate)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BROKEN: Broken = Broken {
        allowed: true,
        has_text: true,
        has_other: false,
        constrained: false,
        splices: 0,
        time_left: Duration::from_secs(10),
    };

    const ABLE: Successor = Successor { may_serve: true, continues_turns: true, ttft_p50: 1.0 };

    #[test]
    fn the_first_able_one_continues() {
        let unable = Successor { continues_turns: false, ..ABLE };
        let slow = Successor { ttft_p50: 11.0, ..ABLE };
        assert_eq!(BROKEN.successor(&[unable, slow, ABLE, ABLE]), Ok(2));
        assert_eq!(BROKEN.successor(&[unable, slow]), Err(NoSplice::TooLate));
        assert_eq!(BROKEN.successor(&[unable]), Err(NoSplice::Nobody));
        assert_eq!(BROKEN.successor(&[]), Err(NoSplice::Nobody));
    }

    #[test]
    fn only_plain_text_is_continued_and_not_for_ever() {
        let refused = |broken: Broken| broken.successor(&[ABLE]).unwrap_err();
        assert_eq!(refused(Broken { allowed: false, ..BROKEN }), NoSplice::Off);
        assert_eq!(refused(Broken { has_text: false, ..BROKEN }), NoSplice::NothingSent);
        assert_eq!(refused(Broken { has_other: true, ..BROKEN }), NoSplice::NotText);
        assert_eq!(refused(Broken { constrained: true, ..BROKEN }), NoSplice::Constrained);
        assert_eq!(refused(Broken { splices: 2, ..BROKEN }), NoSplice::TooOften);
    }

    proptest! {
        #[test]
        fn nobody_continues_who_may_not(flags in proptest::collection::vec(any::<(bool, bool)>(), 0..8)) {
            let successors: Vec<_> = flags
                .iter()
                .map(|(may_serve, continues_turns)| Successor { may_serve: *may_serve, continues_turns: *continues_turns, ..ABLE })
                .collect();
            match BROKEN.successor(&successors) {
                Ok(at) => prop_assert_eq!(flags[at], (true, true)),
                Err(_) => prop_assert!(!flags.contains(&(true, true))),
            }
        }
    }
}
