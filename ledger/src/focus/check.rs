//! Whether a file keeps the rules: the words of its lists, what may be empty, unit price × quantity =
//! cost to the last digit, and that what was billed for a commitment was spread over its use, all of it.
//!
//! Stricter than common validators, which were seen to let a wrong cost and invented categories pass.

use std::collections::BTreeMap;
use std::fmt;

use isthmus_inference::money::Money;

use super::rules::{DECIMALS, MANDATORY, NEW_NAMES, OLD_NAMES, PRODUCTS, WORDS};

/// A rule that is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The row, from 1; `None` for what all of them break together.
    pub row: Option<u64>,
    /// What is wrong.
    pub what: String,
}

/// Looks at rows as they come.
#[derive(Debug)]
pub struct Checker {
    columns: BTreeMap<String, usize>,
    rows: u64,
    complaints: Vec<Complaint>,
    /// The category of each service.
    services: BTreeMap<String, String>,
    /// The details of each price.
    prices: BTreeMap<String, String>,
    /// By commitment: bought, and spread.
    commitments: BTreeMap<String, (Money, Money)>,
}

/// After so many complaints a reader has seen enough.
const MOST: usize = 100;
const ONE: i128 = 1_000_000_000_000;

/// A row by its columns' names.
struct Record<'r> {
    columns: &'r BTreeMap<String, usize>,
    cells: &'r [String],
}

// === impl Checker ===

impl Checker {
    /// Of a file with these columns.
    pub fn new(columns: impl IntoIterator<Item = String>) -> Self {
        let columns: BTreeMap<_, _> =
            columns.into_iter().enumerate().map(|(at, name)| (name, at)).collect();
        let mut checker = Self {
            columns,
            rows: 0,
            complaints: vec![],
            services: BTreeMap::new(),
            prices: BTreeMap::new(),
            commitments: BTreeMap::new(),
        };
        let has = |name: &str| checker.columns.contains_key(name);
        let old = OLD_NAMES.iter().all(|name| has(name));
        let new = NEW_NAMES.iter().all(|name| has(name));
        let mut missing: Vec<_> =
            MANDATORY.iter().filter(|(name, _)| !has(name)).map(|(name, _)| *name).collect();
        if !old && !new {
            missing.extend(NEW_NAMES);
        }
        for name in missing {
            checker.complain(None, format!("there is no column `{name}`"));
        }
        checker
    }

    /// Looks at a row, cell by cell in the order of the columns.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows += 1;
        let cells: Vec<_> = cells.into_iter().collect();
        let columns = std::mem::take(&mut self.columns);
        let record = Record { columns: &columns, cells: &cells };
        let mut wrong = vec![];
        of_one_row(&record, &mut wrong);
        self.of_several_rows(&record, &mut wrong);
        self.columns = columns;
        for what in wrong {
            self.complain(Some(self.rows), what);
        }
    }

    /// What all rows break together, and each before.
    pub fn finish(mut self) -> Vec<Complaint> {
        for (id, (bought, spread)) in std::mem::take(&mut self.commitments) {
            if bought != spread {
                let what = format!(
                    "commitment `{id}` was billed ${bought}, and ${spread} of it were spread over its use"
                );
                self.complain(None, what);
            }
        }
        self.complaints
    }

    fn of_several_rows(&mut self, record: &Record<'_>, wrong: &mut Vec<String>) {
        let same = |known: &mut BTreeMap<String, String>, key: &str, value: &str, what: &str| {
            let (name, said) = (record.get(key), record.get(value));
            if name.is_empty() {
                return None;
            }
            let before = known.entry(name.to_owned()).or_insert_with(|| said.to_owned());
            (*before != said).then(|| {
                format!("{what} `{name}` has {value} `{said}` here and `{before}` elsewhere")
            })
        };
        wrong.extend(same(&mut self.services, "ServiceName", "ServiceCategory", "service"));
        wrong.extend(same(&mut self.prices, "SkuPriceId", "SkuPriceDetails", "price"));
        let id = record.get("CommitmentDiscountId");
        if !id.is_empty() {
            let (bought, spread) = self.commitments.entry(id.to_owned()).or_default();
            match record.get("ChargeCategory") {
                "Purchase" => *bought += record.money("BilledCost").unwrap_or_default(),
                _ => *spread += record.money("EffectiveCost").unwrap_or_default(),
            }
        }
    }

    fn complain(&mut self, row: Option<u64>, what: String) {
        if self.complaints.len() < MOST {
            self.complaints.push(Complaint { row, what });
        }
    }
}

