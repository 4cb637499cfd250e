//! Exchanges made up for tests, told apart by a number.

use std::sync::Arc;

use isthmus_inference::money::Money;
use isthmus_inference::usage::Usage;
use isthmus_ledger::entry::{About, CacheUse, ExchangeId, Hold, Line, Options, Outcome, Settled};

/// What each costs.
pub(crate) const COST: Money = Money::from_pico_dollars(1_250_000);
/// The hour in which all of them are settled.
pub(crate) const HOUR: i64 = 500_000;

/// Later than all of it.
pub(crate) const NOW: i64 = AT + 60_000;

const AT: i64 = HOUR * 3_600_000;

fn about(number: u64) -> Arc<About> {
    Arc::new(About {
        organisation: "acme".into(),
        team: if number.is_multiple_of(2) { "support" } else { "sales" }.into(),
        app: "helpdesk".into(),
        model: "chat".into(),
        tags: [("feature".to_owned(), "summary".to_owned())].into(),
        data_class: "internal".into(),
        ..About::default()
    })
}

/// The hold of an exchange.
pub(crate) fn hold(number: u64) -> Hold {
    Hold {
        exchange: ExchangeId::new(AT, u128::from(number)),
        at: AT,
        request_id: format!("req-{number}").into(),
        about: about(number),
        amount: COST,
        expected: Usage { uncached_input: 1000, text_output: 500, ..Usage::default() },
        endpoint: "mini".into(),
        provider: "openai".into(),
        upstream_model: "gpt-5-mini".into(),
        price: Some("v1".into()),
    }
}

/// The settlement of the same exchange.
pub(crate) fn settled(number: u64) -> Settled {
    Settled {
        exchange: ExchangeId::new(AT, u128::from(number)),
        at: AT + 5,
        request_id: format!("req-{number}").into(),
        about: about(number),
        outcome: Outcome::Answered,
        lines: vec![Line {
            number: 1,
            endpoint: "mini".into(),
            provider: "openai".into(),
            upstream_model: "gpt-5-mini".into(),
            reason: "first".into(),
            fate: "answered".into(),
            counts: true,
            usage: Usage { uncached_input: 1000, text_output: 500, ..Usage::default() },
            price: Some("v1".into()),
            cost: Some(COST),
            began: AT,
            first_output_ms: Some(2),
            took_ms: 5,
        }],
        options: Options::default(),
        cache: CacheUse::Off,
    }
}
