//! What a caller wants of memory, in HTTP's words: it can only decline.

use http::HeaderMap;
use http::header::CACHE_CONTROL;

/// What a caller allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pipeline) struct Wish {
    /// To be given an earlier answer.
    pub(in crate::pipeline) reads: bool,
    /// That its answer is kept.
    pub(in crate::pipeline) keeps: bool,
}

impl Wish {
    /// `no-cache` asks for a new answer, which may be kept; `no-store` asks for that and to keep nothing.
    pub(in crate::pipeline) fn of(headers: &HeaderMap) -> Self {
        let mut wish = Self { reads: true, keeps: true };
        let values = headers.get_all(CACHE_CONTROL).iter();
        for word in values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')) {
            let word = word.trim_ascii();
            if word.eq_ignore_ascii_case(b"no-store") {
                wish = Self { reads: false, keeps: false };
            } else if word.eq_ignore_ascii_case(b"no-cache") {
                wish.reads = false;
            }
        }
        wish
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_can_only_decline() {
        for (values, reads, keeps) in [
            (&[][..], true, true),
            (&["max-stale, only-if-cached"], true, true),
            (&["No-Cache"], false, true),
            (&["private , no-store"], false, false),
            (&["no-store", "no-cache"], false, false),
        ] {
            let pairs = values.iter().map(|value| (CACHE_CONTROL, value.parse().unwrap()));
            let mut headers = HeaderMap::new();
            pairs.for_each(|(name, value)| {
                headers.append(name, value);
            });
            assert_eq!(Wish::of(&headers), Wish { reads, keeps }, "{values:?}");
        }
    }
}
