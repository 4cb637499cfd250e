//! Reports as they are asked for, here by the command and there by the admin API: which hours of the books
//! they need, and what else.

use std::collections::HashMap;
use std::str::FromStr;

use isthmus_config::settings::Settings;
use isthmus_config::settings::charging::{Charging, Term};
use isthmus_inference::money::Money;
use isthmus_inference::tariff::Written;
use isthmus_ledger::books::{Books, Bucket, Hours};
use isthmus_ledger::fold::{self, MILLISECONDS_AN_HOUR};
use isthmus_ledger::lease::{self, Lease, Work};
use isthmus_ledger::report::anomaly::{Sensitivity, anomalies};
use isthmus_ledger::report::budget::{Plan, budgets};
use isthmus_ledger::report::calendar::Zone;
use isthmus_ledger::report::forecast::REACH;
use isthmus_ledger::report::key::{Key, KeyError};
use isthmus_ledger::report::tier::Discounts;
use isthmus_ledger::report::{saved, showback, unit};
use isthmus_ledger::sheet::Sheet;
use isthmus_ledger::store::StoreError;
use isthmus_policies::budget::{Budget, Dimension, Sort, Window};
use isthmus_policies::lease as policies;

use crate::directory::Directory;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Who spent what.
    Spend,
    /// What requests and tokens come to.
    Units,
    /// What nobody marked.
    Untagged,
    /// What was saved, and what compliance cost.
    Savings,
    /// Plans against what was spent.
    Budgets,
    /// Days that are not like others.
    Anomalies,
    /// Machines that are paid by the hour.
    Leases,
}

/// A question to the books.
#[derive(Debug, Clone)]
pub struct Question {
    /// What is asked.
    pub subject: Subject,
    /// By what it is grouped.
    pub keys: Vec<Key>,
    /// The hours that it is about.
    pub period: Hours,
    /// Where days begin.
    pub zone: Zone,
}

/// What reports need beside the books, from the configuration.
#[derive(Debug, Clone, Default)]
pub struct Arrangements {
    /// What may be spent.
    pub budgets: Vec<Budget>,
    /// What is paid by the hour.
    leases: Vec<Leased>,
    /// What cheaper tiers save.
    discounts: Discounts,
}

#[derive(Debug, Clone)]
struct Leased {
    endpoint: String,
    lease: policies::Lease,
    term: Term,
}

/// How a difference is worth telling: see [`Sensitivity`].
const DEVIATIONS: f64 = 3.5;
const LEAST_DIFFERENCE: Money = Money::from_pico_dollars(1_000_000_000_000);

/// Keys, separated by commas.
pub fn keys(text: &str) -> Result<Vec<Key>, KeyError> {
    text.split(',').map(str::trim).filter(|key| !key.is_empty()).map(Key::from_str).collect()
}

/// The prices of the books, by their versions. What cannot be read is left out: then nobody knows it.
pub async fn prices(books: &impl Books) -> Result<HashMap<String, Written>, StoreError> {
    let prices = books.prices().await?.into_iter();
    Ok(prices.filter_map(|(id, text)| Some((id, Written::read(&text).ok()?))).collect())
}

// === impl Question ===

impl Question {
    /// The hours that have to be read for it: some look at what came before.
    pub fn reads(&self, arrangements: &Arrangements, now: i64) -> Hours {
        let Hours { from, to } = self.period;
        match self.subject {
            Subject::Anomalies => Hours { from: from - REACH, to },
            Subject::Budgets => {
                let plans = arrangements.plans(&[], &self.zone, now);
                let first = plans.iter().map(|plan| plan.window.from).min().unwrap_or(from);
                let hour = fold::hour(now);
                Hours { from: first.min(hour - REACH), to: hour + 1 }
            }
            _ => self.period,
        }
    }

    /// The report over the buckets of the hours that it [reads](Self::reads).
    pub fn answer(
        &self,
        buckets: &[Bucket],
        arrangements: &Arrangements,
        prices: &HashMap<String, Written>,
        now: i64,
    ) -> Sheet {
        let Self { subject, keys, period, zone } = self;
        match subject {
            Subject::Spend => showback::showback(buckets, keys, zone),
            Subject::Units => unit::economics(buckets, keys, zone),
            Subject::Untagged => unit::untagged(buckets, keys, zone),
            Subject::Savings => saved::savings(buckets, keys, &arrangements.discounts, zone),
            Subject::Budgets => {
                let plans = arrangements.plans(buckets, zone, now);
                budgets(&plans, buckets, fold::hour(now), zone)
            }
            Subject::Anomalies => {
                let price_of = |id: &str| prices.get(id).map(|written| written.price);
                let sensitivity = Sensitivity { deviations: DEVIATIONS, least: LEAST_DIFFERENCE };
                anomalies(buckets, *period, &price_of, sensitivity, zone)
            }
            Subject::Leases => lease::leases(&arrangements.leases(*period, now), buckets, *period),
        }
    }
}

