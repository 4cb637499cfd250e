//! When sums begin anew: with the calendar of a place, or never quite, as a window slides.
//!
//! Minutes and hours are the same everywhere and follow UTC. Days and longer begin at the first moment
//! of a civil day in a time zone, so a day may have 23 or 25 hours.

use std::time::Duration;

use jiff::civil::Date;
use jiff::{Span, Timestamp};

pub use jiff::tz::TimeZone as Zone;

/// When sums begin anew.
#[derive(Debug, Clone, PartialEq)]
pub enum Window {
    /// With the calendar.
    Calendar(Calendar),
    /// It ends now and began this many milliseconds ago.
    Rolling(i64),
    /// Never.
    Always,
}

/// Periods of a calendar.
#[derive(Debug, Clone, PartialEq)]
pub struct Calendar {
    /// How long.
    pub unit: Unit,
    /// Where days begin.
    pub zone: Zone,
    /// With which month years begin, from 1; quarters follow it.
    pub first_month: i8,
}

/// Periods that calendars have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// A civil day.
    Day,
    /// From Monday, as in ISO 8601.
    Week,
    /// A month.
    Month,
    /// Three months.
    Quarter,
    /// Twelve months.
    Year,
}

/// Where a window stands at a moment, in Unix milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Frame {
    /// What began before this has left it.
    pub oldest: i64,
    /// When the slot began to which the moment belongs.
    pub slot: i64,
    /// When it ends.
    pub until: i64,
    /// When the sums begin anew; `None` if never.
    pub ends: Option<i64>,
}

/// Slots in a window that slides. A window is up to a slot longer than it is written, never shorter.
const SLOTS: i64 = 20;

