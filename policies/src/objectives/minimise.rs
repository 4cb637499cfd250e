//! A weighted sum of the operator's own: dollars, and what milliseconds and failures are worth to
//! him in dollars.

use crate::objective::{Aim, Score, Unit, Weights};
use crate::terms::Terms;

/// The lowest weighted sum, broken bounds included.
pub static MINIMISE: Aim = Aim {
    word: "minimise",
    about: "the lowest weighted sum of expected cost, milliseconds and failures",
    unit: Unit::PicoDollars,
    score: |terms, weights, tuning| {
        let certain = weights.expected_cost * terms.pico_dollars();
        Score::new(certain, measured(terms, weights) + tuning.lateness(terms))
    },
};

/// What is measured of an endpoint, in pico-dollars.
fn measured(terms: &Terms, weights: &Weights) -> f64 {
    let milliseconds = weights.p95_ttft_ms * (terms.ttft.p95 + terms.queue) * 1000.0
        + weights.latency_ms * terms.latency * 1000.0
        + weights.ms_per_token * 1000.0 / terms.tps.max(0.001);
    (milliseconds + weights.error_rate * terms.failure) * 1e12
}
