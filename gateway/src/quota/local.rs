//! Sums that this process keeps for itself. No lock is held across an await, and the locks of a request
//! are taken in the order of the budgets.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use isthmus_policies::budget::{Budget, Counter};

use super::keeper::{
    Claim, Granted, MOST_MEMBERS, OTHERS, Opening, Part, Refused, Shown, Standing,
};
use isthmus_policies::budget::Amounts;

/// Sums of this process.
#[derive(Debug)]
pub struct Local {
    budgets: Arc<[Budget]>,
    /// By budget, then by member.
    sums: Vec<RwLock<Members>>,
}

type Members = HashMap<Arc<str>, Arc<Mutex<Counter>>>;

impl Local {
    /// Sums of these budgets.
    pub fn new(budgets: Arc<[Budget]>) -> Self {
        let sums = budgets.iter().map(|_| RwLock::default()).collect();
        Self { budgets, sums }
    }

    /// Adds what was spent before.
    pub fn open(&self, openings: &[Opening], now: i64) {
        for Opening { budget, member, at, amounts } in openings {
            let counter = self.counter(*budget, member);
            let mut counter = lock(&counter);
            let window = &self.budgets[*budget].window;
            let slot = window.frame(*at).slot;
            if slot >= counter.frame(window, now).oldest {
                counter.add(slot, *amounts);
            }
        }
    }

    /// Holds all that is claimed, or nothing. Claims are in the order of budgets and members.
    pub fn reserve(&self, claims: Vec<Claim>, now: i64) -> Result<Granted, Refused> {
        let counters: Vec<_> =
            claims.iter().map(|claim| self.counter(claim.budget, &claim.member)).collect();
        let mut counters: Vec<_> = counters.iter().map(|counter| lock(counter)).collect();
        let mut standings = Vec::with_capacity(claims.len());
        let mut slots = Vec::with_capacity(claims.len());
        for (claim, counter) in claims.iter().zip(&mut counters) {
            let budget = &self.budgets[claim.budget];
            slots.push(counter.frame(&budget.window, now).slot);
            let standing = Standing {
                budget: claim.budget,
                member: Arc::clone(&claim.member),
                before: counter.total(),
                claim: claim.amounts,
            };
            if let Some(measure) = budget.refuses(standing.before, claim.amounts) {
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
        let counter = self.counter(part.claim.budget, &part.claim.member);
        lock(&counter).settle(part.slot, part.claim.amounts, actual);
    }

    /// All sums as they stand.
    pub fn shown(&self, now: i64) -> Vec<Shown> {
        let mut shown = Vec::new();
        for (number, (budget, members)) in self.budgets.iter().zip(&self.sums).enumerate() {
            let members = members.read().unwrap_or_else(PoisonError::into_inner);
            for (member, counter) in members.iter() {
                let mut counter = lock(counter);
                counter.frame(&budget.window, now);
                let held = counter.held();
                let (budget, member) = (number, Arc::clone(member));
                shown.push(Shown { budget, member, settled: counter.total() - held, held });
            }
        }
        shown
    }

    fn counter(&self, budget: usize, member: &Arc<str>) -> Arc<Mutex<Counter>> {
        let members = &self.sums[budget];
        let known = members.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = known.get(member) {
            return Arc::clone(counter);
        }
        let full = known.len() >= MOST_MEMBERS;
        drop(known);
        let mut members = members.write().unwrap_or_else(PoisonError::into_inner);
        let member = if full { OTHERS.into() } else { Arc::clone(member) };
        Arc::clone(members.entry(member).or_default())
    }
}

fn lock(counter: &Mutex<Counter>) -> MutexGuard<'_, Counter> {
    // Sums are whole between any two statements that can panic: there are none.
    counter.lock().unwrap_or_else(PoisonError::into_inner)
}
