//! What the ledger writes down of an exchange: that money is held for it, what became of it, and what
//! was corrected later. Entries are only ever added.
//!
//! An exchange has one [`Hold`], written before anybody is asked, and one [`Settled`], written before
//! the exchange is forgotten. A hold without a settlement is money that may have been spent: it
//! survives a crash, and whoever starts next settles it as [`Outcome::Interrupted`].

mod body;
mod chain;
mod id;
mod json;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use isthmus_inference::ident::{EndpointName, PriceId, ProviderName, RequestId, UpstreamModel};
use isthmus_inference::money::Money;
use isthmus_inference::usage::{Source, Usage};
use serde::{Deserialize, Serialize};

pub use body::Body;
pub use chain::{Chain, Chained, Hash, Head, NodeId};
pub use id::ExchangeId;

/// One thing that is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum Entry {
    /// Money is held for an exchange that begins.
    Hold(Box<Hold>),
    /// An exchange is over.
    Settled(Box<Settled>),
    /// A settled exchange turned out to cost something else: a price was wrong.
    Correction(Box<Correction>),
}

/// Whose exchange it is and what it is about: everything that reports group by and that is the same
/// for all of its attempts.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct About {
    /// Who pays.
    pub organisation: String,
    /// The team.
    pub team: String,
    /// The application.
    pub app: String,
    /// The visible head of the key, `isk-…`; empty without a key.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// The model that was asked for.
    pub model: String,
    /// What the caller marked it with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// What class of data it carries: the word for it.
    pub data_class: String,
    /// The version of the policies that decided.
    pub policy: String,
}

/// Money that is held.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// For which exchange.
    pub exchange: ExchangeId,
    /// Since when: Unix milliseconds.
    pub at: i64,
    /// The id that the caller knows, which need not be unique.
    pub request_id: RequestId,
    /// Whose it is.
    pub about: Arc<About>,
    /// How much: what the expected tokens cost at the dearest endpoint that may be asked.
    pub amount: Money,
    /// The tokens that this is for.
    pub expected: Usage,
    /// That endpoint,
    pub endpoint: EndpointName,
    /// its account,
    pub provider: ProviderName,
    /// the upstream's own name for its model,
    pub upstream_model: UpstreamModel,
    /// and the version of its price; `None` where nobody knows a price, and nothing is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<PriceId>,
}

/// An exchange that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// Which exchange.
    pub exchange: ExchangeId,
    /// When it was over: Unix milliseconds. It is charged to this moment.
    pub at: i64,
    /// The id that the caller knows.
    pub request_id: RequestId,
    /// Whose it is.
    pub about: Arc<About>,
    /// How it ended.
    pub outcome: Outcome,
    /// What was tried, a line each. Empty where nobody was asked: the answer was remembered, or the
    /// call ended before.
    pub lines: Vec<Line>,
    /// What it would have cost otherwise.
    #[serde(default)]
    pub options: Options,
    /// What the house's own memory of answers did.
    #[serde(default)]
    pub cache: CacheUse,
}

/// How an exchange ended.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The caller has all of the answer.
    Answered,
    /// It failed, before the answer or in its middle; the kind of failure.
    Failed(Cow<'static, str>),
    /// The caller left.
    Abandoned,
    /// The house ended before it was over; what it cost is what was held.
    Interrupted,
}

/// One attempt at one endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Counts from 1.
    pub number: u32,
    /// The endpoint.
    pub endpoint: EndpointName,
    /// The account.
    pub provider: ProviderName,
    /// The upstream's own name for the model.
    pub upstream_model: UpstreamModel,
    /// Why it was tried: `first`, `retry`, `fallback`, `hedge` or `splice`.
    pub reason: Cow<'static, str>,
    /// How it ended: `answered`, `lost`, `open` (the caller left), or the kind of failure.
    pub fate: Cow<'static, str>,
    /// Whether it is the one that counts for the exchange: it answered, or was tried last.
    #[serde(default)]
    pub counts: bool,
    /// What it used; nothing, if it failed before its first word.
    pub usage: Usage,
    /// The version of the price that `cost` follows from; `None` where nobody knows a price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<PriceId>,
    /// What that costs; `None` where nobody knows a price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Money>,
    /// When it began: Unix milliseconds.
    pub began: i64,
    /// From then to its first word, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_output_ms: Option<u64>,
    /// How long it took, in milliseconds. Leased machines are shared by it.
    pub took_ms: u64,
}

