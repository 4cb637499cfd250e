//! Cost and time together, a second of waiting having a price: `J = E[cost] + λ_T·L + λ_L·over +
//! λ_E·P(fail)·(cost of the attempt)`.

use crate::objective::{Aim, Score, Unit};

/// The lowest sum of money and of waiting at 0.001 USD a second (3.60 USD an hour).
pub static BALANCED: Aim = Aim {
    word: "balanced",
    about: "the lowest sum of expected cost and of waiting at 0.001 USD a second",
    unit: Unit::PicoDollars,
    score: |terms, _, tuning| {
        let waiting = tuning.second * terms.latency;
        Score::new(terms.pico_dollars(), waiting + tuning.risk(terms))
    },
};
