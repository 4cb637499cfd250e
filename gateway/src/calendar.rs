//! What day it is: the house's one look at a calendar. Days are those of UTC.

use isthmus_inference::date::Date;

/// Today. A clock before 1970 or after 9999 counts as the last day there is, on which every claim
/// that ends has ended.
pub fn today() -> Date {
    let last = || Date::new(9999, 12, 31).expect("a day of the calendar");
    Date::of_unix_seconds(crate::keyring::now()).unwrap_or_else(last)
}