/// The moment that is written so (RFC 3339), in Unix milliseconds.
pub fn moment(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

/// The time zone of this name in the IANA database, such as `Europe/Berlin`.
pub fn zone(name: &str) -> Option<Zone> {
    Zone::get(name).ok()
}

/// A moment, given in Unix milliseconds, as people write it: in UTC, to the second.
pub fn shown(at: i64) -> String {
    let moment = Timestamp::from_millisecond(at).unwrap_or(Timestamp::MAX);
    moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The names of all time zones.
pub fn zones() -> Vec<String> {
    jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect()
}

// === impl Window ===

impl Window {
    /// A window that slides.
    pub fn rolling(length: Duration) -> Self {
        Self::Rolling(i64::try_from(length.as_millis()).unwrap_or(i64::MAX).max(SLOTS))
    }

    /// Where it stands at this moment.
    pub fn frame(&self, now: i64) -> Frame {
        match self {
            Self::Calendar(calendar) => calendar.frame(now),
            Self::Rolling(length) => rolling(*length, now),
            Self::Always => Frame::ALWAYS,
        }
    }

    /// In how many milliseconds all that is in it now will have left it; `None` if never.
    pub fn empties_in(&self, now: i64) -> Option<i64> {
        let frame = self.frame(now);
        match self {
            Self::Calendar(_) => Some(frame.until - now),
            Self::Rolling(_) => Some(frame.until - now + frame.slot - frame.oldest),
            Self::Always => None,
        }
    }
}

fn rolling(length: i64, now: i64) -> Frame {
    // Rounded up, so that the slots cover all of the window.
    let slot_length = (length + SLOTS - 1) / SLOTS;
    let slot = now.div_euclid(slot_length) * slot_length;
    let until = slot + slot_length;
    // All of the oldest slot counts until all of it is outside of the window.
    Frame { oldest: slot - SLOTS * slot_length, slot, until, ends: Some(until) }
}

// === impl Frame ===

impl Frame {
    /// A window without an end.
    const ALWAYS: Self = Self { oldest: 0, slot: 0, until: i64::MAX, ends: None };

    /// Whether a moment belongs to its slot.
    pub fn has(&self, now: i64) -> bool {
        (self.slot..self.until).contains(&now)
    }

    fn of(from: i64, to: i64) -> Self {
        Self { oldest: from, slot: from, until: to, ends: Some(to) }
    }
}

// === impl Calendar ===

impl Calendar {
    fn frame(&self, now: i64) -> Frame {
        let fixed = match self.unit {
            Unit::Minute => Some(60_000),
            Unit::Hour => Some(3_600_000),
            _ => None,
        };
        if let Some(length) = fixed {
            let from = now.div_euclid(length) * length;
            return Frame::of(from, from + length);
        }
        // Beyond the calendar's last year nothing ends any more.
        self.civil(now).map_or(Frame::ALWAYS, |(from, to)| Frame::of(from, to))
    }

    fn civil(&self, now: i64) -> Option<(i64, i64)> {
        let today =
            Timestamp::from_millisecond(now).ok()?.to_zoned_datetime(self.zone.clone()).date();
        let first = self.first_day(today)?;
        let next = first.checked_add(self.unit.span()).ok()?;
        Some((self.begins(first)?, self.begins(next)?))
    }

    /// The day on which the period of this day begins.
    fn first_day(&self, day: Date) -> Option<Date> {
        let months = match self.unit {
            Unit::Minute | Unit::Hour | Unit::Day => return Some(day),
            Unit::Week => {
                let since = i64::from(day.weekday().to_monday_zero_offset());
                return day.checked_sub(Span::new().days(since)).ok();
            }
            Unit::Month => 1,
            Unit::Quarter => 3,
            Unit::Year => 12,
        };
        let since = (day.month() - self.first_month).rem_euclid(12) % months;
        day.first_of_month().checked_sub(Span::new().months(i64::from(since))).ok()
    }

    /// The first moment of a day, also where clocks skip midnight or have it twice.
    fn begins(&self, day: Date) -> Option<i64> {
        Some(day.to_zoned_datetime(self.zone.clone()).ok()?.timestamp().as_millisecond())
    }
}

// === impl Unit ===

impl Unit {
    /// Every unit with the word for it.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("minute", Self::Minute),
        ("hour", Self::Hour),
        ("day", Self::Day),
        ("week", Self::Week),
        ("month", Self::Month),
        ("quarter", Self::Quarter),
        ("year", Self::Year),
    ];

    fn span(self) -> Span {
        match self {
            Self::Minute => Span::new().minutes(1),
            Self::Hour => Span::new().hours(1),
            Self::Day => Span::new().days(1),
            Self::Week => Span::new().weeks(1),
            Self::Month => Span::new().months(1),
            Self::Quarter => Span::new().months(3),
            Self::Year => Span::new().years(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn calendar(unit: Unit, zone: &str, first_month: i8) -> Window {
        let zone = Zone::get(zone).unwrap();
        Window::Calendar(Calendar { unit, zone, first_month })
    }

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    fn spans(window: &Window, now: &str) -> (i64, i64) {
        let frame = window.frame(at(now));
        (frame.slot, frame.until)
    }

    #[test]
    fn a_day_has_23_or_25_hours_when_clocks_change() {
        let day = calendar(Unit::Day, "Europe/Berlin", 1);
        let spring = (at("2026-03-28T23:00:00Z"), at("2026-03-29T22:00:00Z"));
        assert_eq!(spans(&day, "2026-03-29T12:00:00Z"), spring);
        let autumn = (at("2026-10-24T22:00:00Z"), at("2026-10-25T23:00:00Z"));
        assert_eq!(spans(&day, "2026-10-25T00:30:00Z"), autumn);
        // Cuba has the hour after midnight twice, and the day begins with the first.
        let twice = calendar(Unit::Day, "America/Havana", 1);
        assert_eq!(spans(&twice, "2026-11-01T04:30:00Z").0, at("2026-11-01T04:00:00Z"));
        assert_eq!(spans(&twice, "2026-11-01T05:30:00Z").0, at("2026-11-01T04:00:00Z"));
        // In 2018 Brazil still skipped the hour after midnight.
        let skipped = calendar(Unit::Day, "America/Sao_Paulo", 1);
        assert_eq!(spans(&skipped, "2018-11-04T12:00:00Z").0, at("2018-11-04T03:00:00Z"));
    }

    #[test]
    fn months_end_when_they_do() {
        let month = calendar(Unit::Month, "UTC", 1);
        let leap = (at("2028-02-01T00:00:00Z"), at("2028-03-01T00:00:00Z"));
        assert_eq!(spans(&month, "2028-02-29T23:59:59.999Z"), leap);
        let december = (at("2026-12-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
        assert_eq!(spans(&month, "2026-12-31T23:59:59Z"), december);
    }

    #[test]
    fn quarters_and_years_follow_the_fiscal_year() {
        let quarter = calendar(Unit::Quarter, "UTC", 2);
        let january = (at("2025-11-01T00:00:00Z"), at("2026-02-01T00:00:00Z"));
        assert_eq!(spans(&quarter, "2026-01-31T12:00:00Z"), january);
        let year = calendar(Unit::Year, "Asia/Tokyo", 4);
        let fiscal = (at("2025-03-31T15:00:00Z"), at("2026-03-31T15:00:00Z"));
        assert_eq!(spans(&year, "2026-03-31T14:59:59Z"), fiscal);
        let week = calendar(Unit::Week, "UTC", 1);
        let days = (at("2026-11-23T00:00:00Z"), at("2026-11-30T00:00:00Z"));
        assert_eq!(spans(&week, "2026-11-28T16:00:00Z"), days);
    }

    const ZONES: &[&str] = &[
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "America/Havana",
        "America/Sao_Paulo",
        "Asia/Kathmandu",
        "Asia/Beirut",
        "Australia/Lord_Howe",
        "Pacific/Apia",
        "Pacific/Chatham",
        "Africa/Casablanca",
    ];

    proptest! {
        /// No moment is left out and none counts twice, whatever clocks do.
        #[test]
        fn periods_follow_each_other_without_gap_or_overlap(
            zone in proptest::sample::select(ZONES),
            unit in proptest::sample::select(Unit::WORDS),
            first_month in 1i8..=12,
            now in 315_532_800_000i64..4_102_444_800_000,
        ) {
            let window = calendar(unit.1, zone, first_month);
            let frame = window.frame(now);
            prop_assert!(frame.has(now), "{frame:?}");
            prop_assert_eq!(window.frame(frame.slot), frame);
            prop_assert_eq!(window.frame(frame.until - 1), frame);
            let next = window.frame(frame.until);
            prop_assert_eq!(next.slot, frame.until);
            prop_assert!(next.until > next.slot);
        }

        /// A window that slides is never shorter than it is written, and at most a slot longer.
        #[test]
        fn a_sliding_window_covers_all_of_its_length(
            length in 1_000i64..100_000_000,
            now in 0i64..4_102_444_800_000,
        ) {
            let frame = Window::Rolling(length).frame(now);
            let slot = frame.until - frame.slot;
            prop_assert!(frame.has(now));
            prop_assert!(frame.oldest <= now - length);
            prop_assert!(frame.oldest >= now - length - 2 * slot - SLOTS);
            prop_assert_eq!((frame.slot - frame.oldest) % slot, 0);
        }
    }
}
