//! What is read of the list, and what is refused by name.

use super::*;

fn reading() -> Reading<'static> {
    Reading { file: "prices.json", day: "2026-11-28".parse().unwrap(), kinds: &[] }
}

fn imported(text: &str) -> Imported {
    read(text, &reading()).unwrap()
}

fn refusals(text: &str) -> Vec<String> {
    imported(text).refused.iter().map(ToString::to_string).collect()
}

/// An entry of OpenAI's with these fields beside the usual ones.
fn entry(name: &str, fields: &str) -> String {
    format!("\"{name}\":{{\"litellm_provider\":\"openai\",\"mode\":\"chat\"{fields}}}")
}

const PRICED: &str = ",\"input_cost_per_token\":2.5e-07,\"output_cost_per_token\":2e-06";

#[test]
fn fields_are_meters_tiers_and_lengths() {
    let fields = ",\"input_cost_per_token\":1.25e-06,\"output_cost_per_token\":1e-05,\
        \"cache_read_input_token_cost\":1.25e-07,\"cache_creation_input_token_cost_above_1hr\":6e-6,\
        \"output_cost_per_audio_token\":2e-5,\"supports_prompt_caching\":true,\
        \"input_cost_per_token_batches\":6.25e-07,\"output_cost_per_token_batches\":5e-06,\
        \"input_cost_per_token_above_200k_tokens_priority\":4.5e-06,\
        \"output_cost_per_token_above_200k_tokens_priority\":2.7e-05,\
        \"input_cost_per_token_priority\":2.25e-06,\"output_cost_per_token_priority\":1.8e-05,\
        \"input_cost_per_token_flex\":6.25e-07,\
        \"search_context_cost_per_query\":{\"search_context_size_low\":0.035},\
        \"source\":\"https://a.example/prices\"";
    let imported = imported(&format!("{{{}}}", entry("m", fields)));
    assert_eq!((imported.refused.len(), imported.passed_over), (0, 0));
    assert_eq!(
        super::super::write(&imported.rows).lines().skip(1).collect::<Vec<_>>(),
        [
            "openai,m,,,,USD,1.25,0.125,,6.00,,,10.00,,20.00,,,,https://a.example/prices,2026-11-28",
            "openai,m,,batch,,USD,0.625,,,,,,5.00,,,,,,https://a.example/prices,2026-11-28",
            "openai,m,,priority,,USD,2.25,,,,,,18.00,,,,,,https://a.example/prices,2026-11-28",
            "openai,m,,priority,200000,USD,4.50,,,,,,27.00,,,,,,https://a.example/prices,2026-11-28",
        ],
        "flex has no price for output"
    );
}

#[test]
fn names_lose_what_only_the_list_puts_before_them() {
    let of = |name: &str, provider: &str| {
        format!("\"{name}\":{{\"litellm_provider\":\"{provider}\",\"mode\":\"chat\"{PRICED}}}")
    };
    let text = [
        of("bedrock/us-gov-west-1/anthropic.claude-x-v1:0", "bedrock"),
        of("eu.anthropic.claude-x-v1:0", "bedrock_converse"),
        of("bedrock/us-east-1/1-month-commitment/anthropic.claude-x", "bedrock"),
        of("vertex_ai/claude-x@default", "vertex_ai-anthropic_models"),
        of("azure/gpt-x", "azure"),
        of("azure/eu/gpt-x", "azure"),
        of("ft:gpt-x", "openai"),
        of("together_ai/meta-llama/L", "together_ai"),
        of("dashscope/q", "dashscope"),
    ];
    let imported = imported(&format!("{{{}}}", text.join(",")));
    let seen: Vec<_> = imported
        .rows
        .iter()
        .map(|row| (row.kind.as_str(), row.model.as_str(), row.region.as_deref()))
        .collect();
    assert_eq!(
        seen,
        [
            ("azure", "gpt-x", None),
            ("bedrock", "anthropic.claude-x-v1:0", Some("us-gov-west-1")),
            ("bedrock", "eu.anthropic.claude-x-v1:0", None),
            ("together", "meta-llama/L", None),
            ("vertex", "claude-x@default", None),
        ]
    );
    assert_eq!(imported.passed_over, 4);
    assert!(imported.rows.iter().all(|row| row.source == LIST));
}

#[test]
fn what_cannot_be_believed_is_refused_by_name() {
    let noise = ",\"input_cost_per_token\":4.2000000000000006E-8,\"output_cost_per_token\":1e-6";
    let free = ",\"input_cost_per_token\":0.0,\"output_cost_per_token\":0";
    let cached = format!("{PRICED},\"supports_prompt_caching\":true");
    let images = format!("{PRICED},\"output_cost_per_image_token\":3e-05");
    let stepped = format!("{PRICED},\"tiered_pricing\":[]");
    let odd = ",\"input_cost_per_token\":\"cheap\",\"output_cost_per_token\":1e-6";
    let text = [
        entry("a-noise", noise),
        entry("b-free", free),
        entry("c-unpriced", ""),
        entry("d-cached", &cached),
        entry("e-images", &images),
        entry("f-stepped", &stepped),
        entry("g-odd", odd),
        entry("h-twice", PRICED),
        entry("h-twice", PRICED),
        "\"i-list\":[]".to_owned(),
        entry("openai/j-same", PRICED),
        entry("j-same", PRICED),
        entry("openai/k-other", PRICED),
        entry("k-other", &PRICED.replace("2e-06", "3e-06")),
        entry("l-gone", &format!("{PRICED},\"deprecation_date\":\"2026-11-27\"")),
    ];
    let text = format!("{{{}}}", text.join(","));
    assert_eq!(
        refusals(&text),
        [
            "a-noise: `input_cost_per_token` is 4.2000000000000006E-8, finer than a pico-dollar for a \
             token: the noise of a float; look the price up and write the row by hand",
            "b-free: costs nothing, which is more likely a price that nobody filled in",
            "c-unpriced: has no price",
            "d-cached: claims a cache for prompts and has no price for what is read from it",
            "e-images: charges by `output_cost_per_image_token`, which no meter counts",
            "f-stepped: `tiered_pricing` is not understood",
            "g-odd: `input_cost_per_token` is \"cheap\", which is no price",
            "h-twice: is there twice",
            "i-list: is not an object with named fields",
            "k-other: contradicts openai/k-other",
            "openai/k-other: contradicts k-other",
        ]
    );
    let rows = imported(&text).rows;
    assert_eq!(rows.iter().map(|row| &*row.model).collect::<Vec<_>>(), ["j-same"]);
}

#[test]
fn what_is_no_list_is_an_error() {
    for text in ["", "[]", "{\"a\":", "7"] {
        assert!(read(text, &reading()).is_err(), "{text}");
    }
}

/// A piece of the real list, version 1.110.2, and all that is wrong in it.
#[test]
fn a_piece_of_the_real_list_is_read_to_the_digit() {
    let imported = imported(include_str!("../../../tests/data/litellm-excerpt.json"));
    let expected = include_str!("../../../tests/data/litellm-excerpt.csv");
    assert_eq!(super::super::write(&imported.rows), expected);
    let refused: Vec<_> = imported.refused.iter().map(|one| format!("{one}\n")).collect();
    assert_eq!(refused.concat(), include_str!("../../../tests/data/litellm-excerpt.refused"));
}
