//! Rates of exchange: what a token of a network was worth in dollars, when, and who says so.
//!
//! A price in another currency is converted at some moment, by the latest observation
//! of its rate. An observation that is too old converts nothing: an endpoint whose price cannot be
//! told in dollars has none, and comes last by cost. What is converted keeps its native rates, the rate
//! of exchange and its id, so that a cost can be followed back to them. Converted rates are rounded up
//! to a whole pico-dollar per token, so that the house never counts too little.

use std::fmt::Write;
use std::time::Duration;

use isthmus_inference::money::{Money, Price, Rate};
use isthmus_inference::tariff::{Converted, Written};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

/// What one of a currency was worth, as somebody saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// The currency's code, such as `AKT`.
    pub currency: String,
    /// What one of it was worth, in dollars.
    pub rate: Money,
    /// Who says so: an address.
    pub source: String,
    /// When it was seen.
    pub observed_at: Timestamp,
    /// How it came about.
    pub method: Method,
}

/// How a rate came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// The price of a moment.
    Spot,
    /// The mean over some time.
    Twap,
    /// Fixed by whoever issues it.
    Peg,
}

/// All observations, and the moment for which they are asked.
#[derive(Debug, Clone)]
pub struct Exchange {
    observations: Vec<Observation>,
    max_age: Duration,
    now: Timestamp,
}

/// Why a price cannot be told in dollars.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FxError {
    /// Nobody has seen a rate.
    #[error("there is no rate of exchange for {0}/USD; write one under `ledger.fx`")]
    Missing(String),
    /// The latest one is too old.
    #[error(
        "the rate of exchange for {currency}/USD is {hours} h old, more than the {most} h of \
         `ledger.fx_max_age`; write a newer one under `ledger.fx`"
    )]
    Stale {
        /// Of which currency.
        currency: String,
        /// Its age.
        hours: u64,
        /// How old it may be.
        most: u64,
    },
    /// A product beyond any real price.
    #[error("a price in {0} is out of range in dollars")]
    TooLarge(String),
}

/// Pico-dollars of a dollar.
const PICO: i128 = 1_000_000_000_000;
const ID_BYTES: usize = 8;
const SECONDS_AN_HOUR: u64 = 3600;

// === impl Method ===

impl Method {
    /// Every method, with the word for it.
    pub const WORDS: &[(&str, Self)] =
        &[("spot", Self::Spot), ("twap", Self::Twap), ("peg", Self::Peg)];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Spot => "spot",
            Self::Twap => "twap",
            Self::Peg => "peg",
        }
    }
}

// === impl Observation ===

impl Observation {
    /// The first 16 hexadecimal digits of the SHA-256 of all that it says.
    pub fn id(&self) -> String {
        let Self { currency, rate, source, observed_at, method } = self;
        let text = format!("{currency}/USD {rate} {observed_at} {} {source}", method.as_str());
        let mut id = String::with_capacity(2 * ID_BYTES);
        for byte in &Sha256::digest(text)[..ID_BYTES] {
            // A string takes whatever is written to it.
            let _ = write!(id, "{byte:02x}");
        }
        id
    }

    /// So much of the currency in dollars, rounded up to a whole pico-dollar.
    pub fn in_dollars(&self, amount: Money) -> Option<Money> {
        let product = amount.pico_dollars().checked_mul(self.rate.pico_dollars())?;
        let whole = product.div_euclid(PICO) + i128::from(product.rem_euclid(PICO) > 0);
        Some(Money::from_pico_dollars(whole))
    }

    fn rate_in_dollars(&self, rate: Rate) -> Option<Rate> {
        let pico = self.in_dollars(rate * 1)?.pico_dollars();
        u64::try_from(pico).ok().map(Rate::from_pico_dollars_per_token)
    }

    fn price_in_dollars(&self, price: &Price) -> Option<Price> {
        let some = |rate: Option<Rate>| match rate {
            None => Some(None),
            Some(rate) => self.rate_in_dollars(rate).map(Some),
        };
        Some(Price {
            input: self.rate_in_dollars(price.input)?,
            cache_read: some(price.cache_read)?,
            cache_write_5m: some(price.cache_write_5m)?,
            cache_write_1h: some(price.cache_write_1h)?,
            audio_input: some(price.audio_input)?,
            image_input: some(price.image_input)?,
            output: self.rate_in_dollars(price.output)?,
            reasoning: some(price.reasoning)?,
            audio_output: some(price.audio_output)?,
            request: self.in_dollars(price.request)?,
        })
    }
}

// === impl Exchange ===

