//! Logits read as probabilities: the model's own, before anything bends them.

use std::cmp::Ordering;

/// A token and a number that ranks it.
pub(crate) type Ranked = (u32, f32);

/// Turns logits into log-probabilities.
pub(crate) struct LogSoftmax<'a> {
    logits: &'a [f32],
    /// Logarithm of the sum of all exponentials.
    normaliser: f32,
}

// === impl LogSoftmax ===

impl<'a> LogSoftmax<'a> {
    pub(crate) fn of(logits: &'a [f32]) -> Self {
        let peak = peak(logits);
        // Summed in double: fifty thousand small addends would cost a float its last digits.
        let sum: f64 = logits.iter().map(|logit| f64::from((logit - peak).exp())).sum();
        Self { logits, normaliser: peak + sum.ln() as f32 }
    }

    /// Natural logarithm of a token's probability.
    pub(crate) fn of_token(&self, token: u32) -> f32 {
        self.logits[token as usize] - self.normaliser
    }

    /// The likeliest tokens, likeliest first.
    pub(crate) fn top(&self, count: usize) -> Vec<Ranked> {
        let mut best = likeliest(self.logits, count);
        best.iter_mut().for_each(|(_, logit)| *logit -= self.normaliser);
        best
    }
}

/// The greatest logit; minus infinity for none.
pub(crate) fn peak(logits: &[f32]) -> f32 {
    // Sixteen running maxima instead of one: the compiler can keep them in one vector register.
    let mut lanes = [f32::NEG_INFINITY; 16];
    let chunks = logits.chunks_exact(lanes.len());
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, &logit) in lanes.iter_mut().zip(chunk) {
            *lane = if logit > *lane { logit } else { *lane };
        }
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max)
}

/// The token of the greatest logit, the first of equals.
pub(crate) fn likeliest_one(logits: &[f32]) -> u32 {
    let peak = peak(logits);
    logits.iter().position(|&logit| logit == peak).unwrap_or(0) as u32
}

/// The tokens of the greatest logits, greatest first.
fn likeliest(logits: &[f32], count: usize) -> Vec<Ranked> {
    let mut best: Vec<Ranked> = Vec::with_capacity(count + 1);
    for (token, &logit) in (0..).zip(logits) {
        // `best` stays sorted and short, so nearly every token is turned away at this comparison.
        if best.len() == count && best.last().is_none_or(|&worst| !ranks((token, logit), worst)) {
            continue;
        }
        let place = best.partition_point(|&other| ranks(other, (token, logit)));
        best.insert(place, (token, logit));
        best.truncate(count);
    }
    best
}

/// Whether the first stands before the second.
fn ranks(first: Ranked, second: Ranked) -> bool {
    by_rank(&first, &second) == Ordering::Less
}

/// Greater numbers first; among equals the smaller token, so that the order is total.
pub(crate) fn by_rank(first: &Ranked, second: &Ranked) -> Ordering {
    second.1.total_cmp(&first.1).then(first.0.cmp(&second.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn probabilities_sum_to_one(logits in prop::collection::vec(-30.0_f32..30.0, 1..200)) {
            let softmax = LogSoftmax::of(&logits);
            let sum: f32 = (0..logits.len() as u32).map(|token| softmax.of_token(token).exp()).sum();
            prop_assert!((sum - 1.0).abs() < 1e-3, "{}", sum);
        }

        #[test]
        fn the_top_is_the_head_of_a_full_sort(
            logits in prop::collection::vec(-3_i8..3, 1..100), count in 0_usize..30
        ) {
            // Few distinct values, so that ties are common.
            let logits: Vec<f32> = logits.into_iter().map(f32::from).collect();
            let mut sorted: Vec<Ranked> = (0..).zip(logits.iter().copied()).collect();
            sorted.sort_by(by_rank);
            sorted.truncate(count);
            prop_assert_eq!(likeliest(&logits, count), sorted);
        }

        #[test]
        fn the_likeliest_one_is_the_first_of_the_top(
            logits in prop::collection::vec(-9_i8..9, 1..100)
        ) {
            let logits: Vec<f32> = logits.into_iter().map(f32::from).collect();
            prop_assert_eq!(likeliest_one(&logits), likeliest(&logits, 1)[0].0);
        }
    }
}
