//! What is known of models that are asked for without their endpoint's name.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use isthmus_config::settings::Settings;
use isthmus_config::settings::charging::Charging;
use isthmus_inference::ident::{ProviderName, UpstreamModel};
use isthmus_policies::facts::Facts;

use super::Account;

/// How they are paid, and what is claimed of them.
pub(super) type Known = HashMap<(ProviderName, UpstreamModel), (Charging, Arc<Facts>)>;

/// What some endpoint says of each model: its price, of several the first by name, and its facts. Where
/// two claim different things of one model, nobody knows which of them is asked, and neither is
/// believed.
pub(super) fn known(settings: &Settings, accounts: &BTreeMap<ProviderName, Account>) -> Known {
    let mut known = Known::new();
    for endpoint in settings.endpoints.values() {
        let charging = &endpoint.charging;
        match known.entry((endpoint.provider.clone(), endpoint.model.clone())) {
            Entry::Vacant(place) => {
                place.insert((charging.clone(), Arc::new(endpoint.facts.clone())));
            }
            Entry::Occupied(mut place) => {
                let (known, facts) = place.get_mut();
                if *known == Charging::Unsaid {
                    *known = charging.clone();
                }
                if **facts != endpoint.facts
                    && let Some(account) = accounts.get(&endpoint.provider)
                {
                    *facts = Arc::clone(&account.facts);
                }
            }
        }
    }
    known
}
