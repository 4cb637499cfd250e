//! Azure OpenAI and Azure AI Foundry: OpenAI's language at addresses of their own.
//!
//! A model is a *deployment*, named in the path, and every path wants an `api-version` (Microsoft's
//! reference, "Azure OpenAI REST API", data plane). The newer *v1* API has neither: it is meant where
//! `api_version` is `v1` (or `preview` or `latest`, which it still takes), or where the base URL ends
//! with `/openai/v1`. A base URL that ends with `/models` is Foundry's, for models of other makers. The
//! credential is a key, or an Entra token.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use isthmus_inference::failure::Failure;
use isthmus_inference::ident::UpstreamModel;
use isthmus_inference::request::{Dialect, Operation, Request};

use crate::adapter::Adapter;
use crate::auth::entra::{self, EntraSettings};
use crate::dialect::{ChatDialect, RelayDialect};
use crate::dialects::openai::OpenAiRelay;
use crate::dialects::openai_models::decode_models;
use crate::dialects::openai_provider::{OPENAI, OpenAiChat, Style};
use crate::dialects::openai_request::{Quirks, StreamUsage};
use crate::dialects::responses::{self, ResponsesChat, ResponsesRelay};
use crate::http_adapter::{self, Auth};
use crate::http_client::Target;
use crate::providers::table::{PLAIN, unknown};
use crate::registry::{About, BuildError, Continent, Provider, ProviderOption, Shape};
use crate::service::{Listing, Route, Service, unserved};
use crate::settings::AccountSettings;

/// The newest version of the data plane that is generally available.
const VERSION: &str = "2024-10-21";
/// The first versions did not have Responses; the newest that has a date.
const RESPONSES_VERSION: &str = "2025-04-01-preview";
/// The first version whose streams can be asked for their usage; those before refuse
/// `stream_options` (Azure/azure-rest-api-specs, `AzureOpenAI/inference`; openai/openai-python issue
/// 1469).
const COUNTING_VERSION: &str = "2024-09-01";
/// The word for the API whose paths have no version.
const UNVERSIONED: &str = "v1";
/// Versions of that API that have no date.
const UNDATED: [&str; 2] = ["latest", "preview"];

/// Azure OpenAI.
pub static AZURE: Provider = Provider {
    kind: "azure",
    title: "Azure OpenAI",
    base_url: None,
    key_variables: &["AZURE_API_KEY", "AZURE_OPENAI_API_KEY"],
    base_url_variable: Some("AZURE_API_BASE"),
    key_optional: true,
    options: &OPTIONS,
    presence_variables: &[],
    base_url_derived: false,
    processing: unknown,
    continent: Some(Continent::Cloud),
    domains: &["azure.com", "azure.us", "azure.cn"],
    about: ABOUT,
    build,
};

const ABOUT: About = About {
    credential: "api-key, or authorization: Bearer with an Entra token",
    ..About::WITH_RESPONSES.limited(&[
        "The endpoint's `model` is the deployment's name.",
        "Without `api_key`, a token of Entra is obtained and renewed: `access_token`, an application \
         (`client_secret` or a workload's token), or the machine's managed identity.",
        "A base URL that ends with `/openai/v1` or `/models` means the newer API, and Foundry's for \
         models of other makers.",
        "A deployment's name need not tell its model: where it reasons, name `reasoning` in the \
         endpoint's `capabilities`, so that callers of another language do not send it what such a \
         model refuses.",
        "Streams of `api_version`s before 2024-09-01 cannot be asked for their usage: it is estimated.",
        "Where a deployment processes (its type: standard, data zone, global) is in none of its \
         names: `processing_regions` rest on the operator's word.",
    ])
};

const OPTIONS: [ProviderOption; 7] = [
    ProviderOption {
        name: "api_version",
        variables: &["AZURE_API_VERSION", "OPENAI_API_VERSION"],
        shape: Shape::Text,
        help: "the `api-version` of each call, or `v1`, `preview` or `latest` for the API without dates; \
               2024-10-21 unless given",
    },
    ProviderOption {
        name: "access_token",
        variables: &["AZURE_AD_TOKEN"],
        shape: Shape::Secret,
        help: "an Entra token that nobody renews, instead of a key",
    },
    ProviderOption {
        name: "tenant_id",
        variables: &["AZURE_TENANT_ID"],
        shape: Shape::Text,
        help: "the Entra directory",
    },
    ProviderOption {
        name: "client_id",
        variables: &["AZURE_CLIENT_ID"],
        shape: Shape::Text,
        help: "the Entra application, or the managed identity",
    },
    ProviderOption {
        name: "client_secret",
        variables: &["AZURE_CLIENT_SECRET"],
        shape: Shape::Secret,
        help: "the Entra application's secret",
    },
    ProviderOption {
        name: "federated_token_file",
        variables: &["AZURE_FEDERATED_TOKEN_FILE"],
        shape: Shape::Text,
        help: "the file with the workload's own token",
    },
    ProviderOption {
        name: "authority",
        variables: &["AZURE_AUTHORITY_HOST"],
        shape: Shape::Text,
        help: "the Entra authority of a sovereign cloud",
    },
];

/// An account at one resource.
struct Azure {
    settings: AccountSettings,
    paths: Paths,
    models: Target,
    relay: OpenAiRelay,
    dialect: OpenAiChat,
}

