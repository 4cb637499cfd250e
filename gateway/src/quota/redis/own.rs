//! What this gateway has settled and holds, and what it last heard of the others.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use isthmus_config::settings::limits::WhenUnreachable;
use isthmus_policies::budget::{Amounts, Budget, Counter, Frame, Limits, Mode, Sort};

use super::super::keeper::{
    Claim, Granted, MOST_MEMBERS, OTHERS, Opening, Part, Refused, Shown, Standing,
};

/// All sums of which this gateway has a part.
pub(super) struct Sums {
    pub(super) budgets: Arc<[Budget]>,
    by_member: Vec<HashMap<Arc<str>, Sum>>,
    /// Those that were settled in since Redis was told.
    changed: BTreeSet<Name>,
    /// How many gateways there were when Redis was last asked; 0 before it ever was.
    pub(super) nodes: u64,
    /// When nobody could be asked any more.
    lost_at: i64,
}

/// A budget, by its place in the list, and a member.
pub(super) type Name = (usize, Arc<str>);

/// A sum.
#[derive(Debug, Default)]
pub(super) struct Sum {
    /// This gateway's part of it.
    pub(super) own: Counter,
    /// Of the others: settled and held,
    pub(super) others: Amounts,
    /// and of that what is held.
    pub(super) others_held: Amounts,
    /// How much it may come to, as the last claim had it.
    pub(super) limits: Limits,
    /// Whether Redis and this process agree on its part: after a start there may be an earlier one.
    pub(super) adopted: bool,
    /// Where its window stood when it was last looked at.
    frame: Frame,
    /// What this gateway may still grant by itself, while nobody can be asked.
    share: Amounts,
}

impl Sums {
    pub(super) fn new(budgets: Arc<[Budget]>) -> Self {
        let by_member = budgets.iter().map(|_| HashMap::new()).collect();
        Self { budgets, by_member, changed: BTreeSet::new(), nodes: 0, lost_at: 0 }
    }

    /// Adds what was spent before.
    pub(super) fn open(&mut self, openings: &[Opening], now: i64) {
        for Opening { budget, member, at, amounts } in openings {
            let slot = self.budgets[*budget].window.frame(*at).slot;
            let (frame, sum) = self.sum(*budget, member, now);
            if slot >= frame.oldest {
                sum.own.add(slot, *amounts);
            }
        }
    }

    /// By which name a member's sum is kept: those beyond the bound share one.
    pub(super) fn name(&self, budget: usize, member: &Arc<str>) -> Name {
        let members = &self.by_member[budget];
        let full = members.len() >= MOST_MEMBERS && !members.contains_key(member);
        (budget, if full { OTHERS.into() } else { Arc::clone(member) })
    }

    /// The sum of a member, and where its window stands at this moment.
    pub(super) fn sum(&mut self, budget: usize, member: &Arc<str>, now: i64) -> (Frame, &mut Sum) {
        let (_, member) = self.name(budget, member);
        let usual = self.budgets[budget].limits;
        let new = || Sum { limits: usual, ..Sum::default() };
        let sum = self.by_member[budget].entry(member).or_insert_with(new);
        let frame = sum.own.frame(&self.budgets[budget].window, now);
        // What others had in a window that is over says nothing of the next.
        if frame.oldest > sum.frame.slot {
            (sum.others, sum.others_held) = Default::default();
        }
        sum.frame = frame;
        (frame, sum)
    }

    /// Every sum that there is.
    pub(super) fn names(&self) -> Vec<Name> {
        let named = |(budget, members): (usize, &HashMap<Arc<str>, Sum>)| {
            members.keys().map(|member| (budget, Arc::clone(member))).collect::<Vec<_>>()
        };
        self.by_member.iter().enumerate().flat_map(named).collect()
    }

    /// Those that were settled in since this was last asked.
    pub(super) fn take_changed(&mut self) -> BTreeSet<Name> {
        std::mem::take(&mut self.changed)
    }

    /// Has them told again: they did not arrive.
    pub(super) fn changed(&mut self, names: impl IntoIterator<Item = Name>) {
        self.changed.extend(names);
    }

