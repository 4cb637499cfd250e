//! Who is left after permit, narrowing, gates and bounds, and in which order.

use std::time::Duration;

use smallvec::SmallVec;

use super::{Candidate, NoRoute, Situation, Strategy};
use crate::bounds::{Bound, BoundSet};
use crate::explain::{Fate, Recorder};
use crate::hedge::{Hedge, HedgeRules};
use crate::lease;
use crate::live::Gate;
use crate::objective::{Aim, Score, Weights};
use crate::offer::Pricing;
use crate::terms::{Terms, approximate};

/// One decision at work.
pub(super) struct Judge<'a> {
    pub(super) strategy: &'a Strategy,
    pub(super) situation: &'a Situation<'a>,
    pub(super) aim: &'static Aim,
    pub(super) weights: Weights,
    /// Whether the objective has bounds at all.
    pub(super) is_bounded: bool,
    /// What a late first token weighs, in pico-dollars.
    pub(super) fine: f64,
    /// Whoever is more often late breaks the bound.
    pub(super) most_late: f64,
}

/// The ranked endpoints, the best first. Few pools are larger than this, and those use the heap.
pub(super) type Ranked = SmallVec<[Standing; 32]>;

/// An endpoint that may serve.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    pub(super) number: u32,
    /// Where it stands among the candidates.
    pub(super) place: u32,
    pub(super) may: May,
    pub(super) class: Class,
    pub(super) score: Score,
    pub(super) pending: u32,
    pub(super) samples: u32,
}

/// In which ways it may be contacted.
#[derive(Debug, Clone, Copy)]
pub(super) struct May {
    pub(super) route: bool,
    pub(super) fallback: bool,
    pub(super) hedge: bool,
}

/// What comes before any score, the lower the better. One number, as it is compared more often than
/// anything else here; from the highest bit to the lowest: its place in the caller's own order, then
/// each of the marks below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Class(u32);

/// Why those who are not ranked are not.
#[derive(Default)]
struct Refused {
    narrowed: Option<&'static str>,
    closed: bool,
    opens_in: Option<Duration>,
    broken: BoundSet,
}

/// A partner is sought among so many of the best that permit it; the rest are seldom of use.
const HEDGE_AMONG: usize = 8;
/// An exploration has at least this share of the bound for itself.
const SOONEST: f64 = 0.25;

// === impl Judge ===

