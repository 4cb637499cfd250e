//! `endpoints:`, the concrete ways to get an answer.

use std::num::{NonZeroU32, NonZeroU64};

use isthmus_inference::capability::{Capabilities, Capability};
use isthmus_inference::ident::{EndpointName, ProviderName, UpstreamModel};
use isthmus_inference::money::{Money, Price, Rate};
use isthmus_policies::facts::Facts;
use isthmus_policies::lease::Lease;
use isthmus_policies::monitor::Limits;

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
        let (price, lease) = fields.optional("price", price).unwrap_or_default();
        let context_window = fields.optional("context_window", |value| value.integer(1..=u32::MAX));
        let capabilities = fields.optional("capabilities", capabilities);
        let mut allowed = Limits::default();
        fields.set("limits", &mut allowed, rate_limits);
        Some(Endpoint {
            name,
            provider: provider?,
            model: model?,
            price,
            lease,
            limits: allowed,
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

/// A price per million tokens, or a lease.
fn price(value: &Value<'_>) -> Option<(Option<Price>, Option<Lease>)> {
    value.fields(|fields| {
        if is_leased(fields) {
            return lease(fields).map(|lease| (None, Some(lease)));
        }
        // Both of the main ones are asked for, as a forgotten price would make something free; a
        // model without output is written with `output: "0"`.
        let input = fields.required("input", rate);
        let output = fields.required("output", rate);
        let price = Price {
            cache_read: fields.optional("cache_read", rate),
            cache_write_5m: fields.optional("cache_write_5m", rate),
            cache_write_1h: fields.optional("cache_write_1h", rate),
            reasoning: fields.optional("reasoning", rate),
            input: input?,
            output: output?,
            ..Price::default()
        };
        Some((Some(price), None))
    })
}

/// Whether the price is one of time instead of tokens.
fn is_leased(fields: &Fields<'_, '_>) -> bool {
    ["lease_usd_per_hour", "lease_uact_per_block", "capacity_tokens_per_second"]
        .iter()
        .any(|name| fields.has(name))
}

fn lease(fields: &mut Fields<'_, '_>) -> Option<Lease> {
    if let Some(block) = fields.get("lease_uact_per_block") {
        let instead = "a price in a chain's coin is not converted; give `lease_usd_per_hour`";
        unavailable::refuse(&block, instead);
        fields.allow_unknown();
        return None;
    }
    let per_hour = fields.required("lease_usd_per_hour", dollars);
    let tokens_per_second = fields.required("capacity_tokens_per_second", |value| {
        value.integer(1..=u32::MAX).and_then(NonZeroU32::new)
    });
    Some(Lease { per_hour: per_hour?, tokens_per_second: tokens_per_second? })
}

pub(super) fn rate(value: &Value<'_>) -> Option<Rate> {
    value.parsed("USD per million tokens with at most 6 decimals, such as \"0.25\"")
}

/// Dollars are written like a price for a million tokens; the amount is that of the million.
fn dollars(value: &Value<'_>) -> Option<Money> {
    let rate: Rate = value.parsed("USD with at most 6 decimals, such as \"1.89\"")?;
    Some(rate * 1_000_000)
}

/// What the upstream allows per minute and at once.
fn rate_limits(value: &Value<'_>) -> Option<Limits> {
    value.fields(|fields: &mut Fields<'_, '_>| {
        let per_minute = |value: &Value<'_>| value.integer(1..=u64::MAX).and_then(NonZeroU64::new);
        let at_once = |value: &Value<'_>| value.integer(1..=u32::MAX).and_then(NonZeroU32::new);
        Some(Limits {
            rpm: fields.optional("rpm", per_minute),
            tpm: fields.optional("tpm", per_minute),
            concurrency: fields.optional("concurrency", at_once),
        })
    })
}
