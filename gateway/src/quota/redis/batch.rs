//! What is sent to Redis in one batch, and what is read of its answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use isthmus_inference::money::Money;
use isthmus_policies::budget::{Amounts, Budget, Measure, Mode, Sort};
use serde_json::{Value, json};

use super::super::keeper::{Claim, Granted, Part, Refused, Standing};
use super::RETRY_AFTER;
use super::own::{Name, Sums};

/// A batch.
pub(super) struct Batch {
    /// The sums that it is about, in the order in which they are sent.
    sums: Vec<Sent>,
    /// How many parts each request claims.
    parts: Vec<usize>,
    body: String,
    now: i64,
}

/// A sum in a batch.
struct Sent {
    name: Name,
    key: String,
    adopts: bool,
}

/// What Redis answers.
#[derive(Debug)]
pub(super) enum Reply {
    /// Our clock is not everybody's; what theirs says.
    Skew(i64),
    /// Something later is there already: its number.
    Stale(u64),
    /// It was done.
    Done(Done),
}

/// What came of a batch.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) epoch: i64,
    nodes: u64,
    /// For each sum that was adopted: its slots.
    adopted: Vec<Vec<(i64, Amounts)>>,
    /// For each request: whether it was refused, and how each sum stood before it.
    claims: Vec<(u64, Vec<Amounts>)>,
    /// For each sum: settled and held, and held dollars.
    totals: Vec<(Amounts, Money)>,
}

/// Pico-dollars in a millionth of a dollar.
const FINE: i128 = 1_000_000;
/// For how long a sum is kept behind its window.
const KEPT_MS: i64 = 86_400_000;

impl Batch {
    /// A batch with these claims, the sums that they are about, and what was settled since the last.
    pub(super) fn of(sums: &mut Sums, requests: &[Vec<Claim>], now: i64) -> Self {
        let named = requests.iter().flatten();
        let budgets = Arc::clone(&sums.budgets);
        let mut name = |claim: &Claim| {
            sums.sum(claim.budget, &claim.member, now).1.limits =
                claim.limits(&budgets[claim.budget]);
            sums.name(claim.budget, &claim.member)
        };
        let named: Vec<_> = named.map(&mut name).collect();
        Self::about(sums, named, requests, now)
    }

    /// A batch that tells these sums.
    pub(super) fn telling(sums: &mut Sums, names: &[Name], now: i64) -> Self {
        Self::about(sums, names.to_vec(), &[], now)
    }

    fn about(sums: &mut Sums, named: Vec<Name>, requests: &[Vec<Claim>], now: i64) -> Self {
        let budgets = Arc::clone(&sums.budgets);
        let mut places = BTreeMap::new();
        let (mut sent, mut written) = (Vec::new(), Vec::new());
        for name in named.into_iter().chain(sums.take_changed()) {
            if places.contains_key(&name) {
                continue;
            }
            places.insert(name.clone(), sent.len() + 1);
            let (one, body) = sum(sums, &budgets[name.0], name, now);
            sent.push(one);
            written.push(body);
        }
        let place = |claim: &Claim| places.get(&sums.name(claim.budget, &claim.member)).copied();
        let claimed = |claims: &Vec<Claim>| -> Value {
            claims.iter().map(|claim| part(claim, place(claim), &budgets[claim.budget])).collect()
        };
        let claims: Vec<Value> = requests.iter().map(claimed).collect();
        Self {
            sums: sent,
            parts: requests.iter().map(Vec::len).collect(),
            body: json!({ "sums": written, "claims": claims }).to_string(),
            now,
        }
    }

    /// Each sum's key, without what stands before all keys.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.sums.iter().map(|sum| sum.key.as_str())
    }

    /// What the sums are.
    pub(super) fn names(&self) -> impl Iterator<Item = Name> {
        self.sums.iter().map(|sum| sum.name.clone())
    }

    /// What is sent.
    pub(super) fn body(&self) -> &str {
        &self.body
    }

    /// Reads the answer; `None` if it is not one.
    pub(super) fn read(&self, words: &[String]) -> Option<Reply> {
        let (status, rest) = words.split_first()?;
        let mut numbers = rest.iter().map(|word| word.parse::<i64>().ok());
        let mut next = || numbers.next().flatten();
        match status.as_str() {
            "SKEW" => return Some(Reply::Skew(next()?)),
            "STALE" => return Some(Reply::Stale(next()?.unsigned_abs())),
            _ => {}
        }
        let _clock = next()?;
        let mut done = Done { epoch: next()?, nodes: next()?.unsigned_abs(), ..Done::default() };
        for _ in self.sums.iter().filter(|sum| sum.adopts) {
            let count = next()?;
            let slots = (0..count).map(|_| Some((next()?, amounts(&mut next)?)));
            done.adopted.push(slots.collect::<Option<_>>()?);
        }
        for parts in &self.parts {
            let refused = next()?.unsigned_abs();
            let befores = (0..*parts).map(|_| amounts(&mut next));
            done.claims.push((refused, befores.collect::<Option<_>>()?));
        }
        for _ in &self.sums {
            let total = amounts(&mut next)?;
            done.totals.push((total, money(next()?, next()?)));
        }
        Some(Reply::Done(done))
    }

    /// Takes over what Redis said: what was held before a start, what was granted, what others have.
    pub(super) fn apply(
        &self,
        done: &Done,
        sums: &mut Sums,
        requests: &[Vec<Claim>],
    ) -> Vec<Result<Granted, Refused>> {
        sums.nodes = done.nodes.max(1);
        let adopting = self.sums.iter().filter(|sum| sum.adopts);
        for (Sent { name: (budget, member), .. }, slots) in adopting.zip(&done.adopted) {
            let (_, sum) = sums.sum(*budget, member, self.now);
            sum.adopted = true;
            slots.iter().for_each(|(slot, least)| sum.own.raise(*slot, *least));
        }
        let outcomes = requests.iter().zip(&done.claims);
        let outcomes = outcomes.map(|(claims, (refused, befores))| {
            let standings = standings(&sums.budgets, claims, befores);
            match *refused {
                0 => Ok(Granted { parts: self.hold(sums, claims), standings }),
                refused => Err(self::refused(refused, standings)),
            }
        });
        let outcomes = outcomes.collect();
        for (Sent { name: (budget, member), .. }, (total, held)) in
            self.sums.iter().zip(&done.totals)
        {
            let (_, sum) = sums.sum(*budget, member, self.now);
            sum.others = *total - sum.own.total();
            sum.others_held.money = (*held - sum.own.held().money).max(Money::ZERO);
        }
        outcomes
    }

    fn hold(&self, sums: &mut Sums, claims: &[Claim]) -> Vec<Part> {
        let hold = |claim: &Claim| {
            let mut claim = claim.clone();
            claim.member = sums.name(claim.budget, &claim.member).1;
            let (frame, sum) = sums.sum(claim.budget, &claim.member, self.now);
            sum.own.hold(frame.slot, claim.amounts);
            Part { claim, slot: frame.slot }
        };
        claims.iter().map(hold).collect()
    }
}