// === impl Subject ===

impl Subject {
    /// By what it is grouped if nobody says.
    pub fn usual_keys(self) -> &'static str {
        match self {
            Self::Spend => "team",
            Self::Units => "team,tag:feature",
            Self::Untagged => "tag:feature",
            Self::Savings | Self::Budgets | Self::Anomalies | Self::Leases => "team",
        }
    }
}

impl FromStr for Subject {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "spend" => Ok(Self::Spend),
            "units" => Ok(Self::Units),
            "untagged" => Ok(Self::Untagged),
            "savings" => Ok(Self::Savings),
            other => Err(format!(
                "there is no report `{other}`; there are spend, units, untagged, savings"
            )),
        }
    }
}

// === impl Arrangements ===

impl Arrangements {
    /// Those of a configuration.
    pub fn of(settings: &Settings) -> Self {
        let leases = settings.endpoints.values().filter_map(|endpoint| {
            let Charging::Lease(lease, term) = endpoint.charging else { return None };
            Some(Leased { endpoint: endpoint.name.to_string(), lease, term })
        });
        let tariffs = settings.endpoints.values().filter_map(|it| it.charging.tariff().cloned());
        let discounts = Discounts::of(tariffs);
        Self { budgets: settings.budgets.clone(), leases: leases.collect(), discounts }
    }

    /// Those of a house at work, as far as the reports of its admin door need them.
    pub fn at_work(directory: &Directory) -> Self {
        let tariffs = directory.endpoints().filter_map(|endpoint| endpoint.rates().tariff.clone());
        Self { discounts: Discounts::of(tariffs), ..Self::default() }
    }

    /// What cheaper tiers save.
    pub fn discounts(&self) -> &Discounts {
        &self.discounts
    }

    /// The leases of a period, as far as it is over: an hour that has not begun has no idle rest.
    pub fn leases(&self, period: Hours, now: i64) -> Vec<Lease> {
        let over = Hours { from: period.from, to: period.to.min(fold::hour(now)) };
        let lease = |Leased { endpoint, lease, term }: &Leased| {
            let work = Work::Tokens(lease.tokens_per_second.get());
            Lease::new(endpoint, lease.per_hour, term.within(over), work)
        };
        self.leases.iter().map(lease).collect()
    }

    /// Budgets of money whose window begins anew, as reports see them. One that has a sum for each member
    /// becomes a plan for each that is in the buckets.
    fn plans(&self, buckets: &[Bucket], zone: &Zone, now: i64) -> Vec<Plan> {
        let mut plans = Vec::new();
        for budget in self.budgets.iter().filter(|budget| budget.sort == Sort::Spending) {
            let (Some(limit), Some(window)) = (budget.limits.money, hours(&budget.window, now))
            else {
                continue;
            };
            let scope = budget.scope.of.iter();
            let scope: Vec<_> =
                scope.filter_map(|(of, word)| Some((key(of)?, word.clone()))).collect();
            let plan = |name: String, scope| Plan { name, scope, limit, window };
            let Some(each) = budget.scope.each.as_ref().and_then(key) else {
                plans.push(plan(budget.name.to_string(), scope));
                continue;
            };
            let mut members: Vec<_> = buckets
                .iter()
                .map(|bucket| each.word(bucket, zone))
                .filter(|it| !it.is_empty())
                .collect();
            members.sort();
            members.dedup();
            for member in members {
                let name = format!("{}: {member}", budget.name);
                let scope = scope.iter().cloned().chain([(each.clone(), member)]);
                plans.push(plan(name, scope.collect()));
            }
        }
        plans
    }
}

fn hours(window: &Window, now: i64) -> Option<Hours> {
    let frame = window.frame(now);
    let to = frame.ends?;
    let from = fold::hour(frame.oldest);
    // Windows of minutes are no plans.
    (to - frame.oldest >= MILLISECONDS_AN_HOUR)
        .then_some(Hours { from, to: fold::hour(to).max(from + 1) })
}

fn key(dimension: &Dimension) -> Option<Key> {
    let name = match dimension {
        Dimension::Organisation => "organisation".to_owned(),
        Dimension::Team => "team".to_owned(),
        Dimension::App => "app".to_owned(),
        Dimension::Key => "key".to_owned(),
        Dimension::Model => "model".to_owned(),
        Dimension::Provider => "provider".to_owned(),
        Dimension::Tag(name) => format!("tag:{name}"),
    };
    name.parse().ok()
}
