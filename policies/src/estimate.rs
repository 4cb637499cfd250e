//! How many tokens a request will be, before anyone has counted them.
//!
//! A model's tokens are learnt from what its endpoints report: tokens by byte of text, and the length of
//! answers, each as a moving average; and by how much files are more tokens than they are taken for. All
//! start from what is usual, or the first from what the model's own tokenizer counts of a first request.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use foldhash::fast::RandomState;

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
    /// What a token that is expected of a file is in truth.
    tokens_per_file_token: f64,
    output_tokens: f64,
    observations: u32,
}

/// What was learnt of each sort of request, for a bounded number of sorts. A sort's key is whatever
/// number the caller makes of it, such as a hash of model and application.
#[derive(Debug)]
pub struct Calibrations {
    known: HashMap<u64, (Calibration, u64), RandomState>,
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
/// No tokenizer makes more than this of a byte, or less,
const PLAUSIBLE: RangeInclusive<f64> = 0.005..=2.0;
/// and no model of what a file is taken for.
const PLAUSIBLE_OF_FILES: RangeInclusive<f64> = 0.05..=50.0;
/// A short text tells little of longer ones: it counts as if so many usual bytes stood beside it.
const AROUND: f64 = 1024.0;

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
        let files = size.file_tokens as f64 * self.tokens_per_file_token;
        let input_tokens = (self.text_tokens(size) + files).ceil() as u64;
        let usual = (self.output_tokens.ceil() as u64).max(1);
        let output_tokens = max_tokens.map_or(usual, |most| usual.min(most));
        Expected { input_tokens: input_tokens.max(1), output_tokens }
    }

    fn text_tokens(&self, size: Size) -> f64 {
        size.text_bytes as f64 * self.tokens_per_byte
    }

    /// What a request of this size was, as its endpoint reported. One with files teaches what files are,
    /// the others what text is.
    pub fn observe(&mut self, size: Size, input_tokens: u64, output_tokens: u64) {
        self.observations = self.observations.saturating_add(1);
        let gain = GAIN.max(1.0 / (f64::from(self.observations) + 1.0));
        self.output_tokens += gain * (output_tokens as f64 - self.output_tokens);
        if input_tokens == 0 {
            return;
        }
        if size.file_tokens > 0 {
            let files = input_tokens as f64 - self.text_tokens(size);
            let ratio = within(files / size.file_tokens as f64, &PLAUSIBLE_OF_FILES);
            self.tokens_per_file_token += gain * (ratio - self.tokens_per_file_token);
        } else if size.text_bytes > 0 {
            let ratio = within(input_tokens as f64 / size.text_bytes as f64, &PLAUSIBLE);
            self.tokens_per_byte += gain * (ratio - self.tokens_per_byte);
        }
    }

    /// What the model's tokenizer made of a text of so many bytes.
    fn counted(&mut self, text_bytes: usize, tokens: u64) {
        if tokens > 0 && self.observations == 0 {
            let tokens = tokens as f64 + AROUND * USUAL_TOKENS_PER_BYTE;
            self.tokens_per_byte = within(tokens / (text_bytes as f64 + AROUND), &PLAUSIBLE);
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
            tokens_per_file_token: 1.0,
            output_tokens: USUAL_OUTPUT,
            observations: 0,
        }
    }
}

fn within(value: f64, range: &RangeInclusive<f64>) -> f64 {
    value.clamp(*range.start(), *range.end())
}

// === impl Calibrations ===

impl Calibrations {
    /// Room for `most` sorts of request, at least one.
    pub fn new(most: usize) -> Self {
        Self { known: HashMap::default(), most: most.max(1), clock: 0 }
    }

    /// What was learnt of this sort, or else of the more general one, or else what is usual.
    pub fn of(&self, sort: u64, general: u64) -> Calibration {
        let known = |sort| self.known.get(&sort).map(|(calibration, _)| *calibration);
        known(sort).or_else(|| known(general)).unwrap_or_default()
    }

    /// The model's tokenizer made so many tokens of a text, of whatever sort, before anybody reported.
    pub fn counted(&mut self, general: u64, text_bytes: usize, tokens: u64) {
        self.entry(general, Calibration::default()).counted(text_bytes, tokens);
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
        let start = Calibration { observations: kind.observations.min(10), ..kind };
        let sorts = [general, sort];
        for sort in &sorts[..1 + usize::from(sort != general)] {
            self.entry(*sort, start).observe(size, input_tokens, output_tokens);
        }
    }

    /// What is known of a sort, which is used now; a new one starts like this.
    fn entry(&mut self, sort: u64, start: Calibration) -> &mut Calibration {
        self.clock += 1;
        if self.known.len() >= self.most && !self.known.contains_key(&sort) {
            self.forget_some();
        }
        let (calibration, used_at) = self.known.entry(sort).or_insert((start, 0));
        *used_at = self.clock;
        calibration
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
        calibrations.counted(2, 100_000, 40_000);
        let input = |it: &Calibrations| it.of(1, 2).expect(Size::of_text(2000), None).input_tokens;
        assert!((790..=800).contains(&input(&calibrations)), "{}", input(&calibrations));
        calibrations.observe(1, 2, Size::of_text(1000), 420, 40);
        assert!((800..=840).contains(&input(&calibrations)), "{}", input(&calibrations));
        let learnt = calibrations.of(1, 2);
        calibrations.counted(2, 100_000, 90_000);
        assert_eq!(calibrations.of(1, 2), learnt, "reports are better than counts");
    }

    #[test]
    fn a_short_text_tells_little_of_longer_ones() {
        let mut calibrations = Calibrations::new(100);
        calibrations.counted(1, 75, 8);
        let expected = calibrations.of(1, 1).expect(Size::of_text(400_000), None);
        assert!((90_000..100_000).contains(&expected.input_tokens), "{expected:?}");
    }

    #[test]
    fn files_are_no_text() {
        let mut calibration = Calibration::default();
        let picture = Size { text_bytes: 400, file_tokens: 1000 };
        assert_eq!(calibration.expect(picture, None).input_tokens, 1100);
        for _ in 0..200 {
            calibration.observe(picture, 350, 40);
        }
        assert_eq!(calibration.expect(Size::of_text(400), None).input_tokens, 100);
        let learnt = calibration.expect(picture, None).input_tokens;
        assert!((350..=352).contains(&learnt), "{learnt}");
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
                calibrations.counted(sort + 1000, 100, 30);
                calibrations.observe(sort, 1, Size::of_text(100), 30, 10);
                prop_assert!(calibrations.known.len() <= 16);
                prop_assert!(calibrations.known.contains_key(&sort), "the newest is never forgotten");
            }
        }
    }
}
