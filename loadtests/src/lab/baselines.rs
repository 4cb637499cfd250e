//! The well-known ways to choose, without knowledge of any objective.
//!
//! All of them fall back as Isthmus does: after a failure the same retry rules, then the next of
//! their own order. Where latencies are learned, a failure counts as [`PENALTY`], since a fast
//! failure is not fast.

use super::chance::Chance;
use super::router::{Ask, Attempt, Listing, Plan, Router};
use super::world::Ending;

/// Makes a contender for so many endpoints.
type Make = fn(usize) -> Box<dyn Router>;

/// Every baseline by name.
pub const BASELINES: &[(&str, Make)] = &[
    ("round-robin", |size| Box::new(RoundRobin { next: 0, size })),
    ("random", |size| Box::new(Random { size })),
    ("cheapest", |_| Box::new(Cheapest { output: Mean::default() })),
    ("fastest", |size| Box::new(Fastest { latency: vec![Ewma::default(); size] })),
    ("least-pending", |size| Box::new(LeastPending { pending: vec![0; size] })),
    ("peak-ewma-p2c", |size| {
        Box::new(PeakEwma { latency: vec![Ewma::default(); size], pending: vec![0; size] })
    }),
];

/// What a failure counts as where latencies are learned, in nanoseconds.
const PENALTY: f64 = 5e9;
/// The memory of learned latencies, in nanoseconds.
const MEMORY: f64 = 10e9;

/// Each in turn.
struct RoundRobin {
    next: usize,
    size: usize,
}

/// Any.
struct Random {
    size: usize,
}

/// The lowest expected cost by the list; a lease costs nothing more.
struct Cheapest {
    output: Mean,
}

/// The lowest learned time to the first token; who was never tried comes first.
struct Fastest {
    latency: Vec<Ewma>,
}

/// The fewest attempts on their way.
struct LeastPending {
    pending: Vec<u32>,
}

/// The better of two random ones by learned peak latency times attempts on their way (Finagle).
struct PeakEwma {
    latency: Vec<Ewma>,
    pending: Vec<u32>,
}

/// Always the same endpoint, then the others as they are listed.
pub struct Fixed(pub usize);

/// A mean that forgets by time.
#[derive(Debug, Clone, Copy, Default)]
struct Ewma {
    value: Option<f64>,
    at: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Mean {
    sum: f64,
    count: f64,
}

// === impl RoundRobin ===

impl Router for RoundRobin {
    fn plan(&mut self, _ask: &Ask<'_>, _listing: Listing<'_>) -> Plan {
        let first = self.next;
        self.next = (first + 1) % self.size;
        let order = (0..self.size).map(|step| (first + step) % self.size).collect();
        Plan { order, hedge: None }
    }
}

// === impl Random ===

impl Router for Random {
    fn plan(&mut self, ask: &Ask<'_>, _listing: Listing<'_>) -> Plan {
        Plan { order: shuffled(self.size, ask), hedge: None }
    }
}

// === impl Cheapest ===

impl Router for Cheapest {
    fn plan(&mut self, ask: &Ask<'_>, listing: Listing<'_>) -> Plan {
        let (input, output) = (ask.prompt_bytes / 4, self.output.value(200.0) as u64);
        by(listing.size(), |endpoint| {
            let price = listing.price(endpoint);
            (price.input * input + price.output * output).pico_dollars() as f64
        })
    }

    fn ended(&mut self, attempt: &Attempt<'_>, ending: Option<Ending>) {
        if ending == Some(Ending::Whole) {
            self.output.add(attempt.output_tokens as f64);
        }
    }
}

// === impl Fastest ===

impl Router for Fastest {
    fn plan(&mut self, _ask: &Ask<'_>, listing: Listing<'_>) -> Plan {
        by(listing.size(), |endpoint| self.latency[endpoint].value.unwrap_or(0.0))
    }

    fn first_token(&mut self, attempt: &Attempt<'_>) {
        self.latency[attempt.endpoint].mean((attempt.now - attempt.started) as f64, attempt.now);
    }

    fn ended(&mut self, attempt: &Attempt<'_>, ending: Option<Ending>) {
        if is_failure(ending) {
            self.latency[attempt.endpoint].mean(PENALTY, attempt.now);
        }
    }
}

// === impl LeastPending ===

impl Router for LeastPending {
    fn plan(&mut self, ask: &Ask<'_>, _listing: Listing<'_>) -> Plan {
        let mut order = shuffled(self.pending.len(), ask);
        order.sort_by_key(|endpoint| self.pending[*endpoint]);
        Plan { order, hedge: None }
    }

