//! What is asked, and when: public traces of real traffic, or an invented one where they are absent.
//!
//! A trace carries arrivals, lengths and, in one case, which prompts begin alike. It carries no
//! latency and no price of any provider; those are the [`market`](super::market)'s, and modelled.

use std::fs;
use std::path::{Path, PathBuf};

use isthmus_policies::affinity::Prefixes;
use serde::Deserialize;

use super::chance::Chance;
use crate::fault::{Doing, Fault};

/// Requests in the order of their arrival.
#[derive(Debug, Clone)]
pub struct Trace {
    /// Its name, as on the command line.
    pub name: String,
    /// What is asked.
    pub arrivals: Vec<Arrival>,
    /// The beginnings of each prompt, as the gateway hashes them.
    pub prefixes: Vec<Prefixes>,
}

/// One request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arrival {
    /// When it comes, in nanoseconds from the trace's beginning.
    pub at: u64,
    /// Tokens of its prompt.
    pub input: u64,
    /// Tokens of the answer that it got.
    pub output: u64,
    /// Hashes of the prompt's blocks of [`BLOCK`] tokens, first block first; empty where the trace
    /// does not tell them.
    pub blocks: Vec<u64>,
}

/// Tokens to a hashed block (the Mooncake trace's).
pub const BLOCK: u64 = 512;

/// Every public trace: its name, its file, and the bound on its first token in milliseconds. The
/// third trace's prompts are ten times as long, and so is what it takes to read them.
pub const TRACES: &[(&str, &str, u64)] = &[
    ("azure-conv", "azure-2023-conv.csv", 800),
    ("azure-code", "azure-2023-code.csv", 800),
    ("mooncake", "mooncake-conversation.jsonl", 4000),
];

/// The name of the invented trace.
pub const SYNTHETIC: &str = "synthetic";

const SECOND: f64 = 1e9;
/// Bytes of text to a token, about.
const BYTES_PER_TOKEN: u64 = 4;

#[derive(Debug, Deserialize)]
struct MooncakeRow {
    timestamp: u64,
    input_length: u64,
    output_length: u64,
    hash_ids: Vec<u64>,
}

/// Where the traces stand: `ISTHMUS_TRACES`, or beside a development checkout.
pub fn folder() -> PathBuf {
    std::env::var_os("ISTHMUS_TRACES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/traces"),
        PathBuf::from,
    )
}

// === impl Trace ===

impl Trace {
    /// Reads a public trace of [`TRACES`] from `folder`, or invents the [`SYNTHETIC`] one.
    pub fn named(name: &str, folder: &Path) -> Result<Self, Fault> {
        if name == SYNTHETIC {
            return Ok(Self::synthetic(6_000, 1));
        }
        let Some((_, file, _)) = TRACES.iter().find(|(known, ..)| *known == name) else {
            let known: Vec<_> = TRACES.iter().map(|(name, ..)| *name).collect();
            let known = known.join("`, `");
            let text = format!("no trace `{name}`; there are `{known}` and `{SYNTHETIC}`");
            return Err(Fault::Unusable(text));
        };
        let path = folder.join(file);
        let text = fs::read_to_string(&path).doing(|| {
            format!("read `{}` (ISTHMUS_TRACES says where the traces are)", path.display())
        })?;
        let read = if file.ends_with(".csv") { azure } else { mooncake };
        let mut arrivals = vec![];
        for (index, line) in text.lines().enumerate() {
            if let Some(arrival) = read(line).map_err(|why| {
                Fault::Unusable(format!("{}:{}: {why}", path.display(), index + 1))
            })? {
                arrivals.push(arrival);
            }
        }
        arrivals.sort_by_key(|arrival| arrival.at);
        let begin = arrivals.first().map_or(0, |first| first.at);
        arrivals.iter_mut().for_each(|arrival| arrival.at -= begin);
        Ok(Self::of(name, arrivals))
    }

    /// An invented hour of conversations: turns that come as a Poisson process whose rate swells
    /// and ebbs once, each continuing one of the open conversations or starting a new one, with
    /// log-normal lengths near those of the Azure conversation trace.
    pub fn synthetic(requests: usize, seed: u64) -> Self {
        let root = Chance::of(seed);
        let mut open: Vec<(u64, u64)> = vec![];
        let (mut at, mut arrivals) = (0.0, Vec::with_capacity(requests));
        for index in 0..requests as u64 {
            let draw = root.at(index);
            let through = index as f64 / requests as f64;
            let rate = 4.0 - 2.0 * (std::f64::consts::TAU * through).cos();
            at += draw.at(0).exponential() / rate;
            let continues = !open.is_empty() && draw.at(1).uniform() < 0.6;
            let (conversation, before) = if continues {
                let place = (draw.at(2).uniform() * open.len() as f64) as usize;
                open.swap_remove(place)
            } else {
                (index + 1, (400.0 * draw.at(3).log_normal(0.8)) as u64 + 1)
            };
            let said = (60.0 * draw.at(4).log_normal(0.7)) as u64 + 1;
            let output = ((150.0 * draw.at(5).log_normal(0.7)) as u64).clamp(1, 1000);
            let input = (before + said).min(8_000);
            let blocks = (0..input / BLOCK).map(|block| conversation << 16 | block).collect();
            arrivals.push(Arrival { at: (at * SECOND) as u64, input, output, blocks });
            if input + output < 8_000 {
                open.push((conversation, input + output));
            }
        }
        Self::of(SYNTHETIC, arrivals)
    }

