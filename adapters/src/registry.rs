//! The providers: one line each in [`PROVIDERS`].

use std::fmt;
use std::sync::Arc;

use isthmus_inference::ident::UpstreamModel;

use crate::adapter::Adapter;
use crate::places::Processing;
use crate::providers::{
    anthropic, azure, bedrock, bittensor_axon, bittensor_epistula, chutes, cohere, deepseek, flock,
    gemini, groq, infernet, mistral, nearai, openrouter, perplexity, table, vertex, xai,
};
use crate::settings::AccountSettings;

mod about;

pub use about::{About, BEARER, CHAT, RESPONSES};

/// A kind of provider: what is known of it before anyone has an account there.
pub struct Provider {
    /// The word under `kind:`.
    pub kind: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// Where it is, up to what the adapter appends; `None` where only the operator can know.
    pub base_url: Option<&'static str>,
    /// Environment variables that hold the credential, the usual one first. One of them being set
    /// makes an account of this kind exist, named like the kind.
    pub key_variables: &'static [&'static str],
    /// Environment variable that overrides the base URL.
    pub base_url_variable: Option<&'static str>,
    /// Whether calls without a credential make sense (a server of one's own).
    pub key_optional: bool,
    /// The fields that only accounts of this kind have.
    pub options: &'static [ProviderOption],
    /// Variables beside the credential's which say that an account of this kind exists: one of them
    /// being set is enough.
    pub presence_variables: &'static [&'static str],
    /// Whether the base URL follows from the options (a region, a location) where none is written.
    pub base_url_derived: bool,
    /// Where this account may process what this model is sent, as far as their names tell.
    pub processing: fn(&AccountSettings, &UpstreamModel) -> Processing,
    /// What sort of network it is, where the kind alone tells that.
    pub continent: Option<Continent>,
    /// The domains under which its own addresses lie, where that is not the base URL's.
    pub domains: &'static [&'static str],
    /// What people want to know of it.
    pub about: About,
    /// Makes the adapter of one account.
    pub build: fn(&AccountSettings) -> Result<Arc<dyn Adapter>, BuildError>,
}

/// What sort of network a kind of provider is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Continent {
    /// One of the large clouds.
    Cloud,
    /// A company that serves models by itself.
    Vendor,
    /// Machines of many owners behind a protocol or a router, attested ones among them.
    Decentralised,
}

/// A field that only accounts of one kind have.
#[derive(Debug, Clone, Copy)]
pub struct ProviderOption {
    /// Its name in the configuration.
    pub name: &'static str,
    /// Environment variables that stand in for it, the usual one first.
    pub variables: &'static [&'static str],
    /// What it holds.
    pub shape: Shape,
    /// What it is for, in a line.
    pub help: &'static str,
}

/// What an option holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Text.
    Text,
    /// A credential.
    Secret,
    /// A structure, handed over as JSON text.
    Json,
}

/// Why an account cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BuildError(pub String);

/// Every kind of provider that is reached over the network.
pub static PROVIDERS: &[&Provider] = &[
    // Vendors.
    &table::OPENAI,
    &anthropic::ANTHROPIC,
    &bedrock::BEDROCK,
    &gemini::GEMINI,
    &vertex::VERTEX,
    &azure::AZURE,
    &cohere::COHERE,
    &mistral::MISTRAL,
    &groq::GROQ,
    &table::TOGETHER,
    &table::FIREWORKS,
    &deepseek::DEEPSEEK,
    &xai::XAI,
    &openrouter::OPENROUTER,
    &perplexity::PERPLEXITY,
    &table::CEREBRAS,
    &table::NVIDIA,
    &table::HYPERBOLIC,
    // Decentralised networks and attested clouds.
    &table::AKASH,
    &table::IONET,
    &chutes::CHUTES,
    &table::TARGON,
    &bittensor_axon::BITTENSOR_AXON,
    &bittensor_epistula::BITTENSOR_EPISTULA,
    &flock::FLOCK,
    &infernet::INFERNET,
    &table::PHALA,
    &table::REDPILL,
    &nearai::NEARAI,
    // Servers of one's own.
    &table::VLLM,
    &table::SGLANG,
    &table::OLLAMA,
    &table::LLAMACPP,
    &table::LMSTUDIO,
    &table::OPENAI_COMPATIBLE,
];

/// The kind of this name.
pub fn find(kind: &str) -> Option<&'static Provider> {
    PROVIDERS.iter().copied().find(|provider| provider.kind == kind)
}

impl Provider {
    /// What sort of network an account at this host belongs to; no host is the kind's own. A large
    /// name vouches only for what lies under its domains: elsewhere there is a proxy or a stranger,
    /// of whom the kind tells nothing.
    pub fn continent_at(&self, host: Option<&str>) -> Option<Continent> {
        let own = self.base_url.and_then(|url| url.split('/').nth(2));
        let own = own.filter(|_| self.domains.is_empty());
        let at_home = |host: &str| {
            self.domains.iter().copied().chain(own).any(|domain| {
                let before = host.strip_suffix(domain);
                before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
            })
        };
        let counts = self.continent == Some(Continent::Decentralised) || host.is_none_or(at_home);
        self.continent.filter(|_| counts)
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Provider({})", self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_vouches_only_for_its_own_addresses() {
        let at = |kind: &str, host: Option<&str>| find(kind).unwrap().continent_at(host);
        for (kind, host, expected) in [
            ("openai", None, Some(Continent::Vendor)),
            ("openai", Some("eu.api.openai.com"), Some(Continent::Vendor)),
            ("openai", Some("127.0.0.1"), None),
            ("openai", Some("notapi.openai.com.example.org"), None),
            ("openai", Some("myapi.openai.com"), None),
            ("azure", Some("my-resource.openai.azure.com"), Some(Continent::Cloud)),
            ("azure", Some("azure.example.org"), None),
            ("bedrock", Some("bedrock-runtime.eu-central-1.amazonaws.com"), Some(Continent::Cloud)),
            ("akash", Some("10.0.0.1"), Some(Continent::Decentralised)),
            ("bittensor-axon", Some("203.0.113.7"), Some(Continent::Decentralised)),
            ("vllm", None, None),
            ("openrouter", None, None),
            ("openai-compatible", Some("api.openai.com"), None),
        ] {
            assert_eq!(at(kind, host), expected, "{kind} {host:?}");
        }
    }

    #[test]
    fn whose_addresses_are_known_has_domains() {
        for provider in PROVIDERS {
            let nowhere = provider.base_url.is_none() && provider.domains.is_empty();
            let vouches = provider.continent.is_some_and(|one| one != Continent::Decentralised);
            assert!(!(vouches && nowhere), "{}", provider.kind);
        }
    }
}
