//! Whether corrections of one line follow on each other: two that start from the same charge, as by two
//! who corrected at the same time, count the same difference twice.

use std::collections::HashMap;

use isthmus_inference::money::Money;

use crate::entry::{Correction, ExchangeId};

/// When a correction was made, what it started from, and what it came to.
type Step = (i64, Option<Money>, Option<Money>);

/// Corrections, by exchange and the number of the line, in whatever order they are read.
#[derive(Debug, Default)]
pub(super) struct Corrected(HashMap<(ExchangeId, u32), Vec<Step>>);

impl Corrected {
    /// Another one.
    pub(super) fn add(&mut self, correction: &Correction) {
        let Correction { exchange, at, line, was, .. } = correction;
        let steps = self.0.entry((*exchange, line.number)).or_default();
        steps.push((*at, *was, line.cost));
    }

    /// The lines whose corrections do not follow on each other.
    pub(super) fn broken(self) -> impl Iterator<Item = (ExchangeId, u32)> {
        self.0.into_iter().filter_map(|(line, mut steps)| {
            steps.sort_by_key(|(at, ..)| *at);
            let follows = |pair: &[Step]| pair[0].2 == pair[1].1;
            (!steps.windows(2).all(follows)).then_some(line)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use isthmus_inference::usage::Usage;

    use super::*;
    use crate::entry::Line;

    fn correction(at: i64, was: i128, cost: i128) -> Correction {
        let line = Line {
            number: 1,
            endpoint: "".into(),
            provider: "".into(),
            upstream_model: "".into(),
            reason: "".into(),
            fate: "".into(),
            counts: true,
            usage: Usage::default(),
            price: None,
            cost: Some(Money::from_pico_dollars(cost)),
            began: 0,
            first_output_ms: None,
            took_ms: 0,
        };
        Correction {
            exchange: ExchangeId::new(1, 1),
            of: 1,
            at,
            about: Arc::default(),
            line,
            was: Some(Money::from_pico_dollars(was)),
            reason: String::new(),
        }
    }

    fn broken(corrections: &[Correction]) -> usize {
        let mut all = Corrected::default();
        corrections.iter().for_each(|correction| all.add(correction));
        all.broken().count()
    }

    #[test]
    fn each_starts_from_where_the_one_before_came_to() {
        assert_eq!(broken(&[correction(5, 2, 3)]), 0);
        assert_eq!(broken(&[correction(6, 3, 2), correction(5, 2, 3)]), 0);
        assert_eq!(broken(&[correction(5, 2, 3), correction(6, 2, 3)]), 1, "made twice");
    }
}
