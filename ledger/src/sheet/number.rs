//! Exact numbers of twelve decimals, and how they are rounded for people: half to even, once.

use std::fmt;

use isthmus_inference::date::Date;
use isthmus_inference::money::Money;

/// A number in units of 10⁻¹²: what is no money but multiplies with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(i128);

/// Decimals of a number.
pub const DECIMALS: u32 = 12;
const ONE: i128 = 10_i128.pow(DECIMALS);
const SECONDS_A_DAY: i64 = 86_400;

// === impl Number ===

impl Number {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// So many units of 10⁻¹².
    pub const fn from_units(units: i128) -> Self {
        Self(units)
    }

    /// The units of 10⁻¹².
    pub const fn units(self) -> i128 {
        self.0
    }

    /// A whole number.
    pub fn whole(count: u64) -> Self {
        Self(i128::from(count) * ONE)
    }

    /// One number by another, rounded half to even; `None` by nothing, or beyond all sense.
    pub fn ratio(part: i128, whole: i128) -> Option<Self> {
        (whole != 0).then(|| part.checked_mul(ONE))?.map(|part| Self(divide(part, whole)))
    }

    /// What share of the whole a part is, in percent.
    pub fn percent(part: Money, whole: Money) -> Option<Self> {
        Self::ratio(part.pico_dollars().checked_mul(100)?, whole.pico_dollars())
    }

    /// What a float comes to. For statistics; money never is one.
    pub fn of_float(float: f64) -> Option<Self> {
        const LARGEST: f64 = 1e15;
        (float.abs() < LARGEST).then_some(Self((float * ONE as f64) as i128))
    }
}

impl fmt::Display for Number {
    /// Decimal text with as many decimals as it needs, and at least one: whoever guesses types from a
    /// file of text takes it for a decimal even where all are whole.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = decimal(self.0, DECIMALS as usize);
        let shortest = text.len() - DECIMALS as usize + 1;
        let needed = text.trim_end_matches('0').len();
        f.write_str(&text[..needed.max(shortest)])
    }
}

/// Integers divided, rounded half to even.
pub fn divide(part: i128, whole: i128) -> i128 {
    let (part, whole) = if whole < 0 { (-part, -whole) } else { (part, whole) };
    let (floor, rest) = (part.div_euclid(whole), part.rem_euclid(whole));
    match rest.cmp(&(whole - rest)) {
        std::cmp::Ordering::Less => floor,
        std::cmp::Ordering::Greater => floor + 1,
        std::cmp::Ordering::Equal => floor + (floor & 1),
    }
}

/// Units of 10⁻¹² as decimal text with this many decimals, rounded half to even.
pub fn rounded(units: i128, decimals: usize) -> String {
    let decimals = decimals.min(DECIMALS as usize);
    let finer = 10_i128.pow(DECIMALS - decimals as u32);
    decimal(divide(units, finer), decimals)
}

/// The same with commas between thousands, as people read it.
pub fn grouped(units: i128, decimals: usize) -> String {
    let text = rounded(units, decimals);
    let (sign, digits) = text.strip_prefix('-').map_or(("", &*text), |rest| ("-", rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{}{point}{fraction}", thousands(whole))
}

/// A moment as FOCUS and RFC 3339 write it.
pub fn moment(unix_seconds: i64) -> String {
    let Some(day) = Date::of_unix_seconds(unix_seconds) else { return unix_seconds.to_string() };
    let second = unix_seconds.rem_euclid(SECONDS_A_DAY);
    format!("{day}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

fn thousands(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// An integer with a point before its last digits.
fn decimal(units: i128, decimals: usize) -> String {
    let sign = if units < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", units.unsigned_abs(), width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    let point = if decimals == 0 { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_keep_one_decimal_and_lose_none() {
        assert_eq!(Number::whole(8_400_000).to_string(), "8400000.0");
        assert_eq!(Number::from_units(-1).to_string(), "-0.000000000001");
        assert_eq!(Number::ratio(1, 8).map(|it| it.to_string()).as_deref(), Some("0.125"));
        assert_eq!(Number::ratio(1, 0), None);
    }

    #[test]
    fn people_see_rounded_numbers_with_commas() {
        assert_eq!(grouped(1_234_567_890_000_000_000, 2), "1,234,567.89");
        assert_eq!(grouped(-1_500_000_000_000, 0), "-2");
        assert_eq!(grouped(2_500_000_000_000, 0), "2");
        assert_eq!(grouped(0, 2), "0.00");
    }

    #[test]
    fn moments_are_written_as_everybody_reads_them() {
        assert_eq!(moment(1_795_910_461), "2026-11-29T00:01:01Z");
        assert_eq!(moment(0), "1970-01-01T00:00:00Z");
    }

    proptest! {
        #[test]
        fn division_errs_by_half_at_most(part in -1_000_000_i128..1_000_000, whole in 1_i128..1000) {
            let quotient = divide(part, whole);
            prop_assert!(2 * (part - quotient * whole).abs() <= whole);
            prop_assert_eq!(divide(-part, whole), -quotient);
            prop_assert_eq!(divide(part, -whole), -quotient);
        }

        #[test]
        fn a_number_is_read_as_it_is_written(units in any::<i64>()) {
            let text = Number::from_units(units.into()).to_string();
            prop_assert_eq!(text.parse::<Money>().map(Money::pico_dollars), Ok(units.into()));
        }
    }
}
