//! What budgets and rates mean once they are read.

#![allow(clippy::unwrap_used, reason = "the helpers of a test panic like the test itself")]

use std::path::Path;
use std::time::Duration;

use isthmus_config::load;
use isthmus_config::settings::Settings;
use isthmus_config::settings::keeper::Keeper;
use isthmus_config::settings::limits::WhenUnreachable;
use isthmus_policies::budget::window::{Calendar, Unit, zone};
use isthmus_policies::budget::{Budget, Dimension, Mode, OnExhaust, Sort, Window};

fn example() -> Settings {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/budgets.yaml");
    load(&path, &|name| name.ends_with("_API_KEY").then(|| "key-for-tests".to_owned()))
        .unwrap()
        .settings
}

fn named<'s>(settings: &'s Settings, name: &str, sort: Sort) -> &'s Budget {
    let mut budgets = settings.budgets.iter();
    budgets.find(|budget| &*budget.name == name && budget.sort == sort).unwrap()
}

#[test]
fn budgets_mean_what_the_example_says() {
    let settings = example();
    let house = named(&settings, "house", Sort::Spending);
    let (unit, zone) = (Unit::Year, zone("Europe/Berlin").unwrap());
    assert_eq!(house.window, Window::Calendar(Calendar { unit, zone, first_month: 4 }));
    assert_eq!((house.mode, house.warn_at.as_slice()), (Mode::Soft, &[50, 80, 100][..]));
    assert_eq!(house.limits.money, Some("120000".parse().unwrap()));

    let support = named(&settings, "support", Sort::Spending);
    assert_eq!(support.scope.of, [(Dimension::Team, "support".to_owned())]);
    assert_eq!(support.on_exhaust, OnExhaust::Downgrade("small".into()));
    assert_eq!((support.mode, support.warn_at.as_slice()), (Mode::Hard, &[80, 100][..]));

    let customers = named(&settings, "customers", Sort::Spending);
    assert_eq!(customers.scope.each, Some(Dimension::Tag("customer".to_owned())));
    assert_eq!(customers.window, Window::rolling(Duration::from_hours(24)));
}

#[test]
fn a_rate_is_so_much_a_minute_and_so_many_at_once() {
    let settings = example();
    let rate = named(&settings, "per-key", Sort::Rate);
    assert_eq!((rate.limits.requests, rate.limits.tokens), (Some(600), Some(1_000_000)));
    assert_eq!(rate.window, Window::rolling(Duration::from_mins(1)));
    let places = named(&settings, "per-key", Sort::Places);
    assert_eq!((places.limits.requests, &places.window), (Some(32), &Window::Always));
    assert_eq!(settings.budgets.len(), 6);
    assert_eq!(settings.keeping.keeper, Keeper::Local);
    assert_eq!(settings.keeping.when_unreachable, WhenUnreachable::Refuse);
}