impl Judge<'_> {
    /// Puts everyone who may serve into `ranked`, which is long to move, the best first. At least one of
    /// them may be the first choice.
    pub(super) fn rank(
        &self,
        ranked: &mut Ranked,
        recorder: &mut impl Recorder,
    ) -> Result<(), NoRoute> {
        let candidates = self.situation.candidates;
        let mut refused = Refused::default();
        for (place, candidate) in candidates.iter().enumerate() {
            match self.judge(place, candidate, recorder) {
                Ok(standing) => ranked.push(standing),
                Err(fate) => {
                    recorder.refused(candidate, fate);
                    // Whoever may not be the first choice is no reason why there is none.
                    if self.may(candidate).route {
                        refused.count(fate, self.situation);
                    }
                }
            }
        }
        if ranked.iter().any(|standing| standing.may.route) {
            ranked.sort_unstable_by_key(Standing::rank);
            return Ok(());
        }
        Err(if candidates.is_empty() { NoRoute::Nobody } else { refused.reason() })
    }

    fn judge(
        &self,
        place: usize,
        candidate: &Candidate<'_>,
        recorder: &mut impl Recorder,
    ) -> Result<Standing, Fate> {
        let may = self.may(candidate);
        if !(may.route || may.fallback || may.hedge) {
            return Err(Fate::Denied);
        }
        let (offer, live) = (candidate.offer, &candidate.live);
        if let Some(narrowing) = self.situation.narrowing {
            narrowing.admits(offer, self.situation.today).map_err(|by| Fate::Narrowed { by })?;
        }
        if !live.gate.is_clear() {
            return Err(Fate::Closed { gate: live.gate });
        }
        let terms = self.terms(place, candidate);
        let (broken, relaxed) = match self.is_bounded {
            true => self.relaxed(&terms, &offer.pricing)?,
            false => (BoundSet::default(), 0),
        };

        let class = self.class(candidate, &terms, relaxed);
        let score = (self.aim.score)(&terms, &self.weights, &self.strategy.tuning);
        recorder.ranked(candidate, &terms, broken, score);
        let (number, place) = (candidate.number as u32, place as u32);
        Ok(Standing {
            number,
            place,
            may,
            class,
            score,
            pending: live.pending,
            samples: live.samples,
        })
    }

    /// The bounds that an endpoint breaks, and how many steps are taken for it.
    fn relaxed(&self, terms: &Terms, pricing: &Pricing) -> Result<(BoundSet, u8), Fate> {
        let objective = &self.strategy.objective;
        let broken = objective.bounds.broken(terms, pricing);
        let counts = match self.tolerates(terms) {
            true => broken.without(Bound::P95Ttft),
            false => broken,
        };
        match objective.when_infeasible.steps(counts) {
            Some(steps) => Ok((broken, steps)),
            None => Err(Fate::OutOfBounds { broken }),
        }
    }

    /// The terms of one who is ranked, once more.
    pub(super) fn terms_of(&self, standing: &Standing) -> Terms {
        let place = standing.place as usize;
        self.terms(place, &self.situation.candidates[place])
    }

    /// Whether one who is ranked may turn out to keep the bounds on time, for all that is known. That
    /// takes logarithms, and is asked only where somebody is to be explored.
    pub(super) fn is_hopeful(&self, standing: &Standing) -> bool {
        self.strategy.objective.bounds.are_hoped_for(&self.terms_of(standing))
    }

    #[inline]
    fn terms(&self, place: usize, candidate: &Candidate<'_>) -> Terms {
        let Candidate { offer, live, .. } = candidate;
        let mut terms = Terms::of(self.situation.demand, place, &offer.pricing, live);
        if self.is_bounded {
            self.hold_to_bounds(&mut terms);
        }
        terms
    }

    fn hold_to_bounds(&self, terms: &mut Terms) {
        let bounds = &self.strategy.objective.bounds;
        terms.late = bounds.late(terms);
        terms.fine = self.fine * terms.late;
        terms.over = bounds.seconds_over(terms);
        if self.tolerates(terms) {
            terms.over -= bounds.first_token_over(terms);
        }
    }

    /// Whether an endpoint's lateness is weighed like a cost, instead of putting it behind all that
    /// are punctual. A bound that may not be relaxed is none to weigh.
    fn tolerates(&self, terms: &Terms) -> bool {
        self.fine > 0.0 && terms.late <= self.most_late
    }

    fn class(&self, candidate: &Candidate<'_>, terms: &Terms, relaxed: u8) -> Class {
        let late = terms.ttft.p50 + terms.queue > self.situation.time_left.as_secs_f64();
        let mut class = Class::of(relaxed).with_if(Class::LATE, late);
        if self.aim.counts_money(&self.weights) {
            let saturated = is_saturated(&candidate.offer.pricing, candidate.live.queue);
            class = class.with_if(Class::UNPRICED, terms.cost.is_none());
            class = class.with_if(Class::SATURATED, saturated);
        }
        match self.situation.narrowing {
            None => class,
            Some(narrowing) => class
                .with_if(Class::UNPREFERRED, !narrowing.prefers(&candidate.live))
                .asked_for(narrowing.place(candidate.offer)),
        }
    }

    fn may(&self, candidate: &Candidate<'_>) -> May {
        let permits = self.situation.permits;
        May {
            route: permits.route.has(candidate.number),
            fallback: permits.fallback.has(candidate.number),
            hedge: permits.hedge.has(candidate.number),
        }
    }

    /// When a second copy is sent, and where: to the one among the better ones that would usually
    /// answer soonest, what it costs being counted as waiting. `None` if nobody could help in time.
    pub(super) fn hedge(
        &self,
        rules: &HedgeRules,
        ranked: &[Standing],
        first: &Standing,
        explored: bool,
    ) -> Option<Hedge> {
        if self.situation.narrowing.is_some_and(|narrowing| !narrowing.allows_fallbacks()) {
            return None;
        }
        let candidate = |standing: &Standing| &self.situation.candidates[standing.place as usize];
        let demand = self.situation.demand;
        let bill = |standing: &Standing, output_tokens| {
            let Candidate { offer, live, .. } = candidate(standing);
            let consumption = demand.consumption(live.cached_tokens, output_tokens);
            Some((offer.pricing.marginal(&consumption, live.queue)?, consumption, &offer.pricing))
        };
        // A second copy takes of a lease what others would have had.
        let cost = |standing: &Standing, output_tokens| {
            let (bill, consumption, pricing) = bill(standing, output_tokens)?;
            Some(match pricing {
                Pricing::Lease(lease) => lease.share(&consumption.usage()),
                Pricing::Tokens(_) | Pricing::Unknown => bill,
            })
        };
        let after = rules.after.delay(&candidate(first).live);
        let second = self.strategy.tuning.second;
        let pain = |standing: &Standing| {
            let live = &candidate(standing).live;
            let cost = approximate(cost(standing, 0)?.pico_dollars());
            Some(cost + second * (live.ttft.p50 + lease::waiting(live.queue)))
        };
        let partner = ranked
            .iter()
            .filter(|other| other.may.hedge && other.number != first.number)
            .filter(|other| has_room_to_spare(candidate(other)))
            .take(HEDGE_AMONG)
            .filter_map(|other| Some((other, pain(other)?)))
            .min_by(|(_, left), (_, right)| left.total_cmp(right))?
            .0;
        let after = match self.strategy.objective.bounds.p95_ttft {
            // The caller does not pay for what an exploration finds out: the second copy has time to
            // keep the bound.
            Some(bound) if explored => {
                let left = (bound - candidate(partner).live.ttft.p95).max(bound * SOONEST);
                after.min(Duration::try_from_secs_f64(left).unwrap_or(after))
            }
            _ => after,
        };
        // Whichever of the two loses, its prompt has been paid for; and if that is the first, the other
        // one's answer may be the dearer.
        let (first_input, ..) = bill(first, 0)?;
        let (first_whole, ..) = bill(first, demand.output_tokens)?;
        let dearer = cost(partner, demand.output_tokens)? - first_whole;
        let extra_cost = cost(partner, 0)?.max(first_input + dearer);
        let in_time = after < self.situation.time_left;
        in_time.then_some(Hedge { after, partner: partner.number as usize, extra_cost })
    }
}

