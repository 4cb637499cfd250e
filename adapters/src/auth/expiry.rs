//! Moments at which credentials end, as clouds write them.

use std::time::{Duration, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

use crate::auth::refreshing::Unobtained;

/// How long it is from `now` to the moment that this RFC 3339 text names; zero if it is past.
pub(super) fn until(text: &str, now: SystemTime) -> Result<Duration, Unobtained> {
    let moment = DateTime::from_str(text, Format::DateTimeWithOffset).ok();
    let moment = moment.and_then(|moment| SystemTime::try_from(moment).ok());
    let moment = moment.ok_or_else(|| Unobtained("its expiry is not a moment".to_owned()))?;
    Ok(moment.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_they_are_written() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_403_347);
        for (text, seconds) in [
            ("2026-11-23T03:09:57Z", 50),
            ("2026-11-23T04:09:57+01:00", 50),
            ("2026-11-23T03:09:07Z", 0),
            ("2020-01-01T00:00:00Z", 0),
        ] {
            assert_eq!(until(text, now), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert!(until("2026-11-23T03:09:57.999Z", now).unwrap() > Duration::from_secs(50));
        assert!(until("soon", now).is_err());
    }
}
