//! What models cost whose price nobody wrote down.

use isthmus_config::settings::Settings;
use isthmus_config::settings::charging::{Charging, Unpriced};
use isthmus_ledger::catalogue::{Catalogue, Wanted};
use isthmus_ledger::fx::Exchange;

use crate::calendar::today;
use crate::keyring::now;

/// Fills in today's list prices and rates of exchange; what has no price in dollars is told.
pub fn fill_in(settings: &mut Settings) -> Vec<Unpriced> {
    settings.price_endpoints(Catalogue::shipped(), now())
}

/// What the catalogue says today of a model that is asked for as `provider/model`.
pub fn listed(kind: &str, model: &str, region: Option<&str>) -> Charging {
    let wanted = Wanted { kind, model, region, day: today() };
    // What ships is priced in dollars.
    Charging::listed(Catalogue::shipped(), &wanted, &Exchange::closed()).unwrap_or_default()
}
