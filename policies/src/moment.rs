//! A point of time, as an argument: nanoseconds since a start that whoever keeps the clock chose.

use std::ops::Add;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point of monotonic time. Only differences mean something; a calendar's day is another thing
/// ([`isthmus_inference::date::Date`]).
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Moment(u64);

impl Moment {
    /// The start of all moments.
    pub const START: Self = Self(0);
    /// Later than every other.
    pub const NEVER: Self = Self(u64::MAX);

    /// So many nanoseconds after the start.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The moment at this distance from the start; after 584 years it stands still.
    pub fn after_start(distance: Duration) -> Self {
        Self::START + distance
    }

    /// Nanoseconds since the start.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// The time that has passed since an earlier moment; nothing since a later one.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The same in seconds.
    pub fn seconds_since(self, earlier: Self) -> f64 {
        self.0.saturating_sub(earlier.0) as f64 / 1e9
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    /// A later moment; never beyond [`Moment::NEVER`].
    fn add(self, distance: Duration) -> Self {
        let nanos = u64::try_from(distance.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_neither_runs_backwards_nor_overflows() {
        let (early, late) = (Moment::from_nanos(5), Moment::from_nanos(7));
        assert_eq!(late.since(early), Duration::from_nanos(2));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(late + Duration::MAX, Moment::NEVER);
    }
}
