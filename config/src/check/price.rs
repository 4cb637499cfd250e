//! `price:` of an endpoint: by the token, for each tier and length of prompt, or by the time of a lease.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use isthmus_inference::money::{Money, Price, Rate};
use isthmus_inference::tariff::{Tariff, TariffError, Usd, Written};
use isthmus_inference::tier::Tier;
use isthmus_policies::lease::Lease;

use crate::reader::{Fields, Value};
use crate::settings::charging::{Blocks, Charging, Foreign, Term};

/// Who says what a price of the file is.
const SOURCE: &str = "configuration";
const USD: &str = "USD";
/// How long a block takes on Akash, as its console counts.
const BLOCK: Duration = Duration::from_secs(6);
const A_RATE: &str = "USD per million tokens with at most 6 decimals, such as \"0.25\"";

/// A price by the token, or a lease.
pub(super) fn charging(value: &Value<'_>) -> Option<Charging> {
    value.fields(|fields| {
        if is_leased(fields) {
            return lease(fields);
        }
        let currency = fields.optional("currency", code);
        let mut prices = vec![];
        prices.extend(listed(fields, None));
        fields.optional("tiers", |tiers| {
            tiers.each(|word, value| match Tier::priced(word) {
                Some(tier) => prices.extend(of_tier(value, tier)),
                None => refuse_tier(word, value),
            })
        });
        // What is missing was complained of.
        if prices.iter().all(|price| price.tier.is_some()) {
            return None;
        }
        let charging = match currency {
            None => Tariff::new(prices).map(|tariff| Charging::Tokens(Arc::new(tariff))),
            Some(currency) if currency == USD => {
                Tariff::new(prices).map(|tariff| Charging::Tokens(Arc::new(tariff)))
            }
            Some(currency) => Foreign::new(currency, prices).map(Charging::Foreign),
        };
        charging.map_or_else(|error| refuse(value, &error), Some)
    })
}

fn refuse(value: &Value<'_>, error: &TariffError) -> Option<Charging> {
    value.refuse(error.to_string())
}

fn refuse_tier(word: &str, value: &Value<'_>) {
    let known: Vec<_> = Tier::WORDS.iter().map(|(word, _)| format!("`{word}`")).collect();
    value.refuse_field::<()>(format!("unknown tier `{word}`; there are {}", known.join(", ")));
}

fn of_tier(value: &Value<'_>, tier: Tier) -> Vec<Written> {
    value.fields(|fields| Some(listed(fields, Some(tier)))).unwrap_or_default()
}

/// The price of these fields, and those of longer prompts.
fn listed(fields: &mut Fields<'_, '_>, tier: Option<Tier>) -> Vec<Written> {
    let first = rates(fields).map(|price| written(price, tier, 0));
    let band = |value: &Value<'_>| {
        value.fields(|fields| {
            let tokens = fields.required("tokens", |value| value.integer(1..=u64::MAX));
            let price = rates(fields);
            Some(written(price?, tier, tokens?))
        })
    };
    let above = fields.optional("above", |value| value.list(band)).unwrap_or_default();
    first.into_iter().chain(above).collect()
}

fn written(price: Price, tier: Option<Tier>, above_tokens: u64) -> Written {
    let source = SOURCE.to_owned();
    Written { price, currency: Usd::Usd, tier, above_tokens, source, converted: None }
}

/// A whole price. Both of the main rates are asked for, as a forgotten one would make something free; a
/// model without output is written with `output: "0"`.
fn rates(fields: &mut Fields<'_, '_>) -> Option<Price> {
    let input = fields.required("input", rate);
    let output = fields.required("output", rate);
    let price = Price {
        cache_read: fields.optional("cache_read", rate),
        cache_write_5m: fields.optional("cache_write_5m", rate),
        cache_write_1h: fields.optional("cache_write_1h", rate),
        audio_input: fields.optional("audio_input", rate),
        image_input: fields.optional("image_input", rate),
        reasoning: fields.optional("reasoning", rate),
        audio_output: fields.optional("audio_output", rate),
        request: fields.optional("request", fee).unwrap_or_default(),
        ..Price::default()
    };
    Some(Price { input: input?, output: output?, ..price })
}

/// The code of a currency: `USD`, or that of a network's token.
fn code(value: &Value<'_>) -> Option<String> {
    let code = value.text()?;
    let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    if code.len() < 2 || !code.bytes().all(plain) {
        return value.refuse("expected the code of a currency, such as `USD` or `AKT`");
    }
    Some(code)
}

/// Whether the price is one of time instead of tokens.
fn is_leased(fields: &Fields<'_, '_>) -> bool {
    ["lease_usd_per_hour", "lease_uact_per_block", "capacity_tokens_per_second"]
        .iter()
        .any(|name| fields.has(name))
}

fn lease(fields: &mut Fields<'_, '_>) -> Option<Charging> {
    let capacity = |value: &Value<'_>| value.integer(1..=u32::MAX).and_then(NonZeroU32::new);
    if let Some(uact) = fields.get("lease_uact_per_block") {
        let uact = uact.integer(0..=u64::MAX);
        let mut block = BLOCK;
        fields.set("block_seconds", &mut block, seconds);
        let tokens_per_second = fields.required("capacity_tokens_per_second", capacity);
        let term = term(fields);
        let (uact, tokens_per_second) = (uact?, tokens_per_second?);
        return Some(Charging::Blocks(Blocks { uact, block, tokens_per_second, term }));
    }
    let per_hour = fields.required("lease_usd_per_hour", dollars);
    let tokens_per_second = fields.required("capacity_tokens_per_second", capacity);
    let term = term(fields);
    let (per_hour, tokens_per_second) = (per_hour?, tokens_per_second?);
    Some(Charging::Lease(Lease { per_hour, tokens_per_second }, term))
}

/// The first and the last day that are paid.
fn term(fields: &mut Fields<'_, '_>) -> Term {
    let day = |value: &Value<'_>| value.parsed("a date such as 2027-06-30");
    let from = fields.optional("from", day);
    let until = fields.optional("until", |value| match day(value) {
        Some(until) if from.is_some_and(|from| until < from) => {
            value.refuse("must not be before `from`")
        }
        until => until,
    });
    Term { from, until }
}

/// A rate per million tokens.
pub(super) fn rate(value: &Value<'_>) -> Option<Rate> {
    value.parsed(A_RATE)
}

/// What each request costs.
fn fee(value: &Value<'_>) -> Option<Money> {
    let fee: Money = value.parsed("USD for each request, such as \"0.005\"")?;
    if fee < Money::ZERO { value.refuse("must not be negative") } else { Some(fee) }
}

/// Dollars are written like a price for a million tokens; the amount is that of the million.
fn dollars(value: &Value<'_>) -> Option<Money> {
    let rate: Rate = value.parsed("USD with at most 6 decimals, such as \"1.89\"")?;
    Some(rate * 1_000_000)
}

/// A time with six decimals, read like a price: exactly.
fn seconds(value: &Value<'_>) -> Option<Duration> {
    let micros: Rate = value.parsed("seconds with at most 6 decimals, such as \"6.098\"")?;
    let micros = u64::try_from(micros.pico_dollars_per_token()).ok().filter(|micros| *micros > 0);
    match micros {
        Some(micros) => Some(Duration::from_micros(micros)),
        None => value.refuse("must be longer than nothing"),
    }
}
