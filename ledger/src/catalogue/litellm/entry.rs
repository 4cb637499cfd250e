//! One entry of the list: whose model it is, and its prices by tier and length of prompt.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use isthmus_inference::date::Date;
use isthmus_inference::meter::Meter;
use isthmus_inference::money::{Money, Price, Rate};
use isthmus_inference::tier::Tier;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::number::{NumberError, pico_dollars};
use super::{LIST, PROVIDERS, Reading, Reason};
use crate::catalogue::Row;
use crate::catalogue::row::USD;

/// The members of an object in their order, a name as often as it is there.
pub(super) fn members(text: &str) -> Result<Vec<(String, &RawValue)>, serde_json::Error> {
    serde_json::from_str::<Members<'_>>(text).map(|members| members.0)
}

struct Members<'a>(Vec<(String, &'a RawValue)>);

/// One entry.
pub(super) struct Entry<'a> {
    pub(super) kind: &'static str,
    model: &'a str,
    region: Option<&'a str>,
    fields: Vec<(String, &'a RawValue)>,
}

/// A tier, and the number of input tokens above which a price holds.
type Circumstances = (Option<Tier>, u64);

/// Fields by their beginnings, a longer one before a shorter one that it begins with.
const METERS: &[(&str, Meter)] = &[
    ("input_cost_per_token", Meter::Input),
    ("cache_read_input_token_cost", Meter::CacheRead),
    ("cache_creation_input_token_cost_above_1hr", Meter::CacheWrite1h),
    ("cache_creation_input_token_cost", Meter::CacheWrite5m),
    ("input_cost_per_audio_token", Meter::AudioInput),
    ("input_cost_per_image_token", Meter::ImageInput),
    ("output_cost_per_token", Meter::Output),
    ("output_cost_per_reasoning_token", Meter::Reasoning),
    ("output_cost_per_audio_token", Meter::AudioOutput),
    ("input_cost_per_request", Meter::Request),
];

const TIERS: &[(&str, Tier)] = &[
    ("_batches", Tier::Batch),
    ("_flex", Tier::Flex),
    ("_priority", Tier::Priority),
    ("_ultrafast", Tier::Ultrafast),
];

/// What is charged by the token, in the list's words.
const MODES: &[&str] = &["chat", "completion", "embedding", "responses"];
/// What a model may charge for beside text and that no bucket of usage has.
const UNMETERED: &[&str] = &["output_cost_per_image_token", "output_cost_per_image"];
/// Deployments of Azure's that the list tells by the beginning of a name; an account is told by its
/// address, which does not say it.
const AZURE_ZONES: &[&str] = &["eu/", "us/", "global/", "global-standard/"];
/// Models that the operator makes from these have names of their own.
const FINE_TUNED: &str = "ft:";

// === impl Entry ===

