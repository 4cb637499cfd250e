//! How to compute the next token of several answers: one by one, or in a batch, and of what size.
//!
//! Side by side is not always cheaper. With llama.cpp's own kernels, a CPU with AVX2 and a Q8_0 model
//! of 135 million parameters, one token took 7 ms, two in a batch 30, seven 50, and eight 34: they
//! are made for one column or for tiles of eight. Encodings that the engine's kernel does not know,
//! and other processors, still go that way. So the thread learns what each size costs here, and fills
//! a batch up with tokens that nobody reads where that is faster. Pure.

use std::time::Duration;

/// What batches of so many single tokens cost lately.
#[derive(Debug)]
pub(super) struct Costs {
    /// By size; the first entry is that of size 1.
    known: Vec<Cost>,
}

/// What is known of batches of one size.
#[derive(Debug, Clone, Default)]
struct Cost {
    /// Nothing until the second batch: the first of a size also pays for memory and graphs.
    seconds: Option<f64>,
    tried: bool,
    /// How often another shape was chosen since it was tried last.
    passed_over: u32,
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
        Self { known: vec![Cost::default(); largest] }
    }

    /// Takes in what a batch of this size cost.
    pub(super) fn note(&mut self, size: usize, took: Duration) {
        /// A batch is never faster than the machine allows, but often slower, when something else
        /// ran meanwhile: the least time counts, and loses its weight slowly.
        const FADING: f64 = 1.02;
        let took = took.as_secs_f64();
        let Some(known) = self.known.get_mut(size.wrapping_sub(1)) else { return };
        known.passed_over = 0;
        if std::mem::replace(&mut known.tried, true) {
            known.seconds = Some(known.seconds.map_or(took, |known| took.min(known * FADING)));
        }
    }

    /// The cheapest shape for so many answers; one that is not known yet is tried, and one that
    /// lost is tried again in the end.
    pub(super) fn shape(&mut self, answers: usize) -> Shape {
        let shape = self.cheapest(answers);
        let chosen = if let Shape::Together { size } = shape { size } else { 1 };
        for (size, known) in (1..).zip(&mut self.known) {
            let lost = size != chosen && (size == 1 || size >= answers);
            known.passed_over = known.passed_over.saturating_add(u32::from(lost));
        }
        shape
    }

    fn cheapest(&self, answers: usize) -> Shape {
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

    /// Seconds that a batch of this size is believed to take. The belief fades with every choice
    /// that passes it over: one bad measurement must not rule a size out for ever, and one that is
    /// twice as slow is tried again every 140 steps, which costs less than one step in a hundred.
    fn of(&self, size: usize) -> Option<f64> {
        const FADING: f64 = 0.995;
        let known = self.known.get(size.checked_sub(1)?)?;
        known.seconds.map(|seconds| seconds * FADING.powf(f64::from(known.passed_over)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs(milliseconds: &[(usize, u64)]) -> Costs {
        let mut costs = Costs::new(8);
        for &(size, took) in milliseconds {
            costs.note(size, Duration::from_millis(took));
            // The first of a size does not count.
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
        let mut cpu = costs(&[(1, 7), (2, 30), (4, 36), (7, 50), (8, 34)]);
        let shapes = [1, 2, 4, 7, 8].map(|answers| cpu.shape(answers));
        let expected = [TOGETHER(1), Shape::Alone, Shape::Alone, TOGETHER(8), TOGETHER(8)];
        assert_eq!(shapes, expected);
        let mut accelerator = costs(&[(1, 7), (2, 7), (8, 9)]);
        assert_eq!(accelerator.shape(2), TOGETHER(2));
    }

    #[test]
    fn the_first_batch_of_a_size_does_not_count() {
        let mut costs = Costs::new(8);
        costs.note(8, Duration::from_millis(900));
        assert_eq!(costs.shape(8), TOGETHER(8));
        costs.note(8, Duration::from_millis(34));
        (0..2).for_each(|_| costs.note(1, Duration::from_millis(7)));
        assert_eq!(costs.shape(8), TOGETHER(8));
    }

    #[test]
    fn a_size_that_lost_is_tried_again() {
        let mut costs = costs(&[(8, 900), (1, 7)]);
        let mut lost = 0;
        while costs.shape(8) == Shape::Alone {
            (0..8).for_each(|_| costs.note(1, Duration::from_millis(7)));
            lost += 1;
        }
        assert!((64..1000).contains(&lost), "{lost}");
        costs.note(8, Duration::from_millis(34));
        (0..50).for_each(|_| assert_eq!(costs.shape(8), TOGETHER(8)));
    }

    #[test]
    fn an_interruption_is_forgotten_and_a_slower_machine_is_noticed() {
        let mut costs = costs(&[(1, 7), (2, 10), (2, 900)]);
        assert_eq!(costs.shape(2), TOGETHER(2));
        (0..50).for_each(|_| costs.note(2, Duration::from_millis(30)));
        assert_eq!(costs.shape(2), Shape::Alone);
    }
}