    fn starts(&mut self, attempt: &Attempt<'_>) -> bool {
        self.pending[attempt.endpoint] += 1;
        true
    }

    fn ended(&mut self, attempt: &Attempt<'_>, _ending: Option<Ending>) {
        self.pending[attempt.endpoint] -= 1;
    }
}

// === impl PeakEwma ===

impl Router for PeakEwma {
    fn plan(&mut self, ask: &Ask<'_>, _listing: Listing<'_>) -> Plan {
        let mut order = shuffled(self.pending.len(), ask);
        let cost = |endpoint: &usize| {
            self.latency[*endpoint].value.unwrap_or(0.0) * f64::from(self.pending[*endpoint] + 1)
        };
        let two = order.len().min(2);
        order[..two].sort_by(|one, other| cost(one).total_cmp(&cost(other)));
        order[two..].sort_by(|one, other| cost(one).total_cmp(&cost(other)));
        Plan { order, hedge: None }
    }

    fn starts(&mut self, attempt: &Attempt<'_>) -> bool {
        self.pending[attempt.endpoint] += 1;
        true
    }

    fn first_token(&mut self, attempt: &Attempt<'_>) {
        self.latency[attempt.endpoint].peak((attempt.now - attempt.started) as f64, attempt.now);
    }

    fn ended(&mut self, attempt: &Attempt<'_>, ending: Option<Ending>) {
        self.pending[attempt.endpoint] -= 1;
        if is_failure(ending) {
            self.latency[attempt.endpoint].peak(PENALTY, attempt.now);
        }
    }
}

// === impl Fixed ===

impl Router for Fixed {
    fn plan(&mut self, _ask: &Ask<'_>, listing: Listing<'_>) -> Plan {
        by(listing.size(), |endpoint| if endpoint == self.0 { -1.0 } else { endpoint as f64 })
    }
}

// === impl Ewma ===

impl Ewma {
    fn mean(&mut self, seen: f64, now: u64) {
        let kept = (-((now - self.at) as f64) / MEMORY).exp();
        self.value = Some(self.value.map_or(seen, |value| kept * value + (1.0 - kept) * seen));
        self.at = now;
    }

    /// Jumps up at once, and comes down slowly.
    fn peak(&mut self, seen: f64, now: u64) {
        match self.value {
            Some(value) if seen <= value => self.mean(seen, now),
            _ => (self.value, self.at) = (Some(seen), now),
        }
    }
}

// === impl Mean ===

impl Mean {
    fn add(&mut self, seen: f64) {
        self.sum += seen;
        self.count += 1.0;
    }

    fn value(self, before_any: f64) -> f64 {
        if self.count == 0.0 { before_any } else { self.sum / self.count }
    }
}

fn is_failure(ending: Option<Ending>) -> bool {
    ending.is_some_and(|ending| ending != Ending::Whole)
}

/// All endpoints, the lowest score first; the earlier listed of equals.
fn by(size: usize, score: impl Fn(usize) -> f64) -> Plan {
    let mut scored: Vec<_> = (0..size).map(|endpoint| (score(endpoint), endpoint)).collect();
    scored.sort_by(|one, other| one.0.total_cmp(&other.0));
    Plan { order: scored.into_iter().map(|(_, endpoint)| endpoint).collect(), hedge: None }
}

/// All endpoints in an order drawn for this request.
fn shuffled(size: usize, ask: &Ask<'_>) -> Vec<usize> {
    let draw = Chance::of(ask.dice.to_bits());
    let mut order: Vec<usize> = (0..size).collect();
    for index in (1..size).rev() {
        let other = (draw.at(index as u64).uniform() * (index + 1) as f64) as usize;
        order.swap(index, other);
    }
    order
}

#[cfg(test)]
mod tests {
    use isthmus_policies::affinity::Prefixes;

    use super::*;

    #[test]
    fn a_shuffle_keeps_all_and_each_can_be_first() {
        let first = |dice: f64| {
            let prefixes = &Prefixes::default();
            let ask = Ask { request: 0, now: 0, prompt_bytes: 0, prefixes, dice };
            let order = shuffled(5, &ask);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3, 4]);
            order[0]
        };
        let mut counts = [0; 5];
        (0..2_000).for_each(|index| counts[first(f64::from(index) / 2_000.0)] += 1);
        assert!(counts.iter().all(|count| (320..480).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_peak_is_remembered_and_forgotten() {
        let mut latency = Ewma::default();
        latency.peak(100.0, 0);
        latency.peak(900.0, 1);
        assert_eq!(latency.value, Some(900.0));
        latency.peak(100.0, MEMORY as u64);
        let value = latency.value.unwrap();
        assert!((390.0..400.0).contains(&value), "{value}");
    }
}
