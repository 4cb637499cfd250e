//! `providers:`, and the accounts that exist because their variables are set.

use std::collections::BTreeMap;
use std::path::PathBuf;

use isthmus_adapters::registry::{self, PROVIDERS, ProviderOption, Shape};
use isthmus_adapters::settings::AccountSettings;
use isthmus_inference::ident::ProviderName;
use isthmus_inference::secret::Secret;
use url::Url;

use crate::check::names::{self, Section, plain_name};
use crate::check::timeouts::timeouts;
use crate::near;
use crate::reader::{Fields, Value};
use crate::settings::{Account, DEFAULT_TIMEOUTS, Embedded, Origin, Provider};

/// The kind that runs in this process.
pub(super) const EMBEDDED: &str = "embedded";

/// Every account, by name.
pub(super) type Providers = Section<ProviderName, Provider>;

/// Reads the section if it is there, then adds what the environment offers.
pub(super) fn providers(section: Option<&Value<'_>>, root: &Value<'_>) -> Providers {
    let mut providers = Providers::read(section, plain_name, |_, value| provider(value));
    for kind in PROVIDERS.iter().copied().filter(|kind| !providers.written.contains(kind.kind)) {
        if let Some(account) = offered(kind, root) {
            let (account, origin) = (Account::Remote(account), Origin::Environment);
            let provider = Provider { account, timeouts: DEFAULT_TIMEOUTS, origin };
            providers.read.insert(kind.kind.into(), provider);
        }
    }
    providers.written.extend(providers.read.keys().map(ToString::to_string));
    providers
}

/// Complains that there is no such account. If it only lacks its variable, that is said.
pub(super) fn unknown<T>(value: &Value<'_>, name: &str, providers: &Providers) -> Option<T> {
    let variable = registry::find(name).and_then(|kind| match kind.key_variables.first() {
        Some(variable) if !kind.key_optional => Some(*variable),
        _ => kind.base_url_variable,
    });
    let Some(variable) = variable else {
        return names::unknown(value, "provider", name, &providers.written);
    };
    let name = value.quoted(name);
    value.refuse(format!("there is no provider {name}; set {variable}, or write it down"))
}

fn provider(value: &Value<'_>) -> Option<Provider> {
    value.fields(|fields| {
        let mut limits = DEFAULT_TIMEOUTS;
        fields.set("timeouts", &mut limits, |value| timeouts(value, DEFAULT_TIMEOUTS));
        let account = account(fields);
        if account.is_none() {
            // Which fields there are depends on the kind.
            fields.allow_unknown();
        }
        let account = match account? {
            Kind::Embedded => Account::Embedded(embedded(fields)),
            Kind::Remote(kind) => Account::Remote(remote(fields, kind)),
        };
        Some(Provider { account, timeouts: limits, origin: Origin::Written })
    })
}

enum Kind {
    Embedded,
    Remote(&'static registry::Provider),
}

fn account(fields: &mut Fields<'_, '_>) -> Option<Kind> {
    fields.required("kind", |value| {
        let word = value.text()?;
        if word == EMBEDDED {
            return Some(Kind::Embedded);
        }
        if let Some(kind) = registry::find(&word) {
            return Some(Kind::Remote(kind));
        }
        let known = || PROVIDERS.iter().map(|provider| provider.kind).chain([EMBEDDED]);
        let hint = near::nearest(&word, known()).map_or_else(
            || format!("; the kinds are {}", known().collect::<Vec<_>>().join(", ")),
            |near| format!("; did you mean `{near}`?"),
        );
        value.refuse(format!("unknown kind of provider {}{hint}", value.quoted(&word)))
    })
}

// === an account over the network ===

fn remote(fields: &mut Fields<'_, '_>, kind: &'static registry::Provider) -> AccountSettings {
    let (written_url, written_key) = (fields.get("base_url"), fields.get("api_key"));
    let headers = fields.optional("headers", headers).unwrap_or_default();
    let whole = fields.whole();
    let base_url = match &written_url {
        Some(value) => base_url(value),
        None => base_url_variable(kind, whole),
    };
    let known = kind.base_url.is_some() || kind.base_url_derived;
    if written_url.is_none() && base_url.is_none() && !known {
        let or = kind.base_url_variable.map_or_else(String::new, |name| format!(", or set {name}"));
        whole.refuse_field::<()>(format!("`base_url` is missing{or}"));
    }
    let api_key = match &written_key {
        Some(value) => value.secret(),
        None => key_variable(kind, whole),
    };
    if written_key.is_none() && api_key.is_none() && !kind.key_optional {
        let or = kind.key_variables.join(" or ");
        let or = if or.is_empty() { or } else { format!(", or set {or}") };
        whole.refuse_field::<()>(format!("`api_key` is missing{or}"));
    }
    let options = options(fields, kind);
    AccountSettings { base_url, api_key, headers, options, ..AccountSettings::new(kind) }
}

/// The fields that only this kind has; each may stand in a variable instead.
fn options(
    fields: &mut Fields<'_, '_>,
    kind: &'static registry::Provider,
) -> BTreeMap<&'static str, Secret> {
    let mut options = BTreeMap::new();
    for option in kind.options {
        let value = match fields.get(option.name) {
            Some(value) => match option.shape {
                Shape::Secret => value.secret(),
                Shape::Text => value.scalar_text().map(Secret::from),
                Shape::Json => value.json().map(|json| Secret::from(json.to_string())),
            },
            None => option.variables.iter().find_map(|name| fields.whole().secret_variable(name)),
        };
        options.extend(value.map(|value| (option.name, value)));
    }
    options
}

