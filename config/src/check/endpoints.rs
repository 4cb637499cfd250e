//! `endpoints:`, the concrete ways to get an answer.

use std::num::{NonZeroU32, NonZeroU64};

use isthmus_inference::capability::{Capabilities, Capability};
use isthmus_inference::ident::{EndpointName, ProviderName, UpstreamModel};
use isthmus_policies::facts::Facts;
use isthmus_policies::monitor::Limits;

use crate::check::names::{Section, plain_name};
use crate::check::providers::{self, Providers};
use crate::check::timeouts::timeouts;
use crate::check::{facts, price};
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
        let charging = fields.optional("price", price::charging).unwrap_or_default();
        let context_window = fields.optional("context_window", |value| value.integer(1..=u32::MAX));
        let capabilities = fields.optional("capabilities", capabilities);
        let mut allowed = Limits::default();
        fields.set("limits", &mut allowed, rate_limits);
        Some(Endpoint {
            name,
            provider: provider?,
            model: model?,
            written: charging.clone(),
            charging,
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
