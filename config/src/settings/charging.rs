//! How endpoints are paid: as written, by the catalogue, or converted from another currency.
//!
//! What is written stands in the file; what a catalogue says depends on the day, and a conversion on the
//! hour. So reading the file leaves both open, and [`Settings::price_endpoints`] fills them in, once it
//! is told what time it is.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use isthmus_inference::date::Date;
use isthmus_inference::ident::EndpointName;
use isthmus_inference::money::Money;
use isthmus_inference::tariff::{Tariff, TariffError, Written};
use isthmus_ledger::books::Hours;
use isthmus_ledger::catalogue::{Catalogue, Wanted};
use isthmus_ledger::fx::{Exchange, FxError};
use isthmus_policies::lease::Lease;
use isthmus_policies::offer::Pricing;
use jiff::Timestamp;

use crate::settings::{Account, Ledger, Settings};

/// How an endpoint is paid.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Charging {
    /// By the token, in dollars.
    Tokens(Arc<Tariff>),
    /// By the hour, in dollars, and for which days.
    Lease(Lease, Term),
    /// By the token, in another currency.
    Foreign(Foreign),
    /// By the block of Akash's chain.
    Blocks(Blocks),
    /// Nobody said; the catalogue may know.
    #[default]
    Unsaid,
}

/// Prices in another currency than the dollar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    /// The currency's code, such as `AKT`.
    pub currency: String,
    /// The prices, their rates in that currency.
    pub prices: Vec<Written>,
}

/// A lease that is paid in ACT, which Akash pegs to the dollar, a little with every block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocks {
    /// Millionths of an ACT for each block.
    pub uact: u64,
    /// How long a block takes. The chain's own pace wavers around six seconds.
    pub block: Duration,
    /// How many tokens of output the machine makes in a second.
    pub tokens_per_second: NonZeroU32,
    /// For which days.
    pub term: Term,
}

/// The days for which a lease is paid, in UTC. It counts in reports and exports; an endpoint is asked
/// for as long as it is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Term {
    /// The first; `None` for one that is older than any report.
    pub from: Option<Date>,
    /// The last; `None` for one that goes on.
    pub until: Option<Date>,
}

/// An endpoint whose price cannot be told in dollars.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("endpoint `{endpoint}`: {reason}")]
pub struct Unpriced {
    /// Which one.
    pub endpoint: EndpointName,
    /// Why.
    pub reason: FxError,
}

/// Akash's unit of account. One is a dollar (AEP-76), unless a rate of its own is written.
const ACT: &str = "ACT";
const SECONDS_AN_HOUR: i128 = 3600;
const NANOS_A_SECOND: i128 = 1_000_000_000;
/// Pico-units of a millionth.
const PICO_PER_MICRO: i128 = 1_000_000;

// === impl Charging ===

impl Charging {
    /// What preference may know of it: the usual price, as others depend on the request.
    pub fn pricing(&self) -> Pricing {
        match self {
            Self::Tokens(tariff) => Pricing::Tokens(tariff.standard().written.price),
            Self::Lease(lease, _) => Pricing::Lease(*lease),
            Self::Foreign(_) | Self::Blocks(_) | Self::Unsaid => Pricing::Unknown,
        }
    }

    /// What it charges by the token, if it does and is known.
    pub fn tariff(&self) -> Option<&Arc<Tariff>> {
        match self {
            Self::Tokens(tariff) => Some(tariff),
            Self::Lease(..) | Self::Foreign(_) | Self::Blocks(_) | Self::Unsaid => None,
        }
    }

    /// Of a model whose price nobody wrote: what the catalogue says.
    pub fn listed(
        catalogue: &Catalogue,
        wanted: &Wanted<'_>,
        exchange: &Exchange,
    ) -> Result<Self, FxError> {
        let tariff = catalogue.tariff(wanted, exchange)?;
        Ok(tariff.map_or(Self::Unsaid, |tariff| Self::Tokens(Arc::new(tariff))))
    }

    /// The same in dollars, where it is in something else.
    fn in_dollars(&self, exchange: &Exchange) -> Result<Option<Self>, FxError> {
        match self {
            Self::Foreign(foreign) => foreign.in_dollars(exchange).map(Some),
            Self::Blocks(blocks) => blocks.in_dollars(exchange).map(Some),
            Self::Tokens(_) | Self::Lease(..) | Self::Unsaid => Ok(None),
        }
    }
}

// === impl Foreign ===

impl Foreign {
    /// Prices that make a tariff, once they are converted.
    pub(crate) fn new(currency: String, prices: Vec<Written>) -> Result<Self, TariffError> {
        Tariff::new(prices.iter().cloned())?;
        Ok(Self { currency, prices })
    }

    fn in_dollars(&self, exchange: &Exchange) -> Result<Charging, FxError> {
        let convert = |listed: &Written| exchange.converted(listed.clone(), &self.currency);
        let prices: Vec<_> = self.prices.iter().map(convert).collect::<Result<_, _>>()?;
        // They made a tariff before, and a conversion leaves the circumstances as they are.
        Ok(Tariff::new(prices)
            .map_or(Charging::Unsaid, |tariff| Charging::Tokens(Arc::new(tariff))))
    }
}

// === impl Blocks ===

impl Blocks {
    /// What an hour costs, in ACT, rounded up.
    fn per_hour(&self) -> Option<Money> {
        let block = i128::try_from(self.block.as_nanos()).ok().filter(|nanos| *nanos > 0)?;
        let each = i128::from(self.uact) * PICO_PER_MICRO;
        let hour = each.checked_mul(SECONDS_AN_HOUR * NANOS_A_SECOND)?;
        Some(Money::from_pico_dollars(hour / block + i128::from(hour % block > 0)))
    }

