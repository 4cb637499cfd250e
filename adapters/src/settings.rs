//! What an operator may say about an account at a provider.

use std::collections::BTreeMap;

use isthmus_inference::secret::Secret;
use serde::de::DeserializeOwned;

use crate::auth::environment::Environment;
use crate::http_client::Target;
use crate::registry::{BuildError, Provider};

/// One account, checked: its kind exists and its URL parses.
#[derive(Debug, Clone)]
pub struct AccountSettings {
    /// The kind of provider, from [`crate::registry::PROVIDERS`].
    pub kind: &'static Provider,
    /// Overrides the kind's own base URL.
    pub base_url: Option<String>,
    /// The credential, for the kinds that take one.
    pub api_key: Option<Secret>,
    /// Headers to send with every call; values may be secrets.
    pub headers: Vec<(String, Secret)>,
    /// The fields that only this kind has, by name: those of [`Provider::options`].
    pub options: BTreeMap<&'static str, Secret>,
    /// The variables that the credential may be found by; tests bring their own.
    pub environment: Environment,
}

impl AccountSettings {
    /// An account of this kind about which nothing is said, in this process's environment.
    pub fn new(kind: &'static Provider) -> Self {
        Self {
            kind,
            base_url: None,
            api_key: None,
            headers: Vec::new(),
            options: BTreeMap::new(),
            environment: Environment::of_process(),
        }
    }

    /// The URL of a path at this account.
    pub(crate) fn target(&self, path: &str) -> Result<Target, BuildError> {
        let base = self.base_url.as_deref().or(self.kind.base_url).ok_or_else(|| {
            BuildError(format!("a provider of kind `{}` needs a `base_url`", self.kind.kind))
        })?;
        Target::new(base, path).map_err(|error| BuildError(format!("`base_url`: {error}")))
    }

    /// The text of an option, as written or from its variable.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(Secret::expose)
    }

    /// An option that is a structure.
    pub fn json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, BuildError> {
        let read = self.option(name).map(serde_json::from_str).transpose();
        read.map_err(|error| BuildError(format!("`{name}`: {error}")))
    }

    /// An option that is a credential.
    pub fn secret(&self, name: &str) -> Option<Secret> {
        self.options.get(name).cloned()
    }
}
