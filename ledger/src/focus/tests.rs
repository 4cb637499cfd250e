//! Exports tie to the ledger, to the last digit.

use isthmus_inference::money::{Money, Price, Rate};
use isthmus_inference::tariff::{Priced, Tariff};
use isthmus_inference::usage::{Source, Usage};
use proptest::prelude::*;

use super::export::{Export, Format, Told};
use super::*;
use crate::books::{Bucket, Hours};
use crate::entry::{
    About, CacheUse, Correction, Entry, ExchangeId, Line, Options, Outcome, Settled,
};
use crate::fold;
use crate::lease::{Lease, Work};

const HOUR: i64 = 498_264;

fn priced(input: u64, output: u64, fee: i128) -> Priced {
    let rate = Rate::from_pico_dollars_per_token;
    let price = Price {
        input: rate(input),
        cache_read: Some(rate(input / 10)),
        output: rate(output),
        request: Money::from_pico_dollars(fee),
        ..Price::default()
    };
    Tariff::flat(price, "test").standard().clone()
}

fn line(priced: Option<&Priced>, usage: Usage, endpoint: &str) -> Line {
    let leased = endpoint == "gpu";
    Line {
        number: 1,
        endpoint: endpoint.into(),
        provider: "p".into(),
        upstream_model: "m".into(),
        reason: "first".into(),
        fate: "answered".into(),
        counts: true,
        usage,
        price: if leased {
            Some(committed::LEASE.into())
        } else {
            priced.map(|priced| priced.id.clone())
        },
        cost: if leased {
            Some(Money::ZERO)
        } else {
            priced.map(|priced| priced.written.price.cost(&usage))
        },
        began: 0,
        first_output_ms: None,
        took_ms: usage.total() * 10,
    }
}

fn settled(number: u128, hour: i64, lines: Vec<Line>) -> Settled {
    Settled {
        exchange: ExchangeId::new(1, number),
        at: hour * 3_600_000,
        request_id: format!("r{number}").into(),
        about: About { organisation: "acme".into(), team: "t".into(), ..About::default() }.into(),
        outcome: Outcome::Answered,
        lines,
        options: Options::default(),
        cache: CacheUse::Off,
    }
}

fn exported(
    buckets: &[Bucket],
    prices: &[Priced],
    leases: &[Lease],
    version: Version,
) -> (Told, Vec<check::Complaint>, Vec<u8>) {
    let price_of = |id: &str| {
        prices.iter().find(|priced| priced.id.as_str() == id).map(|priced| priced.written.clone())
    };
    let sellers = BTreeMap::new();
    let around = Surroundings { price_of: &price_of, sellers: &sellers };
    let mut file = Vec::new();
    let mut export = Export::begin(&mut file, version, Format::Csv).unwrap();
    for bucket in buckets.iter().filter(|it| !committed::is_leased(it, leases)) {
        for row in charges::rows(bucket, "", &around) {
            export.row(&row).unwrap();
        }
    }
    for lease in leases {
        let period = Hours { from: HOUR, to: HOUR + 3 };
        for row in committed::rows(lease, buckets, period, "acme", &around) {
            export.row(&row).unwrap();
        }
    }
    let (told, complaints) = export.finish().unwrap();
    (told, complaints, file)
}

#[test]
fn a_request_is_a_row_for_each_meter() {
    let priced = priced(2_500_000, 10_000_000, 0);
    let usage = Usage {
        uncached_input: 1000,
        cache_read: 500,
        text_output: 20,
        source: Source::Estimated,
        ..Usage::default()
    };
    let entry = Entry::Settled(Box::new(settled(1, HOUR, vec![line(Some(&priced), usage, "e")])));
    let (told, complaints, file) = exported(&fold::buckets(&entry), &[priced], &[], Version::V1_4);
    assert_eq!((told.rows, complaints), (3, vec![]));
    let text = String::from_utf8(file).unwrap();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let headers = reader.headers().unwrap().clone();
    let at = |name: &str| headers.iter().position(|header| header == name).unwrap();
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    let get = |name: &str| rows.iter().map(|row| row[at(name)].to_owned()).collect::<Vec<_>>();
    assert_eq!(get("SkuMeter"), ["Input Tokens", "Cached Input Tokens", "Output Tokens"]);
    assert_eq!(get("ConsumedQuantity"), ["1000.0", "500.0", "20.0"]);
    assert_eq!(get("PricingQuantity"), ["0.001", "0.0005", "0.00002"]);
    assert_eq!(get("ListUnitPrice"), ["2.5", "0.25", "10.0"]);
    assert_eq!(get("BilledCost"), ["0.0025", "0.000125", "0.0002"]);
    assert_eq!(get("x_Requests"), ["1", "0", "0"]);
    assert_eq!(get("x_UsageSource"), ["estimated"; 3]);
    assert_eq!(get("SkuId")[1], "e/m/cache_read");
    assert_eq!(get("BillingPeriodStart")[0], "2026-11-01T00:00:00Z");
    assert!(text.contains("HostProviderName") && !text.contains("PublisherName"));
}

