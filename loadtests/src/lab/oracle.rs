//! Those who know what nobody can know: the measure of what is left to gain.
//!
//! * [`Oracle::strict`] is **the oracle** of the results. Before each request it is told what an
//!   attempt at each endpoint would come to (noise, queues, shocks, true prices, the answer's length)
//!   and takes the cheapest whose first token keeps the bound and whose answer is whole; if none
//!   does, the fastest whole one. It never errs, retries, hedges or explores.
//! * [`Oracle::sparing`] reads the same objective more sharply: a bound on the 95th percentile
//!   leaves one request in twenty free to miss it. It minimises cost + fine × missed, with the fine
//!   that makes it miss just one in twenty.
//! * [`Oracle::informed`] knows each endpoint's true state and law at each moment, but not the
//!   draws: the cheapest whose 95th percentile keeps the bound. What it loses to the strict oracle
//!   is the worth of foreseeing noise, which no policy can have.
//!
//! All are greedy: none spares a lease's place for a later request that could use it better. So a
//! policy may, in principle, cost less than an oracle.

use isthmus_inference::money::Money;
use isthmus_inference::usage::Usage;

use super::router::Plan;
use super::world::{Ending, Try, World};

/// One who knows.
#[derive(Debug, Clone, Copy)]
pub struct Oracle {
    /// The bound on the first token, in nanoseconds.
    slo: u64,
    knows: Knowledge,
}

#[derive(Debug, Clone, Copy)]
enum Knowledge {
    /// Every draw; a miss weighs this many pico-dollars (infinite: as much as can be).
    Draws { fine: f64 },
    /// The laws only.
    Laws,
}

/// Standard deviations to the 95th percentile of a normal law.
const P95: f64 = 1.645;
/// More than any answer costs, in pico-dollars: a broken answer is the last resort.
const LAST_RESORT: f64 = 1e18;

// === impl Oracle ===

impl Oracle {
    /// Knows every draw and misses the bound only where nobody keeps it.
    pub fn strict(slo: u64) -> Self {
        Self { slo, knows: Knowledge::Draws { fine: LAST_RESORT / 1e3 } }
    }

    /// Knows every draw and misses the bound where that saves more than the fine (pico-dollars).
    pub fn sparing(slo: u64, fine: f64) -> Self {
        Self { slo, knows: Knowledge::Draws { fine } }
    }

    /// Knows every endpoint's law, but no draw.
    pub fn informed(slo: u64) -> Self {
        Self { slo, knows: Knowledge::Laws }
    }

    /// Where this request goes.
    pub fn plan(&self, attempt: Try<'_>, world: &World<'_>, now: u64) -> Plan {
        let score = |endpoint| match self.knows {
            Knowledge::Draws { fine } => self.foreseen(endpoint, attempt, world, now, fine),
            Knowledge::Laws => self.expected(endpoint, attempt, world, now),
        };
        let mut scored: Vec<_> = (0..world.size()).map(|e| (score(e), e)).collect();
        scored.sort_by(|(one, _), (other, _)| {
            one.0.total_cmp(&other.0).then(one.1.total_cmp(&other.1))
        });
        Plan { order: scored.into_iter().map(|(_, endpoint)| endpoint).collect(), hedge: None }
    }

    /// The cost of the attempt with the fines on it, and how long its first token takes.
    fn foreseen(
        &self,
        endpoint: usize,
        attempt: Try<'_>,
        world: &World<'_>,
        now: u64,
        fine: f64,
    ) -> (f64, f64) {
        let fate = world.look(endpoint, attempt, now);
        let (Ending::Whole, Some(first_token)) = (fate.ending, fate.first_token) else {
            return (LAST_RESORT, fate.end as f64);
        };
        let ttft = first_token - now;
        let cost = world.price(endpoint, now).cost(&fate.usage);
        if ttft <= self.slo {
            (pico(cost), ttft as f64)
        } else if fine * 1e3 >= LAST_RESORT {
            // Nobody keeps the bound: the fastest.
            (fine + ttft as f64, 0.0)
        } else {
            (pico(cost) + fine, ttft as f64)
        }
    }

    fn expected(
        &self,
        endpoint: usize,
        attempt: Try<'_>,
        world: &World<'_>,
        now: u64,
    ) -> (f64, f64) {
        let law = world.law(endpoint, attempt.arrival, now);
        let bound = law.bound(P95);
        if law.refusal > 0.05 {
            return (LAST_RESORT, bound);
        }
        let usage = Usage {
            uncached_input: attempt.arrival.input - law.cached,
            cache_read: law.cached,
            text_output: attempt.arrival.output,
            ..Usage::default()
        };
        let cost = pico(world.price(endpoint, now).cost(&usage));
        if bound <= self.slo as f64 { (cost, bound) } else { (LAST_RESORT / 1e3 + bound, 0.0) }
    }
}

fn pico(cost: Money) -> f64 {
    cost.pico_dollars() as f64
}
