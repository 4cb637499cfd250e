//! Texts that carry a unit.

use std::time::Duration;

/// The longest duration that can be meant.
const LONGEST: Duration = Duration::from_hours(7 * 24);

/// Why a text is not a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DurationError {
    /// Digits alone: seconds to some, milliseconds to others.
    #[error("a duration needs its unit, such as `500ms`, `5s`, `2m` or `1h`")]
    NoUnit,
    /// Anything else.
    #[error("expected a duration, such as `500ms`, `5s`, `2m` or `1h`")]
    NotADuration,
    /// Beyond any use.
    #[error("a duration of at most 7 days is expected")]
    TooLong,
}

/// Reads a whole number with `ms`, `s`, `m` or `h` behind it.
pub(crate) fn duration(text: &str) -> Result<Duration, DurationError> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let milliseconds_in_unit: u64 = match unit.trim_start() {
        _ if number.is_empty() => return Err(DurationError::NotADuration),
        "" => return Err(DurationError::NoUnit),
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(DurationError::NotADuration),
    };
    let number: u64 = number.parse().map_err(|_| DurationError::TooLong)?;
    let duration = Duration::from_millis(number.saturating_mul(milliseconds_in_unit));
    if duration > LONGEST { Err(DurationError::TooLong) } else { Ok(duration) }
}

/// The units of sizes, with how many bytes each has.
const SIZES: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Reads a whole number of bytes with `B`, `KiB`, `MiB` or `GiB` behind it.
pub(crate) fn size(text: &str) -> Option<u64> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit_at);
    let (_, bytes) = SIZES.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*bytes)
}

/// A size in the largest unit that fits without a rest.
pub(crate) fn shown(size: u64) -> String {
    let fits = |(_, bytes): &&(&str, u64)| size.is_multiple_of(*bytes);
    let (unit, bytes) = SIZES.iter().find(fits).unwrap_or(&SIZES[3]);
    format!("{}{unit}", size / bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("5 s"), Ok(Duration::from_secs(5)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("168h"), Ok(LONGEST));
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        assert_eq!(duration("30"), Err(DurationError::NoUnit));
        for text in ["", "s", "5d", "5S", "-5s", "1.5s", "5s ", "1m30s", "٣s"] {
            assert_eq!(duration(text), Err(DurationError::NotADuration), "{text:?}");
        }
        for text in ["169h", "99999999999999999999s", "18446744073709551615h"] {
            assert_eq!(duration(text), Err(DurationError::TooLong), "{text:?}");
        }
    }

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [("5B", 5), ("64KiB", 64 << 10), ("1 MiB", 1 << 20), ("2GiB", 2 << 30)]
        {
            assert_eq!(size(text), Some(bytes));
        }
        for text in ["", "5", "KiB", "1.5MiB", "1MB", "1mib", "99999999999GiB", "-1B"] {
            assert_eq!(size(text), None, "{text:?}");
        }
        assert_eq!(["1536KiB", "1GiB"].map(|text| shown(size(text).unwrap())), ["1536KiB", "1GiB"]);
    }

    proptest! {
        #[test]
        fn whole_seconds_read_as_they_are_written(seconds in 0u64..=604_800) {
            prop_assert_eq!(duration(&format!("{seconds}s")), Ok(Duration::from_secs(seconds)));
        }
    }
}
