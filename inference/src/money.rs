//! Exact money: whole pico-dollars (10⁻¹² USD), never a float.
//!
//! Prices are written as decimal text in USD per million tokens. One dollar per million tokens is
//! 1,000,000 pico-dollars per token, so any price of at most six decimals is a whole number of
//! pico-dollars, and a cost is a sum of integer products. Nothing is rounded before export.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul, Neg, Sub};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::meter::Meter;
use crate::usage::Usage;

/// An amount in pico-dollars.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i128);

/// Why a text is not an amount of money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an amount in dollars with at most 12 decimals, such as \"1.50\"")]
pub struct MoneyError(String);

/// What one token costs, in pico-dollars.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(u64);

/// What an endpoint charges per token, by bucket.
///
/// A bucket without a price of its own is charged like its parent: cache and media input as input,
/// reasoning and audio output as output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Uncached input.
    pub input: Rate,
    /// Input served from the provider's cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<Rate>,
    /// Input written to the five-minute cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_5m: Option<Rate>,
    /// Input written to the one-hour cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<Rate>,
    /// Audio in the prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_input: Option<Rate>,
    /// Images in the prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_input: Option<Rate>,
    /// Visible output.
    pub output: Rate,
    /// Thinking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<Rate>,
    /// Audio that is generated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_output: Option<Rate>,
    /// Each request, whatever is in it.
    #[serde(default, skip_serializing_if = "Money::is_zero")]
    pub request: Money,
}

/// Why a text is not a price.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    /// Not digits with at most one decimal point.
    #[error("`{0}` is not a decimal number such as \"0.25\"")]
    NotDecimal(String),
    /// Finer than a pico-dollar per token.
    #[error("`{0}` has more than 6 decimals: finer than a pico-dollar per token")]
    TooFine(String),
    /// Beyond any real price; most likely written in another unit.
    #[error("`{0}` USD per million tokens is out of range")]
    TooLarge(String),
}

const PICO_PER_DOLLAR: i128 = 1_000_000_000_000;
/// Decimals of a dollar that are whole pico-dollars.
const DECIMALS: usize = 12;
const TOKENS_A_PRICE_IS_FOR: u64 = 1_000_000;
/// Decimals of a dollar that are whole pico-dollars once divided by a million tokens.
const RATE_DECIMALS: usize = 6;

// === impl Money ===

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// An amount given in pico-dollars.
    pub const fn from_pico_dollars(pico: i128) -> Self {
        Self(pico)
    }

    /// The amount in pico-dollars.
    pub const fn pico_dollars(self) -> i128 {
        self.0
    }

    /// Whether it is nothing.
    pub const fn is_zero(&self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Money {
    /// Dollars as decimal text with as many decimals as the amount needs, and at least two.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.0.unsigned_abs() / PICO_PER_DOLLAR.unsigned_abs();
        let mut rest = (self.0.unsigned_abs() % PICO_PER_DOLLAR.unsigned_abs()) as u64;
        let mut fraction = [b'0'; DECIMALS];
        for digit in fraction.iter_mut().rev() {
            *digit += (rest % 10) as u8;
            rest /= 10;
        }
        let needed = fraction.iter().rposition(|digit| *digit != b'0').map_or(2, |last| last + 1);
        let fraction = std::str::from_utf8(&fraction[..needed.max(2)]).unwrap_or_default();
        // Piece by piece: the ledger writes several amounts for each request, and `write!` is slow.
        f.write_str(if self.0 < 0 { "-" } else { "" })?;
        f.write_str(itoa::Buffer::new().format(whole))?;
        f.write_str(".")?;
        f.write_str(fraction)
    }
}

impl Add for Money {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Sub for Money {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Mul<u64> for Money {
    type Output = Self;
    fn mul(self, times: u64) -> Self {
        Self(self.0 * i128::from(times))
    }
}

impl Neg for Money {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl FromStr for Money {
    type Err = MoneyError;

    /// Reads dollars as decimal text, exactly; what is finer than a pico-dollar is refused.
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let wrong = || MoneyError(text.to_owned());
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || text.ends_with('.') {
            return Err(wrong());
        }
        if fraction.len() > DECIMALS {
            return Err(wrong());
        }
        let pico: i128 = format!("{whole}{fraction:0<DECIMALS$}").parse().map_err(|_| wrong())?;
        Ok(Self(sign * pico))
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

impl Serialize for Money {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

// === impl Rate ===

impl Rate {
    /// A rate given in pico-dollars per token.
    pub const fn from_pico_dollars_per_token(pico: u64) -> Self {
        Self(pico)
    }

    /// The rate in pico-dollars per token.
    pub const fn pico_dollars_per_token(self) -> i128 {
        self.0 as i128
    }
}

impl fmt::Display for Rate {
    /// USD per million tokens as decimal text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (*self * TOKENS_A_PRICE_IS_FOR).fmt(f)
    }
}

impl FromStr for Rate {
    type Err = RateError;