/// Whether a second copy delays nobody: a machine of one's own reads it before what comes next.
fn has_room_to_spare(candidate: &Candidate<'_>) -> bool {
    !matches!(candidate.offer.pricing, Pricing::Lease(_)) || candidate.live.pending == 0
}

/// The bits of a number such that they compare like the number, as `f64::total_cmp` has it: those of a
/// negative one are turned round.
fn in_order(number: f64) -> u64 {
    let bits = number.to_bits();
    let negative = (bits.cast_signed() >> 63).cast_unsigned();
    bits ^ (negative | 1 << 63)
}

fn is_saturated(pricing: &Pricing, queue: f64) -> bool {
    matches!(pricing, Pricing::Lease(lease) if lease.is_saturated(queue))
}

// === impl Class ===

impl Class {
    /// Its first token usually comes too late.
    const LATE: u32 = 1 << 15;
    /// How many bounds had to be relaxed for it.
    const RELAXED: u32 = 0xff << 3;
    /// Nobody knows what it costs.
    const UNPRICED: u32 = 1 << 2;
    /// It is a lease without room.
    const SATURATED: u32 = 1 << 1;
    /// It falls short of what the caller would like.
    const UNPREFERRED: u32 = 1;

    fn of(relaxed: u8) -> Self {
        Self(u32::from(relaxed) << Self::RELAXED.trailing_zeros())
    }

    const fn with_if(self, mark: u32, is: bool) -> Self {
        if is { Self(self.0 | mark) } else { self }
    }

    fn asked_for(self, place: u16) -> Self {
        Self(self.0 | u32::from(place) << 16)
    }

    /// Whether one of this class may be tried for the sake of knowledge where one of the best class
    /// is at hand: he may be slower than a bound, for that is what is to be found out, but not later,
    /// dearer or less asked for.
    pub(super) const fn may_be_explored_beside(self, best: Self) -> bool {
        (self.0 ^ best.0) & !(Self::RELAXED | Self::UNPREFERRED) == 0
    }
}

// === impl Standing ===

impl Standing {
    /// Class, then score, then place, as one number: the better one has the lower; of equals the one that
    /// was written first, so that no order is left to chance here. Numbers are compared without a branch.
    fn rank(&self) -> u128 {
        let score = u128::from(in_order(self.score.total));
        u128::from(self.class.0) << 96 | score << 32 | u128::from(self.place)
    }
}

// === impl Refused ===

impl Refused {
    fn count(&mut self, fate: Fate, situation: &Situation<'_>) {
        match fate {
            Fate::Denied => {}
            Fate::Narrowed { by } => self.narrowed = Some(by),
            Fate::Closed { gate } => {
                self.closed = true;
                let opens_in = gate.opens_in(situation.now);
                // A full one has room again soon, though nobody knows when.
                let sooner = self.opens_in.into_iter().chain(opens_in).min();
                self.opens_in = if gate == Gate::Full { self.opens_in } else { sooner };
            }
            Fate::OutOfBounds { broken } => self.broken = self.broken.and(broken),
        }
    }

    /// The reason of whoever came furthest: he is the one with whom something can be done.
    fn reason(&self) -> NoRoute {
        if self.closed {
            NoRoute::Unavailable { retry_after: self.opens_in }
        } else if !self.broken.is_empty() {
            NoRoute::Infeasible { broken: self.broken }
        } else if let Some(by) = self.narrowed {
            NoRoute::Narrowed { by }
        } else {
            NoRoute::Denied
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bits_compare_like_their_numbers(one: f64, other: f64) {
            prop_assert_eq!(in_order(one).cmp(&in_order(other)), one.total_cmp(&other));
        }
    }
}