fn of_one_row(record: &Record<'_>, wrong: &mut Vec<String>) {
    for (name, filled) in MANDATORY {
        if *filled && record.get(name).is_empty() && record.columns.contains_key(*name) {
            wrong.push(format!("{name} is empty"));
        }
    }
    for (name, words) in WORDS {
        let word = record.get(name);
        if !word.is_empty() && !words.contains(&word) {
            wrong.push(format!("{name} is `{word}`, which is none of {}", words.join(", ")));
        }
    }
    for name in DECIMALS {
        let text = record.get(name);
        if !text.is_empty() && record.money(name).is_none() {
            wrong.push(format!("{name} is `{text}`, which is no decimal of at most 12 places"));
        }
    }
    let usage = record.get("ChargeCategory") == "Usage";
    let correction = record.get("ChargeClass") == "Correction";
    products(record, usage && !correction, wrong);
    if !usage && !record.get("ConsumedQuantity").is_empty() {
        wrong.push("ConsumedQuantity is of usage, and this is none".to_owned());
    }
    let unused = record.get("CommitmentDiscountStatus") == "Unused";
    if unused && !record.get("ConsumedQuantity").is_empty() {
        wrong.push("ConsumedQuantity is of what was used, and this is Unused".to_owned());
    }
    let (from, to) = (record.get("ChargePeriodStart"), record.get("ChargePeriodEnd"));
    // RFC 3339 in one zone sorts as it runs.
    if from >= to || from < record.get("BillingPeriodStart") || to > record.get("BillingPeriodEnd")
    {
        wrong.push(format!(
            "the charge period from {from} to {to} does not lie in the billing period"
        ));
    }
    let committed = !record.get("CommitmentDiscountId").is_empty();
    if usage && committed && record.get("CommitmentDiscountStatus").is_empty() {
        wrong.push("use of a commitment says neither Used nor Unused".to_owned());
    }
    details(record, wrong);
}

fn products(record: &Record<'_>, needed: bool, wrong: &mut Vec<String>) {
    let quantity = record.money("PricingQuantity");
    for (unit_price, cost) in PRODUCTS {
        let (price, cost_is) = (record.money(unit_price), record.money(cost));
        match (price, quantity, cost_is) {
            (Some(price), Some(quantity), Some(is)) => {
                let product = price.pico_dollars().checked_mul(quantity.pico_dollars());
                if product != is.pico_dollars().checked_mul(ONE) {
                    wrong.push(format!(
                        "{cost} is {is}, and {unit_price} {price} × PricingQuantity {quantity} is not"
                    ));
                }
            }
            _ if needed => wrong.push(format!("usage has no {unit_price} or no PricingQuantity")),
            _ => {}
        }
    }
}

fn details(record: &Record<'_>, wrong: &mut Vec<String>) {
    for name in ["SkuPriceDetails", "Tags"] {
        let text = record.get(name);
        let parsed = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text);
        match parsed {
            _ if text.is_empty() => {}
            Err(error) => wrong.push(format!("{name} is no JSON object: {error}")),
            Ok(keys) if name == "SkuPriceDetails" => {
                let own = keys.keys().filter(|key| !key.starts_with("x_"));
                wrong.extend(
                    own.map(|key| format!("{name} has `{key}`, which needs `x_` before it")),
                );
            }
            Ok(_) => {}
        }
    }
}

// === impl Record ===

impl Record<'_> {
    fn get(&self, name: &str) -> &str {
        let cell = self.columns.get(name).and_then(|at| self.cells.get(*at));
        cell.map_or("", String::as_str)
    }

    fn money(&self, name: &str) -> Option<Money> {
        self.get(name).parse().ok()
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.row {
            Some(row) => write!(f, "row {row}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}
