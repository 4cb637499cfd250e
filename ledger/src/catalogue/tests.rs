//! Lookup by day, tier and length, and what is refused.

use super::*;
use crate::fx::{Method, Observation};

const HEAD: &str = "kind,model,region,tier,above_tokens,currency,input,cache_read,cache_write_5m,\
cache_write_1h,audio_input,image_input,output,reasoning,audio_output,request,effective_from,\
effective_to,source,retrieved\n";

fn file(lines: &str) -> String {
    format!("{HEAD}{lines}")
}

/// One line: a model's price in some circumstances and time.
fn line(model: &str, place: &str, input: &str, from_to: &str) -> String {
    format!(
        "bedrock,{model},{place},USD,{input},,,,,,10,,,,{from_to},https://a.example/p,2026-11-28\n"
    )
}

fn catalogue(lines: &str) -> Result<Catalogue, Vec<String>> {
    let told =
        |mistakes: Vec<Mistake>| mistakes.iter().map(ToString::to_string).collect::<Vec<_>>();
    Catalogue::new(read("prices.csv", &file(lines)).map_err(told)?).map_err(told)
}

fn input(catalogue: &Catalogue, region: Option<&str>, day: &str) -> Option<String> {
    let wanted = Wanted { kind: "bedrock", model: "m", region, day: day.parse().unwrap() };
    let tariff = catalogue.tariff(&wanted, &Exchange::closed()).unwrap()?;
    Some(tariff.standard().written.price.input.to_string())
}

#[test]
fn a_row_holds_until_the_next_one_begins_or_it_ends() {
    let rows = [
        line("m", ",,", "1", ","),
        line("m", ",,", "2", "2026-06-01,"),
        line("m", ",,", "3", "2027-01-01,2027-01-31"),
    ];
    let catalogue = catalogue(&rows.concat()).unwrap();
    for (day, expected) in [
        ("2020-01-01", Some("1.00")),
        ("2026-05-31", Some("1.00")),
        ("2026-06-01", Some("2.00")),
        ("2026-12-31", Some("2.00")),
        ("2027-01-31", Some("3.00")),
        ("2027-02-01", None),
    ] {
        assert_eq!(input(&catalogue, None, day).as_deref(), expected, "{day}");
    }
    assert!(catalogue.knows("bedrock", "m") && !catalogue.knows("openai", "m"));
}

#[test]
fn a_region_with_rows_of_its_own_has_no_others() {
    let rows = [line("m", ",,", "1", ","), line("m", "us-gov-west-1,,", "1.2", ",")];
    let catalogue = catalogue(&rows.concat()).unwrap();
    let at = |region| input(&catalogue, region, "2026-11-28").unwrap();
    assert_eq!(at(None), "1.00");
    assert_eq!(at(Some("eu-central-1")), "1.00");
    assert_eq!(at(Some("us-gov-west-1")), "1.20");
}

#[test]
fn tiers_and_bands_become_one_tariff() {
    let rows = [
        line("m", ",,", "1", ","),
        line("m", ",,200000", "2", ","),
        line("m", ",batch,", "0.5", ","),
    ];
    let catalogue = catalogue(&rows.concat()).unwrap();
    let day = "2026-11-28".parse().unwrap();
    let wanted = Wanted { kind: "bedrock", model: "m", region: None, day };
    let tariff = catalogue.tariff(&wanted, &Exchange::closed()).unwrap().unwrap();
    let input = |tier, tokens| tariff.price(tier, tokens).written.price.input.to_string();
    assert_eq!(input(None, 200_001), "2.00");
    assert_eq!(input(Some(Tier::Batch), 200_001), "0.50");
    assert_eq!(tariff.standard().written.source, "https://a.example/p");
}

