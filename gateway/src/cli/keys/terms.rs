//! The terms of a key as they are written on the command line.

use clap::Args;
use clap::builder::PossibleValuesParser;
use isthmus_policies::class::DataClass;
use serde_json::{Map, Value, json};

use crate::pipeline::tags;

#[derive(Debug, Args)]
pub(super) struct TermsArguments {
    /// The models that it may ask for [default: all].
    #[arg(long, value_delimiter = ',', value_name = "MODEL,…")]
    models: Vec<String>,
    /// Days after which it opens nothing any more [default: never].
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..))]
    expires_in_days: Option<u32>,
    /// The organisation that it is of [default: tenancy.organisation.name].
    #[arg(long)]
    organisation: Option<String>,
    /// The team that it is of [default: default].
    #[arg(long)]
    team: Option<String>,
    /// The app that it is of [default: the key's name].
    #[arg(long)]
    app: Option<String>,
    /// The class that its requests have at least.
    #[arg(long, value_name = "CLASS", value_parser = class_words())]
    data_class: Option<String>,
    /// Let its holder say of a request that it is of a milder class than the key or the detector
    /// says, though never below the organisation's floor.
    #[arg(long)]
    may_declassify: bool,
    /// What its requests are marked with, whatever its holder says. May be given several times.
    #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = tags::read)]
    tags: Vec<(String, String)>,
    /// Requests that it may send within any sixty seconds.
    #[arg(long, value_name = "REQUESTS")]
    rpm: Option<u64>,
    /// Tokens, in and out, that it may use within any sixty seconds.
    #[arg(long, value_name = "TOKENS")]
    tpm: Option<u64>,
    /// Requests that it may have under way.
    #[arg(long, value_name = "REQUESTS")]
    concurrency: Option<u64>,
    /// Dollars that it may spend in a day of UTC, such as 20.00.
    #[arg(long, value_name = "DOLLARS")]
    usd_per_day: Option<String>,
    /// Dollars that it may spend in a calendar month of UTC.
    #[arg(long, value_name = "DOLLARS")]
    usd_per_month: Option<String>,
}

/// What can be taken away, and where it stands in JSON: in an object or at the top.
const CLEARABLE: [(&str, Option<&str>, &str); 13] = [
    ("models", None, "models"),
    ("expires-at", None, "expires_at"),
    ("organisation", None, "organisation"),
    ("team", None, "team"),
    ("app", None, "app"),
    ("data-class", None, "data_class"),
    ("may-declassify", None, "may_declassify"),
    ("tags", None, "tags"),
    ("rpm", Some("limits"), "rpm"),
    ("tpm", Some("limits"), "tpm"),
    ("concurrency", Some("limits"), "concurrency"),
    ("usd-per-day", Some("limits"), "usd_per_day"),
    ("usd-per-month", Some("limits"), "usd_per_month"),
];

impl TermsArguments {
    /// What is said, as a merge patch. Of `clear`, what is not said at the same time is taken away.
    pub(super) fn as_patch(&self, clear: &[String]) -> Map<String, Value> {
        let mut patch = Map::new();
        let cleared = CLEARABLE.iter().filter(|(word, ..)| clear.iter().any(|it| it == word));
        for (_, within, name) in cleared {
            set(&mut patch, *within, name, Value::Null);
        }
        let text = |text: &Option<String>| text.as_ref().map(|text| json!(text));
        let number = |number: Option<u64>| number.map(|number| json!(number));
        let tags: Map<_, _> =
            self.tags.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        for (within, name, value) in [
            (None, "models", (!self.models.is_empty()).then(|| json!(self.models))),
            (None, "expires_in_days", self.expires_in_days.map(|days| json!(days))),
            (None, "organisation", text(&self.organisation)),
            (None, "team", text(&self.team)),
            (None, "app", text(&self.app)),
            (None, "data_class", text(&self.data_class)),
            (None, "may_declassify", self.may_declassify.then_some(Value::Bool(true))),
            (None, "tags", (!tags.is_empty()).then(|| tags.into())),
            (Some("limits"), "rpm", number(self.rpm)),
            (Some("limits"), "tpm", number(self.tpm)),
            (Some("limits"), "concurrency", number(self.concurrency)),
            (Some("limits"), "usd_per_day", text(&self.usd_per_day)),
            (Some("limits"), "usd_per_month", text(&self.usd_per_month)),
        ] {
            if let Some(value) = value {
                set(&mut patch, within, name, value);
            }
        }
        patch
    }
}

fn set(patch: &mut Map<String, Value>, within: Option<&str>, name: &str, value: Value) {
    match within {
        None => {
            patch.insert(name.to_owned(), value);
        }
        Some(outer) => {
            let inner = patch.entry(outer).or_insert_with(|| Map::new().into());
            inner[name] = value;
        }
    }
}

pub(super) fn clearable() -> PossibleValuesParser {
    PossibleValuesParser::new(CLEARABLE.map(|(word, ..)| word))
}

fn class_words() -> PossibleValuesParser {
    PossibleValuesParser::new(DataClass::WORDS.iter().map(|(word, _)| *word))
}
