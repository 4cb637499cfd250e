//! Days and hours in a time zone. Sums are kept by the hour of UTC, so an hour belongs to the day in
//! which it begins, in zones that are half an hour off too.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, ZonedDateTime};

use crate::books::Hours;

/// A time zone.
#[derive(Debug, Clone)]
pub struct Zone(TimeZone);

/// Why a text is no time zone or no moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// No such zone.
    #[error("`{0}` is not a time zone such as Europe/Berlin or UTC")]
    Zone(String),
    /// Not a moment.
    #[error(
        "`{0}` is not a moment: write a day such as 2026-11-01, `today`, `yesterday`, how long ago (90m, 24h, 7d, 4w), or 2026-11-01T12:00:00Z"
    )]
    Moment(String),
    /// It ends before it begins.
    #[error("the period is empty: it begins at {from} and ends before {to}")]
    Empty {
        /// Where it begins,
        from: String,
        /// and ends.
        to: String,
    },
}

const SECONDS_AN_HOUR: i64 = 3600;

// === impl Zone ===

impl Zone {
    /// Coordinated universal time.
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// A zone by the name that the world gives it.
    pub fn named(name: &str) -> Result<Self, CalendarError> {
        TimeZone::get(name).map(Self).map_err(|_| CalendarError::Zone(name.to_owned()))
    }

    /// The day in which an hour begins.
    pub fn day(&self, hour: i64) -> String {
        self.at(hour).map_or_else(String::new, |at| at.date().to_string())
    }

    /// That day as a number: days since 1970.
    pub fn day_number(&self, hour: i64) -> i64 {
        let first = Date::constant(1970, 1, 1);
        let days =
            |at: ZonedDateTime| at.date().since(first).map_or(0, |span| span.get_days().into());
        self.at(hour).map_or(0, days)
    }

    /// The month in which an hour begins, as `2026-11`.
    pub fn month(&self, hour: i64) -> String {
        self.day(hour).get(..7).unwrap_or_default().to_owned()
    }

    /// The Monday of the week in which an hour begins.
    pub fn week(&self, hour: i64) -> String {
        let monday = |at: ZonedDateTime| {
            let days = i64::from(at.weekday().to_monday_zero_offset());
            at.date().checked_sub(days.days()).ok()
        };
        self.at(hour).and_then(monday).map_or_else(String::new, |day| day.to_string())
    }

    /// The hour itself, as `2026-11-01 14:00`.
    pub fn hour(&self, hour: i64) -> String {
        self.at(hour).map_or_else(String::new, |at| at.strftime("%Y-%m-%d %H:%M").to_string())
    }

    /// Which hour of the week it is: 0 for Monday's first.
    pub fn hour_of_week(&self, hour: i64) -> usize {
        let of = |at: ZonedDateTime| {
            let day = usize::try_from(at.weekday().to_monday_zero_offset()).unwrap_or(0);
            day * 24 + usize::try_from(at.hour()).unwrap_or(0)
        };
        self.at(hour).map_or(0, of)
    }

    /// The hours of a period: from a moment to before another, in words; without them, from the beginning
    /// of this month until now. Hours that it has in part count whole.
    pub fn period(
        &self,
        from: Option<&str>,
        to: Option<&str>,
        now: i64,
    ) -> Result<Hours, CalendarError> {
        let now = Timestamp::from_millisecond(now).unwrap_or(Timestamp::UNIX_EPOCH);
        let start = match from {
            Some(text) => self.moment(text, now)?,
            None => self.start_of_month(now),
        };
        let end = to.map_or(Ok(now), |text| self.moment(text, now))?;
        if end <= start {
            return Err(CalendarError::Empty { from: start.to_string(), to: end.to_string() });
        }
        let to = end.as_second() + SECONDS_AN_HOUR - 1 + i64::from(end.subsec_nanosecond() > 0);
        Ok(Hours {
            from: start.as_second().div_euclid(SECONDS_AN_HOUR),
            to: to.div_euclid(SECONDS_AN_HOUR),
        })
    }

    /// Where a month, written as `2026-11`, begins and ends.
    pub fn hours_of_month(&self, month: &str) -> Option<Hours> {
        let first: Date = format!("{month}-01").parse().ok()?;
        let next = first.checked_add(1.month()).ok()?;
        let hour = |day: Date| {
            let start = day.to_zoned_datetime(self.0.clone()).ok()?;
            Some(start.timestamp().as_second().div_euclid(SECONDS_AN_HOUR))
        };
        Some(Hours { from: hour(first)?, to: hour(next)? })
    }

