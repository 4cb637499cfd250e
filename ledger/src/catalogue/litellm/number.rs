//! Numbers of JSON as they are written, shifted by a power of ten and never through a float.

/// Why a text is not a whole number of pico-dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumberError {
    /// It has digits below a pico-dollar.
    TooFine,
    /// Negative, huge, or no number.
    NoPrice,
}

/// Decimals of a dollar that are whole pico-dollars.
const DECIMALS: i64 = 12;
/// More digits than any price has, the zeros of its exponent included.
const MOST_DIGITS: i64 = 18;

/// The pico-dollars in a number of dollars: `7.5e-08` is 75,000.
pub(super) fn pico_dollars(text: &str) -> Result<u64, NumberError> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            (mantissa, exponent.parse::<i32>().map_err(|_| NumberError::NoPrice)?)
        }
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if whole.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NumberError::NoPrice);
    }
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return Ok(0);
    }
    let cut = digits.len() - digits.trim_end_matches('0').len();
    let length = |count: usize| i64::try_from(count).map_err(|_| NumberError::NoPrice);
    // The number is `significant` times ten to this power.
    let power = i64::from(exponent) - length(fraction.len())? + length(cut)? + DECIMALS;
    if power < 0 {
        return Err(NumberError::TooFine);
    }
    if length(significant.len())? + power > MOST_DIGITS {
        return Err(NumberError::NoPrice);
    }
    let zeros = "0".repeat(usize::try_from(power).map_err(|_| NumberError::NoPrice)?);
    format!("{significant}{zeros}").parse().map_err(|_| NumberError::NoPrice)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_shifted_digit_by_digit() {
        for (text, expected) in [
            ("7.5e-08", Ok(75_000)),
            ("3E-06", Ok(3_000_000)),
            ("1.25e-6", Ok(1_250_000)),
            ("0.00000015", Ok(150_000)),
            ("0.000000000001", Ok(1)),
            ("10e-12", Ok(10)),
            ("1.0e+0", Ok(1_000_000_000_000)),
            ("0.0", Ok(0)),
            ("0", Ok(0)),
            ("4.2000000000000006E-8", Err(NumberError::TooFine)),
            ("3.2857142857142855E-8", Err(NumberError::TooFine)),
            ("1e-13", Err(NumberError::TooFine)),
            ("-1", Err(NumberError::NoPrice)),
            ("1e99", Err(NumberError::NoPrice)),
            ("1e99999999999", Err(NumberError::NoPrice)),
            ("\"0.1\"", Err(NumberError::NoPrice)),
            ("null", Err(NumberError::NoPrice)),
            ("", Err(NumberError::NoPrice)),
        ] {
            assert_eq!(pico_dollars(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_way_to_write_a_number_is_read(pico in 0u64..1_000_000_000_000_000_000) {
            let (whole, rest) = (pico / 1_000_000_000_000, pico % 1_000_000_000_000);
            prop_assert_eq!(pico_dollars(&format!("{whole}.{rest:012}")), Ok(pico));
            prop_assert_eq!(pico_dollars(&format!("{pico}e-12")), Ok(pico));
            prop_assert_eq!(pico_dollars(&format!("{pico}.0E-12")), Ok(pico));
        }
    }
}
