//! What sort of network an account belongs to, where its kind tells that.

use isthmus_adapters::registry::Continent;
use isthmus_policies::facts::{Fact, Network};
use url::Url;

use crate::settings::Account;

impl Account {
    /// The network of the account's endpoints that do not say it themselves.
    pub fn usual_network(&self) -> Option<Fact<Network>> {
        let (network, kind) = match self {
            Self::Embedded(_) => (Network::Local, "embedded"),
            Self::Remote(account) => {
                let url = account.base_url.as_deref().map(Url::parse);
                // What is no URL was complained of, and vouches for nobody.
                let url = url.transpose().ok()?;
                let host = url.as_ref().map(|url| url.host_str().unwrap_or_default());
                let network = match account.kind.continent_at(host)? {
                    Continent::Cloud => Network::Hyperscaler,
                    Continent::Vendor => Network::Vendor,
                    Continent::Decentralised => Network::Decentralised,
                };
                (network, account.kind.kind)
            }
        };
        Some(Fact { value: network, until: None, evidence: Some(format!("kind: {kind}")) })
    }
}