    fn at(&self, hour: i64) -> Option<ZonedDateTime> {
        let start = Timestamp::from_second(hour.checked_mul(SECONDS_AN_HOUR)?).ok()?;
        Some(start.to_zoned_datetime(self.0.clone()))
    }

    fn start_of_month(&self, now: Timestamp) -> Timestamp {
        let first = now.to_zoned_datetime(self.0.clone()).date().first_of_month();
        first.to_zoned_datetime(self.0.clone()).map_or(now, |start| start.timestamp())
    }

    fn moment(&self, text: &str, now: Timestamp) -> Result<Timestamp, CalendarError> {
        let wrong = || CalendarError::Moment(text.to_owned());
        let today = now.to_zoned_datetime(self.0.clone()).date();
        let day = match text {
            "today" => Some(today),
            "yesterday" => today.yesterday().ok(),
            // A text with a clock in it is no day, though a day could be read off its head.
            _ if text.len() == "2026-11-01".len() => text.parse().ok(),
            _ => None,
        };
        if let Some(day) = day {
            let start = day.to_zoned_datetime(self.0.clone()).map_err(|_| wrong())?;
            return Ok(start.timestamp());
        }
        if let Ok(moment) = text.parse::<Timestamp>() {
            return Ok(moment);
        }
        let (number, unit) =
            text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
        let minutes: i64 = match unit {
            "m" => 1,
            "h" => 60,
            "d" => 24 * 60,
            "w" => 7 * 24 * 60,
            _ => return Err(wrong()),
        };
        let number: i64 = number.parse().map_err(|_| wrong())?;
        let ago = number.checked_mul(minutes * 60).filter(|ago| *ago >= 0).ok_or_else(wrong)?;
        let moment = now.as_second().checked_sub(ago).ok_or_else(wrong)?;
        Timestamp::from_second(moment).map_err(|_| wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-28 16:20:00 UTC.
    const NOW: i64 = 1_795_882_800_000;

    #[test]
    fn periods_are_written_in_many_ways() {
        let utc = Zone::utc();
        let days = |from, to| {
            let hours = utc.period(Some(from), Some(to), NOW).unwrap();
            (utc.hour(hours.from), utc.hour(hours.to))
        };
        let text = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        assert_eq!(days("2026-11-01", "yesterday"), text("2026-11-01 00:00", "2026-11-27 00:00"));
        assert_eq!(days("7d", "today"), text("2026-11-21 16:00", "2026-11-28 00:00"));
        assert_eq!(
            days("2026-11-01T12:30:00Z", "2026-11-01T14:01:00+01:00"),
            text("2026-11-01 12:00", "2026-11-01 14:00")
        );
        let month = utc.period(None, None, NOW).unwrap();
        assert_eq!(utc.hour(month.from), "2026-11-01 00:00");
        assert_eq!(utc.hour(month.to), "2026-11-28 17:00");
    }

    #[test]
    fn what_is_no_period_is_named() {
        let utc = Zone::utc();
        for wrong in ["", "d", "soon", "-1d", "7y", "2026-13-01", "2026-11-01 ", "99999999999999d"]
        {
            let error = utc.period(Some(wrong), None, NOW).unwrap_err();
            assert_eq!(error, CalendarError::Moment(wrong.to_owned()));
        }
        let error = utc.period(Some("today"), Some("yesterday"), NOW).unwrap_err();
        assert!(error.to_string().contains("begins at 2026-11-28"), "{error}");
        assert!(Zone::named("Europe/Atlantis").is_err());
    }

    #[test]
    fn days_begin_where_the_zone_says() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        let day = berlin.period(Some("2026-10-25"), Some("2026-10-26"), NOW).unwrap();
        assert_eq!(day.to - day.from, 25, "the day on which clocks go back");
        assert_eq!(berlin.day(day.from), "2026-10-25");
        assert_eq!(berlin.day(day.from - 1), "2026-10-24");
        assert_eq!(
            (berlin.week(day.from), berlin.month(day.from)),
            ("2026-10-19".into(), "2026-10".into())
        );
        assert_eq!(berlin.hour_of_week(day.from), 6 * 24);
        let month = berlin.hours_of_month("2026-11").unwrap();
        assert_eq!((month.to - month.from, berlin.day(month.from)), (720, "2026-11-01".into()));
    }
}
