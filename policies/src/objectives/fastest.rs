//! The earliest last token: `J = L + λ_E·P(fail)·(L + 1 s)`, with
//! `L = q95(TTFT | size of prompt) + queue + E[output] / pace`.

use crate::objective::{Aim, Score, Unit};

/// A failed attempt costs its time and this much more, in seconds: fast failures are not fast.
const PENALTY: f64 = 1.0;

/// How long the whole answer takes, failures included.
pub static FASTEST: Aim = Aim {
    word: "fastest",
    about: "the earliest whole answer: p95 of the first token, then the expected answer at its pace",
    unit: Unit::Seconds,
    score: |terms, _, tuning| {
        let retries = tuning.failure * terms.failure * (terms.latency + PENALTY);
        Score::new(0.0, terms.latency + retries)
    },
};
