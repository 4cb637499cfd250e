//! A tariff: what an endpoint charges in all circumstances.
//!
//! List prices depend on the service tier and on the length of the prompt: above some number of input
//! tokens another price holds for the whole request, not for what lies above. So a tariff is a set of
//! prices, each with the circumstances that it is for. Each has an id that follows from all that it
//! says: two prices with one id are the same, and whoever keeps the id and the text of a price can
//! compute a cost again years later.

use std::fmt::Write;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ident::PriceId;
use crate::money::Price;
use crate::tier::Tier;

/// What an endpoint charges in all circumstances: the usual price, and those of other tiers and of
/// longer prompts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tariff {
    /// By tier, the usual one first, and by length. Never empty; each tier begins at no tokens.
    prices: Vec<Priced>,
}

/// One price of a tariff, and its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Priced {
    /// The first 16 hexadecimal digits of the SHA-256 of its [text](Written::text).
    pub id: PriceId,
    /// What it says.
    pub written: Written,
}

/// All that one price says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// The rates, in USD per million tokens.
    pub price: Price,
    /// The currency of the rates.
    #[serde(default)]
    pub currency: Usd,
    /// The service tier that it is for, if not the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// It is for requests with more input tokens than this.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub above_tokens: u64,
    /// Who says so: the address of a price list, or the operator's own file.
    pub source: String,
    /// From what the rates were converted, if they are listed in another currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub converted: Option<Converted>,
}

/// The only currency that costs are in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Usd {
    /// The dollar of the United States.
    #[default]
    #[serde(rename = "USD")]
    Usd,
}

/// A price in another currency, and how it became dollars.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Converted {
    /// The currency's code, such as `AKT`.
    pub currency: String,
    /// The rates in that currency, per million tokens.
    pub price: Price,
    /// What one of it was worth in dollars, as decimal text.
    pub rate: String,
    /// Which observation of the rate that is.
    pub observation: String,
}

