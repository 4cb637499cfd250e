//! `endpoints:`, the concrete ways to get an answer.

use isthmus_inference::capability::{Capabilities, Capability};
use isthmus_inference::ident::{EndpointName, ProviderName, UpstreamModel};
use isthmus_inference::money::{Price, Rate};
use isthmus_policies::facts::Facts;

use crate::check::names::{Section, plain_name};
use crate::check::providers::{self, Providers};
use crate::check::timeouts::timeouts;
use crate::check::{facts, unavailable};
use crate::reader::{Fields, Value};
use crate::settings::{Account, DEFAULT_TIMEOUTS, Endpoint};

/// Every written endpoint, by name.
pub(super) type Endpoints = Section<EndpointName, Endpoint>;

/// Reads the section if it is there.
pub(super) fn endpoints(section: Option<&Value<'_>>, providers: &Providers) -> Endpoints {
    Endpoints::read(section, plain_name, |name, value| endpoint(name, value, providers))
}

fn endpoint(name: EndpointName, value: &Value<'_>, providers: &Providers) -> Option<Endpoint> {
    value.fields(|fields| {
        let provider = fields.required("provider", |value| provider(value, providers));
        let model = fields.required("model", upstream_model);
        let inherited = (provider.as_ref())
            .and_then(|name| providers.read.get(name))
            .map_or(DEFAULT_TIMEOUTS, |provider| provider.timeouts);
        let mut limits = inherited;
        fields.set("timeouts", &mut limits, |value| timeouts(value, inherited));
        let mut claims = Facts::default();
        let account = provider.as_ref().and_then(|name| providers.read.get(name));
        fields.set("facts", &mut claims, |value| {
            let claims = facts::facts(value)?;
            if let (Some(account), Some(model)) = (account, &model) {
                places(value, &claims, &account.account, model);
            }
            Some(claims)
        });
        if claims.network.is_none() {
            claims.network = account.and_then(|account| account.account.usual_network());
        }
        let price = fields.optional("price", price);
        let context_window = fields.optional("context_window", |value| value.integer(1..=u32::MAX));
        let capabilities = fields.optional("capabilities", capabilities);
        fields.optional("limits", rate_limits);
        Some(Endpoint {
            name,
            provider: provider?,
            model: model?,
            price,
            timeouts: limits,
            context_window,
            capabilities,
            facts: claims,
        })
    })
}

/// Complains of regions that are claimed though the account and the model's name say otherwise: a
/// policy would send there what must not go there.
fn places(facts: &Value<'_>, claims: &Facts, account: &Account, model: &UpstreamModel) {
    let (Account::Remote(account), Some(written)) = (account, &claims.processing_regions) else {
        return;
    };
    let processing = (account.kind.processing)(account, model);
    let Some(beyond) = processing.beyond(&written.value) else { return };
    let title = account.kind.title;
    facts.refuse_field::<()>(format!(
        "`processing_regions` leave out where {title} may process `{model}`: {beyond}; \
         write that too, or call a model and a region that stay within"
    ));
}

fn provider(value: &Value<'_>, providers: &Providers) -> Option<ProviderName> {
    let name = value.text()?;
    if !providers.written.contains(&name) {
        return providers::unknown(value, &name, providers);
    }
    Some(name.into())
}

/// The upstream's own name for a model: any line of text.
pub(super) fn upstream_model(value: &Value<'_>) -> Option<UpstreamModel> {
    let name = value.text()?;
    if name.contains(char::is_control) {
        return value.refuse("a model's name is one line of text");
    }
    Some(name.into())
}

fn capabilities(value: &Value<'_>) -> Option<Capabilities> {
    let words = value.list(|value| value.word(Capability::WORDS))?;
    Some(words.into_iter().collect())
}

/// Prices per million tokens. Both of the main ones are asked for, as a forgotten price would make
/// something free; a model without output is written with `output: "0"`.
fn price(value: &Value<'_>) -> Option<Price> {
    value.fields(|fields| {
        if leased(fields) {
            return None;
        }
        let input = fields.required("input", rate);
        let output = fields.required("output", rate);
        Some(Price {
            cache_read: fields.optional("cache_read", rate),
            cache_write_5m: fields.optional("cache_write_5m", rate),
            cache_write_1h: fields.optional("cache_write_1h", rate),
            reasoning: fields.optional("reasoning", rate),
            input: input?,
            output: output?,
        })
    })
}

/// Whether the price is one of time instead of tokens, after a complaint.
fn leased(fields: &mut Fields<'_, '_>) -> bool {
    const FIELDS: [&str; 3] =
        ["lease_usd_per_hour", "lease_uact_per_block", "capacity_tokens_per_second"];
    let leases: Vec<_> = FIELDS.iter().filter_map(|name| fields.get(name)).collect();
    for lease in &leases {
        unavailable::refuse(lease, "a lease is not amortised; give a price per token");
    }
    if !leases.is_empty() {
        fields.allow_unknown();
    }
    !leases.is_empty()
}

fn rate(value: &Value<'_>) -> Option<Rate> {
    value.parsed("USD per million tokens with at most 6 decimals, such as \"0.25\"")
}

/// What the upstream allows per minute and at once.
fn rate_limits(value: &Value<'_>) -> Option<()> {
    value.fields(|fields: &mut Fields<'_, '_>| {
        for name in ["rpm", "tpm", "concurrency"] {
            fields.optional(name, |value| value.integer(1..=u64::MAX));
        }
        Some(())
    })?;
    unavailable::warn(value, "the upstream's own refusals are what slows requests down");
    Some(())
}
