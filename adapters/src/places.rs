//! Where providers process what they are sent, as far as their names for it tell.

use std::collections::BTreeSet;

use isthmus_inference::place::{EU, country, is_in_union};

/// Where a call may be processed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Processing {
    /// In one of these: a cloud's regions, or `US` and `EU` where a cloud has a name for the whole.
    In(BTreeSet<String>),
    /// Wherever the provider has machines.
    Anywhere,
    /// What is known of the account and the model does not tell.
    Unknown,
}

impl Processing {
    /// What an operator who wrote these places overlooked: where calls may be processed besides, in
    /// words. A place may be written as a region, as a country or as `EU`; `global` is all of them.
    /// No place at all claims nothing.
    pub fn beyond(&self, written: &BTreeSet<String>) -> Option<String> {
        if written.is_empty() || written.contains("global") {
            return None;
        }
        match self {
            Self::Unknown => None,
            Self::Anywhere => Some("any region".to_owned()),
            Self::In(places) => {
                let missed: Vec<&str> =
                    places.iter().map(String::as_str).filter(|at| !covers(written, at)).collect();
                (!missed.is_empty()).then(|| missed.join(", "))
            }
        }
    }
}

fn covers(written: &BTreeSet<String>, place: &str) -> bool {
    let country = country(place);
    written.contains(place)
        || country.is_some_and(|country| written.contains(country))
        || country.is_some_and(is_in_union) && written.contains(EU)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_overlooked_is_named() {
        let set = |places: &str| places.split_whitespace().map(str::to_owned).collect();
        let places = |places: &str| Processing::In(set(places));
        let cases = [
            (places("eu-central-1 eu-west-1"), "EU", None),
            (places("eu-central-1 eu-west-1"), "DE IE", None),
            (places("eu-central-1 eu-west-1"), "eu-central-1", Some("eu-west-1")),
            (places("eu-central-1 eu-west-2"), "EU", Some("eu-west-2")),
            (places("europe-west4"), "NL", None),
            (places("EU"), "EU", None),
            (places("EU"), "DE", Some("EU")),
            (places("a-region-without-a-country"), "EU", Some("a-region-without-a-country")),
            (Processing::Anywhere, "EU US", Some("any region")),
            (Processing::Anywhere, "global", None),
            (Processing::Anywhere, "", None),
            (Processing::Unknown, "EU", None),
        ];
        for (processing, written, expected) in cases {
            assert_eq!(
                processing.beyond(&set(written)).as_deref(),
                expected,
                "{processing:?} {written}"
            );
        }
    }
}
