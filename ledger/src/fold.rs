//! From entries to sums. Every line of an exchange goes into the bucket of its own dimensions, and what
//! is counted once for an exchange goes with the line that counts.

use std::sync::Arc;

use isthmus_inference::money::Money;
use isthmus_inference::usage::{Source, Usage};

use crate::books::{Bucket, Dimensions, Sums};
use crate::entry::{CacheUse, Correction, Entry, Line, Settled};

/// Sums are by the hour.
pub const MILLISECONDS_AN_HOUR: i64 = 3_600_000;

/// What an entry adds to the sums; a hold adds nothing.
pub fn buckets(entry: &Entry) -> Vec<Bucket> {
    match entry {
        Entry::Hold(_) => vec![],
        Entry::Settled(settled) => of_settled(settled),
        Entry::Correction(correction) => of_correction(correction),
    }
}

/// The hour of a moment given in Unix milliseconds.
pub fn hour(at: i64) -> i64 {
    at.div_euclid(MILLISECONDS_AN_HOUR)
}

fn of_settled(settled: &Settled) -> Vec<Bucket> {
    let of = |line: &Line| dimensions_of(settled, Some(line));
    let mut buckets: Vec<_> = settled
        .lines
        .iter()
        .map(|line| Bucket { hour: hour(settled.at), of: of(line), sums: Sums::of_line(line) })
        .collect();
    let counts = settled.lines.iter().position(|line| line.counts);
    let place = match (counts, buckets.len()) {
        (Some(place), _) => place,
        (None, 0) => {
            let of = dimensions_of(settled, None);
            buckets.push(Bucket { hour: hour(settled.at), of, sums: Sums::default() });
            0
        }
        (None, all) => all - 1,
    };
    buckets[place].sums += Sums::of_exchange(settled);
    buckets
}

/// The difference alone: the tokens are the same, and were counted before.
fn of_correction(correction: &Correction) -> Vec<Bucket> {
    let Correction { of, about, line, was, .. } = correction;
    let was = was.unwrap_or(Money::ZERO);
    let right = line.cost.unwrap_or(Money::ZERO);
    let settled = Dimensions { about: Arc::clone(about), ..Dimensions::default() };
    let of_line = Dimensions { correction: true, ..with_line(settled, line) };
    vec![Bucket {
        hour: hour(*of),
        of: of_line,
        sums: Sums { cost: right - was, ..Sums::default() },
    }]
}

fn dimensions_of(settled: &Settled, line: Option<&Line>) -> Dimensions {
    let dimensions = Dimensions {
        about: Arc::clone(&settled.about),
        outcome: settled.outcome.word(),
        cache: settled.cache.as_str().into(),
        ..Dimensions::default()
    };
    match line {
        Some(line) => with_line(dimensions, line),
        None => dimensions,
    }
}

fn with_line(dimensions: Dimensions, line: &Line) -> Dimensions {
    Dimensions {
        endpoint: line.endpoint.clone(),
        provider: line.provider.clone(),
        upstream_model: line.upstream_model.clone(),
        reason: line.reason.clone(),
        price: line.price.clone().unwrap_or_default(),
        estimated: line.usage.source == Source::Estimated && line.usage.total() > 0,
        ..dimensions
    }
}

// === impl Sums ===

impl Sums {
    fn of_line(line: &Line) -> Self {
        Self {
            attempts: 1,
            // A sum has no tier: the price that it is summed by has.
            usage: Usage { source: Source::Reported, tier: None, ..line.usage },
            cost: line.cost.unwrap_or(Money::ZERO),
            unpriced: u64::from(line.cost.is_none() && line.usage.total() > 0),
            took_ms: line.took_ms,
            ..Self::default()
        }
    }

    /// What is counted once for an exchange.
    fn of_exchange(settled: &Settled) -> Self {
        let mut sums = Self { requests: 1, ..Self::default() };
        let options = &settled.options;
        let cost = settled.cost();
        if let (Some(cost), Some(allowed), Some(cheapest)) =
            (cost, options.cheapest_allowed, options.cheapest)
        {
            sums.compared = 1;
            sums.compared_cost = cost;
            sums.cheapest_allowed = allowed;
            sums.cheapest = cheapest;
        }
        if let (Some(cost), Some(baseline)) = (cost, options.baseline) {
            sums.based_cost = cost;
            sums.baseline = baseline;
        }
        if let CacheUse::Hit(avoided) = settled.cache {
            sums.cache_avoided = avoided;
        }
        sums
    }
}

