//! Budgets as they are kept: by this process, and in a Redis that the tests start, kill and start again.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod laws;
mod own;
mod race;
mod server;
mod shared;

use std::sync::Arc;

use isthmus_inference::money::Money;
use isthmus_policies::budget::{
    Amounts, Budget, Dimension, Limits, Mode, OnExhaust, Scope, Sort, Window, window,
};

/// A hard budget of so many dollars a month for everybody.
pub(crate) fn budget(name: &str, usd: &str) -> Budget {
    Budget {
        name: name.into(),
        scope: Scope::default(),
        window: month(),
        limits: Limits { money: Some(dollars(usd)), ..Limits::default() },
        own: None,
        mode: Mode::Hard,
        warn_at: vec![80, 100],
        on_exhaust: OnExhaust::Refuse,
        sort: Sort::Spending,
    }
}

/// The same for each team.
pub(crate) fn each_team(name: &str, usd: &str) -> Budget {
    let scope = Scope { of: vec![], each: Some(Dimension::Team) };
    Budget { scope, ..budget(name, usd) }
}

pub(crate) fn month() -> Window {
    let (unit, zone) = (window::Unit::Month, window::zone("UTC").unwrap());
    Window::Calendar(window::Calendar { unit, zone, first_month: 1 })
}

pub(crate) fn dollars(text: &str) -> Money {
    text.parse().unwrap()
}

/// One request at this price.
pub(crate) fn costs(usd: &str) -> Amounts {
    Amounts { money: dollars(usd), tokens: 10, requests: 1 }
}

/// A claim on the only member of a budget.
pub(crate) fn claim(number: usize, amounts: Amounts) -> isthmus_gateway::quota::keeper::Claim {
    let member = Arc::from("");
    isthmus_gateway::quota::keeper::Claim {
        budget: number,
        member,
        provider: None,
        amounts,
        own: None,
    }
}
