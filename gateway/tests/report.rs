//! `isthmus report` and `isthmus export` through the program, over books with a few exchanges in them.

#![allow(clippy::unwrap_used, reason = "the helpers of a test panic like the test itself")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use isthmus_inference::money::{Money, Price};
use isthmus_inference::tariff::{Priced, Tariff, Written};
use isthmus_inference::tier::Tier;
use isthmus_inference::usage::{Source, Usage};
use isthmus_ledger::books::Books;
use isthmus_ledger::entry::{
    About, CacheUse, Chain, Entry, ExchangeId, Head, Hold, Line, NodeId, Options, Outcome, Settled,
};
use isthmus_ledger::journal::Segments;
use isthmus_ledger::stores::sqlite::Sqlite;

/// 2026-11-03 10:00:05 UTC.
const AT: i64 = 1_793_700_005_000;
const HOUR: i64 = 3_600_000;

struct House {
    folder: tempfile::TempDir,
    ledger: PathBuf,
}

impl House {
    /// Three exchanges at a price, one at a leased machine.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("isthmus.db");
        let house = Self { folder, ledger };
        house.configure("", "");
        let store = Sqlite::open(&house.ledger).await.unwrap();
        let price = Price {
            input: "0.25".parse().unwrap(),
            output: "2".parse().unwrap(),
            ..Price::default()
        };
        let tariff = Tariff::flat(price, "test");
        let priced = tariff.standard();
        store.keep_price(priced.id.as_str(), &priced.written.text()).await.unwrap();
        let charged = (priced.id.as_str(), &price);
        let exchanges = [
            settled(1, "support", Some(charged), Source::Reported),
            settled(2, "support", Some(charged), Source::Estimated),
            settled(3, "sales", Some(charged), Source::Reported),
            settled(4, "sales", None, Source::Reported),
        ];
        let mut chain = Chain::behind(NodeId::new("test"), Head::START);
        let entries = exchanges.into_iter().flat_map(|settled| {
            [Entry::Hold(Box::new(held(&settled))), Entry::Settled(Box::new(settled))]
        });
        let links: Vec<_> = entries.map(|entry| chain.link(entry)).collect();
        store.post(&links).await.unwrap();
        house
    }

    /// Writes the configuration; `mini` is more of that endpoint, `lease` more of the other's price.
    fn configure(&self, mini: &str, lease: &str) {
        let ledger = &self.ledger;
        let config = format!(
            "version: 1
ledger: {{ store: sqlite, path: {ledger:?} }}
tenancy: {{ organisation: {{ name: Acme }} }}
providers: {{ openai: {{ kind: openai, api_key: sk-x }}, akash: {{ kind: akash, api_key: x }} }}
endpoints:
  mini: {{ provider: openai, model: gpt-5-mini, facts: {{ operator: OpenAI, processing_regions: [US] }}{mini} }}
  gpu: {{ provider: akash, model: llama, price: {{ lease_usd_per_hour: \"1.89\", capacity_tokens_per_second: 100{lease} }} }}
models: {{ chat: {{ endpoints: [mini, gpu] }} }}
"
        );
        fs::write(self.folder.path().join("isthmus.yaml"), config).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut program = Command::new(env!("CARGO_BIN_EXE_isthmus"));
        program.args(arguments).current_dir(self.folder.path()).env_clear().output().unwrap()
    }

    fn said(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let (out, error) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{arguments:?}: {out}{error}");
        out
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn settled(number: u64, team: &str, charged: Option<(&str, &Price)>, source: Source) -> Settled {
    let usage =
        Usage { uncached_input: 1000 * number, text_output: 100, source, ..Usage::default() };
    let leased = charged.is_none();
    let at = AT + HOUR * i64::from(leased);
    Settled {
        exchange: ExchangeId::new(at, number.into()),
        at,
        request_id: format!("req-{number}").into(),
        about: About {
            organisation: "Acme".into(),
            team: team.into(),
            model: "chat".into(),
            tags: [("feature".to_owned(), "summary".to_owned())].into(),
            ..About::default()
        }
        .into(),
        outcome: Outcome::Answered,
        lines: vec![Line {
            number: 1,
            endpoint: if leased { "gpu" } else { "mini" }.into(),
            provider: if leased { "akash" } else { "openai" }.into(),
            upstream_model: if leased { "llama" } else { "gpt-5-mini" }.into(),
            reason: "first".into(),
            fate: "answered".into(),
            counts: true,
            usage,
            price: Some(charged.map_or("lease", |(id, _)| id).into()),
            cost: Some(charged.map_or(Money::ZERO, |(_, price)| price.cost(&usage))),
            began: at,
            first_output_ms: None,
            took_ms: 500,
        }],
        options: Options::default(),
        cache: CacheUse::Off,
    }
}

fn held(settled: &Settled) -> Hold {
    let line = &settled.lines[0];
    Hold {
        exchange: settled.exchange,
        at: settled.at,
        request_id: settled.request_id.clone(),
        about: settled.about.clone(),
        amount: Money::ZERO,
        expected: line.usage,
        endpoint: line.endpoint.clone(),
        provider: line.provider.clone(),
        upstream_model: line.upstream_model.clone(),
        price: line.price.clone(),
    }
}

const NOVEMBER: [&str; 4] = ["--from", "2026-11-03", "--to", "2026-11-04"];

fn asked<'a>(words: &[&'a str]) -> Vec<&'a str> {
    words.iter().copied().chain(NOVEMBER).collect()
}

#[tokio::test]
async fn spend_is_told_in_every_form() {
    let house = House::new().await;
    let asks = ["report", "--group-by", "team,tag:feature,day", "--format", "json"];
    let json: serde_json::Value = serde_json::from_str(&house.said(&asked(&asks))).unwrap();
    assert_eq!(json["rows"][1]["team"], "support");
    assert_eq!(json["rows"][1]["tag:feature"], "summary");
    assert_eq!(json["rows"][1]["day"], "2026-11-03");
    assert_eq!(json["rows"][1]["requests"], 2);
    assert_eq!(json["rows"][1]["input_tokens"], 3000);
    // 3000 × 0.25 + 200 × 2, in millionths of a dollar.
    assert_eq!(json["rows"][1]["cost_usd"], "0.00115");
    assert_eq!(json["total"]["requests"], 4);
    assert_eq!(json["total"]["cost_usd"], "0.0021");
    let table = house.said(&asked(&["report", "--group-by", "team,provider,model,endpoint,day"]));
    assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
    assert!(table.contains("0.002100") && table.contains("estimated"), "{table}");
    let csv = house.said(&asked(&["report", "--format", "csv"]));
    assert!(csv.starts_with("team,requests,attempts,"), "{csv}");
    let file = house.path("report.parquet");
    house.said(&asked(&["report", "--format", "parquet", "--output", &file]));
    assert!(fs::read(&file).unwrap().starts_with(b"PAR1"));
    let html = house.said(&asked(&["report", "--format", "html"]));
    assert!(html.starts_with("<!doctype html>") && html.contains("AI spend"), "{html}");
    for report in ["units", "untagged", "savings", "budgets", "anomalies", "leases"] {
        house.said(&asked(&["report", report]));
    }
}

#[tokio::test]
async fn a_lease_has_its_days_and_a_tier_its_saving() {
    let house = House::new().await;
    let row = |report: &str| {
        let json = house.said(&asked(&["report", report, "--format", "json"]));
        serde_json::from_str::<serde_json::Value>(&json).unwrap()["rows"][0].clone()
    };
    assert_eq!(row("leases")["hours"], 24);
    let cases = [("from: 2026-11-04", 0), ("until: 2026-11-03", 24), ("from: 2026-11-02", 24)];
    for (days, hours) in cases {
        house.configure("", &format!(", {days}"));
        assert_eq!(row("leases")["hours"], hours, "{days}");
    }
    let file = house.path("focus.csv");
    house.configure("", ", until: 2026-11-02");
    house.said(&asked(&["export", "focus", "--output", &file]));
    assert!(!fs::read_to_string(&file).unwrap().contains("Purchase"));

    assert_eq!(row("savings")["tier_saved_usd"], "0.00");
    let batch = r#"{ input: "0.125", output: "1" }"#;
    let price =
        format!(r#", price: {{ input: "0.25", output: "2", tiers: {{ batch: {batch} }} }}"#);
    house.configure(&price, "");
    let price =
        Price { input: "0.125".parse().unwrap(), output: "1".parse().unwrap(), ..Price::default() };
    let Written { currency, .. } = Tariff::flat(price, "").standard().written;
    let (tier, source) = (Some(Tier::Batch), "configuration".to_owned());
    let priced =
        Priced::new(Written { price, currency, tier, above_tokens: 0, source, converted: None });
    let entry = settled(5, "sales", Some((priced.id.as_str(), &price)), Source::Reported);
    let mut chain = Chain::behind(NodeId::new("other"), Head::START);
    let store = Sqlite::open(&house.ledger).await.unwrap();
    store.post(&[chain.link(Entry::Settled(Box::new(entry)))]).await.unwrap();
    // 5000 × 0.125 + 100 × 1, in millionths of a dollar.
    assert_eq!(row("savings")["tier_saved_usd"], "0.000725");
    assert!(house.said(&asked(&["report", "savings"])).contains("(batch, flex) saved $0.000725"));
}

#[tokio::test]
async fn what_cannot_be_told_is_named() {
    let house = House::new().await;
    let error = |arguments: &[&str]| {
        let output = house.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        text(&output.stderr)
    };
    assert!(error(&["report", "--group-by", "teams"]).contains("`teams`"));
    assert!(error(&["report", "--from", "soon"]).contains("`soon` is not a moment"));
    assert!(error(&["report", "--time-zone", "Mars"]).contains("`Mars` is not a time zone"));
}

#[tokio::test]
async fn exports_tie_to_the_ledger_and_keep_the_rules() {
    let house = House::new().await;
    for (version, format) in
        [("1.2", "csv"), ("1.4", "parquet"), ("1.2", "parquet"), ("1.4", "csv")]
    {
        let file = house.path(&format!("focus.{format}"));
        let asks = ["export", "focus", "--version", version, "--format", format, "--output", &file];
        house.said(&asked(&asks));
        let checked = house.said(&["export", "focus", "--check", &file]);
        assert!(checked.contains("keeps the rules"), "{checked}");
    }
    let single = house.said(&asked(&["export", "focus", "--per-request"]));
    assert!(single.contains("req-3") && single.contains("Purchase") && single.contains("Unused"));
    let file = house.path("focus.csv");
    let broken = fs::read_to_string(&file).unwrap().replace(",Usage,", ",Token,");
    fs::write(&file, broken).unwrap();
    let output = house.run(&["export", "focus", "--check", &file]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("ChargeCategory is `Token`"));
}

#[tokio::test]
async fn an_invoice_fits_or_does_not() {
    let house = House::new().await;
    let invoice = Path::new(&house.path("invoice.csv")).to_owned();
    let head = "provider,month,sku,meter,quantity,amount,currency\n";
    let lines = "openai,2026-11,gpt-5-mini,input,6000,0.0015,USD\nopenai,2026-11,gpt-5-mini,output,300,0.0006,USD\n";
    fs::write(&invoice, format!("{head}{lines}")).unwrap();
    let said = house.said(&["report", "reconcile", "invoice.csv", "--tolerance-usd", "0"]);
    assert!(said.contains("fits"), "{said}");
    fs::write(&invoice, format!("{head}{}", lines.replace("0.0006", "0.9"))).unwrap();
    let output = house.run(&["report", "reconcile", "invoice.csv"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stdout).contains("price") && text(&output.stderr).contains("1 line differs")
    );
}

#[tokio::test]
async fn a_wrong_price_is_put_right_once() {
    let house = House::new().await;
    let cost = || {
        let json = house.said(&asked(&["report", "--format", "json"]));
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        json["total"]["cost_usd"].as_str().unwrap().to_owned()
    };
    let reprice =
        |more: &[&str]| house.said(&asked(&[&["catalogue", "reprice"][..], more].concat()));
    // A gateway at work has its journal, and keeps it.
    let _gateway = Segments::open_beside(&house.ledger).unwrap();
    house.configure(", price: { input: \"0.5\", output: \"2\" }", "");
    let told = reprice(&[]);
    assert!(told.lines().all(|line| line.chars().count() <= 100), "{told}");
    // 6000 tokens of input cost 0.25 more for a million of them.
    let row = told.lines().find(|line| line.contains("gpt-5-mini")).unwrap();
    assert!(row.contains("  3  ") && row.ends_with("0.001500"), "{told}");
    assert!(told.contains("Nothing was written"), "{told}");
    assert_eq!(cost(), "0.0021");
    for other in [["--provider", "akash"], ["--model", "gpt-5"]] {
        let told = reprice(&[&other[..], &["--yes"]].concat());
        assert!(told.contains("nothing in this period"), "{told}");
    }

    assert!(reprice(&["--yes"]).starts_with("Corrected"));
    assert_eq!(cost(), "0.0036");
    let verified = house.said(&["ledger", "verify"]);
    assert!(verified.contains("4 exchanges") && verified.contains("3 corrections"), "{verified}");
    let file = house.path("focus.csv");
    house.said(&asked(&["export", "focus", "--output", &file]));
    house.said(&["export", "focus", "--check", &file]);
    let again = reprice(&["--yes"]);
    assert!(again.starts_with("Nothing to be corrected"), "{again}");
    assert!(again.contains("charged as it should be"), "{again}");
    assert_eq!(cost(), "0.0036");

    // The correction was wrong too: what stands is corrected, not what was charged first.
    house.configure(", price: { input: \"0.25\", output: \"2\" }", "");
    assert!(reprice(&["--yes", "--reason", "the contract"]).contains("-0.001500"));
    assert_eq!(cost(), "0.0021");
    assert!(house.said(&["ledger", "verify"]).contains("6 corrections"));
    assert!(house.said(&["ledger", "entries"]).contains("\"reason\":\"the contract\""));

    let _another = Segments::open_for_corrections(&house.ledger).unwrap();
    let output = house.run(&asked(&["catalogue", "reprice", "--yes"]));
    assert!(text(&output.stderr).contains("journal-corrections"), "{output:?}");
}
