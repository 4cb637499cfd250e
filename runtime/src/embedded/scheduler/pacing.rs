//! How to compute the next token of several answers: one by one, or in a batch, and of what size.
//!
//! Side by side is not always cheaper. On a CPU with AVX2 and a Q8_0 model of 135 million
//! parameters, one token took 7 ms, two in a batch 30, seven 50, and eight 34: the kernels are made
//! for one column or for tiles of eight. So the thread learns what each size costs here, and fills
//! a batch up with tokens that nobody reads where that is faster. Pure.

use std::time::Duration;

/// What batches of so many single tokens cost lately.
#[derive(Debug)]
pub(super) struct Costs {
    /// Seconds by size; the first entry is that of size 1.
    known: Vec<Option<f64>>,
}

/// How to compute the next tokens of several answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Each in a batch of its own.
    Alone,
    /// All in one batch, filled up to this size.
    Together { size: usize },
}

// === impl Costs ===

impl Costs {
    pub(super) fn new(largest: usize) -> Self {
        Self { known: vec![None; largest] }
    }

    /// Takes in what a batch of this size cost.
    pub(super) fn note(&mut self, size: usize, took: Duration) {
        /// A batch is never faster than the machine allows, but often slower, when something else
        /// ran meanwhile: the least time counts, and loses its weight slowly.
        const FADING: f64 = 1.02;
        let took = took.as_secs_f64();
        if let Some(known) = self.known.get_mut(size.wrapping_sub(1)) {
            *known = Some(known.map_or(took, |known| took.min(known * FADING)));
        }
    }

    /// The cheapest shape for so many answers; one that was never tried is tried.
    pub(super) fn shape(&self, answers: usize) -> Shape {
        let itself = Shape::Together { size: answers };
        if answers <= 1 || self.of(answers).is_none() {
            return itself;
        }
        let sizes = (answers..=self.known.len()).filter_map(|size| Some((self.of(size)?, size)));
        let cheapest = sizes.min_by(|first, second| first.0.total_cmp(&second.0));
        match (self.of(1), cheapest) {
            (None, _) => Shape::Alone,
            (Some(one), Some((cost, _))) if one * answers as f64 <= cost => Shape::Alone,
            (Some(_), Some((_, size))) => Shape::Together { size },
            (Some(_), None) => itself,
        }
    }

    fn of(&self, size: usize) -> Option<f64> {
        self.known.get(size.checked_sub(1)?).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs(milliseconds: &[(usize, u64)]) -> Costs {
        let mut costs = Costs::new(8);
        for &(size, took) in milliseconds {
            costs.note(size, Duration::from_millis(took));
        }
        costs
    }

    const TOGETHER: fn(usize) -> Shape = |size| Shape::Together { size };

    #[test]
    fn what_was_never_tried_is_tried() {
        assert_eq!(costs(&[]).shape(1), TOGETHER(1));
        assert_eq!(costs(&[]).shape(3), TOGETHER(3));
        assert_eq!(costs(&[(3, 9)]).shape(3), Shape::Alone);
    }

    #[test]
    fn the_cheapest_shape_wins() {
        let cpu = costs(&[(1, 7), (2, 30), (4, 36), (7, 50), (8, 34)]);
        let shapes = [1, 2, 4, 7, 8].map(|answers| cpu.shape(answers));
        let expected = [TOGETHER(1), Shape::Alone, Shape::Alone, TOGETHER(8), TOGETHER(8)];
        assert_eq!(shapes, expected);
        let accelerator = costs(&[(1, 7), (2, 7), (8, 9)]);
        assert_eq!(accelerator.shape(2), TOGETHER(2));
    }

    #[test]
    fn an_interruption_is_forgotten_and_a_slower_machine_is_noticed() {
        let mut costs = costs(&[(1, 7), (2, 10), (2, 900)]);
        assert_eq!(costs.shape(2), TOGETHER(2));
        (0..50).for_each(|_| costs.note(2, Duration::from_millis(30)));
        assert_eq!(costs.shape(2), Shape::Alone);
    }
}
