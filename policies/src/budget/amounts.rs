//! Money, tokens and requests, and limits on them. Integers throughout: a limit is met exactly.

use std::ops::{Add, AddAssign, Sub};

use isthmus_inference::money::Money;

/// What an exchange takes, or several do together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Pico-dollars.
    pub money: Money,
    /// In and out.
    pub tokens: u64,
    /// Exchanges.
    pub requests: u64,
}

/// The most that something may come to. What has no limit is only counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Pico-dollars.
    pub money: Option<Money>,
    /// In and out.
    pub tokens: Option<u64>,
    /// Exchanges.
    pub requests: Option<u64>,
}

/// What a limit is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Measure {
    /// Dollars.
    Money,
    /// Tokens.
    Tokens,
    /// Requests.
    Requests,
}

// === impl Amounts ===

impl Amounts {
    /// The greater of both, each measure by itself.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            money: self.money.max(other.money),
            tokens: self.tokens.max(other.tokens),
            requests: self.requests.max(other.requests),
        }
    }

    /// An equal part of it for each of so many, rounded down.
    #[must_use]
    pub fn shared_among(self, many: u64) -> Self {
        let many = many.max(1);
        Self {
            money: Money::from_pico_dollars(self.money.pico_dollars() / i128::from(many)),
            tokens: self.tokens / many,
            requests: self.requests / many,
        }
    }
}

impl Add for Amounts {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            money: self.money + other.money,
            tokens: self.tokens.saturating_add(other.tokens),
            requests: self.requests.saturating_add(other.requests),
        }
    }
}

impl AddAssign for Amounts {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

/// Never below nothing.
impl Sub for Amounts {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self {
            money: (self.money - other.money).max(Money::ZERO),
            tokens: self.tokens.saturating_sub(other.tokens),
            requests: self.requests.saturating_sub(other.requests),
        }
    }
}

// === impl Limits ===

impl Limits {
    /// The first measure in which a claim no longer fits beside what there is. A limit may be reached,
    /// and what takes nothing always fits.
    pub fn exceeded(&self, total: Amounts, claim: Amounts) -> Option<Measure> {
        let after = total + claim;
        let money = claim.money > Money::ZERO && self.money.is_some_and(|most| after.money > most);
        let tokens = claim.tokens > 0 && self.tokens.is_some_and(|most| after.tokens > most);
        let requests =
            claim.requests > 0 && self.requests.is_some_and(|most| after.requests > most);
        match (money, tokens, requests) {
            (true, ..) => Some(Measure::Money),
            (_, true, _) => Some(Measure::Tokens),
            (_, _, true) => Some(Measure::Requests),
            _ => None,
        }
    }

    /// How much of it is used, in whole percent of the measure that is closest to its limit.
    pub fn percent(&self, total: Amounts) -> u64 {
        let of = |used: i128, most: i128| match most {
            0 => 100,
            most => used.max(0).saturating_mul(100) / most,
        };
        let wide = |amount: u64| i128::from(amount);
        let money = self.money.map(|most| of(total.money.pico_dollars(), most.pico_dollars()));
        let tokens = self.tokens.map(|most| of(wide(total.tokens), wide(most)));
        let requests = self.requests.map(|most| of(wide(total.requests), wide(most)));
        let most = [money, tokens, requests].into_iter().flatten().max().unwrap_or(0);
        u64::try_from(most).unwrap_or(u64::MAX)
    }

    /// What is left of it. What has no limit has no end.
    pub fn left(&self, total: Amounts) -> Amounts {
        let all = Amounts {
            money: self.money.unwrap_or(Money::from_pico_dollars(i128::MAX >> 1)),
            tokens: self.tokens.unwrap_or(u64::MAX),
            requests: self.requests.unwrap_or(u64::MAX),
        };
        all - total
    }
}

// === impl Measure ===

impl Measure {
    /// The word for it, as in "its limit of tokens".
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Money => "dollars",
            Self::Tokens => "tokens",
            Self::Requests => "requests",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dollars(text: &str) -> Money {
        text.parse().unwrap()
    }

    #[test]
    fn a_limit_may_be_reached_and_not_passed() {
        let limits = Limits { money: Some(dollars("1.00")), ..Limits::default() };
        let claim = |text: &str| Amounts { money: dollars(text), ..Amounts::default() };
        assert_eq!(limits.exceeded(claim("0.90"), claim("0.10")), None);
        assert_eq!(limits.exceeded(claim("0.90"), claim("0.100000000001")), Some(Measure::Money));
        assert_eq!(limits.exceeded(claim("1.50"), claim("0")), None, "nothing always fits");
    }

    #[test]
    fn the_measure_that_is_closest_to_its_limit_counts() {
        let limits = Limits { money: Some(dollars("2")), tokens: Some(1000), requests: Some(0) };
        let used = Amounts { money: dollars("1.999"), tokens: 10, requests: 0 };
        let without = Limits { requests: None, ..limits };
        assert_eq!((without.percent(used), limits.percent(used)), (99, 100));
        assert_eq!(Limits::default().percent(used), 0);
    }
}
