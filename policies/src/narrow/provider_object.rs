//! Reads OpenRouter's `provider` object (openrouter.ai/docs, "Provider routing").
//!
//! A member that is not known is refused, since leaving it out could widen what the caller meant.

use isthmus_inference::money::Rate;
use serde::Deserialize;
use serde_json::Number;

use super::{Narrowing, Sort};
use crate::facts::Quantisation;
use crate::live::Quantile;
use crate::objective::OBJECTIVES;

/// Why a narrowing cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NarrowError {
    /// Where, as the request names it.
    pub param: String,
    /// What was wrong, and what to do.
    pub message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
struct Written {
    order: Option<Vec<String>>,
    only: Option<Vec<String>>,
    ignore: Option<Vec<String>>,
    allow_fallbacks: Option<bool>,
    require_parameters: Option<bool>,
    data_collection: Option<DataCollection>,
    zdr: Option<bool>,
    enforce_distillable_text: Option<bool>,
    quantizations: Option<Vec<String>>,
    sort: Option<SortWritten>,
    max_price: Option<MaxPrice>,
    preferred_min_throughput: Option<Cutoffs>,
    preferred_max_latency: Option<Cutoffs>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum DataCollection {
    Allow,
    Deny,
}

/// A word, or the word with how to group several models. One request is for one model here, so
/// either grouping is the same.
#[derive(Deserialize)]
#[serde(untagged)]
enum SortWritten {
    Word(SortWord),
    By(SortBy),
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum SortWord {
    Price,
    Throughput,
    Latency,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SortBy {
    by: SortWord,
    #[serde(rename = "partition")]
    _partition: Option<Partition>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Partition {
    Model,
    None,
}

/// US dollars for a million tokens.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MaxPrice {
    prompt: Option<Decimal>,
    completion: Option<Decimal>,
    /// For each request: nobody here charges by the request, so that any bound is kept.
    #[serde(rename = "request")]
    _request: Option<Decimal>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Decimal {
    Number(Number),
    Text(String),
}

/// One figure, or one for each quantile.
#[derive(Deserialize)]
#[serde(untagged)]
enum Cutoffs {
    One(f64),
    ByQuantile(ByQuantile),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ByQuantile {
    p50: Option<f64>,
    p75: Option<f64>,
    p90: Option<f64>,
    p99: Option<f64>,
}

/// More names than this are no wish but an attack.
const MOST_NAMES: usize = 100;

pub(super) fn read(json: &[u8]) -> Result<Narrowing, NarrowError> {
    let written: Written = serde_json::from_slice(json).map_err(|error| {
        NarrowError::new("provider", format!("`provider` is not understood: {error}"))
    })?;
    if written.enforce_distillable_text == Some(true) {
        let message = "nothing is known here of whether a model's text may be distilled; leave `enforce_distillable_text` out";
        return Err(NarrowError::new("provider.enforce_distillable_text", message));
    }
    let price =
        written.max_price.unwrap_or(MaxPrice { prompt: None, completion: None, _request: None });
    Ok(Narrowing {
        order: names("provider.order", written.order)?.unwrap_or_default(),
        only: names("provider.only", written.only)?,
        ignore: names("provider.ignore", written.ignore)?.unwrap_or_default(),
        allow_fallbacks: written.allow_fallbacks.unwrap_or(true),
        require_parameters: written.require_parameters.unwrap_or(false),
        zero_data_retention: written.zdr.unwrap_or(false),
        no_data_collection: written.data_collection == Some(DataCollection::Deny),
        quantisations: written.quantizations.as_deref().map(quantisations).transpose()?,
        max_price_in: rate("provider.max_price.prompt", price.prompt)?,
        max_price_out: rate("provider.max_price.completion", price.completion)?,
        sort: written.sort.map(Sort::from),
        objective: None,
        min_tps: written.preferred_min_throughput.and_then(Cutoffs::strictest_least),
        max_latency: written.preferred_max_latency.map(Cutoffs::most).unwrap_or_default(),
    })
}

fn names(param: &str, names: Option<Vec<String>>) -> Result<Option<Vec<String>>, NarrowError> {
    match &names {
        Some(many) if many.len() > MOST_NAMES => {
            Err(NarrowError::new(param, format!("`{param}` names more than {MOST_NAMES}")))
        }
        _ => Ok(names),
    }
}

fn quantisations(words: &[String]) -> Result<Vec<Option<Quantisation>>, NarrowError> {
    let one = |word: &String| {
        if word == "unknown" {
            return Ok(None);
        }
        let known = Quantisation::WORDS.iter().find(|(known, _)| known == word);
        known.map(|(_, quantisation)| Some(*quantisation)).ok_or_else(|| {
            let known: Vec<_> = Quantisation::WORDS.iter().map(|(known, _)| *known).collect();
            let known = known.join(", ");
            let message = format!("`{word}` is no quantization; known are {known} and unknown");
            NarrowError::new("provider.quantizations", message)
        })
    };
    words.iter().take(MOST_NAMES).map(one).collect()
}

fn rate(param: &str, written: Option<Decimal>) -> Result<Option<Rate>, NarrowError> {
    let text = match written {
        None => return Ok(None),
        Some(Decimal::Number(number)) => number.to_string(),
        Some(Decimal::Text(text)) => text,
    };
    let rate = text.parse().map_err(|error| NarrowError::new(param, format!("`{param}`: {error}")));
    rate.map(Some)
}

// === impl NarrowError ===

impl NarrowError {
    fn new(param: &str, message: impl Into<String>) -> Self {
        Self { param: param.to_owned(), message: message.into() }
    }

    pub(super) fn unknown_objective(word: &str) -> Self {
        let known: Vec<_> = (OBJECTIVES.iter().map(|aim| aim.word))
            .filter(|word| crate::objective::Aim::of(word).is_some())
            .collect();
        let word: String = word.chars().take(40).collect();
        let message = format!("`{word}` is no objective; known are {}", known.join(", "));
        Self::new("x-isthmus-objective", message)
    }
}

// === impl Sort ===

impl From<SortWritten> for Sort {
    fn from(written: SortWritten) -> Self {
        let word = match written {
            SortWritten::Word(word) => word,
            SortWritten::By(sort) => sort.by,
        };
        match word {
            SortWord::Price => Self::Price,
            SortWord::Throughput => Self::Throughput,
            SortWord::Latency => Self::Latency,
        }
    }
}

// === impl Cutoffs ===

impl Cutoffs {
    /// As one least figure: one pace is kept for an endpoint, so the strictest holds.
    fn strictest_least(self) -> Option<f64> {
        match self {
            Self::One(figure) => Some(figure),
            Self::ByQuantile(by) => {
                [by.p50, by.p75, by.p90, by.p99].into_iter().flatten().reduce(f64::max)
            }
        }
    }

    /// As the most for each quantile. One figure alone is for the median; the p75 is held to by the
    /// p90, which is stricter.
    fn most(self) -> Vec<(Quantile, f64)> {
        let by = match self {
            Self::One(figure) => ByQuantile { p50: Some(figure), p75: None, p90: None, p99: None },
            Self::ByQuantile(by) => by,
        };
        [
            (Quantile::P50, by.p50),
            (Quantile::P90, by.p75),
            (Quantile::P90, by.p90),
            (Quantile::P99, by.p99),
        ]
        .into_iter()
        .filter_map(|(quantile, figure)| Some((quantile, figure?)))
        .collect()
    }
}
