//! How long an upstream asks to be left alone, in any of the ways in which it may say so.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderMap;

/// The longest wait that is believed.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Budgets that OpenAI and its like report, by the ends of `x-ratelimit-remaining-…` and
/// `x-ratelimit-reset-…`.
const BUDGETS: [&str; 2] = ["requests", "tokens"];

/// Budgets that Anthropic reports, by the middles of `anthropic-ratelimit-…-remaining` and `…-reset`;
/// the latter is a moment as of RFC 3339.
const ANTHROPIC_BUDGETS: [&str; 4] = ["requests", "tokens", "input-tokens", "output-tokens"];

/// The wait in `retry-after-ms` (Azure, OpenAI), `retry-after` (seconds or a date, RFC 9110), or, if
/// the upstream limits the rate, until its budgets are refilled.
pub(crate) fn read(headers: &HeaderMap, now: SystemTime, limited: bool) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let milliseconds = text("retry-after-ms").and_then(seconds).map(|s| s / 1000.0);
    let asked = milliseconds
        .or_else(|| text("retry-after").and_then(seconds))
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .or_else(|| text("retry-after").and_then(|text| until_date(text, now)));
    let wait = match asked {
        None if limited => refill(headers, now),
        asked => asked,
    };
    wait.map(|wait| wait.min(LONGEST))
}

/// The wait until a moment that a body tells, in seconds or milliseconds since 1970.
pub(super) fn until(moment: &str, now: SystemTime) -> Option<Duration> {
    until_reset(moment, now).map(|wait| wait.min(LONGEST))
}

fn seconds(text: &str) -> Option<f64> {
    text.parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds >= 0.0)
}

fn until_date(text: &str, now: SystemTime) -> Option<Duration> {
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// The time until the exhausted budget is refilled, or the longest one if none says it is exhausted.
fn refill(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: String| headers.get(name)?.to_str().ok();
    let named = BUDGETS.iter().filter_map(|budget| {
        let wait = until_reset(text(format!("x-ratelimit-reset-{budget}"))?, now)?;
        let empty = text(format!("x-ratelimit-remaining-{budget}")) == Some("0");
        Some((empty, wait))
    });
    let anthropics = ANTHROPIC_BUDGETS.iter().filter_map(|budget| {
        let reset = text(format!("anthropic-ratelimit-{budget}-reset"))?;
        let wait = moment(reset)?.duration_since(now).unwrap_or_default();
        let empty = text(format!("anthropic-ratelimit-{budget}-remaining")) == Some("0");
        Some((empty, wait))
    });
    let named = named.chain(anthropics).max().map(|(_, wait)| wait);
    named.or_else(|| until_reset(headers.get("x-ratelimit-reset")?.to_str().ok()?, now))
}

/// Reads `1s`, `6m0s`, `120ms`, `2m59.56s`, plain seconds, or a moment since 1970 in seconds or in
/// milliseconds (OpenRouter).
fn until_reset(text: &str, now: SystemTime) -> Option<Duration> {
    let Some(number) = seconds(text) else { return spelled_out(text) };
    let since_1970 = now.duration_since(UNIX_EPOCH).ok()?.as_secs_f64();
    let wait = match number {
        moment if moment > since_1970 * 100.0 => moment / 1000.0 - since_1970,
        moment if moment > since_1970 / 2.0 => moment - since_1970,
        seconds => seconds,
    };
    Duration::try_from_secs_f64(wait.max(0.0)).ok()
}

/// Reads a moment in UTC like `2026-11-23T04:05:06Z` (RFC 3339); fractions of a second are left out.
fn moment(text: &str) -> Option<SystemTime> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<u64>().ok());
    let mut time = time.splitn(3, ':').map(|part| part.split('.').next()?.parse::<u64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    let is_date = (1970..10_000).contains(&year) && (1..=12).contains(&month);
    if !is_date || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Years that begin in March have their leap day at the end.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    let since_1970 = days.checked_sub(719_468)? * 86_400 + hour * 3600 + minute * 60 + second;
    UNIX_EPOCH.checked_add(Duration::from_secs(since_1970))
}