/// Where the operations are.
#[derive(Debug, PartialEq, Eq)]
enum Paths {
    /// Below the deployment, with a version.
    Deployments { version: String, responses_version: String },
    /// Below this, with the model in the body, and with a version if there is one.
    Plain { root: &'static str, version: Option<String> },
}

fn build(settings: &AccountSettings) -> Result<Arc<dyn Adapter>, BuildError> {
    let paths = Paths::of(settings);
    let stream_usage = paths.stream_usage();
    let service = Azure {
        models: paths.target(settings, None, "/models")?,
        settings: settings.clone(),
        paths,
        relay: OpenAiRelay { quirks: Quirks { stream_usage, ..PLAIN.quirks } },
        dialect: OpenAiChat { style: Style { stream_usage, ..OPENAI } },
    };
    http_adapter::build(settings, &auth(settings)?, service)
}

fn auth(settings: &AccountSettings) -> Result<Auth, BuildError> {
    if settings.api_key.is_some() {
        return Ok(Auth::Header("api-key"));
    }
    let text = |name: &str| settings.option(name).map(str::to_owned);
    let entra = EntraSettings {
        access_token: settings.secret("access_token"),
        tenant_id: text("tenant_id"),
        client_id: text("client_id"),
        client_secret: settings.secret("client_secret"),
        federated_token_file: text("federated_token_file").map(PathBuf::from),
        authority: text("authority"),
    };
    let authorise = entra::authorise("azure", &entra, &settings.environment);
    authorise.map(Auth::Each).map_err(BuildError)
}

// === impl Paths ===

impl Paths {
    fn of(settings: &AccountSettings) -> Self {
        let base = settings.base_url.as_deref().unwrap_or_default().trim_end_matches('/');
        let version = settings.option("api_version").map(str::to_owned);
        let dated = version.clone().filter(|version| version != UNVERSIONED);
        match version.as_deref() {
            _ if base.ends_with("/openai/v1") => Self::Plain { root: "", version: dated },
            _ if base.ends_with("/models") => {
                Self::Plain { root: "", version: Some(dated.unwrap_or_else(|| VERSION.to_owned())) }
            }
            Some(UNVERSIONED) => Self::Plain { root: "/openai/v1", version: None },
            Some(word) if UNDATED.contains(&word) => {
                Self::Plain { root: "/openai/v1", version: dated }
            }
            Some(version) => Self::Deployments {
                version: version.to_owned(),
                responses_version: version.to_owned(),
            },
            None => Self::Deployments {
                version: VERSION.to_owned(),
                responses_version: RESPONSES_VERSION.to_owned(),
            },
        }
    }

    /// How the usage of a stream is come by.
    fn stream_usage(&self) -> StreamUsage {
        match self {
            Self::Deployments { version, .. } if version.as_str() < COUNTING_VERSION => {
                StreamUsage::OptionRefused
            }
            Self::Deployments { .. } | Self::Plain { .. } => StreamUsage::Asked,
        }
    }

    /// The URL of an operation; `deployment` where its path names one.
    fn target(
        &self,
        settings: &AccountSettings,
        deployment: Option<&UpstreamModel>,
        operation: &str,
    ) -> Result<Target, BuildError> {
        let (path, version) = match (self, deployment) {
            (Self::Deployments { version, .. }, Some(deployment)) => {
                let name = segment(deployment.as_str());
                (format!("/openai/deployments/{name}{operation}"), Some(version))
            }
            (Self::Deployments { version, responses_version }, None) => {
                let version = if operation == RESPONSES { responses_version } else { version };
                (format!("/openai{operation}"), Some(version))
            }
            (Self::Plain { root, version }, _) => (format!("{root}{operation}"), version.as_ref()),
        };
        let target = settings.target(&path)?;
        Ok(match version {
            Some(version) => target.with_query("api-version", version),
            None => target,
        })
    }
}

const RESPONSES: &str = "/responses";

/// A name as one segment of a path.
fn segment(name: &str) -> String {
    let mut segment = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                segment.push(char::from(byte));
            }
            other => segment.push_str(&format!("%{other:02X}")),
        }
    }
    segment
}

// === impl Azure ===

impl Azure {
    fn target(&self, model: &UpstreamModel, operation: &str) -> Option<Cow<'static, Target>> {
        // The base URL was parsed when the account was made, and a segment cannot break it.
        self.paths.target(&self.settings, Some(model), operation).ok().map(Cow::Owned)
    }
}

impl Service for Azure {
    fn relay(
        &self,
        request: &Request,
        model: &UpstreamModel,
    ) -> Option<Route<'_, dyn RelayDialect>> {
        match request.dialect {
            Dialect::OpenAi => {}
            Dialect::Responses => {
                let target = self.paths.target(&self.settings, None, RESPONSES).ok()?;
                return Some(Route { target: Cow::Owned(target), dialect: &ResponsesRelay });
            }
            Dialect::Anthropic => return None,
        }
        let operation = match request.operation {
            Operation::Chat if responses::only(model.as_str()) => return None,
            Operation::Chat => "/chat/completions",
            Operation::Completion => "/completions",
            Operation::Embedding => "/embeddings",
            Operation::CountTokens => return None,
        };
        Some(Route { target: self.target(model, operation)?, dialect: &self.relay })
    }

    fn chat(
        &self,
        model: &UpstreamModel,
        _stream: bool,
    ) -> Result<Route<'_, dyn ChatDialect>, Failure> {
        let unserved = || unserved("chat", model);
        if responses::only(model.as_str()) {
            let target = self.paths.target(&self.settings, None, RESPONSES);
            let target = Cow::Owned(target.map_err(|_| unserved())?);
            return Ok(Route { target, dialect: &ResponsesChat });
        }
        let target = self.target(model, "/chat/completions").ok_or_else(unserved)?;
        Ok(Route { target, dialect: &self.dialect })
    }

    fn models(&self) -> Option<Listing> {
        Some(Listing { target: self.models.clone(), decode: decode_models })
    }
}