    fn of(name: &str, arrivals: Vec<Arrival>) -> Self {
        let prefixes = arrivals.iter().map(|arrival| Prefixes::of(0, &text(&arrival.blocks)));
        Self { name: name.to_owned(), prefixes: prefixes.collect(), arrivals }
    }

    /// The bound on its first token, in milliseconds.
    pub fn slo_ms(&self) -> u64 {
        TRACES.iter().find(|(name, ..)| *name == self.name).map_or(800, |(.., slo)| *slo)
    }

    /// From the first arrival to the last, in nanoseconds.
    pub fn span(&self) -> u64 {
        self.arrivals.last().map_or(0, |last| last.at)
    }

    /// Only its first requests.
    #[must_use]
    pub fn first(mut self, requests: usize) -> Self {
        self.arrivals.truncate(requests);
        self.prefixes.truncate(requests);
        self
    }
}

/// A text whose beginning is that of another's just as far as their blocks are the same.
fn text(blocks: &[u64]) -> Vec<u8> {
    let words_per_block = (BLOCK * BYTES_PER_TOKEN / 8) as usize;
    let block = |hash: &u64| std::iter::repeat_n(hash.to_le_bytes(), words_per_block);
    blocks.iter().flat_map(block).flatten().collect()
}

/// A line of an Azure trace: `2023-11-16 18:17:03.9799600,4808,10`. All of it is of one day.
fn azure(line: &str) -> Result<Option<Arrival>, String> {
    if line.starts_with("TIMESTAMP") || line.trim().is_empty() {
        return Ok(None);
    }
    let wrong = || format!("`{line}` is not `date time,input tokens,output tokens`");
    let mut fields = line.trim().split(',');
    let (Some(time), Some(input), Some(output), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(wrong());
    };
    let (_, clock) = time.split_once(' ').ok_or_else(wrong)?;
    let mut seconds = 0.0;
    for part in clock.split(':') {
        seconds = seconds * 60.0 + part.parse::<f64>().map_err(|_| wrong())?;
    }
    let tokens = |text: &str| text.parse().map_err(|_| wrong());
    let at = (seconds * SECOND) as u64;
    Ok(Some(Arrival { at, input: tokens(input)?, output: tokens(output)?, blocks: vec![] }))
}

/// A line of the Mooncake trace: a JSON object.
fn mooncake(line: &str) -> Result<Option<Arrival>, String> {
    if line.trim().is_empty() {
        return Ok(None);
    }
    let row: MooncakeRow = serde_json::from_str(line).map_err(|why| why.to_string())?;
    Ok(Some(Arrival {
        at: row.timestamp * 1_000_000,
        input: row.input_length,
        output: row.output_length,
        blocks: row.hash_ids,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_each_trace_is_read() {
        let arrival = azure("2023-11-16 18:17:03.9799600,4808,10").unwrap().unwrap();
        assert_eq!((arrival.input, arrival.output), (4808, 10));
        assert_eq!(arrival.at, ((18.0 * 3600.0 + 17.0 * 60.0 + 3.97996) * SECOND) as u64);
        let line = r#"{"timestamp":5,"input_length":700,"output_length":3,"hash_ids":[9,10]}"#;
        let arrival = mooncake(line).unwrap().unwrap();
        let blocks = vec![9, 10];
        assert_eq!(arrival, Arrival { at: 5_000_000, input: 700, output: 3, blocks });
    }

    #[test]
    fn what_is_no_line_is_named() {
        assert_eq!(azure("TIMESTAMP,ContextTokens,GeneratedTokens"), Ok(None));
        for line in ["2023-11-16,1,2", "2023-11-16 18:17:03,1", "2023-11-16 18:17:03,1,x"] {
            assert!(azure(line).unwrap_err().contains(line));
        }
        assert!(mooncake("{}").unwrap_err().contains("timestamp"));
        let fault = Trace::named("azure", Path::new("nowhere")).unwrap_err().to_string();
        assert!(fault.contains("`azure-conv`") && fault.contains("`synthetic`"), "{fault}");
        let fault = Trace::named("mooncake", Path::new("nowhere")).unwrap_err().to_string();
        assert!(fault.contains("ISTHMUS_TRACES"), "{fault}");
    }

    #[test]
    fn the_invented_trace_is_the_same_each_time_and_reuses_prefixes() {
        let trace = Trace::synthetic(2_000, 3);
        assert_eq!(trace.arrivals, Trace::synthetic(2_000, 3).arrivals);
        assert!(trace.arrivals.is_sorted_by_key(|arrival| arrival.at));
        let mut seen = std::collections::HashSet::new();
        let blocks = trace.arrivals.iter().flat_map(|arrival| &arrival.blocks);
        let reused = blocks.filter(|block| !seen.insert(**block)).count();
        assert!(reused > 500, "{reused}");
    }
}