fn spelled_out(text: &str) -> Option<Duration> {
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| c.is_ascii_alphabetic())?;
        let (number, after) = rest.split_at(unit_at);
        let unit_end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_end);
        total += seconds(number)?
            * match unit {
                "ms" => 0.001,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                "d" => 86400.0,
                _ => return None,
            };
        rest = next;
    }
    Duration::try_from_secs_f64(total).ok().filter(|_| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000)
    }

    fn wait(headers: &[(&'static str, &'static str)]) -> Option<Duration> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        read(&map, now(), true)
    }

    #[test]
    fn every_way_of_saying_it_is_understood() {
        let cases: [(&[(&str, &str)], f64); 13] = [
            (&[("retry-after", "3")], 3.0),
            (&[("retry-after", "0.25")], 0.25),
            (&[("retry-after-ms", "1500"), ("retry-after", "9")], 1.5),
            (&[("retry-after", "Tue, 14 Nov 2023 22:13:50 GMT")], 30.0),
            (&[("retry-after", "Tue, 14 Nov 2023 22:13:10 GMT")], 0.0),
            (&[("x-ratelimit-reset-requests", "120ms")], 0.12),
            (&[("x-ratelimit-reset-tokens", "6m0s")], 360.0),
            (
                &[("x-ratelimit-reset-tokens", "2m59.5s"), ("x-ratelimit-reset-requests", "1s")],
                179.5,
            ),
            (&[("x-ratelimit-reset", "1700000012")], 12.0),
            (&[("x-ratelimit-reset", "1700000012500")], 12.5),
            (&[("retry-after", "999999999")], 86400.0),
            (&[("anthropic-ratelimit-input-tokens-reset", "2023-11-14T22:13:32.5Z")], 12.0),
            (&[("anthropic-ratelimit-requests-reset", "2023-11-13T00:00:00Z")], 0.0),
        ];
        for (headers, expected) in cases {
            let headers: Vec<(&'static str, &'static str)> = headers.to_vec();
            let found = wait(&headers).unwrap_or_else(|| panic!("{headers:?}")).as_secs_f64();
            assert!((found - expected).abs() < 1e-3, "{headers:?}: {found}");
        }
    }

    #[test]
    fn the_exhausted_budget_counts() {
        let headers = [
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", "2s"),
            ("x-ratelimit-remaining-tokens", "5000"),
            ("x-ratelimit-reset-tokens", "6m0s"),
        ];
        assert_eq!(wait(&headers), Some(Duration::from_secs(2)));
    }

    #[test]
    fn nonsense_is_no_wait() {
        for text in ["", "soon", "-1", "NaN", "inf", "1x", "s", "1e400"] {
            assert_eq!(wait(&[("retry-after", text)]), None, "{text}");
            assert_eq!(wait(&[("x-ratelimit-reset-tokens", text)]), None, "{text}");
            assert_eq!(wait(&[("anthropic-ratelimit-tokens-reset", text)]), None, "{text}");
        }
    }

    #[test]
    fn moments_are_counted_by_the_calendar() {
        let cases = [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T12:00:01Z", Some(951_825_601)),
            ("2000-03-01T00:00:00Z", Some(951_868_800)),
            ("2026-11-23T04:05:06Z", Some(1_795_406_706)),
            ("2026-13-23T04:05:06Z", None),
            ("2026-11-23T99999999999999999:05:06Z", None),
            ("2026-11-23 04:05:06", None),
        ];
        for (text, seconds) in cases {
            let since = moment(text).map(|at| at.duration_since(UNIX_EPOCH).unwrap().as_secs());
            assert_eq!(since, seconds, "{text}");
        }
    }
}