/// Why prices are no tariff.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TariffError {
    /// A tier's prices all begin above some length, or there is no usual price.
    #[error("there is no price for {0} of any length")]
    NoBeginning(&'static str),
    /// Two prices for the same circumstances.
    #[error("there are two prices for {0} above {1} input tokens")]
    Twice(&'static str, u64),
}

const ID_BYTES: usize = 8;

// === impl Tariff ===

impl Tariff {
    /// A tariff of these prices, in any order.
    pub fn new(prices: impl IntoIterator<Item = Written>) -> Result<Self, TariffError> {
        let mut prices: Vec<_> = prices.into_iter().map(Priced::new).collect();
        prices.sort_by_key(Priced::circumstances);
        if prices.first().is_none_or(|first| first.circumstances() != (None, 0)) {
            return Err(TariffError::NoBeginning(tier_name(None)));
        }
        for pair in prices.windows(2) {
            let (one, next) = (pair[0].circumstances(), pair[1].circumstances());
            if one == next {
                return Err(TariffError::Twice(tier_name(one.0), one.1));
            }
            if one.0 != next.0 && next.1 != 0 {
                return Err(TariffError::NoBeginning(tier_name(next.0)));
            }
        }
        Ok(Self { prices })
    }

    /// One price for all circumstances.
    pub fn flat(price: Price, source: impl Into<String>) -> Self {
        let written = Written {
            price,
            currency: Usd::Usd,
            tier: None,
            above_tokens: 0,
            source: source.into(),
            converted: None,
        };
        Self { prices: vec![Priced::new(written)] }
    }

    /// What a request with this many input tokens is charged by. A tier without prices of its own costs
    /// what the usual one costs.
    pub fn price(&self, tier: Option<Tier>, input_tokens: u64) -> &Priced {
        // The usual tier has no word of its own: `Tier::Standard` finds nothing here.
        let of_tier = self.prices.iter().any(|priced| priced.written.tier == tier);
        let tier = tier.filter(|_| of_tier);
        let holds = |priced: &&Priced| {
            let written = &priced.written;
            let reached = written.above_tokens == 0 || input_tokens > written.above_tokens;
            written.tier == tier && reached
        };
        self.prices.iter().rfind(holds).unwrap_or(self.standard())
    }

    /// The usual price.
    pub fn standard(&self) -> &Priced {
        // INVARIANT: never empty, and the usual price comes first.
        &self.prices[0]
    }

    /// All of its prices, the usual one first.
    pub fn prices(&self) -> &[Priced] {
        &self.prices
    }
}

// === impl Priced ===

impl Priced {
    /// Gives a price its id.
    pub fn new(written: Written) -> Self {
        let digest = Sha256::digest(written.text());
        let mut id = String::with_capacity(2 * ID_BYTES);
        for byte in &digest[..ID_BYTES] {
            // A string takes whatever is written to it.
            let _ = write!(id, "{byte:02x}");
        }
        Self { id: id.into(), written }
    }

    fn circumstances(&self) -> (Option<Tier>, u64) {
        (self.written.tier, self.written.above_tokens)
    }
}

// === impl Written ===

impl Written {
    /// Its one text: JSON with the fields in the order of this type, and none that says nothing.
    pub fn text(&self) -> String {
        // Nothing in it can fail to be written: its maps have names for keys.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what [`text`](Self::text) wrote.
    pub fn read(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

fn tier_name(tier: Option<Tier>) -> &'static str {
    tier.map_or("the usual tier", Tier::as_str)
}

const fn is_zero(tokens: &u64) -> bool {
    *tokens == 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(tier: Option<Tier>, above_tokens: u64, input: &str) -> Written {
        let price = Price { input: input.parse().unwrap(), ..Price::default() };
        let source = "https://example.org/prices".to_owned();
        Written { price, currency: Usd::Usd, tier, above_tokens, source, converted: None }
    }

    fn tariff() -> Tariff {
        Tariff::new([
            written(Some(Tier::Batch), 200_000, "1.25"),
            written(None, 200_000, "2.5"),
            written(None, 0, "1.25"),
            written(Some(Tier::Batch), 0, "0.625"),
            written(None, 1_000_000, "5"),
        ])
        .unwrap()
    }

    #[test]
    fn the_longest_band_that_is_reached_counts_for_the_whole_request() {
        let tariff = tariff();
        let input = |tier, tokens| tariff.price(tier, tokens).written.price.input.to_string();
        assert_eq!(input(None, 0), "1.25");
        assert_eq!(input(None, 200_000), "1.25");
        assert_eq!(input(None, 200_001), "2.50");
        assert_eq!(input(None, 1_000_001), "5.00");
        assert_eq!(input(Some(Tier::Batch), 200_000), "0.625");
        assert_eq!(input(Some(Tier::Batch), u64::MAX), "1.25");
        assert_eq!(input(Some(Tier::Priority), 200_001), "2.50", "it has no prices of its own");
        assert_eq!(tariff.standard(), tariff.price(None, 0));
    }

    #[test]
    fn a_tariff_has_a_beginning_and_no_price_twice() {
        let prices = [written(None, 5, "1")];
        assert_eq!(Tariff::new(prices), Err(TariffError::NoBeginning("the usual tier")));
        assert_eq!(Tariff::new([]), Err(TariffError::NoBeginning("the usual tier")));
        let prices = [written(None, 0, "1"), written(Some(Tier::Flex), 5, "1")];
        assert_eq!(Tariff::new(prices), Err(TariffError::NoBeginning("flex")));
        let prices = [written(None, 0, "1"), written(None, 0, "2")];
        assert_eq!(Tariff::new(prices), Err(TariffError::Twice("the usual tier", 0)));
    }

    #[test]
    fn an_id_follows_from_all_that_a_price_says() {
        let one = written(Some(Tier::Batch), 200_000, "1.25");
        assert_eq!(
            one.text(),
            r#"{"price":{"input":"1.25","output":"0.00"},"currency":"USD","tier":"batch","above_tokens":200000,"source":"https://example.org/prices"}"#
        );
        let id = |written: &Written| Priced::new(written.clone()).id;
        // printf '%s' TEXT | sha256sum | cut -c -16
        assert_eq!(id(&one).as_str(), "3f88a35e43e550b9");
        for other in [
            Written { tier: None, ..one.clone() },
            Written { above_tokens: 1, ..one.clone() },
            Written { source: "elsewhere".to_owned(), ..one.clone() },
            Written {
                price: Price { request: "0.01".parse().unwrap(), ..one.price },
                ..one.clone()
            },
        ] {
            assert_ne!(id(&other), id(&one));
        }
    }

    proptest! {
        #[test]
        fn a_price_is_read_as_it_was_written(
            rates in prop::array::uniform9(prop::option::of(0u64..1 << 49)),
            fee in 0i64..i64::MAX,
            above_tokens: u64,
            source: String,
        ) {
            let price = Price::made(rates, fee);
            let converted = Some(Converted {
                currency: "AKT".to_owned(),
                price,
                rate: "0.85".to_owned(),
                observation: source.clone(),
            });
            let written = Written {
                price, currency: Usd::Usd, tier: Some(Tier::Flex), above_tokens, source, converted,
            };
            let text = written.text();
            let again = Written::read(&text).unwrap();
            prop_assert_eq!(&again, &written);
            prop_assert_eq!(Priced::new(again).id, Priced::new(written).id);
        }
    }
}
