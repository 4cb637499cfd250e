//! The bar for exactness: a million random usages over every price that ships, computed anew with
//! pencil-and-paper arithmetic on decimal digits. The difference is nothing, to the last digit.
//!
//! This file shares no arithmetic with the house: it reads the catalogue's lines by itself, multiplies
//! and adds digit by digit, and knows by itself what is charged where a meter has no rate.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use isthmus_inference::meter::Meter;
use isthmus_inference::money::Money;
use isthmus_inference::usage::Usage;
use isthmus_ledger::catalogue::read;

/// Usages in all.
const USAGES: usize = 1_000_000;
/// Digits after the point: a rate has six of them, and is for a million tokens.
const SCALE: usize = 12;

/// A number of at least no dollars by its decimal digits, the last first.
#[derive(Clone, Default)]
struct Digits(Vec<u8>);

impl Digits {
    /// A decimal text, with so many digits after the point.
    fn read(text: &str, scale: usize) -> Self {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        assert!(fraction.len() <= scale, "{text}");
        let digits = format!("{whole}{fraction:0<scale$}");
        Self(digits.bytes().rev().map(|digit| digit - b'0').collect())
    }

    fn times(&self, other: &Self) -> Self {
        let mut product = vec![0u16; self.0.len() + other.0.len() + 1];
        for (at, one) in self.0.iter().enumerate() {
            let mut carry = 0;
            for (beside, two) in other.0.iter().enumerate() {
                let sum = product[at + beside] + u16::from(*one) * u16::from(*two) + carry;
                product[at + beside] = sum % 10;
                carry = sum / 10;
            }
            product[at + other.0.len()] += carry;
        }
        Self(product.into_iter().map(|digit| u8::try_from(digit).unwrap()).collect())
    }

    fn add(&mut self, other: &Self) {
        let longest = self.0.len().max(other.0.len()) + 1;
        self.0.resize(longest, 0);
        let mut carry = 0;
        for (at, digit) in self.0.iter_mut().enumerate() {
            let sum = *digit + other.0.get(at).copied().unwrap_or(0) + carry;
            *digit = sum % 10;
            carry = sum / 10;
        }
    }

    /// The number without its point and without zeros before it.
    fn text(&self) -> String {
        let digits: String = self.0.iter().rev().map(|digit| char::from(b'0' + digit)).collect();
        let text = digits.trim_start_matches('0');
        if text.is_empty() { "0".to_owned() } else { text.to_owned() }
    }

    fn is_more_than(&self, other: &Self) -> bool {
        let (one, two) = (self.text(), other.text());
        (one.len(), one) > (two.len(), two)
    }
}

/// The columns of one line by name; absent where nothing stands.
fn columns<'a>(head: &'a str, line: &'a str) -> BTreeMap<&'a str, &'a str> {
    assert!(!line.contains('"'), "this reader knows no quotes: {line}");
    head.split(',').zip(line.split(',')).filter(|(_, text)| !text.is_empty()).collect()
}

/// The rate of each bucket: its own, or that of what it is a kind of.
fn rates(columns: &BTreeMap<&str, &str>) -> Vec<Digits> {
    let rate = |names: &[&str]| {
        let text = names.iter().find_map(|name| columns.get(name)).unwrap();
        Digits::read(text, SCALE / 2)
    };
    vec![
        rate(&["input"]),
        rate(&["cache_read", "input"]),
        rate(&["cache_write_5m", "input"]),
        rate(&["cache_write_1h", "cache_write_5m", "input"]),
        rate(&["audio_input", "input"]),
        rate(&["image_input", "input"]),
        rate(&["output"]),
        rate(&["reasoning", "output"]),
        rate(&["audio_output", "output"]),
    ]
}

/// Chance that is the same in every run (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Nothing, a few, or very many tokens.
    fn tokens(&mut self) -> u64 {
        let bits = self.roll() % 41;
        if bits == 0 { 0 } else { self.roll() >> (64 - bits) }
    }
}

fn usage(counts: [u64; 10]) -> Usage {
    let [
        uncached_input,
        cache_read,
        cache_write_5m,
        cache_write_1h,
        audio_input,
        image_input,
        text_output,
        reasoning_output,
        audio_output,
        unexplained,
    ] = counts;
    Usage {
        uncached_input,
        cache_read,
        cache_write_5m,
        cache_write_1h,
        audio_input,
        image_input,
        text_output,
        reasoning_output,
        audio_output,
        unexplained,
        ..Usage::default()
    }
}

/// What is to be paid, by pencil and paper, in pico-dollars.
fn by_hand(columns: &BTreeMap<&str, &str>, rates: &[Digits], counts: &[u64; 10]) -> String {
    let mut sum = Digits::read(columns.get("request").unwrap_or(&"0"), SCALE);
    let mut dearest = &rates[0];
    for (rate, count) in rates.iter().zip(counts) {
        sum.add(&rate.times(&Digits::read(&count.to_string(), 0)));
        if rate.is_more_than(dearest) {
            dearest = rate;
        }
    }
    sum.add(&dearest.times(&Digits::read(&counts[9].to_string(), 0)));
    sum.text()
}

#[test]
fn a_million_usages_cost_what_pencil_and_paper_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/catalogue");
    let mut prices = vec![];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let mut lines = text.lines().filter(|line| !line.starts_with('#'));
        let head = lines.next().unwrap().to_owned();
        let rows = read(&path.display().to_string(), &text).unwrap();
        assert_eq!(rows.len(), lines.clone().count(), "{}", path.display());
        let lines = lines.map(str::to_owned);
        prices.extend(rows.into_iter().zip(lines).map(|(row, line)| (row, head.clone(), line)));
    }
    assert!(prices.len() > 1000, "there are only {} prices", prices.len());
    let (mut dice, mut tried) = (Dice(0x5EED), 0);
    let each = USAGES.div_ceil(prices.len());
    for (row, head, line) in &prices {
        let columns = columns(head, line);
        let rates = rates(&columns);
        for _ in 0..each {
            let counts = [(); 10].map(|()| dice.tokens());
            let usage = usage(counts);
            let lines: Vec<_> = row.price.charges(&usage).collect();
            let sum: Money = lines.iter().map(|line| line.cost).sum();
            let tokens = lines.iter().filter(|line| line.meter != Meter::Request);
            let expected = by_hand(&columns, &rates, &counts);
            assert_eq!(sum.pico_dollars().to_string(), expected, "{line}: {usage:?}");
            assert_eq!(row.price.cost(&usage), sum, "{line}: {usage:?}");
            assert_eq!(tokens.map(|line| line.quantity).sum::<u64>(), usage.total(), "{line}");
            tried += 1;
        }
    }
    assert!(tried >= USAGES, "only {tried} usages");
}