#[test]
fn a_checker_finds_what_is_wrong() {
    let priced = priced(2_500_000, 10_000_000, 0);
    let usage = Usage { uncached_input: 1000, ..Usage::default() };
    let entry = Entry::Settled(Box::new(settled(1, HOUR, vec![line(Some(&priced), usage, "e")])));
    let (_, _, file) = exported(&fold::buckets(&entry), &[priced], &[], Version::V1_2);
    let good = String::from_utf8(file).unwrap();
    let complaints = |text: &str| {
        use std::io::{Seek, Write};
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.rewind().unwrap();
        let (_, complaints) = read::check(file).unwrap();
        complaints.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    assert_eq!(complaints(&good), "");
    let cases = [
        ("0.0025", "99.0", "is 99.00, and ListUnitPrice"),
        ("AI and Machine Learning", "AI", "none of AI and Machine Learning"),
        (",Usage,", ",Token,", "ChargeCategory is `Token`"),
        ("ServiceCategory", "ServiceKind", "there is no column `ServiceCategory`"),
        ("x_ModelId", "ModelId", "needs `x_` before it"),
        (",USD,", ",AKT,", "BillingCurrency is `AKT`"),
    ];
    for (right, wrong, complaint) in cases {
        let found = complaints(&good.replace(right, wrong));
        assert!(found.contains(complaint), "{right}: {found}");
    }
}

#[test]
fn what_stood_idle_was_not_consumed() {
    let lease =
        Lease::new("gpu", "2".parse().unwrap(), Hours { from: HOUR, to: HOUR + 1 }, Work::Time);
    let (_, complaints, file) = exported(&[], &[], &[lease], Version::V1_2);
    assert_eq!(complaints, vec![]);
    let text = String::from_utf8(file).unwrap();
    let (head, rows) = text.split_once('\n').unwrap();
    let place = head.split(',').position(|name| name == "ConsumedQuantity").unwrap();
    let idle = rows.lines().find(|row| row.contains("Unused")).unwrap();
    // No cell before it has a comma in it.
    assert_eq!(idle.split(',').nth(place), Some(""), "{idle}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_exported_is_what_the_ledger_has(
        requests in prop::collection::vec(
            (0_u64..100_000, 0_u64..100_000, 0_u64..5000, 0_u64..50, 0_usize..4, 0_i64..3, any::<bool>()), 0..40),
        rates in (0_u64..1 << 40, 0_u64..1 << 40, 0_i128..1 << 50),
        per_hour in 0_i64..1 << 50,
    ) {
        let prices = [priced(rates.0, rates.1, rates.2), priced(rates.1, rates.0, 0)];
        let mut entries = Vec::new();
        for (number, (input, cached, output, odd, which, hour, corrected)) in requests.iter().enumerate() {
            let usage = Usage {
                uncached_input: *input, cache_read: *cached, text_output: *output, unexplained: *odd,
                ..Usage::default()
            };
            let (price, endpoint) = match which {
                0 => (Some(&prices[0]), "a"),
                1 => (Some(&prices[1]), "b"),
                2 => (None, "c"),
                _ => (None, "gpu"),
            };
            let line = line(price, usage, endpoint);
            let settled = settled(number as u128, HOUR + hour, vec![line.clone()]);
            if *corrected && *which < 2 {
                let right = Money::from_pico_dollars(7);
                entries.push(Entry::Correction(Box::new(Correction {
                    exchange: settled.exchange, of: settled.at, at: settled.at + 1, about: settled.about.clone(),
                    was: line.cost, line: Line { cost: Some(right), ..line }, reason: "wrong".into(),
                })));
            }
            entries.push(Entry::Settled(Box::new(settled)));
        }
        let mut sums = BTreeMap::new();
        for bucket in entries.iter().flat_map(fold::buckets) {
            *sums.entry((bucket.hour, bucket.of)).or_insert_with(crate::books::Sums::default) += bucket.sums;
        }
        let buckets: Vec<_> =
            sums.into_iter().map(|((hour, of), sums)| Bucket { hour, of, sums }).collect();
        let ledger: Money = buckets.iter().map(|bucket| bucket.sums.cost).sum();
        let lease = Lease::new("gpu", Money::from_pico_dollars(per_hour.into()), Hours { from: HOUR, to: HOUR + 3 }, Work::Time);
        let (told, complaints, _) = exported(&buckets, &prices, &[lease], Version::V1_2);
        prop_assert_eq!(complaints, vec![]);
        prop_assert_eq!(told.billed - told.purchased, ledger);
        prop_assert_eq!(told.billed, told.effective);
    }
}
