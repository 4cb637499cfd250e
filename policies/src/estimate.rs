//! How many tokens a request will be, before anyone has counted them.
//!
//! A model's tokens are learnt from what its endpoints report: tokens by byte of text, and the length of
//! answers, each as a moving average. Both start from what is usual, or the first from what the model's
//! own tokenizer counts of the first request.

use std::collections::HashMap;

/// What can be seen of a request's size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// Bytes of its text.
    pub text_bytes: usize,
    /// Tokens of the pictures, sound and files that it brings, roughly: those depend on no language.
    pub file_tokens: u64,
}

/// What is expected of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Tokens of the prompt.
    pub input_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
}

/// What was learnt of one sort of request: one model, or one application's use of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibration {
    tokens_per_byte: f64,
    output_tokens: f64,
    observations: u32,
}

/// What was learnt of each sort of request, for a bounded number of sorts. A sort's key is whatever
/// number the caller makes of it, such as a hash of model and application.
#[derive(Debug)]
pub struct Calibrations {
    known: HashMap<u64, (Calibration, u64)>,
    most: usize,
    /// Counts look-ups, to tell which sort was not asked for the longest.
    clock: u64,
}

/// Bytes of a request's JSON to a token: English prose has about four.
const USUAL_TOKENS_PER_BYTE: f64 = 0.25;
/// Tokens of a usual answer: the mean of the public traces of conversations (211 and 343) and of
/// code (28), rounded up.
const USUAL_OUTPUT: f64 = 250.0;
/// What a new observation counts, once there are many; the first ones count more.
const GAIN: f64 = 0.05;
/// No tokenizer makes more than this of a byte, or less.
const PLAUSIBLE: std::ops::RangeInclusive<f64> = 0.005..=2.0;

// === impl Size ===

impl Size {
    /// Of text alone.
    pub const fn of_text(bytes: usize) -> Self {
        Self { text_bytes: bytes, file_tokens: 0 }
    }
}

// === impl Calibration ===

impl Calibration {
    /// What is expected of a request of this size, whose answer may have `max_tokens`.
    pub fn expect(&self, size: Size, max_tokens: Option<u64>) -> Expected {
        let text = (size.text_bytes as f64 * self.tokens_per_byte).ceil() as u64;
        let input_tokens = text.saturating_add(size.file_tokens);
        let usual = (self.output_tokens.ceil() as u64).max(1);
        let output_tokens = max_tokens.map_or(usual, |most| usual.min(most));
        Expected { input_tokens: input_tokens.max(1), output_tokens }
    }

    /// What a request of this size was, as its endpoint reported. One with files teaches nothing of
    /// text: what they were is in the same sum.
    pub fn observe(&mut self, size: Size, input_tokens: u64, output_tokens: u64) {
        self.observations = self.observations.saturating_add(1);
        let gain = GAIN.max(1.0 / (f64::from(self.observations) + 1.0));
        self.output_tokens += gain * (output_tokens as f64 - self.output_tokens);
        if size.text_bytes > 0 && size.file_tokens == 0 && input_tokens > 0 {
            let ratio = plausible(input_tokens, size.text_bytes);
            self.tokens_per_byte += gain * (ratio - self.tokens_per_byte);
        }
    }

    /// What the model's tokenizer made of a text of so many bytes. That is worth as much as the first
    /// few reports together.
    fn counted(&mut self, text_bytes: usize, tokens: u64) {
        if text_bytes > 0 && tokens > 0 && self.observations == 0 {
            self.tokens_per_byte = plausible(tokens, text_bytes);
        }
    }

    /// How many exchanges it rests on.
    pub const fn observations(&self) -> u32 {
        self.observations
    }
}

impl Default for Calibration {
    fn default() -> Self {
        Self {
            tokens_per_byte: USUAL_TOKENS_PER_BYTE,
            output_tokens: USUAL_OUTPUT,
            observations: 0,
        }
    }
}

fn plausible(tokens: u64, bytes: usize) -> f64 {
    (tokens as f64 / bytes as f64).clamp(*PLAUSIBLE.start(), *PLAUSIBLE.end())
}

// === impl Calibrations ===

impl Calibrations {
    /// Room for `most` sorts of request, at least one.
    pub fn new(most: usize) -> Self {
        Self { known: HashMap::new(), most: most.max(1), clock: 0 }
    }

    /// What was learnt of this sort, or else of the more general one, or else what is usual.
    pub fn of(&self, sort: u64, general: u64) -> Calibration {
        let known = |sort| self.known.get(&sort).map(|(calibration, _)| *calibration);
        known(sort).or_else(|| known(general)).unwrap_or_default()
    }

