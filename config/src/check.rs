//! From the tree to [`Settings`]: one file for each section of the configuration.

pub(crate) mod catalogue;
mod classification;
mod endpoints;
mod facts;
mod fx;
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
mod timeouts;
mod unavailable;

use crate::reader::{Fields, Value};
use crate::settings::Settings;

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
        let (models, direct) =
            models::models(fields.get("models").as_ref(), &providers, &endpoints);
        let (policies, classification) = policies::policies(fields.get("policies").as_ref());
        let settings = Settings {
            server,
            ledger: small::ledger(fields.get("ledger").as_ref()),
            telemetry: small::telemetry(fields.get("telemetry").as_ref()),
            organisation: classification::tenancy(fields.get("tenancy").as_ref()),
            classification,
            providers: providers.read,
            endpoints: endpoints.read.into_iter().chain(direct).collect(),
            models,
            policies,
        };
        unavailable::sections(fields);
        Some(settings)
    })
}

fn version(fields: &mut Fields<'_, '_>) {
    fields.required("version", |value| match value.integer(0..=u32::MAX)? {
        VERSION => Some(()),
        other => value.refuse(format!("this program reads version {VERSION}, not {other}")),
    });
}
