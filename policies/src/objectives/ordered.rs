//! In the order in which the operator wrote them.

use crate::objective::{Aim, Score, Unit};

/// The first of the list that may be asked.
pub static ORDERED: Aim = Aim {
    word: "ordered",
    about: "the endpoints in the order in which they are written",
    unit: Unit::Place,
    score: |terms, _, _| Score::new(terms.place as f64, 0.0),
};