    /// Reads USD per million tokens.
    fn from_str(text: &str) -> Result<Self, RateError> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) || text.ends_with('.') {
            return Err(RateError::NotDecimal(text.into()));
        }
        if fraction.len() > RATE_DECIMALS {
            return Err(RateError::TooFine(text.into()));
        }
        if whole.len() > 9 {
            return Err(RateError::TooLarge(text.into()));
        }
        let scaled = format!("{whole}{fraction:0<RATE_DECIMALS$}");
        scaled.parse().map(Self).map_err(|_| RateError::TooLarge(text.into()))
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Rate {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Mul<u64> for Rate {
    type Output = Money;
    fn mul(self, tokens: u64) -> Money {
        Money(i128::from(self.0) * i128::from(tokens))
    }
}

// === impl Price ===

impl Price {
    /// What `usage` costs: all of its [charges](Price::charges), without making a line of each, since
    /// this is asked of every endpoint for every request.
    pub fn cost(&self, usage: &Usage) -> Money {
        let of = |meter: Meter| self.each(meter) * meter.quantity(usage);
        let counted = Meter::ALL.into_iter().map(of).sum();
        match usage.unexplained {
            0 => counted,
            tokens => counted + self.each(self.dearest()) * tokens,
        }
    }

    /// The same for a plain exchange of text: so many tokens of input that are computed, so many that
    /// are read from a cache, and so many of output. Every endpoint of every decision is asked this, and
    /// ten meters are too many for it.
    pub fn cost_of_text(&self, uncached_input: u64, cache_read: u64, output: u64) -> Money {
        self.input * uncached_input
            + self.cache_read.unwrap_or(self.input) * cache_read
            + self.output * output
            + self.request
    }
}

#[cfg(test)]
impl Price {
    /// A price for tests, of rates in pico-dollars per token in the order in which they stand here.
    pub(crate) fn made(rates: [Option<u64>; 9], fee: i64) -> Self {
        let rate = |number: usize| rates[number].map(Rate::from_pico_dollars_per_token);
        Self {
            input: rate(0).unwrap_or_default(),
            cache_read: rate(1),
            cache_write_5m: rate(2),
            cache_write_1h: rate(3),
            audio_input: rate(4),
            image_input: rate(5),
            output: rate(6).unwrap_or_default(),
            reasoning: rate(7),
            audio_output: rate(8),
            request: Money::from_pico_dollars(fee.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_price_of_six_decimals_is_exact() {
        let rate: Rate = "0.000001".parse().unwrap();
        assert_eq!(rate.pico_dollars_per_token(), 1);
        assert_eq!("2.5".parse::<Rate>().unwrap() * 1_000_000, Money(2_500_000_000_000));
    }

    #[test]
    fn what_is_no_price_is_refused() {
        for text in ["", ".", "1.", ".5", "-1", "1e3", "0.1.2", " 1", "١"] {
            assert!(matches!(text.parse::<Rate>(), Err(RateError::NotDecimal(_))), "{text:?}");
        }
        assert!(matches!("0.0000001".parse::<Rate>(), Err(RateError::TooFine(_))));
        assert!(matches!("10000000000".parse::<Rate>(), Err(RateError::TooLarge(_))));
    }

    proptest! {
        #[test]
        fn text_costs_what_its_meters_say(
            rates in proptest::array::uniform9(proptest::option::of(0u64..1_000_000_000)),
            fee in 0i64..1_000_000_000,
            (uncached_input, cache_read, text_output) in (0u64..1_000_000, 0u64..1_000_000, 0u64..1_000_000),
        ) {
            let price = Price::made(rates, fee);
            let usage = Usage { uncached_input, cache_read, text_output, ..Usage::default() };
            prop_assert_eq!(
                price.cost_of_text(uncached_input, cache_read, text_output),
                price.cost(&usage)
            );
        }
    }

    #[test]
    fn cached_input_has_its_own_price_and_falls_back_to_input() {
        let mut price =
            Price { input: "1".parse().unwrap(), output: "2".parse().unwrap(), ..Price::default() };
        let usage =
            Usage { uncached_input: 10, cache_read: 90, text_output: 5, ..Usage::default() };
        assert_eq!(price.cost(&usage).to_string(), "0.00011");
        price.cache_read = Some("0.1".parse().unwrap());
        assert_eq!(price.cost(&usage).to_string(), "0.000029");
    }

    #[test]
    fn dollars_print_with_two_decimals_or_as_many_as_needed() {
        assert_eq!(Money(1_500_000_000_000).to_string(), "1.50");
        assert_eq!(Money(-1).to_string(), "-0.000000000001");
        assert_eq!(Money::ZERO.to_string(), "0.00");
        assert_eq!(Money(i128::MIN).to_string(), "-170141183460469231731687303.715884105728");
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_again(pico in any::<i64>(), big in any::<i32>()) {
            let money = Money(i128::from(pico) * i128::from(big));
            prop_assert_eq!(money.to_string().parse::<Money>(), Ok(money));
        }

        #[test]
        fn a_rate_is_read_as_it_is_written(pico in 0u64..1 << 49) {
            let rate = Rate::from_pico_dollars_per_token(pico);
            prop_assert_eq!(rate.to_string().parse::<Rate>(), Ok(rate));
        }

        #[test]
        fn cost_is_additive_over_usage(a in 0u64..1_000_000, b in 0u64..1_000_000) {
            let price = Price { input: "0.15".parse().unwrap(), output: "0.6".parse().unwrap(), ..Price::default() };
            let of = |tokens| price.cost(&Usage { uncached_input: tokens, text_output: tokens, ..Usage::default() });
            prop_assert_eq!(of(a) + of(b), of(a + b));
        }
    }
}
