//! Sums that this process keeps for itself. No lock is held across an await, and the locks of a request
//! are taken in the order of the budgets.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use isthmus_policies::budget::{Amounts, Budget, Counter, Window};

use super::keeper::{
    Claim, Granted, MOST_MEMBERS, OTHERS, Opening, Part, Refused, Shown, Standing,
};

/// Sums of this process.
#[derive(Debug)]
pub struct Local {
    budgets: Arc<[Budget]>,
    /// By budget.
    sums: Vec<RwLock<Members>>,
}

/// The sums of one budget, by member.
#[derive(Debug, Default)]
struct Members {
    by_name: HashMap<Arc<str>, Arc<Mutex<Counter>>>,
    /// When those were last removed of which nothing is left.
    swept_at: i64,
}

/// How often that is done, in milliseconds, where there are too many.
const SWEEP_MS: i64 = 60_000;

impl Local {
    /// Sums of these budgets.
    pub fn new(budgets: Arc<[Budget]>) -> Self {
        let sums = budgets.iter().map(|_| RwLock::default()).collect();
        Self { budgets, sums }
    }

    /// Adds what was spent before.
    pub fn open(&self, openings: &[Opening], now: i64) {
        for Opening { budget, member, at, amounts } in openings {
            let (_, counter) = self.counter(*budget, member, now);
            let mut counter = lock(&counter);
            let window = &self.budgets[*budget].window;
            let slot = window.frame(*at).slot;
            if slot >= counter.frame(window, now).oldest {
                counter.add(slot, *amounts);
            }
        }
    }

    /// Holds all that is claimed, or nothing. Claims are in the order of budgets and members.
    pub fn reserve(&self, mut claims: Vec<Claim>, now: i64) -> Result<Granted, Refused> {
        let counter = |claim: &mut Claim| {
            let (member, counter) = self.counter(claim.budget, &claim.member, now);
            claim.member = member;
            counter
        };
        let counters: Vec<_> = claims.iter_mut().map(counter).collect();
        let mut counters: Vec<_> = counters.iter().map(|counter| lock(counter)).collect();
        let mut standings = Vec::with_capacity(claims.len());
        let mut slots = Vec::with_capacity(claims.len());
        for (claim, counter) in claims.iter().zip(&mut counters) {
            let budget = &self.budgets[claim.budget];
            slots.push(counter.frame(&budget.window, now).slot);
            let standing = Standing::of(claim, budget, counter.total());
            if let Some(measure) = budget.refuses(&standing.limits, standing.before, claim.amounts)
            {
                let standing = Box::new(standing);
                return Err(Refused::Exhausted { standing, measure });
            }
            standings.push(standing);
        }
        for ((claim, counter), slot) in claims.iter().zip(&mut counters).zip(&slots) {
            counter.hold(*slot, claim.amounts);
        }
        let parts = claims.into_iter().zip(slots);
        Ok(Granted { parts: parts.map(|(claim, slot)| Part { claim, slot }).collect(), standings })
    }

    /// What was held is over, and took so much.
    pub fn settle(&self, part: &Part, actual: Amounts) {
        let members = self.sums[part.claim.budget].read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = members.by_name.get(&part.claim.member) {
            lock(counter).settle(part.slot, part.claim.amounts, actual);
        }
    }

    /// All sums as they stand.
    pub fn shown(&self, now: i64) -> Vec<Shown> {
        let mut shown = Vec::new();
        for (number, (budget, members)) in self.budgets.iter().zip(&self.sums).enumerate() {
            let members = members.read().unwrap_or_else(PoisonError::into_inner);
            for (member, counter) in &members.by_name {
                let mut counter = lock(counter);
                counter.frame(&budget.window, now);
                let held = counter.held();
                let (budget, member) = (number, Arc::clone(member));
                shown.push(Shown { budget, member, settled: counter.total() - held, held });
            }
        }
        shown
    }

    /// The sum of a member, and by which name it is kept: those beyond the bound share one.
    fn counter(
        &self,
        budget: usize,
        member: &Arc<str>,
        now: i64,
    ) -> (Arc<str>, Arc<Mutex<Counter>>) {
        let members = self.sums[budget].read().unwrap_or_else(PoisonError::into_inner);
        if let Some((member, counter)) = members.by_name.get_key_value(member) {
            return (Arc::clone(member), Arc::clone(counter));
        }
        drop(members);
        let mut members = self.sums[budget].write().unwrap_or_else(PoisonError::into_inner);
        if members.by_name.len() >= MOST_MEMBERS {
            members.sweep(&self.budgets[budget].window, now);
        }
        let full = members.by_name.len() >= MOST_MEMBERS;
        let member = if full { OTHERS.into() } else { Arc::clone(member) };
        let counter = members.by_name.entry(Arc::clone(&member)).or_default();
        (member, Arc::clone(counter))
    }
}

impl Members {
    /// Removes those of which the window has nothing any more.
    fn sweep(&mut self, window: &Window, now: i64) {
        if now < self.swept_at + SWEEP_MS {
            return;
        }
        self.swept_at = now;
        self.by_name.retain(|_, counter| {
            let mut kept = lock(counter);
            kept.frame(window, now);
            // Somebody else may be about to hold something in it.
            Arc::strong_count(counter) > 1 || kept.total() != Amounts::default()
        });
    }
}

fn lock(counter: &Mutex<Counter>) -> MutexGuard<'_, Counter> {
    // Sums are whole between any two statements that can panic: there are none.
    counter.lock().unwrap_or_else(PoisonError::into_inner)
}
