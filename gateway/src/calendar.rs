//! What day it is, and what moment: the house's clocks, in the terms of those who decide.

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use isthmus_inference::date::Date;
use isthmus_policies::moment::Moment;
use tokio::time::Instant;

/// The start of all moments of this process.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Today, in UTC. A clock before 1970 or after 9999 counts as the last day there is, on which every claim
/// that ends has ended.
pub fn today() -> Date {
    let last = || Date::new(9999, 12, 31).expect("a day of the calendar");
    Date::of_unix_seconds(crate::keyring::now()).unwrap_or_else(last)
}

/// A moment as those who decide count it.
pub fn moment(instant: Instant) -> Moment {
    Moment::after_start(instant.saturating_duration_since(*START))
}

/// Milliseconds since 1970, for what outlives the process.
pub fn unix_milliseconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
