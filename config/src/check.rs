//! From the tree to [`Settings`]: one file for each section of the configuration.

mod budgets;
mod cache;
pub(crate) mod catalogue;
mod classification;
mod endpoints;
mod facts;
mod fx;
mod keeper;
mod models;
mod names;
mod networks;
mod objective;
mod policies;
pub(crate) mod policytest;
mod price;
mod providers;
mod server;
mod small;
mod tenancy;
mod timeouts;
mod unavailable;

use std::collections::BTreeSet;

use crate::check::endpoints::Endpoints;
use crate::check::providers::Providers;
use crate::reader::{Fields, Value};
use crate::settings::{Account, Settings};

/// The version of the configuration's language that this program speaks.
const VERSION: u32 = 1;

/// Reads a whole configuration. The settings count only if there was no error among the complaints.
pub(crate) fn settings(root: &Value<'_>) -> Option<Settings> {
    root.fields(|fields| {
        fields.allow_prefix("x-");
        version(fields);
        let server = server::server(fields.get("server").as_ref(), root);
        let providers = providers::providers(fields.get("providers").as_ref(), root);
        let endpoints = endpoints::endpoints(fields.get("endpoints").as_ref(), &providers);
        let written_models = fields.get("models");
        let (models, direct) = models::models(written_models.as_ref(), &providers, &endpoints);
        let (policies, classification) = policies::policies(fields.get("policies").as_ref());
        let known = budgets::Known {
            models: &names(written_models.as_ref()),
            providers: &providers.written,
            unpriced: unpriced(&providers, &endpoints),
            teams: &teams(fields.get("tenancy").as_ref()),
        };
        let tenancy = tenancy::tenancy(fields.get("tenancy").as_ref(), &known);
        let mut budgets = budgets::budgets(fields.get("budgets").as_ref(), &known);
        let keeping = budgets::keeping(fields.get("limits").as_ref(), &known, &mut budgets);
        budgets.extend(tenancy.budgets());
        let settings = Settings {
            budgets,
            keeping,
            server,
            ledger: small::ledger(fields.get("ledger").as_ref()),
            telemetry: small::telemetry(fields.get("telemetry").as_ref()),
            tenancy,
            classification,
            providers: providers.read,
            endpoints: endpoints.read.into_iter().chain(direct).collect(),
            models,
            policies,
            cache: cache::cache(fields.get("cache").as_ref()),
        };
        unavailable::sections(fields);
        Some(settings)
    })
}

/// The names of a section, whatever is wrong with what they stand for.
fn names(section: Option<&Value<'_>>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    if let Some(section) = section.filter(|section| section.is_map()) {
        section.each(|name, _| {
            names.insert(name.to_owned());
        });
    }
    names
}

/// The names of the teams of a `tenancy:`.
fn teams(section: Option<&Value<'_>>) -> BTreeSet<String> {
    let mut teams = BTreeSet::new();
    if let Some(section) = section.filter(|section| section.is_map()) {
        section.each(|name, value| {
            if name == "teams" {
                teams = names(Some(value));
            }
        });
    }
    teams
}

/// The endpoints that nobody gave a price; the engine in this process is free.
fn unpriced<'e>(providers: &Providers, endpoints: &'e Endpoints) -> Vec<&'e str> {
    let is_remote = |name| {
        let provider = providers.read.get(name);
        provider.is_some_and(|provider| matches!(provider.account, Account::Remote(_)))
    };
    let endpoints = endpoints
        .read
        .values()
        .filter(|it| !models::may_have_price(it, providers) && is_remote(&it.provider));
    endpoints.map(|endpoint| endpoint.name.as_str()).collect()
}

fn version(fields: &mut Fields<'_, '_>) {
    fields.required("version", |value| match value.integer(0..=u32::MAX)? {
        VERSION => Some(()),
        other => value.refuse(format!("this program reads version {VERSION}, not {other}")),
    });
}