impl Exchange {
    /// The observations, how old one may be, and the moment for which they are asked.
    pub fn new(observations: Vec<Observation>, max_age: Duration, now: Timestamp) -> Self {
        Self { observations, max_age, now }
    }

    /// An exchange that knows no rate.
    pub fn closed() -> Self {
        Self::new(vec![], Duration::ZERO, Timestamp::UNIX_EPOCH)
    }

    /// The latest observation of what a currency is worth, if it is not too old. One from the future
    /// is as good as one of now: clocks differ.
    pub fn rate(&self, currency: &str) -> Result<&Observation, FxError> {
        let latest = (self.observations.iter())
            .filter(|observation| observation.currency == currency)
            .max_by_key(|observation| observation.observed_at)
            .ok_or_else(|| FxError::Missing(currency.to_owned()))?;
        let age = self.now.duration_since(latest.observed_at);
        let age = Duration::try_from(age).unwrap_or_default();
        if age > self.max_age {
            let hours = |time: Duration| time.as_secs() / SECONDS_AN_HOUR;
            let currency = currency.to_owned();
            return Err(FxError::Stale { currency, hours: hours(age), most: hours(self.max_age) });
        }
        Ok(latest)
    }

    /// A price whose rates are in another currency, in dollars.
    pub fn converted(&self, listed: Written, currency: &str) -> Result<Written, FxError> {
        let rate = self.rate(currency)?;
        let price = rate
            .price_in_dollars(&listed.price)
            .ok_or_else(|| FxError::TooLarge(currency.to_owned()))?;
        let converted = Converted {
            currency: currency.to_owned(),
            price: listed.price,
            rate: rate.rate.to_string(),
            observation: rate.id(),
        };
        Ok(Written { price, converted: Some(converted), ..listed })
    }
}

#[cfg(test)]
mod tests {
    use isthmus_inference::tariff::Tariff;
    use proptest::prelude::*;

    use super::*;

    const NOW: &str = "2026-11-28T12:00:00Z";

    fn observed(currency: &str, rate: &str, at: &str) -> Observation {
        Observation {
            currency: currency.to_owned(),
            rate: rate.parse().unwrap(),
            source: "https://example.org/rates".to_owned(),
            observed_at: at.parse().unwrap(),
            method: Method::Spot,
        }
    }

    fn exchange(observations: Vec<Observation>) -> Exchange {
        Exchange::new(observations, Duration::from_hours(24), NOW.parse().unwrap())
    }

    fn listed(input: &str, output: &str) -> Written {
        let price = Price {
            input: input.parse().unwrap(),
            output: output.parse().unwrap(),
            ..Price::default()
        };
        Tariff::flat(price, "configuration").standard().written.clone()
    }

    #[test]
    fn the_latest_rate_counts_and_stays_with_the_price() {
        let exchange = exchange(vec![
            observed("AKT", "0.85", "2026-11-28T10:00:00Z"),
            observed("AKT", "0.80", "2026-11-28T09:00:00Z"),
            observed("TAO", "400", "2026-11-28T11:00:00Z"),
        ]);
        let written = exchange.converted(listed("0.2", "0.000001"), "AKT").unwrap();
        assert_eq!(written.price.input.to_string(), "0.17");
        assert_eq!(written.price.output.to_string(), "0.000001", "rounded up");
        let converted = written.converted.unwrap();
        assert_eq!((converted.currency.as_str(), converted.rate.as_str()), ("AKT", "0.85"));
        assert_eq!(converted.price.input.to_string(), "0.20");
        assert_eq!(converted.observation, exchange.rate("AKT").unwrap().id());
    }

    #[test]
    fn an_old_rate_or_none_converts_nothing() {
        let exchange = exchange(vec![observed("AKT", "0.85", "2026-11-27T11:59:59Z")]);
        let stale = exchange.converted(listed("1", "1"), "AKT").unwrap_err();
        assert_eq!(stale, FxError::Stale { currency: "AKT".to_owned(), hours: 24, most: 24 });
        let missing = exchange.converted(listed("1", "1"), "IO").unwrap_err();
        assert_eq!(missing, FxError::Missing("IO".to_owned()));
    }

    proptest! {
        #[test]
        fn no_conversion_counts_too_little(pico in 0u64..1 << 40, rate in 0u64..1 << 50) {
            let mut observation = observed("AKT", "1", NOW);
            observation.rate = Money::from_pico_dollars(rate.into());
            let dollars = observation.in_dollars(Money::from_pico_dollars(pico.into())).unwrap();
            let exact = i128::from(pico) * i128::from(rate);
            let less = dollars.pico_dollars() * PICO - exact;
            prop_assert!((0..PICO).contains(&less));
        }
    }
}
