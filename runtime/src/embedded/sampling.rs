//! From logits to a token. Pure: slices in, a token out.
//!
//! The order of steps is that of the OpenAI API as vLLM serves it: bias and penalties change the
//! logits, then temperature, then `top_k`, then `top_p`, then the draw. Nothing here sorts the
//! whole vocabulary.

use std::collections::HashMap;

use super::probability::{Ranked, by_rank, likeliest_one, peak};
use super::random::Random;

/// How one answer's tokens are drawn.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    /// 0 always takes the likeliest.
    pub(crate) temperature: f32,
    /// Joint probability of the tokens that may be drawn; 1 admits all.
    pub(crate) top_p: f32,
    /// Number of tokens that may be drawn; 0 admits all.
    pub(crate) top_k: usize,
    /// Taken once from each token that this answer has.
    pub(crate) presence_penalty: f32,
    /// Taken from a token for each time that this answer has it.
    pub(crate) frequency_penalty: f32,
    /// Added to these tokens.
    pub(crate) bias: Vec<(u32, f32)>,
}

/// Draws the tokens of one answer.
#[derive(Debug, Clone)]
pub(crate) struct Sampler {
    recipe: Recipe,
    random: Random,
    seen: HashMap<u32, u32>,
}

// === impl Sampler ===

impl Sampler {
    pub(crate) fn new(recipe: Recipe, random: Random) -> Self {
        Self { recipe, random, seen: HashMap::new() }
    }

    /// Whether [`Self::adjust`] would change anything.
    pub(crate) fn adjusts(&self) -> bool {
        !self.recipe.bias.is_empty() || (self.penalises() && !self.seen.is_empty())
    }

    /// Applies bias and penalties.
    pub(crate) fn adjust(&self, logits: &mut [f32]) {
        for &(token, bias) in &self.recipe.bias {
            logits[token as usize] += bias;
        }
        if self.penalises() {
            for (&token, &count) in &self.seen {
                logits[token as usize] -=
                    self.recipe.presence_penalty + self.recipe.frequency_penalty * count as f32;
            }
        }
    }

    /// Chooses a token and remembers it.
    pub(crate) fn pick(&mut self, logits: &[f32]) -> u32 {
        let token = match self.recipe.temperature {
            0.0 => likeliest_one(logits),
            temperature => self.draw(logits, temperature),
        };
        if self.penalises() {
            *self.seen.entry(token).or_insert(0) += 1;
        }
        token
    }

    fn draw(&mut self, logits: &[f32], temperature: f32) -> u32 {
        let mut candidates = weights(logits, temperature);
        if self.recipe.top_k > 0 {
            heaviest_first(&mut candidates, self.recipe.top_k);
            candidates.truncate(self.recipe.top_k);
        }
        if self.recipe.top_p < 1.0 {
            keep_nucleus(&mut candidates, self.recipe.top_p);
        }
        let drawn = weighted(&candidates, self.random.unit());
        // Logits without a single finite number leave no candidates.
        drawn.unwrap_or_else(|| likeliest_one(logits))
    }

    fn penalises(&self) -> bool {
        self.recipe.presence_penalty != 0.0 || self.recipe.frequency_penalty != 0.0
    }
}

/// Probabilities up to a common factor. Tokens so unlikely that all of them together vanish beside
/// the likeliest one, in the precision of a float, are left out.
fn weights(logits: &[f32], temperature: f32) -> Vec<Ranked> {
    const NEGLIGIBLE: f32 = -30.0;
    let peak = peak(logits);
    let scaled = (0..).zip(logits).map(|(token, logit)| (token, (logit - peak) / temperature));
    scaled
        .filter(|&(_, exponent)| exponent > NEGLIGIBLE)
        .map(|(token, exponent)| (token, exponent.exp()))
        .collect()
}

/// Keeps the smallest set of the likeliest tokens that has this share of the total weight.
fn keep_nucleus(candidates: &mut Vec<Ranked>, share: f32) {
    let total = total(candidates);
    // `n` tokens of at most (1 - share) / n each have at most 1 - share together: the others make
    // up the share without them.
    let floor = ((1.0 - f64::from(share)) * total / candidates.len().max(1) as f64) as f32;
    candidates.retain(|&(_, weight)| weight >= floor);
    let wanted = f64::from(share) * total;
    let mut sorted = 64;
    loop {
        heaviest_first(candidates, sorted);
        if let Some(size) = reaching(&candidates[..sorted.min(candidates.len())], wanted) {
            return candidates.truncate(size);
        }
        if sorted >= candidates.len() {
            return;
        }
        sorted *= 8;
    }
}

/// How many of the first candidates it takes to weigh this much; at least one.
fn reaching(candidates: &[Ranked], wanted: f64) -> Option<usize> {
    let mut sum = 0.0;
    let place = candidates.iter().position(|&(_, weight)| {
        sum += f64::from(weight);
        sum >= wanted
    });
    place.map(|last| last + 1)
}

/// Brings the `count` heaviest to the front, sorted, and leaves the rest as it falls.
fn heaviest_first(candidates: &mut [Ranked], count: usize) {
    if count < candidates.len() {
        candidates.select_nth_unstable_by(count, by_rank);
    }
    let count = count.min(candidates.len());
    candidates[..count].sort_unstable_by(by_rank);
}

