//! By what a report is grouped.

use std::str::FromStr;

use super::calendar::Zone;
use crate::books::Bucket;

/// One of the things that a report can be grouped by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// As it was asked for: also the name of its column.
    pub name: String,
    of: Of,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Of {
    Field(usize),
    Tag(String),
}

/// Why a text is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a report cannot be grouped by `{0}`; it can by {words}, and tag:NAME", words = words())]
pub struct KeyError(String);

/// What the word of a bucket is, in a zone.
type Reads = fn(&Bucket, &Zone) -> String;

/// Every key but tags.
const FIELDS: &[(&str, Reads)] = &[
    ("team", |bucket, _| bucket.of.about.team.clone()),
    ("app", |bucket, _| bucket.of.about.app.clone()),
    ("key", |bucket, _| bucket.of.about.key.clone()),
    ("organisation", |bucket, _| bucket.of.about.organisation.clone()),
    ("provider", |bucket, _| bucket.of.provider.to_string()),
    ("model", |bucket, _| bucket.of.about.model.clone()),
    ("upstream_model", |bucket, _| bucket.of.upstream_model.to_string()),
    ("endpoint", |bucket, _| bucket.of.endpoint.to_string()),
    ("day", |bucket, zone| zone.day(bucket.hour)),
    ("hour", |bucket, zone| zone.hour(bucket.hour)),
    ("week", |bucket, zone| zone.week(bucket.hour)),
    ("month", |bucket, zone| zone.month(bucket.hour)),
    ("data_class", |bucket, _| bucket.of.about.data_class.clone()),
    ("policy", |bucket, _| bucket.of.about.policy.clone()),
    ("outcome", |bucket, _| bucket.of.outcome.to_string()),
    ("reason", |bucket, _| bucket.of.reason.to_string()),
    ("cache", |bucket, _| bucket.of.cache.to_string()),
    ("price", |bucket, _| bucket.of.price.to_string()),
    ("estimated", |bucket, _| bucket.of.estimated.to_string()),
    ("correction", |bucket, _| bucket.of.correction.to_string()),
];

const TAG: &str = "tag:";

// === impl Key ===

impl Key {
    /// The word of a bucket; empty where it has none.
    pub fn word(&self, bucket: &Bucket, zone: &Zone) -> String {
        match &self.of {
            Of::Field(field) => FIELDS[*field].1(bucket, zone),
            Of::Tag(tag) => bucket.of.about.tags.get(tag).cloned().unwrap_or_default(),
        }
    }

    /// Its title for people.
    pub fn title(&self) -> String {
        let name = self.name.strip_prefix(TAG).unwrap_or(&self.name).replace('_', " ");
        let mut letters = name.chars();
        letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
    }
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let wrong = || KeyError(text.to_owned());
        let of = match text.strip_prefix(TAG) {
            Some("") => return Err(wrong()),
            Some(tag) => Of::Tag(tag.to_owned()),
            None => Of::Field(FIELDS.iter().position(|(name, _)| *name == text).ok_or_else(wrong)?),
        };
        Ok(Self { name: text.to_owned(), of })
    }
}

fn words() -> String {
    FIELDS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_key_reads_its_word() {
        let mut bucket = Bucket { hour: 25, of: Default::default(), sums: Default::default() };
        Arc::make_mut(&mut bucket.of.about).tags.insert("cost-center".into(), "42".into());
        let word = |key: &str| key.parse::<Key>().unwrap().word(&bucket, &Zone::utc());
        assert_eq!((word("day"), word("tag:cost-center")), ("1970-01-02".into(), "42".into()));
        assert_eq!((word("team"), word("tag:feature")), (String::new(), String::new()));
        assert_eq!("tag:feature".parse::<Key>().unwrap().title(), "Feature");
    }

    #[test]
    fn what_is_no_key_is_refused_with_those_that_are() {
        for wrong in ["", "teams", "tag:", "Team"] {
            let error = wrong.parse::<Key>().unwrap_err().to_string();
            assert!(error.contains("team, app") && error.contains("tag:NAME"), "{error}");
        }
    }
}
