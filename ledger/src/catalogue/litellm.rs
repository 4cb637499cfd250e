//! Rows from LiteLLM's list of prices (`model_prices_and_context_window.json`).
//!
//! The list is wide, quick and careless: it has no dates, prices that went through floats, models that
//! cost nothing because nobody filled in the price, and caches that cost nothing for the same reason. So
//! nothing of it is believed by itself. What is sound becomes rows to be reviewed; what is not is
//! refused by name. Numbers are read from the text as it stands, digit by digit.
//!
//! Prices are dollars per token there. A field's name says the meter, the tier and the length of prompt
//! in one: `input_cost_per_token_above_200k_tokens_batches`.

mod entry;
mod number;

use std::collections::BTreeMap;

use isthmus_inference::date::Date;
use isthmus_inference::money::Price;
use serde_json::value::RawValue;

use super::Row;
use super::difference::{Key, key};
use entry::Entry;

/// What the list says, taken apart.
#[derive(Debug, Clone, Default)]
pub struct Imported {
    /// Sound prices, in the order of the catalogue.
    pub rows: Vec<Row>,
    /// What cannot be believed.
    pub refused: Vec<Refused>,
    /// How many entries were passed over: of providers that the house does not know, of things that
    /// are not charged by the token, and of models that were withdrawn.
    pub passed_over: usize,
}

/// An entry that cannot be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {reason}")]
pub struct Refused {
    /// Its name in the list.
    pub name: String,
    /// Why not.
    pub reason: Reason,
}

/// Why an entry cannot be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// A number with more digits than any price has.
    #[error(
        "`{field}` is {text}, finer than a pico-dollar for a token: the noise of a float; look the \
         price up and write the row by hand"
    )]
    Noise {
        /// Where it stands.
        field: String,
        /// As it is written.
        text: String,
    },
    /// Not a number that a price can be.
    #[error("`{field}` is {text}, which is no price")]
    NoPrice {
        /// Where it stands.
        field: String,
        /// As it is written.
        text: String,
    },
    /// There is no price for input.
    #[error("has no price")]
    Unpriced,
    /// All of it costs nothing.
    #[error("costs nothing, which is more likely a price that nobody filled in")]
    Free,
    /// Cached input would be charged like any other.
    #[error("claims a cache for prompts and has no price for what is read from it")]
    CacheUnpriced,
    /// It charges for something that no meter counts.
    #[error("charges by `{0}`, which no meter counts")]
    Unmetered(String),
    /// Its prices go by steps of its own.
    #[error("`tiered_pricing` is not understood")]
    Stepped,
    /// The list has the name twice.
    #[error("is there twice")]
    Twice,
    /// Another entry says something else of the same model.
    #[error("contradicts {0}")]
    Contradicts(String),
    /// Not an object.
    #[error("is not an object with named fields")]
    Unreadable,
}

/// Why a text is not the list.
#[derive(Debug, thiserror::Error)]
#[error("this is not LiteLLM's list of prices: {0}")]
pub struct NotTheList(#[from] serde_json::Error);

/// What is read, and when.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// The file, for the rows.
    pub file: &'a str,
    /// The day on which it is read: models that were withdrawn before are passed over.
    pub day: Date,
    /// Kinds of providers to which it is narrowed; all if empty.
    pub kinds: &'a [String],
}

/// Where the list itself can be read, for entries that name no other source.
const LIST: &str =
    "https://github.com/BerriAI/litellm/blob/main/model_prices_and_context_window.json";
/// An entry that explains the fields.
const EXAMPLE: &str = "sample_spec";