    /// The model's tokenizer made so many tokens of a text, of whatever sort, before anybody reported.
    pub fn counted(&mut self, general: u64, text_bytes: usize, tokens: u64) {
        self.clock += 1;
        let (calibration, _) =
            self.known.entry(general).or_insert((Calibration::default(), self.clock));
        calibration.counted(text_bytes, tokens);
    }

    /// Learns of this sort and of the more general one.
    pub fn observe(
        &mut self,
        sort: u64,
        general: u64,
        size: Size,
        input_tokens: u64,
        output_tokens: u64,
    ) {
        // A new sort starts from what is known of its kind.
        let kind = self.of(general, general);
        let sorts = [general, sort];
        for sort in &sorts[..1 + usize::from(sort != general)] {
            self.clock += 1;
            if !self.known.contains_key(sort) && self.known.len() >= self.most {
                self.forget_some();
            }
            let start = Calibration { observations: kind.observations.min(10), ..kind };
            let (calibration, used_at) = self.known.entry(*sort).or_insert((start, 0));
            calibration.observe(size, input_tokens, output_tokens);
            *used_at = self.clock;
        }
    }

    /// Forgets the quarter that was not used for the longest, so that this is seldom done.
    fn forget_some(&mut self) {
        let mut ages: Vec<u64> = self.known.values().map(|(_, used_at)| *used_at).collect();
        let last = ages.len() / 4;
        let (_, limit, _) = ages.select_nth_unstable(last);
        let limit = *limit;
        self.known.retain(|_, (_, used_at)| *used_at > limit);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_stranger_is_taken_for_usual() {
        let expected = Calibration::default().expect(Size::of_text(4000), None);
        assert_eq!(expected, Expected { input_tokens: 1000, output_tokens: 250 });
        assert_eq!(Calibration::default().expect(Size::default(), Some(7)).output_tokens, 7);
    }

    #[test]
    fn what_is_reported_is_learnt() {
        let mut calibrations = Calibrations::new(100);
        for _ in 0..200 {
            calibrations.observe(1, 2, Size::of_text(1000), 500, 40);
        }
        for sort in [(1, 2), (9, 2)] {
            let expected = calibrations.of(sort.0, sort.1).expect(Size::of_text(2000), None);
            assert!((995..=1000).contains(&expected.input_tokens), "{expected:?}");
            assert!((40..=45).contains(&expected.output_tokens), "{expected:?}");
        }
        assert_eq!(calibrations.of(9, 9), Calibration::default());
    }

    #[test]
    fn what_a_tokenizer_counts_is_where_learning_starts() {
        let mut calibrations = Calibrations::new(100);
        calibrations.counted(2, 1000, 400);
        let input = |it: &Calibrations| it.of(1, 2).expect(Size::of_text(2000), None).input_tokens;
        assert_eq!(input(&calibrations), 800);
        calibrations.observe(1, 2, Size::of_text(1000), 420, 40);
        assert!((800..=840).contains(&input(&calibrations)), "{}", input(&calibrations));
        let learnt = calibrations.of(1, 2);
        calibrations.counted(2, 1000, 900);
        assert_eq!(calibrations.of(1, 2), learnt, "reports are better than counts");
    }

    #[test]
    fn files_are_no_text() {
        let mut calibration = Calibration::default();
        let picture = Size { text_bytes: 400, file_tokens: 1100 };
        assert_eq!(calibration.expect(picture, None).input_tokens, 1200);
        calibration.observe(picture, 900, 40);
        assert_eq!(calibration.expect(Size::of_text(400), None).input_tokens, 100);
    }

    #[test]
    fn nonsense_is_not_believed() {
        let mut calibration = Calibration::default();
        for _ in 0..1000 {
            calibration.observe(Size::of_text(1), u64::MAX, 1);
        }
        assert!(calibration.expect(Size::of_text(1000), None).input_tokens <= 2000);
    }

    proptest! {
        #[test]
        fn memory_is_bounded(sorts in proptest::collection::vec(0u64..1000, 1..500)) {
            let mut calibrations = Calibrations::new(16);
            for sort in sorts {
                calibrations.observe(sort, 1, Size::of_text(100), 30, 10);
                prop_assert!(calibrations.known.len() <= 16);
                prop_assert!(calibrations.known.contains_key(&sort), "the newest is never forgotten");
            }
        }
    }
}
