//! A day of the calendar, as in `until: 2027-06-30`.

use std::fmt;
use std::str::FromStr;

/// A day of the Gregorian calendar, without a time zone. Days compare in the order of time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

/// Why a text is not a date.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a date such as 2027-06-30")]
pub struct DateError;

// === impl Date ===

impl Date {
    /// The first day of the calendar.
    pub const FIRST: Self = Self { year: 0, month: 1, day: 1 };

    /// The day, if the calendar has it.
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let exists = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
        exists.then_some(Self { year, month, day })
    }

    /// The day after, unless the calendar ends.
    pub fn next(self) -> Option<Self> {
        let Self { year, month, day } = self;
        Self::new(year, month, day + 1)
            .or_else(|| Self::new(year, month + 1, 1))
            .or_else(|| (year < 9999).then(|| Self::new(year + 1, 1, 1)).flatten())
    }

    /// The day that a moment lies in, in UTC, given in Unix seconds; `None` outside the years 1970
    /// to 9999. (Days to a civil date: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms".)
    pub fn of_unix_seconds(seconds: i64) -> Option<Self> {
        const SECONDS_A_DAY: i64 = 86_400;
        // Days since 1 March of the year 0, in eras of 400 years.
        let days = u64::try_from(seconds).ok()? / SECONDS_A_DAY.unsigned_abs() + 719_468;
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let months_since_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * months_since_march + 2) / 5 + 1;
        let month =
            if months_since_march < 10 { months_since_march + 3 } else { months_since_march - 9 };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        let day = Self::new(year.try_into().ok()?, month.try_into().ok()?, day.try_into().ok()?)?;
        (day.year <= 9999).then_some(day)
    }

    /// The first moment of the day in UTC, in Unix seconds.
    pub fn unix_seconds(self) -> i64 {
        // Years begin in March, so that a leap day is the last one.
        let before_march = i64::from(self.month <= 2);
        let year = i64::from(self.year) - before_march;
        let months_since_march = (i64::from(self.month) + 9) % 12;
        let day_of_year = (153 * months_since_march + 2) / 5 + i64::from(self.day) - 1;
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        (era * 146_097 + day_of_era - 719_468) * 86_400
    }

    /// The year, 0 to 9999.
    pub fn year(self) -> u16 {
        self.year
    }

    /// The month, from 1.
    pub fn month(self) -> u8 {
        self.month
    }

    /// The day of the month, from 1.
    pub fn day(self) -> u8 {
        self.day
    }
}

fn days_in(year: u16, month: u8) -> u8 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl FromStr for Date {
    type Err = DateError;

    /// Reads `YYYY-MM-DD` and nothing else.
    fn from_str(text: &str) -> Result<Self, DateError> {
        let parts: Vec<&str> = text.split('-').collect();
        let [year, month, day] = parts[..] else { return Err(DateError) };
        if (year.len(), month.len(), day.len()) != (4, 2, 2) {
            return Err(DateError);
        }
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if !parts.iter().all(|part| digits(part)) {
            return Err(DateError);
        }
        let date = (year.parse().ok()).zip(month.parse().ok()).zip(day.parse().ok());
        date.and_then(|((year, month), day)| Self::new(year, month, day)).ok_or(DateError)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_days_of_the_calendar_are_dates() {
        for text in ["2027-02-29", "1900-02-29", "2027-13-01", "2027-00-10", "2027-04-31"] {
            assert_eq!(text.parse::<Date>(), Err(DateError), "{text}");
        }
        for text in ["2028-02-29", "2000-02-29", "2027-12-31", "2027-04-30"] {
            assert_eq!(text.parse::<Date>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_ways_to_write_a_day_are_refused() {
        for text in ["", "2027", "27-06-30", "2027-6-30", "2027/06/30", "2027-06-30 ", "+027-06-30"]
        {
            assert_eq!(text.parse::<Date>(), Err(DateError), "{text:?}");
        }
    }

    #[test]
    fn a_day_is_followed_by_the_next() {
        let next = |text: &str| text.parse::<Date>().unwrap().next().map(|day| day.to_string());
        for (day, after) in [
            ("2027-06-29", "2027-06-30"),
            ("2027-06-30", "2027-07-01"),
            ("2027-02-28", "2027-03-01"),
            ("2028-02-28", "2028-02-29"),
            ("2027-12-31", "2028-01-01"),
        ] {
            assert_eq!(next(day).as_deref(), Some(after));
        }
        assert_eq!(next("9999-12-31"), None);
    }

    #[test]
    fn moments_have_a_day() {
        let day = |seconds| Date::of_unix_seconds(seconds).map(|day| day.to_string());
        for (seconds, expected) in [
            (0, Some("1970-01-01")),
            (86_399, Some("1970-01-01")),
            (86_400, Some("1970-01-02")),
            (951_782_400, Some("2000-02-29")),
            (1_798_761_599, Some("2026-12-31")),
            (253_402_300_799, Some("9999-12-31")),
            (253_402_300_800, None),
            (i64::MAX, None),
            (-1, None),
        ] {
            assert_eq!(day(seconds).as_deref(), expected, "{seconds}");
        }
    }

    #[test]
    fn days_compare_in_the_order_of_time() {
        let ordered: Vec<Date> =
            ["2026-12-31", "2027-01-01", "2027-02-01"].map(|text| text.parse().unwrap()).into();
        assert!(ordered.is_sorted());
    }

    proptest! {
        #[test]
        fn day_follows_day(day in 0i64..2_900_000) {
            let date = |day: i64| Date::of_unix_seconds(day * 86_400);
            prop_assert_eq!(date(day).unwrap().next(), date(day + 1));
            prop_assert_eq!(date(day).unwrap().unix_seconds(), day * 86_400);
        }

        #[test]
        fn a_date_reads_as_it_prints(year in 0u16..=9999, month in 1u8..=12, day in 1u8..=31) {
            if let Some(date) = Date::new(year, month, day) {
                prop_assert_eq!(date.to_string().parse(), Ok(date));
            }
        }
    }
}
