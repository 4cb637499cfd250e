//! What recorded answers cost, against a table that was made apart from this program: the tokens of
//! each bucket, a price, and the sum for everybody to check (`tests/data/costs-of-recordings.csv`).

#![allow(clippy::print_stdout, reason = "a test that skips says so")]

use std::collections::BTreeMap;

use bytes::Bytes;
use isthmus_adapters::dialect::ChatDialect;
use isthmus_adapters::dialects::anthropic::{self, AnthropicChat};
use isthmus_adapters::dialects::bedrock::Converse;
use isthmus_adapters::dialects::cohere::CohereChat;
use isthmus_adapters::dialects::gemini::{Flavour, GeminiChat};
use isthmus_adapters::dialects::openai_provider::{OPENAI, OpenAiChat};
use isthmus_adapters::dialects::responses::ResponsesChat;
use isthmus_inference::meter::Meter;
use isthmus_inference::money::{Price, Rate};
use isthmus_inference::stream::Fold;
use isthmus_inference::usage::Usage;
use serde_json::Value;

use crate::recordings::of_vendor;

const TABLE: &str = include_str!("../data/costs-of-recordings.csv");
const VENDORS: [&str; 10] = [
    "anthropic",
    "azure",
    "bedrock",
    "cohere",
    "compat",
    "gemini",
    "groq",
    "mistral",
    "openai",
    "vertex",
];

/// One line of the table by the names of its columns.
type Line = BTreeMap<&'static str, &'static str>;

fn lines() -> Vec<Line> {
    let mut lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    let columns: Vec<_> = lines.next().unwrap().split(',').collect();
    lines.map(|line| columns.iter().copied().zip(line.split(',')).collect()).collect()
}

fn price(line: &Line) -> Price {
    let rate = |meter: Meter| {
        let text = line[format!("price_{}", meter.as_str()).as_str()];
        (!text.is_empty()).then(|| text.parse::<Rate>().unwrap())
    };
    Price {
        input: rate(Meter::Input).unwrap(),
        cache_read: rate(Meter::CacheRead),
        cache_write_5m: rate(Meter::CacheWrite5m),
        cache_write_1h: rate(Meter::CacheWrite1h),
        audio_input: rate(Meter::AudioInput),
        image_input: rate(Meter::ImageInput),
        output: rate(Meter::Output).unwrap(),
        reasoning: rate(Meter::Reasoning),
        audio_output: rate(Meter::AudioOutput),
        ..Price::default()
    }
}

/// The tokens of a bucket by the column's name.
fn counted(usage: &Usage, column: &str) -> u64 {
    match Meter::ALL.into_iter().find(|meter| meter.as_str() == column) {
        Some(meter) => meter.quantity(usage),
        None => usage.unexplained,
    }
}

fn usage(line: &Line) -> Usage {
    let count = |column: &str| line[column].parse::<u64>().unwrap();
    Usage {
        uncached_input: count("input"),
        cache_read: count("cache_read"),
        cache_write_5m: count("cache_write_5m"),
        cache_write_1h: count("cache_write_1h"),
        audio_input: count("audio_input"),
        image_input: count("image_input"),
        text_output: count("output"),
        reasoning_output: count("reasoning"),
        audio_output: count("audio_output"),
        unexplained: count("unexplained"),
        ..Usage::default()
    }
}

/// What the house reads of a recorded answer.
fn told(recording: &Value) -> Usage {
    let dialect: &dyn ChatDialect = match (recording["vendor"].as_str(), &recording["api"]) {
        (_, api) if api == "responses" => &ResponsesChat,
        (Some("anthropic"), _) => &AnthropicChat { flavour: anthropic::Flavour::Direct },
        (Some("bedrock"), _) => Converse::of("anthropic.claude"),
        (Some("cohere"), _) => &CohereChat,
        (Some("gemini" | "vertex"), _) => &GeminiChat { flavour: Flavour::Studio },
        _ => &OpenAiChat { style: OPENAI },
    };
    let response = &recording["response"];
    let Some(stream) = response["body_text"].as_str() else {
        return dialect.decode(response["body"].to_string().as_bytes()).unwrap().usage;
    };
    let (mut decoder, mut events) = (dialect.decoder(), vec![]);
    decoder.push(Bytes::from(stream.to_owned()), &mut events).unwrap();
    decoder.end(&mut events).unwrap();
    let mut fold = Fold::default();
    events.into_iter().for_each(|event| fold.push(event));
    fold.finish("m".into()).unwrap().usage
}

#[test]
fn the_table_adds_up_and_has_every_kind_of_token() {
    let lines = lines();
    assert!(lines.len() >= 40, "there are only {}", lines.len());
    let mut seen = BTreeMap::new();
    for line in &lines {
        let (name, usage) = (line["recording"], usage(line));
        assert_eq!(price(line).cost(&usage).to_string(), line["cost"], "{name}");
        for charge in price(line).charges(&usage) {
            *seen.entry((charge.meter.as_str(), charge.unexplained)).or_insert(0) += 1;
        }
    }
    for column in
        ["cache_read", "cache_write_5m", "audio_input", "image_input", "reasoning", "audio_output"]
    {
        assert!(seen.contains_key(&(column, false)), "no {column}: {seen:?}");
    }
    assert!(seen.keys().any(|(_, unexplained)| *unexplained), "{seen:?}");
}

#[test]
fn recorded_answers_cost_what_the_table_says() {
    let recordings: BTreeMap<String, Value> = VENDORS.into_iter().flat_map(of_vendor).collect();
    if recordings.is_empty() {
        return;
    }
    let mut wrong = vec![];
    let lines = lines();
    for line in &lines {
        let name = line["recording"];
        let usage = told(&recordings[name]);
        for column in line.keys().filter(|column| {
            line.contains_key(format!("price_{column}").as_str()) || **column == "unexplained"
        }) {
            let (told, expected) = (counted(&usage, column), line[column]);
            if told.to_string() != expected {
                wrong.push(format!("{name}: {column} {told}, not {expected}"));
            }
        }
        let cost = price(line).cost(&usage).to_string();
        if cost != line["cost"] {
            wrong.push(format!("{name}: {cost}, not {} = {}", line["arithmetic"], line["cost"]));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    println!("{} answers", lines.len());
}