/// The candidate at this place (0 to 1) of the total weight.
fn weighted(candidates: &[Ranked], place: f64) -> Option<u32> {
    let mut left = place * total(candidates);
    for &(token, weight) in candidates {
        left -= f64::from(weight);
        if left < 0.0 {
            return Some(token);
        }
    }
    // Rounding may leave a crumb behind the last one.
    candidates.last().map(|&(token, _)| token)
}

fn total(candidates: &[Ranked]) -> f64 {
    candidates.iter().map(|&(_, weight)| f64::from(weight)).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAIN: Recipe = Recipe {
        temperature: 1.0,
        top_p: 1.0,
        top_k: 0,
        presence_penalty: 0.0,
        frequency_penalty: 0.0,
        bias: Vec::new(),
    };

    fn sampler(recipe: Recipe) -> Sampler {
        Sampler::new(recipe, Random::seeded(42))
    }

    fn frequencies(recipe: Recipe, logits: &[f32]) -> Vec<f32> {
        const DRAWS: u32 = 20_000;
        let mut sampler = sampler(recipe);
        let mut counts = vec![0_u32; logits.len()];
        (0..DRAWS).for_each(|_| counts[sampler.pick(logits) as usize] += 1);
        counts.iter().map(|&count| count as f32 / DRAWS as f32).collect()
    }

    fn assert_close(seen: &[f32], expected: &[f32]) {
        let close = seen.iter().zip(expected).all(|(a, b)| (a - b).abs() < 0.015);
        assert!(close && seen.len() == expected.len(), "{seen:?} is not {expected:?}");
    }

    #[test]
    fn tokens_come_as_often_as_their_probability_says() {
        let logits = [0.5_f32.ln(), 0.3_f32.ln(), 0.2_f32.ln(), f32::NEG_INFINITY];
        assert_close(&frequencies(PLAIN, &logits), &[0.5, 0.3, 0.2, 0.0]);
    }

    #[test]
    fn temperature_sharpens() {
        let logits = [0.5_f32.ln(), 0.3_f32.ln(), 0.2_f32.ln()];
        // At half the temperature probabilities are squared: 25 : 9 : 4.
        let recipe = Recipe { temperature: 0.5, ..PLAIN };
        assert_close(&frequencies(recipe, &logits), &[25.0 / 38.0, 9.0 / 38.0, 4.0 / 38.0]);
        assert_eq!(sampler(Recipe { temperature: 0.0, ..PLAIN }).pick(&logits), 0);
    }

    #[test]
    fn top_k_and_top_p_cut_the_tail() {
        let logits = [0.2_f32.ln(), 0.5_f32.ln(), 0.3_f32.ln()];
        let two = [0.0, 0.625, 0.375];
        assert_close(&frequencies(Recipe { top_k: 2, ..PLAIN }, &logits), &two);
        assert_close(&frequencies(Recipe { top_p: 0.6, ..PLAIN }, &logits), &two);
        assert_close(&frequencies(Recipe { top_p: 0.0, ..PLAIN }, &logits), &[0.0, 1.0, 0.0]);
    }

    #[test]
    fn penalties_count_what_was_drawn() {
        let recipe =
            Recipe { temperature: 0.0, presence_penalty: 1.0, frequency_penalty: 0.25, ..PLAIN };
        let mut sampler = sampler(recipe);
        assert!(!sampler.adjusts());
        assert_eq!([sampler.pick(&[2.0, 0.0]), sampler.pick(&[2.0, 0.0])], [0, 0]);
        let mut logits = [2.0, 0.6];
        sampler.adjust(&mut logits);
        assert_eq!(logits, [0.5, 0.6]);
        assert_eq!(sampler.pick(&logits), 1);
    }

    #[test]
    fn a_bias_bans_or_forces() {
        let recipe = Recipe { bias: vec![(0, -100.0), (2, 100.0)], temperature: 0.0, ..PLAIN };
        let mut logits = [5.0, 4.0, 3.0];
        let mut sampler = sampler(recipe);
        assert!(sampler.adjusts());
        sampler.adjust(&mut logits);
        assert_eq!(sampler.pick(&logits), 2);
    }

    #[test]
    fn logits_without_a_finite_number_still_give_a_token() {
        assert_eq!(sampler(PLAIN).pick(&[f32::NEG_INFINITY; 3]), 0);
        assert_eq!(sampler(PLAIN).pick(&[f32::NAN; 3]), 0);
    }

    proptest! {
        #[test]
        fn the_nucleus_is_that_of_a_full_sort(
            weights in prop::collection::vec(1_u16..2000, 1..400), share in 0.0_f32..1.0
        ) {
            let weights: Vec<f32> = weights.into_iter().map(f32::from).collect();
            let mut candidates: Vec<Ranked> = (0..).zip(weights).collect();
            let mut sorted = candidates.clone();
            sorted.sort_by(by_rank);
            let wanted = f64::from(share) * total(&sorted);
            let size = reaching(&sorted, wanted).unwrap_or(sorted.len());
            keep_nucleus(&mut candidates, share);
            prop_assert_eq!(&candidates[..], &sorted[..size]);
        }

        #[test]
        fn a_draw_is_always_a_token(
            logits in prop::collection::vec(-50.0_f32..50.0, 1..300),
            temperature in 0.0_f32..2.0, top_p in 0.0_f32..1.0, top_k in 0_usize..50, seed: u64
        ) {
            let recipe = Recipe { temperature, top_p, top_k, ..PLAIN };
            let mut sampler = Sampler::new(recipe, Random::seeded(seed));
            prop_assert!((sampler.pick(&logits) as usize) < logits.len());
        }
    }
}