impl<'a> Entry<'a> {
    /// The entry, if the house knows its provider and a call could name it.
    pub(super) fn new(name: &'a str, fields: Vec<(String, &'a RawValue)>) -> Option<Self> {
        let provider = text(&fields, "litellm_provider")?;
        let (_, kind, prefix) = PROVIDERS.iter().find(|(theirs, ..)| *theirs == provider)?;
        let model = name.strip_prefix(prefix).unwrap_or(name);
        let (region, model) = match model.split_once('/') {
            Some((region, model)) if *kind == "bedrock" && is_region(region) => {
                (Some(region), model)
            }
            _ => (None, model),
        };
        let in_zone = *kind == "azure" && AZURE_ZONES.iter().any(|zone| model.starts_with(zone));
        // What is left with a slash in Bedrock's names is a commitment for months.
        let committed = *kind == "bedrock" && model.contains('/');
        let named = !in_zone && !committed && !model.starts_with(FINE_TUNED);
        named.then_some(Self { kind, model, region, fields })
    }

    /// Whether it answers in tokens.
    pub(super) fn is_by_token(&self) -> bool {
        text(&self.fields, "mode").is_some_and(|mode| MODES.contains(&&*mode))
    }

    /// Whether its provider has withdrawn it.
    pub(super) fn is_withdrawn(&self, day: Date) -> bool {
        let last = text(&self.fields, "deprecation_date").and_then(|date| date.parse().ok());
        last.is_some_and(|last: Date| last < day)
    }

    /// Its rows, the usual price first.
    pub(super) fn rows(&self, reading: &Reading<'_>) -> Result<Vec<Row>, Reason> {
        let has = |name: &str| self.fields.iter().any(|(field, _)| field == name);
        if has("tiered_pricing") {
            return Err(Reason::Stepped);
        }
        if let Some(field) = UNMETERED.iter().find(|field| has(field)) {
            return Err(Reason::Unmetered((*field).to_owned()));
        }
        let prices = self.prices()?;
        let usual = prices.get(&(None, 0)).ok_or(Reason::Unpriced)?;
        let is_embedding = text(&self.fields, "mode").is_some_and(|mode| mode == "embedding");
        let output = |rates: &BTreeMap<Meter, u64>| {
            rates.get(&Meter::Output).copied().or(is_embedding.then_some(0))
        };
        if !usual.contains_key(&Meter::Input) || output(usual).is_none() {
            return Err(Reason::Unpriced);
        }
        if usual.values().all(|pico| *pico == 0) {
            return Err(Reason::Free);
        }
        let caches = self
            .fields
            .iter()
            .any(|(field, value)| field == "supports_prompt_caching" && value.get() == "true");
        if caches && !usual.contains_key(&Meter::CacheRead) {
            return Err(Reason::CacheUnpriced);
        }
        // A tier or a band of which only a part is priced is left to the usual price.
        let whole = prices.into_iter().filter_map(|(circumstances, rates)| {
            let (input, output) = (rates.get(&Meter::Input).copied()?, output(&rates)?);
            Some((circumstances, price(&rates, input, output)))
        });
        let whole: Vec<_> = whole.collect();
        let begins = |tier| whole.iter().any(|((other, above), _)| (*other, *above) == (tier, 0));
        let rows = whole.iter().filter(|((tier, _), _)| begins(*tier));
        Ok(rows.map(|(circumstances, price)| self.row(reading, *circumstances, *price)).collect())
    }

    fn row(&self, reading: &Reading<'_>, (tier, above_tokens): Circumstances, price: Price) -> Row {
        let source = text(&self.fields, "source");
        let address = source.filter(|source| {
            source.starts_with("https://") && !source.contains(char::is_whitespace)
        });
        Row {
            kind: self.kind.to_owned(),
            model: self.model.to_owned(),
            region: self.region.map(str::to_owned),
            tier,
            above_tokens,
            currency: USD.to_owned(),
            price,
            effective_from: None,
            effective_to: None,
            source: address.unwrap_or(Cow::Borrowed(LIST)).into_owned(),
            retrieved: reading.day,
            file: reading.file.into(),
            line: 0,
        }
    }

    /// All rates in pico-dollars, by circumstances.
    fn prices(&self) -> Result<BTreeMap<Circumstances, BTreeMap<Meter, u64>>, Reason> {
        let mut prices: BTreeMap<Circumstances, BTreeMap<Meter, u64>> = BTreeMap::new();
        for (field, value) in &self.fields {
            let Some((meter, circumstances)) = meaning(field) else { continue };
            if value.get() == "null" {
                continue;
            }
            let (field, text) = (field.clone(), value.get().to_owned());
            let pico = pico_dollars(&text).map_err(|error| match error {
                NumberError::TooFine => Reason::Noise { field, text },
                NumberError::NoPrice => Reason::NoPrice { field, text },
            })?;
            prices.entry(circumstances).or_default().insert(meter, pico);
        }
        Ok(prices)
    }
}

fn price(rates: &BTreeMap<Meter, u64>, input: u64, output: u64) -> Price {
    let rate = |meter| rates.get(&meter).copied().map(Rate::from_pico_dollars_per_token);
    let fee = rates.get(&Meter::Request).copied().unwrap_or_default();
    Price {
        input: Rate::from_pico_dollars_per_token(input),
        cache_read: rate(Meter::CacheRead),
        cache_write_5m: rate(Meter::CacheWrite5m),
        cache_write_1h: rate(Meter::CacheWrite1h),
        audio_input: rate(Meter::AudioInput),
        image_input: rate(Meter::ImageInput),
        output: Rate::from_pico_dollars_per_token(output),
        reasoning: rate(Meter::Reasoning),
        audio_output: rate(Meter::AudioOutput),
        request: Money::from_pico_dollars(fee.into()),
    }
}

/// What a field prices, and in which circumstances; `None` for what is no price that counts here.
fn meaning(field: &str) -> Option<(Meter, Circumstances)> {
    let (meter, mut rest) = METERS
        .iter()
        .find_map(|(begin, meter)| field.strip_prefix(begin).map(|rest| (*meter, rest)))?;
    let (mut tier, mut above) = (None, 0);
    while !rest.is_empty() {
        let named = TIERS.iter().find_map(|(word, tier)| Some((*tier, rest.strip_prefix(word)?)));
        if let Some((named, after)) = named {
            tier = Some(named);
            rest = after;
        } else {
            let (thousands, after) = rest.strip_prefix("_above_")?.split_once("k_tokens")?;
            above = thousands.parse::<u64>().ok()?.checked_mul(1000)?;
            rest = after;
        }
    }
    Some((meter, (tier, above)))
}

fn text<'a>(fields: &[(String, &'a RawValue)], name: &str) -> Option<Cow<'a, str>> {
    let (_, value) = fields.iter().find(|(field, _)| field == name)?;
    serde_json::from_str(value.get()).ok().map(Cow::<str>::Owned)
}

/// Whether it looks like one of AWS's regions: `eu-central-1`, `us-gov-west-1`.
fn is_region(word: &str) -> bool {
    word.split('-').count() >= 3 && word.ends_with(|last: char| last.is_ascii_digit())
}

// === impl Members ===

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Gather;

        impl<'de> Visitor<'de> for Gather {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Gather).map(Self)
    }
}