impl std::ops::AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        self.requests += other.requests;
        self.attempts += other.attempts;
        self.usage += other.usage;
        self.cost += other.cost;
        self.unpriced += other.unpriced;
        self.took_ms += other.took_ms;
        self.compared += other.compared;
        self.compared_cost += other.compared_cost;
        self.cheapest_allowed += other.cheapest_allowed;
        self.cheapest += other.cheapest;
        self.based_cost += other.based_cost;
        self.baseline += other.baseline;
        self.cache_avoided += other.cache_avoided;
    }
}

// === impl CacheUse ===

impl CacheUse {
    /// The word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Miss => "miss",
            Self::Hit(_) => "hit",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{ExchangeId, Options, Outcome};

    fn line(number: u32, counts: bool, cost: Option<i128>) -> Line {
        Line {
            number,
            endpoint: format!("e{number}").into(),
            provider: "p".into(),
            upstream_model: "m".into(),
            reason: "first".into(),
            fate: "answered".into(),
            counts,
            usage: Usage { uncached_input: 10, text_output: 5, ..Usage::default() },
            price: cost.map(|_| "v1".into()),
            cost: cost.map(Money::from_pico_dollars),
            began: 0,
            first_output_ms: None,
            took_ms: 7,
        }
    }

    fn settled(lines: Vec<Line>) -> Settled {
        Settled {
            exchange: ExchangeId::new(1, 1),
            at: 2 * MILLISECONDS_AN_HOUR + 1,
            request_id: "r".into(),
            about: Arc::default(),
            outcome: Outcome::Answered,
            lines,
            options: Options::default(),
            cache: CacheUse::Off,
        }
    }

    fn total(buckets: Vec<Bucket>) -> Sums {
        buckets.into_iter().fold(Sums::default(), |mut sum, bucket| {
            sum += bucket.sums;
            sum
        })
    }

    #[test]
    fn an_exchange_counts_once_and_each_attempt_for_itself() {
        let entry = Entry::Settled(Box::new(settled(vec![
            line(1, false, Some(3)),
            line(2, true, Some(4)),
        ])));
        let folded = buckets(&entry);
        assert_eq!(folded.len(), 2);
        assert_eq!((folded[0].hour, folded[0].sums.requests, folded[1].sums.requests), (2, 0, 1));
        let sums = total(folded);
        assert_eq!((sums.requests, sums.attempts, sums.usage.total()), (1, 2, 30));
        assert_eq!(sums.cost.pico_dollars(), 7);
    }

    #[test]
    fn an_answer_from_memory_is_a_request_without_an_attempt() {
        let avoided = Money::from_pico_dollars(9);
        let hit = Settled { cache: CacheUse::Hit(avoided), ..settled(vec![]) };
        let folded = buckets(&Entry::Settled(Box::new(hit)));
        assert_eq!(folded[0].of.cache, "hit");
        let sums = total(folded);
        assert_eq!((sums.requests, sums.attempts, sums.cache_avoided), (1, 0, avoided));
    }

    #[test]
    fn what_has_no_price_is_counted_as_such_and_compared_with_nothing() {
        let mut unknown = settled(vec![line(1, true, None)]);
        unknown.options.cheapest = Some(Money::ZERO);
        unknown.options.cheapest_allowed = Some(Money::ZERO);
        let sums = total(buckets(&Entry::Settled(Box::new(unknown))));
        assert_eq!((sums.unpriced, sums.compared, sums.cost), (1, 0, Money::ZERO));
    }

    #[test]
    fn a_correction_is_the_difference_in_the_hour_that_it_corrects() {
        let correction = Correction {
            exchange: ExchangeId::new(1, 1),
            of: MILLISECONDS_AN_HOUR,
            at: 99 * MILLISECONDS_AN_HOUR,
            about: Arc::default(),
            line: line(1, true, Some(10)),
            was: Some(Money::from_pico_dollars(4)),
            reason: "the list price was wrong".into(),
        };
        let folded = buckets(&Entry::Correction(Box::new(correction)));
        assert_eq!((folded[0].hour, folded[0].of.correction), (1, true));
        assert_eq!(folded[0].sums.cost.pico_dollars(), 6);
        assert_eq!((folded[0].sums.requests, folded[0].sums.usage.total()), (0, 0));
    }
}