    /// What was held is over, and took so much.
    pub(super) fn settle(&mut self, part: &Part, actual: Amounts) {
        let Claim { budget, member, amounts, .. } = &part.claim;
        if let Some(sum) = self.by_member[*budget].get_mut(member) {
            sum.own.settle(part.slot, *amounts, actual);
            self.changed.insert((*budget, Arc::clone(member)));
        }
    }

    /// From now on nobody can be asked: what was left is shared out.
    pub(super) fn on_their_own(&mut self, now: i64) {
        self.lost_at = now;
        for members in &mut self.by_member {
            for sum in members.values_mut() {
                let left = sum.limits.left(sum.own.total() + sum.others);
                sum.share = left.shared_among(self.nodes);
            }
        }
    }

    /// Decides without the others: soft budgets grant, rates keep to an equal part of their limit, and
    /// of hard budgets the equal part of what was left is granted, or nothing. Who never knew how many
    /// there are has no part.
    pub(super) fn alone(
        &mut self,
        claims: Vec<Claim>,
        now: i64,
        when_unreachable: WhenUnreachable,
        retry_after: Duration,
    ) -> Result<Granted, Refused> {
        let budgets = Arc::clone(&self.budgets);
        let mut standings = Vec::with_capacity(claims.len());
        for claim in &claims {
            let budget = &budgets[claim.budget];
            let spends = budget.mode == Mode::Hard && budget.sort == Sort::Spending;
            if spends && (when_unreachable == WhenUnreachable::Refuse || self.nodes == 0) {
                return Err(Refused::Unknown { budget: claim.budget, retry_after });
            }
            let (nodes, lost_at) = (self.nodes, self.lost_at);
            let (frame, sum) = self.sum(claim.budget, &claim.member, now);
            sum.limits = claim.limits(budget);
            let standing = Standing::of(claim, budget, sum.own.total() + sum.others);
            let (used, limits) = sum.alone(budget, frame.oldest > lost_at, nodes);
            if budget.mode == Mode::Hard
                && let Some(measure) = limits.exceeded(used, claim.amounts)
            {
                let standing = Box::new(standing);
                return Err(Refused::Exhausted { standing, measure });
            }
            standings.push(standing);
        }
        let hold = |mut claim: Claim| {
            claim.member = self.name(claim.budget, &claim.member).1;
            let (frame, sum) = self.sum(claim.budget, &claim.member, now);
            sum.share = sum.share - claim.amounts;
            sum.own.hold(frame.slot, claim.amounts);
            Part { claim, slot: frame.slot }
        };
        Ok(Granted { parts: claims.into_iter().map(hold).collect(), standings })
    }

    /// Removes those of which the window has nothing any more.
    pub(super) fn sweep(&mut self, now: i64) {
        for (budget, members) in self.budgets.iter().zip(&mut self.by_member) {
            members.retain(|_, sum| {
                sum.own.frame(&budget.window, now);
                sum.own.slots().next().is_some()
            });
        }
    }

    /// How all of them stand, as far as is known here.
    pub(super) fn shown(&mut self, now: i64) -> Vec<Shown> {
        let names = self.names();
        let shown = |(budget, member): Name| {
            let (_, sum) = self.sum(budget, &member, now);
            let held = sum.own.held() + sum.others_held;
            let settled = sum.own.total() + sum.others - held;
            Shown { budget, member, settled, held }
        };
        names.into_iter().map(shown).collect()
    }
}

impl Sum {
    /// What of it counts while nobody can be asked, and the limits on that. A window that began since
    /// then, or of which nothing is known, belongs to all gateways equally.
    fn alone(&self, budget: &Budget, is_new: bool, nodes: u64) -> (Amounts, Limits) {
        let of = |most: Amounts| Limits {
            money: self.limits.money.map(|_| most.money),
            tokens: self.limits.tokens.map(|_| most.tokens),
            requests: self.limits.requests.map(|_| most.requests),
        };
        if is_new || !self.adopted || budget.sort == Sort::Places {
            let all = self.limits.left(Amounts::default());
            return (self.own.total(), of(all.shared_among(nodes)));
        }
        (Amounts::default(), of(self.share))
    }
}