/// LiteLLM's word for a provider, ours, and what its names begin with. Names of one model may begin
/// with it or not.
const PROVIDERS: &[(&str, &str, &str)] = &[
    ("anthropic", "anthropic", "anthropic/"),
    ("azure", "azure", "azure/"),
    ("azure_ai", "azure", "azure_ai/"),
    ("bedrock", "bedrock", "bedrock/"),
    ("bedrock_converse", "bedrock", "bedrock/"),
    ("cerebras", "cerebras", "cerebras/"),
    ("codestral", "mistral", "codestral/"),
    ("cohere", "cohere", "cohere/"),
    ("cohere_chat", "cohere", "cohere_chat/"),
    ("deepseek", "deepseek", "deepseek/"),
    ("fireworks_ai", "fireworks", "fireworks_ai/"),
    ("fireworks_ai-embedding-models", "fireworks", "fireworks_ai/"),
    ("gemini", "gemini", "gemini/"),
    ("groq", "groq", "groq/"),
    ("hyperbolic", "hyperbolic", "hyperbolic/"),
    ("mistral", "mistral", "mistral/"),
    ("nvidia_nim", "nvidia", "nvidia_nim/"),
    ("openai", "openai", "openai/"),
    ("openrouter", "openrouter", "openrouter/"),
    ("perplexity", "perplexity", "perplexity/"),
    ("together_ai", "together", "together_ai/"),
    ("vertex_ai-anthropic_models", "vertex", "vertex_ai/"),
    ("vertex_ai-embedding-models", "vertex", "vertex_ai/"),
    ("vertex_ai-language-models", "vertex", "vertex_ai/"),
    ("xai", "xai", "xai/"),
];

/// Reads the list.
pub fn read(text: &str, reading: &Reading<'_>) -> Result<Imported, NotTheList> {
    let entries = entry::members(text)?;
    let mut imported = Imported::default();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (name, _) in &entries {
        *seen.entry(name.clone()).or_default() += 1;
    }
    let mut sound = vec![];
    for (name, value) in entries.into_iter().filter(|(name, _)| name != EXAMPLE) {
        let Some(entry) = entry(&name, value, reading, &mut imported) else { continue };
        let read = if seen.get(&name).is_some_and(|times| *times > 1) {
            Err(Reason::Twice)
        } else {
            entry.rows(reading)
        };
        match read {
            Ok(rows) => sound.push((name, rows)),
            Err(reason) => imported.refused.push(Refused { name, reason }),
        }
    }
    imported.agree(&sound);
    imported.refused.sort_by(|one, other| one.name.cmp(&other.name));
    imported.refused.dedup();
    Ok(imported)
}

/// The entry, if it is one that the house could have a use for.
fn entry<'a>(
    name: &'a str,
    value: &'a RawValue,
    reading: &Reading<'_>,
    imported: &mut Imported,
) -> Option<Entry<'a>> {
    let Ok(fields) = entry::members(value.get()) else {
        imported.refused.push(Refused { name: name.to_owned(), reason: Reason::Unreadable });
        return None;
    };
    let entry = Entry::new(name, fields);
    let wanted = |entry: &Entry<'_>| {
        let kinds = reading.kinds;
        kinds.is_empty() || kinds.iter().any(|kind| *kind == entry.kind)
    };
    let entry = entry.filter(|entry| entry.is_by_token() && !entry.is_withdrawn(reading.day));
    let entry = entry.filter(wanted);
    if entry.is_none() {
        imported.passed_over += 1;
    }
    entry
}

// === impl Imported ===

impl Imported {
    /// Takes in the rows of all entries. Some models are there under two names; where these say two
    /// things, nobody knows which of them is right, and neither is believed.
    fn agree(&mut self, sound: &[(String, Vec<Row>)]) {
        let mut first: BTreeMap<Key<'_>, (usize, Price)> = BTreeMap::new();
        let mut at_odds: BTreeMap<usize, usize> = BTreeMap::new();
        for (number, (_, rows)) in sound.iter().enumerate() {
            for row in rows {
                let (other, price) = *first.entry(key(row)).or_insert((number, row.price));
                if price != row.price {
                    at_odds.entry(number).or_insert(other);
                    at_odds.entry(other).or_insert(number);
                }
            }
        }
        for (number, other) in &at_odds {
            let (name, reason) =
                (sound[*number].0.clone(), Reason::Contradicts(sound[*other].0.clone()));
            self.refused.push(Refused { name, reason });
        }
        let agreed = sound.iter().enumerate().filter(|(number, _)| !at_odds.contains_key(number));
        let mut rows: BTreeMap<Key<'_>, &Row> = BTreeMap::new();
        for row in agreed.flat_map(|(_, (_, rows))| rows) {
            rows.entry(key(row)).or_insert(row);
        }
        self.rows = rows.into_values().cloned().collect();
    }
}

#[cfg(test)]
mod tests;