#[test]
fn a_price_in_another_currency_needs_its_rate() {
    let text = file("akash,m,,,,AKT,2,,,,,,4,,,,,,https://a.example/p,2026-11-28\n");
    let catalogue = Catalogue::new(read("prices.csv", &text).unwrap()).unwrap();
    let day = "2026-11-28".parse().unwrap();
    let wanted = Wanted { kind: "akash", model: "m", region: None, day };
    let missing = catalogue.tariff(&wanted, &Exchange::closed()).unwrap_err();
    assert_eq!(missing, FxError::Missing("AKT".to_owned()));
    let now = "2026-11-28T00:00:00Z".parse().unwrap();
    let seen = Observation {
        currency: "AKT".to_owned(),
        rate: "0.5".parse().unwrap(),
        source: "https://a.example/rates".to_owned(),
        observed_at: now,
        method: Method::Twap,
    };
    let exchange = Exchange::new(vec![seen], std::time::Duration::from_hours(1), now);
    let tariff = catalogue.tariff(&wanted, &exchange).unwrap().unwrap();
    assert_eq!(tariff.standard().written.price.input.to_string(), "1.00");
}

#[test]
fn every_mistake_is_told_with_its_line() {
    for (lines, expected) in [
        (
            line("m", ",,", "1", ",") + &line("m", ",,", "2", ","),
            "prices.csv:3: error: the price for `m` of bedrock contradicts prices.csv:2; give it an \
             `effective_from` of its own, or take it out",
        ),
        (
            line("m", ",,", "1", ",") + &line("m", ",,", "1", ","),
            "prices.csv:3: error: the price for `m` of bedrock says the same as prices.csv:2; give it \
             an `effective_from` of its own, or take it out",
        ),
        (
            line("m", ",,", "1", ",2026-06-30") + &line("m", ",,", "2", "2026-06-30,"),
            "prices.csv:3: error: the price for `m` of bedrock begins on 2026-06-30, but that of \
             prices.csv:2 holds until 2026-06-30",
        ),
        (
            line("m", ",flex,", "1", ","),
            "prices.csv:2: error: `m` of bedrock on 0000-01-01: there is no price for the usual tier \
             of any length",
        ),
        (
            line("m", ",,", "1", ",2026-06-30") + &line("m", ",,5", "1", ","),
            "prices.csv:3: error: `m` of bedrock on 2026-07-01: there is no price for the usual tier \
             of any length",
        ),
        (
            line("m", ",slow,", "1", ","),
            "prices.csv:2: error: `tier`: expected one of batch, flex, priority, ultrafast, or \
             nothing, found `slow`",
        ),
        (
            line("m", ",,", "1e-6", ","),
            "prices.csv:2: error: `input`: expected a price such as 0.25, found `1e-6`",
        ),
        (line("m", ",,", "", ","), "prices.csv:2: error: `input` is missing"),
        (
            line("m", ",,", "1", "2026-06-30,2026-06-29"),
            "prices.csv:2: error: `effective_to` lies before `effective_from`",
        ),
        (
            line("m", ",,", "1", ",").replace("https://", "http://"),
            "prices.csv:2: error: `source`: expected the address of a price list, https://…, found \
             `http://a.example/p`",
        ),
        (
            line("m", ",,", "1", ",").replace("USD", "usd"),
            "prices.csv:2: error: `currency`: expected a code such as USD or AKT, found `usd`",
        ),
        ("bedrock,m\n".to_owned(), "prices.csv:2: error: expected 20 fields, found 2"),
    ] {
        assert_eq!(catalogue(&lines).unwrap_err(), [expected], "{lines}");
    }
    let headless = read("prices.csv", "kind,model\n").unwrap_err();
    assert!(headless[0].to_string().starts_with("prices.csv: error: expected the columns kind,"));
}

#[test]
fn rows_are_read_as_they_are_written() {
    for (name, text) in shipped::FILES {
        let rows = read(name, text).unwrap();
        let again = read(name, &write(&rows)).unwrap();
        let without_place = |rows: Vec<Row>| -> Vec<Row> {
            rows.into_iter().map(|row| Row { line: 0, ..row }).collect()
        };
        assert_eq!(without_place(again), without_place(rows), "{name}");
    }
}

#[test]
fn what_ships_is_sound() {
    let mut rows = vec![];
    for (name, text) in shipped::FILES {
        let read = read(name, text).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
        let kind = name.trim_start_matches("config/catalogue/").trim_end_matches(".csv");
        assert!(!read.is_empty() && read.iter().all(|row| row.kind == kind), "{name}");
        rows.extend(read);
    }
    let many = rows.len();
    let catalogue = Catalogue::new(rows).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
    assert_eq!(catalogue.rows().count(), many);
    assert_eq!(Catalogue::shipped().rows().count(), many);
}
