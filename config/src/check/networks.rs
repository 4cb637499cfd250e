//! What sort of network an account belongs to, where its kind tells that.

use isthmus_adapters::registry::{self, Continent};
use isthmus_policies::facts::{Fact, Network};
use url::Url;

use crate::check::providers::EMBEDDED;
use crate::settings::Account;

impl Account {
    /// The kind of provider, such as `openai`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Embedded(_) => EMBEDDED,
            Self::Remote(account) => account.kind.kind,
        }
    }

    /// The network of the account's endpoints that do not say it themselves.
    pub fn usual_network(&self) -> Option<Fact<Network>> {
        match self {
            Self::Embedded(_) => of_kind(EMBEDDED, None),
            Self::Remote(account) => of_kind(account.kind.kind, account.base_url.as_deref()),
        }
    }
}

/// The same for an account of which only its kind is known, and the address if one is written.
pub(super) fn of_kind(kind: &str, base_url: Option<&str>) -> Option<Fact<Network>> {
    let network = if kind == EMBEDDED {
        Network::Local
    } else {
        // What is no URL was complained of, and vouches for nobody.
        let url = base_url.map(Url::parse).transpose().ok()?;
        let host = url.as_ref().map(|url| url.host_str().unwrap_or_default());
        match registry::find(kind)?.continent_at(host)? {
            Continent::Cloud => Network::Hyperscaler,
            Continent::Vendor => Network::Vendor,
            Continent::Decentralised => Network::Decentralised,
        }
    };
    Some(Fact { value: network, until: None, evidence: Some(format!("kind: {kind}")) })
}
