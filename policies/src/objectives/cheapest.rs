//! The lowest expected bill: `J = E[cost] + λ_L·over + λ_E·P(fail)·(cost of the attempt)`.

use crate::objective::{Aim, Score, Unit};

/// What the exchange is expected to cost, failures and broken bounds included.
pub static CHEAPEST: Aim = Aim {
    word: "cheapest",
    about: "the lowest expected cost; what fails often pays for its retries",
    unit: Unit::PicoDollars,
    score: |terms, _, tuning| Score::new(terms.pico_dollars(), tuning.risk(terms)),
};
