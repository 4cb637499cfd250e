//! What a row of FOCUS says, before it has names.

use isthmus_inference::money::Money;

use crate::sheet::Number;

/// One charge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// Who pays,
    pub organisation: String,
    /// and for which team.
    pub team: String,
    /// The hour in which it was charged: hours since 1970.
    pub hour: i64,
    /// Of what sort it is.
    pub category: Category,
    /// Whether it puts an earlier charge right.
    pub correction: bool,
    /// What it is, for people.
    pub description: String,
    /// Who sells it.
    pub seller: Seller,
    /// The endpoint.
    pub endpoint: String,
    /// What is sold: endpoint, model and meter.
    pub sku: Sku,
    /// What was consumed, and in what.
    pub consumed: Option<(Number, &'static str)>,
    /// What is priced: how much, in what, and what one of it costs.
    pub priced: Option<(Number, &'static str, Number)>,
    /// The same in the currency that the price is listed in, if that is not the dollar.
    pub native: Option<Native>,
    /// What it costs by the price.
    pub contracted: Money,
    /// What will be on an invoice for it.
    pub billed: Money,
    /// What it costs when what was paid beforehand is spread over its use.
    pub effective: Money,
    /// What it is a part of, if it was paid by the hour.
    pub commitment: Option<Commitment>,
    /// What the caller marked it with, as JSON.
    pub tags: String,
    /// What FOCUS has no column for.
    pub extra: Extra,
}

/// The sorts of charges that a gateway has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Category {
    /// Tokens, requests, or hours that were used.
    #[default]
    Usage,
    /// Hours that were bought.
    Purchase,
    /// What the price of no meter explains.
    Adjustment,
}

/// Who sells what an endpoint does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seller {
    /// Who offers the service.
    pub service_provider: String,
    /// Who runs the machines.
    pub host: String,
    /// Who sends the invoice.
    pub invoice_issuer: String,
    /// What the service is called.
    pub service: String,
    /// Where it runs, if that is one place.
    pub region: Option<String>,
    /// Whether the price moves with a market.
    pub dynamic: bool,
}

/// What is sold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sku {
    /// Stable for an endpoint, a model and a meter.
    pub id: String,
    /// The same with the tier and the length that the price is for; never its version.
    pub price_id: String,
    /// The meter, for people.
    pub meter: String,
    /// JSON.
    pub details: String,
}

/// Another currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Native {
    /// Its code.
    pub currency: String,
    /// What one priced unit costs in it,
    pub unit_price: Number,
    /// and all of them.
    pub cost: Money,
    /// The observation of the rate of exchange.
    pub observation: String,
}

/// What was paid by the hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commitment {
    /// Which lease.
    pub id: String,
    /// Whether its hours were used; `None` on the purchase itself.
    pub used: Option<bool>,
    /// How many hours.
    pub hours: Number,
}

/// What FOCUS has no column for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extra {
    /// Exchanges; on the first row of a group of meters alone, as are the options.
    pub requests: u64,
    /// The model that was asked for.
    pub model: String,
    /// The application.
    pub app: String,
    /// The visible head of the key.
    pub key: String,
    /// What class of data it was.
    pub data_class: String,
    /// The version of the policies.
    pub policy: String,
    /// The version of the price.
    pub price: String,
    /// Whether somebody knows a price.
    pub price_known: bool,
    /// Whether the tokens are estimated.
    pub estimated: bool,
    /// How the exchange ended.
    pub outcome: String,
    /// Tokens in and out; for leases, where the meter counts hours.
    pub tokens: Option<(u64, u64)>,
    /// What it would have cost at the baseline,
    pub baseline: Option<Money>,
    /// at the cheapest endpoint that policy allowed,
    pub cheapest_allowed: Option<Money>,
    /// and at the cheapest of all.
    pub cheapest: Option<Money>,
    /// The request id, where each request has rows of its own.
    pub request_id: String,
}

// === impl Category ===

impl Category {
    /// FOCUS' word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Usage => "Usage",
            Self::Purchase => "Purchase",
            Self::Adjustment => "Adjustment",
        }
    }
}
