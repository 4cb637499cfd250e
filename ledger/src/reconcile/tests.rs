//! Invoices that fit, and the ways in which they do not.

use super::*;
use crate::books::{Dimensions, Sums};
use crate::sheet::json;

fn price() -> Price {
    Price { input: "1".parse().unwrap(), output: "10".parse().unwrap(), ..Price::default() }
}

/// A million tokens of input, and a million of output, in the hour of this moment.
fn bucket(model: &str, from: &str) -> Bucket {
    let hours = Zone::utc().period(Some(from), Some("2027-02-01"), 0).unwrap();
    let of = Dimensions {
        provider: "OpenAI".into(),
        upstream_model: model.into(),
        price: "v1".into(),
        ..Dimensions::default()
    };
    let mut sums = Sums { requests: 1, attempts: 1, ..Sums::default() };
    sums.usage.uncached_input = 1_000_000;
    sums.usage.text_output = 1_000_000;
    sums.cost = price().cost(&sums.usage);
    Bucket { hour: hours.from, of, sums }
}

fn verdicts(invoice: &str, buckets: &[Bucket]) -> (Vec<String>, Reconciled) {
    let invoice = format!("provider,month,sku,meter,quantity,amount,currency\n{invoice}");
    let tolerance =
        Tolerance { percent: Number::whole(1), least: "0.01".parse().unwrap(), edge_hours: 12 };
    let lines = invoice::read(invoice.as_bytes()).unwrap();
    let price = |id: &str| (id == "v1").then(price);
    let reconciled = reconcile(&lines, buckets, &price, tolerance, &Zone::utc());
    let json = json::value(&reconciled.sheet);
    let rows = json["rows"].as_array().unwrap();
    let verdicts = rows
        .iter()
        .map(|row| format!("{} {}: {}", row["sku"], row["meter"], row["verdict"]).replace('"', ""));
    (verdicts.collect(), reconciled)
}

#[test]
fn what_fits_by_meter_or_as_a_whole_fits() {
    let buckets =
        [bucket("gpt", "2026-11-05"), bucket("gpt", "2026-11-06"), bucket("o", "2026-11-06")];
    let invoice = "openai,2026-11,gpt,input,2000000,2.00,USD\n\
                   openai,2026-11,gpt,output,2000000,20.19,USD\n\
                   openai,2026-11,O,,,11,usd\n";
    let (verdicts, reconciled) = verdicts(invoice, &buckets);
    assert_eq!(verdicts, ["gpt input: fits", "gpt output: fits", "o : fits"]);
    assert_eq!(reconciled.beyond, 0);
}

#[test]
fn differences_are_told_by_their_kind_and_add_up() {
    let buckets = [
        bucket("tokens", "2026-11-05"),
        bucket("dear", "2026-11-05"),
        bucket("late", "2026-11-05"),
        bucket("late", "2026-12-01"),
        bucket("ours", "2026-11-05"),
    ];
    let invoice = "openai,2026-11,tokens,,3000000,16.5,USD\n\
                   openai,2026-11,dear,,2000000,22,USD\n\
                   openai,2026-11,late,,4000000,22,USD\n\
                   openai,2026-11,theirs,,10,5,USD\n";
    let (verdicts, reconciled) = verdicts(invoice, &buckets);
    assert_eq!(
        verdicts,
        [
            "dear : price",
            "late : timing",
            "ours input: not invoiced",
            "ours output: not invoiced",
            "theirs : not in books",
            "tokens : quantity"
        ]
    );
    assert_eq!(reconciled.beyond, 6);
    for row in &reconciled.sheet.rows {
        let [Cell::Money(whole), Cell::Money(tokens), Cell::Money(price)] = &row[8..11] else {
            panic!("{row:?}")
        };
        assert_eq!(*whole, *tokens + *price);
    }
}

#[test]
fn what_is_no_invoice_is_told_with_its_line() {
    let error = |text: &str| invoice::read(text.as_bytes()).unwrap_err().to_string();
    let head = "provider,month,sku,meter,quantity,amount,currency\n";
    assert!(error("provider,month\n").contains("line 1: there is no column `sku`"));
    assert!(error(&format!("{head}p,2026-11,s,,1,1.5,EUR\n")).contains("line 2: `EUR` is not USD"));
    assert!(error(&format!("{head}p,2026-13,s,,1,1.5,USD\n")).contains("`2026-13` is not a month"));
    assert!(error(&format!("{head}p,2026-11,s,,x,1.5,USD\n")).contains("`x` is not a quantity"));
    assert!(error(&format!("{head}p,2026-11,s,,1,$1.5,USD\n")).contains("line 2"));
}