fn offered_options(
    kind: &'static registry::Provider,
    root: &Value<'_>,
) -> BTreeMap<&'static str, Secret> {
    let variable = |option: &ProviderOption| {
        let value = option.variables.iter().find_map(|name| root.secret_variable(name))?;
        Some((option.name, value))
    };
    kind.options.iter().filter_map(variable).collect()
}

/// A URL that a path can be appended to. It may carry a password, so complaints do not show it.
fn base_url(value: &Value<'_>) -> Option<String> {
    let text = value.text()?;
    match check_url(&text) {
        Ok(()) => Some(text),
        Err(reason) => value.refuse(reason),
    }
}

fn check_url(text: &str) -> Result<(), String> {
    let example = "expected a URL such as https://api.example.com/v1";
    let url = Url::parse(text).map_err(|error| format!("{example}: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("{example}: only http and https are spoken here"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("a base URL has no `?` and no `#`: paths are appended to it".to_owned());
    }
    Ok(())
}

fn headers(value: &Value<'_>) -> Option<Vec<(String, Secret)>> {
    let mut headers = vec![];
    value.each(|name, value| {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(legal) {
            value.refuse_field::<()>("is not the name of an HTTP header");
        } else if let Some(text) = value.secret() {
            headers.push((name.to_owned(), text));
        }
    })?;
    Some(headers)
}

// === an account from the environment ===

/// The account that exists because its credential, or the address of a server that needs none, is
/// in the environment.
fn offered(kind: &'static registry::Provider, root: &Value<'_>) -> Option<AccountSettings> {
    let api_key = key_variable(kind, root);
    if api_key.is_none() && !kind.key_optional {
        return None;
    }
    let base_url = base_url_variable(kind, root);
    let present = api_key.is_some()
        || kind.presence_variables.iter().any(|name| root.variable(name).is_some());
    let known = kind.base_url.is_some() || kind.base_url_derived;
    let reachable = base_url.is_some() || present && known;
    let options = offered_options(kind, root);
    let settings = AccountSettings { base_url, api_key, options, ..AccountSettings::new(kind) };
    reachable.then_some(settings)
}

fn key_variable(kind: &'static registry::Provider, value: &Value<'_>) -> Option<Secret> {
    kind.key_variables.iter().find_map(|name| value.secret_variable(name))
}

fn base_url_variable(kind: &'static registry::Provider, value: &Value<'_>) -> Option<String> {
    let variable = kind.base_url_variable?;
    let text = value.variable(variable)?;
    if let Err(reason) = check_url(&text) {
        value.refuse_variable(variable, reason);
    }
    Some(text)
}

// === the engine in this process ===

fn embedded(fields: &mut Fields<'_, '_>) -> Embedded {
    let embedded = Embedded {
        model_path: fields.optional("model_path", Value::text).map(PathBuf::from),
        model_repo: fields.optional("model_repo", repository),
        model_file: fields.optional("model_file", Value::text),
        context_window: fields.optional("context_window", |value| value.integer(64..=16_777_216)),
        slots: fields.optional("slots", |value| value.integer(1..=256)),
        threads: fields.optional("threads", |value| value.integer(1..=1024)),
        gpu_layers: fields.optional("gpu_layers", |value| value.integer(0..=10_000)),
        queue: fields.optional("queue", |value| value.integer(0..=100_000)),
    };
    let whole = fields.whole();
    if embedded.model_path.is_some() && embedded.model_repo.is_some() {
        whole.refuse_field::<()>("`model_path` and `model_repo` exclude each other; keep one");
    }
    if embedded.model_file.is_some() && embedded.model_repo.is_none() {
        whole.refuse_field::<()>("`model_file` names a file within `model_repo`, which is missing");
    }
    embedded
}

fn repository(value: &Value<'_>) -> Option<String> {
    let text = value.text()?;
    let parts: Vec<&str> = text.split('/').collect();
    let legal = |part: &&str| {
        let byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        !part.is_empty() && !part.starts_with('.') && part.bytes().all(byte)
    };
    if parts.len() == 2 && parts.iter().all(legal) {
        return Some(text);
    }
    value.refuse("expected a repository on Hugging Face, such as `owner/name`")
}
