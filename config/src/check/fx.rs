//! `ledger.fx`, what the tokens of networks are worth in dollars.

use isthmus_inference::money::Money;
use isthmus_ledger::fx::{Method, Observation};
use jiff::Timestamp;

use crate::reader::{Fields, Value};
use crate::settings::Ledger;

/// Reads the rates and how old they may be.
pub(super) fn fx(fields: &mut Fields<'_, '_>, ledger: &mut Ledger) {
    fields.set("fx", &mut ledger.fx, |value| value.list(observation));
    fields.set("fx_max_age", &mut ledger.fx_max_age, Value::time_limit);
}

fn observation(value: &Value<'_>) -> Option<Observation> {
    value.fields(|fields| {
        let currency = fields.required("pair", pair);
        let rate = fields.required("rate", rate);
        let source = fields.required("source", Value::text);
        let moment = "a moment such as 2026-11-28T12:00:00Z";
        let observed_at = fields.required("observed_at", |value| value.parsed::<Timestamp>(moment));
        let method = fields.required("method", |value| value.word(Method::WORDS));
        Some(Observation {
            currency: currency?,
            rate: rate?,
            source: source?,
            observed_at: observed_at?,
            method: method?,
        })
    })
}

/// `AKT/USD`; all costs are in dollars.
fn pair(value: &Value<'_>) -> Option<String> {
    let pair = value.text()?;
    match pair.strip_suffix("/USD") {
        Some(code) if code.len() >= 2 && code.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            Some(code.to_owned())
        }
        _ => value.refuse("expected a currency in dollars, such as `AKT/USD`"),
    }
}

fn rate(value: &Value<'_>) -> Option<Money> {
    let rate: Money = value.parsed("dollars for one of it, such as \"0.85\"")?;
    if rate <= Money::ZERO { value.refuse("must be more than nothing") } else { Some(rate) }
}
