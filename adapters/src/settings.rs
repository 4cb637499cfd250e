//! What an operator may say about an account at a provider.

use isthmus_inference::secret::Secret;

use crate::registry::Provider;

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
}