/// What the same tokens would have cost elsewhere: routing's worth, and compliance's price. `None`
/// where it cannot be said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// At the cheapest endpoint that policy allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cheapest_allowed: Option<Money>,
    /// At the cheapest of all that could do it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cheapest: Option<Money>,
    /// At the endpoint that the operator declared the baseline beforehand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Money>,
}

/// What the house's own memory of answers did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheUse {
    /// It was not asked.
    #[default]
    Off,
    /// It did not know the answer.
    Miss,
    /// It knew it, which avoided this cost.
    Hit(Money),
}

/// What is put right later. The entry that it corrects stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correction {
    /// Which exchange.
    pub exchange: ExchangeId,
    /// When the exchange was charged: corrections fall into the period of what they correct.
    pub of: i64,
    /// When it was corrected: Unix milliseconds.
    pub at: i64,
    /// Whose it is.
    pub about: Arc<About>,
    /// The line that was wrong, as it should have been: its price and cost are the right ones.
    pub line: Line,
    /// What was charged for it until now; the correction is the difference.
    pub was: Option<Money>,
    /// Why.
    pub reason: String,
}

// === impl Entry ===

impl Entry {
    /// Which exchange it is about.
    pub fn exchange(&self) -> ExchangeId {
        match self {
            Self::Hold(hold) => hold.exchange,
            Self::Settled(settled) => settled.exchange,
            Self::Correction(correction) => correction.exchange,
        }
    }

    /// The id that the caller knows; a correction has none.
    pub fn request_id(&self) -> &str {
        match self {
            Self::Hold(hold) => &hold.request_id,
            Self::Settled(settled) => &settled.request_id,
            Self::Correction(_) => "",
        }
    }

    /// When it was written: Unix milliseconds.
    pub fn at(&self) -> i64 {
        match self {
            Self::Hold(hold) => hold.at,
            Self::Settled(settled) => settled.at,
            Self::Correction(correction) => correction.at,
        }
    }
}

// === impl Outcome ===

impl Outcome {
    /// The word for it.
    pub fn word(&self) -> Cow<'static, str> {
        match self {
            Self::Answered => "answered".into(),
            Self::Failed(kind) => kind.clone(),
            Self::Abandoned => "abandoned".into(),
            Self::Interrupted => "interrupted".into(),
        }
    }
}

// === impl Settled ===

impl Settled {
    /// What all of its attempts cost; `None` where the price of one that used tokens is unknown.
    pub fn cost(&self) -> Option<Money> {
        let mut lines = self.lines.iter().filter(|line| line.usage.total() > 0);
        lines.try_fold(Money::ZERO, |sum, line| Some(sum + line.cost?))
    }

    /// The settlement of a hold whose house ended before it was over: as dear as it could have been.
    pub fn interrupted(hold: Hold, now: i64) -> Self {
        let Hold { exchange, request_id, about, price, .. } = hold;
        let line = Line {
            number: 1,
            endpoint: hold.endpoint,
            provider: hold.provider,
            upstream_model: hold.upstream_model,
            reason: "first".into(),
            fate: "open".into(),
            counts: true,
            usage: Usage { source: Source::Estimated, ..hold.expected },
            cost: price.is_some().then_some(hold.amount),
            price,
            began: hold.at,
            first_output_ms: None,
            took_ms: 0,
        };
        Self {
            exchange,
            at: now,
            request_id,
            about,
            outcome: Outcome::Interrupted,
            lines: vec![line],
            options: Options::default(),
            cache: CacheUse::Off,
        }
    }
}