    fn in_dollars(&self, exchange: &Exchange) -> Result<Charging, FxError> {
        let too_large = || FxError::TooLarge(ACT.to_owned());
        let per_hour = self.per_hour().ok_or_else(too_large)?;
        let per_hour = match exchange.rate(ACT) {
            Ok(rate) => rate.in_dollars(per_hour).ok_or_else(too_large)?,
            Err(FxError::Missing(_)) => per_hour,
            Err(error) => return Err(error),
        };
        let tokens_per_second = self.tokens_per_second;
        Ok(Charging::Lease(Lease { per_hour, tokens_per_second }, self.term))
    }
}

// === impl Term ===

impl Term {
    /// Its hours within a period; none if it lies outside.
    pub fn within(self, period: Hours) -> Hours {
        let hour = |day: Date| day.unix_seconds().div_euclid(3600);
        let from = self.from.map_or(period.from, |day| hour(day).max(period.from));
        let to = self.until.map_or(period.to, |day| (hour(day) + 24).min(period.to));
        Hours { from, to: to.max(from) }
    }
}

// === impl Ledger ===

impl Ledger {
    /// The rates of exchange at this moment, in Unix seconds. A moment that no calendar has is the last
    /// one, at which every rate is too old.
    pub fn exchange(&self, now: i64) -> Exchange {
        let now = Timestamp::from_second(now).unwrap_or(Timestamp::MAX);
        Exchange::new(self.fx.clone(), self.fx_max_age, now)
    }
}

// === impl Account ===

impl Account {
    /// The region that prices may depend on, if the account has one.
    pub fn region(&self) -> Option<&str> {
        let Self::Remote(account) = self else { return None };
        account.option("region").or_else(|| account.option("location"))
    }
}

// === impl Settings ===

impl Settings {
    /// Fills in what the file leaves to others: list prices on the day and rates of exchange at the
    /// moment of `now`, in Unix seconds. What cannot be told in dollars is without a price, and is told.
    /// It may be done again later, when [they may have changed](Self::prices_hold_until).
    ///
    /// An account's address does not matter: a list price is an account's best guess also behind a
    /// proxy, and a written one is always better.
    pub fn price_endpoints(&mut self, catalogue: &Catalogue, now: i64) -> Vec<Unpriced> {
        let exchange = self.ledger.exchange(now);
        let day = Date::of_unix_seconds(now);
        let mut unpriced = vec![];
        for endpoint in self.endpoints.values_mut() {
            let account = self.providers.get(&endpoint.provider).map(|provider| &provider.account);
            let found = match (&endpoint.written, account, day) {
                (Charging::Unsaid, Some(account), Some(day)) => {
                    let (kind, region) = (account.kind(), account.region());
                    let wanted = Wanted { kind, model: endpoint.model.as_str(), region, day };
                    Charging::listed(catalogue, &wanted, &exchange).map(Some)
                }
                (written, ..) => written.in_dollars(&exchange),
            };
            let found = found.unwrap_or_else(|reason| {
                unpriced.push(Unpriced { endpoint: endpoint.name.clone(), reason });
                None
            });
            endpoint.charging = found.unwrap_or_else(|| endpoint.written.clone());
        }
        unpriced
    }

    /// Until when prices stay as they are at `now`, both in Unix seconds: to the end of the day, or
    /// until a rate of exchange is too old.
    pub fn prices_hold_until(&self, now: i64) -> i64 {
        let tomorrow = Date::of_unix_seconds(now).and_then(Date::next);
        let tomorrow = tomorrow.map_or(i64::MAX, Date::unix_seconds);
        let stale = self.ledger.fx.iter().filter_map(|observation| {
            let age = i64::try_from(self.ledger.fx_max_age.as_secs()).ok()?;
            observation.observed_at.as_second().checked_add(age)?.checked_add(1)
        });
        stale.filter(|moment| *moment > now).fold(tomorrow, i64::min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(uact: u64, block_millis: u64) -> Blocks {
        let tokens_per_second = NonZeroU32::new(1000).unwrap();
        let block = Duration::from_millis(block_millis);
        Blocks { uact, block, tokens_per_second, term: Term::default() }
    }

    #[test]
    fn blocks_add_up_to_an_hour() {
        let per_hour = |blocks: Blocks| blocks.per_hour().unwrap().to_string();
        assert_eq!(per_hour(blocks(1000, 6000)), "0.60", "600 blocks of a thousandth");
        assert_eq!(per_hour(blocks(1000, 6098)), "0.590357494261");
        assert_eq!(per_hour(blocks(1, 7)), "0.514285714286", "rounded up");
        assert_eq!(blocks(1, 0).per_hour(), None);
    }

    #[test]
    fn a_term_cuts_a_period_on_both_sides() {
        let day = |day| Date::new(2026, 11, day);
        let hours = |from, until| {
            let first = day(1).unwrap().unix_seconds() / 3600;
            let cut = Term { from, until }.within(Hours { from: first, to: first + 30 * 24 });
            (cut.from - first, cut.to - first)
        };
        assert_eq!(hours(None, None), (0, 720));
        assert_eq!(hours(day(11), None), (240, 720));
        assert_eq!(hours(day(11), day(11)), (240, 264), "the last day is a part of it");
        assert_eq!(hours(Date::new(2026, 12, 24), None).0, hours(Date::new(2026, 12, 24), None).1);
        let (from, to) = hours(None, Date::new(2026, 10, 31));
        assert_eq!(from, to);
    }
}
