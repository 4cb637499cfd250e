//! What models cost whose price nobody wrote down.

use std::sync::Arc;

use isthmus_config::settings::charging::{Charging, Unpriced};
use isthmus_config::settings::{Endpoint, Settings};
use isthmus_inference::date::Date;
use isthmus_inference::tariff::Tariff;
use isthmus_ledger::catalogue::{Catalogue, Wanted};
use isthmus_ledger::entry::Line;
use isthmus_ledger::fx::Exchange;

use crate::calendar::today;
use crate::keyring::now;

/// Fills in today's list prices and rates of exchange; what has no price in dollars is told.
pub fn fill_in(settings: &mut Settings) -> Vec<Unpriced> {
    settings.price_endpoints(Catalogue::shipped(), now())
}

/// What the catalogue says today of a model that is asked for as `provider/model`.
pub fn listed(kind: &str, model: &str, region: Option<&str>) -> Charging {
    listed_on(today(), kind, model, region)
}

fn listed_on(day: Date, kind: &str, model: &str, region: Option<&str>) -> Charging {
    let wanted = Wanted { kind, model, region, day };
    // What ships is priced in dollars.
    Charging::listed(Catalogue::shipped(), &wanted, &Exchange::closed()).unwrap_or_default()
}

/// By which tariff a line of the ledger should have been charged, by these settings as they are written:
/// at what they say of its endpoint, else at the list price of its day. `None` where that cannot be
/// told: its endpoint is gone or answers with something else now, is paid in another currency, whose
/// rate of that day nobody kept, or has no price.
pub fn right(settings: &Settings, line: &Line, day: Date) -> Option<Arc<Tariff>> {
    let account = &settings.providers.get(line.provider.as_str())?.account;
    let written = match settings.endpoints.get(line.endpoint.as_str()) {
        Some(named) if is_still(named, line) => named.written.clone(),
        // Asked for as `provider/model`, which needs no endpoint of that name.
        None if *line.endpoint == format!("{}/{}", line.provider, line.upstream_model) => {
            Charging::Unsaid
        }
        Some(_) | None => return None,
    };
    let charging = match written {
        Charging::Unsaid => listed_on(day, account.kind(), &line.upstream_model, account.region()),
        written => written,
    };
    charging.tariff().cloned()
}

fn is_still(endpoint: &Endpoint, line: &Line) -> bool {
    let Endpoint { provider, model, .. } = endpoint;
    *provider == line.provider && *model == line.upstream_model
}