fn standings(budgets: &[Budget], claims: &[Claim], befores: &[Amounts]) -> Vec<Standing> {
    let standing =
        |(claim, before): (&Claim, &Amounts)| Standing::of(claim, &budgets[claim.budget], *before);
    claims.iter().zip(befores).map(standing).collect()
}

/// Which part was refused, from 1, and why, as the script says it in one number.
fn refused(number: u64, mut standings: Vec<Standing>) -> Refused {
    let part = usize::try_from(number / 10).unwrap_or(1).clamp(1, standings.len());
    let standing = standings.swap_remove(part - 1);
    let measure = match number % 10 {
        1 => Measure::Money,
        2 => Measure::Tokens,
        3 => Measure::Requests,
        _ => return Refused::Unknown { budget: standing.budget, retry_after: RETRY_AFTER },
    };
    Refused::Exhausted { standing: Box::new(standing), measure }
}

fn sum(sums: &mut Sums, budget: &Budget, name: Name, now: i64) -> (Sent, Value) {
    let (frame, sum) = sums.sum(name.0, &name.1, now);
    // What was under way before a start is over.
    let places = budget.sort == Sort::Places;
    let adopts = !sum.adopted && !places;
    let own: Vec<Value> = sum
        .own
        .slots()
        .map(|slot| {
            let all = slot.settled + slot.held;
            let ([whole, fine], held) = (parts_of(all.money), parts_of(slot.held.money));
            json!([slot.from, whole, fine, all.tokens, all.requests, held[0], held[1]])
        })
        .collect();
    let limits = sum.limits;
    let [whole, fine] = limits.money.map_or([-1, 0], parts_of);
    let count = |limit: Option<u64>| limit.map_or(json!(-1), |limit| json!(limit));
    let body = json!({
        "oldest": frame.oldest,
        "slot": frame.slot,
        "ttl": frame.ends.map_or(0, |ends| 2 * (ends - frame.oldest) + KEPT_MS),
        "limit": [whole, fine, count(limits.tokens), count(limits.requests)],
        "adopt": adopts,
        "places": places,
        "own": own,
    });
    let sort = match budget.sort {
        Sort::Spending => "spent",
        Sort::Rate => "rate",
        Sort::Places => "places",
    };
    let key = format!("{sort}:{}:{}", budget.name, name.1);
    (Sent { name, key, adopts }, body)
}

/// A claim: which sum, whether its limit binds (2: and must be known), and how much.
fn part(claim: &Claim, place: Option<usize>, budget: &Budget) -> Value {
    let binds = match (budget.mode, budget.sort) {
        (Mode::Soft, _) => 0,
        (Mode::Hard, Sort::Spending) => 2,
        (Mode::Hard, Sort::Rate | Sort::Places) => 1,
    };
    let [whole, fine] = parts_of(claim.amounts.money);
    json!([place, binds, whole, fine, claim.amounts.tokens, claim.amounts.requests])
}

/// Whole millionths of a dollar, and pico-dollars.
fn parts_of(money: Money) -> [i64; 2] {
    let pico = money.pico_dollars();
    let narrow = |number: i128| i64::try_from(number).unwrap_or(i64::MAX);
    [narrow(pico.div_euclid(FINE)), narrow(pico.rem_euclid(FINE))]
}

fn money(whole: i64, fine: i64) -> Money {
    Money::from_pico_dollars(i128::from(whole) * FINE + i128::from(fine))
}

fn amounts(next: &mut impl FnMut() -> Option<i64>) -> Option<Amounts> {
    let money = money(next()?, next()?);
    Some(Amounts { money, tokens: next()?.unsigned_abs(), requests: next()?.unsigned_abs() })
}
