//! The modelled market as written: who offers the model at what price and speed, and what goes
//! wrong when. `loadtests/lab/market.yaml` explains each field; nothing of it is measured.

use std::fs;
use std::num::NonZeroU32;
use std::path::Path;

use isthmus_inference::money::{Money, Price, Rate};
use isthmus_policies::facts::Network;
use serde::{Deserialize, Deserializer, de::Error};

use crate::fault::{Doing, Fault};

/// Every offer and every shock.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Market {
    /// The offers; an endpoint's number is its place here.
    pub endpoints: Vec<Offer>,
    /// What goes wrong.
    #[serde(default)]
    pub shocks: Vec<Shock>,
}

/// One way to get the model answered.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// Its name.
    pub name: String,
    /// What sort of network it belongs to.
    #[serde(deserialize_with = "network")]
    pub network: Network,
    /// Its price per token; none for a lease.
    #[serde(default, deserialize_with = "price")]
    pub price: Price,
    /// Paid by the hour instead.
    pub lease: Option<Lease>,
    /// Time to the first token.
    pub ttft: FirstToken,
    /// Slow swings of its speed.
    #[serde(default)]
    pub drift: Drift,
    /// The load of the rest of the world.
    #[serde(default)]
    pub busy: Busy,
    /// How fast an answer's tokens come.
    pub decode: Decode,
    /// How many answers at once.
    pub places: Places,
    /// The share of attempts that end in a 5xx before the first token.
    #[serde(default)]
    pub failure_rate: f64,
    /// The share of answers that stop in the middle.
    #[serde(default)]
    pub break_rate: f64,
    /// For how many minutes a prompt's blocks stay cached; without it there is no cache.
    #[serde(default)]
    pub cache_minutes: f64,
}

/// Machines by the hour.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lease {
    /// What an hour costs, used or not.
    #[serde(deserialize_with = "dollars")]
    pub usd_per_hour: Money,
    /// Output tokens per second at which the operator takes it for full.
    pub capacity_tokens_per_second: NonZeroU32,
}

/// Time to the first token, before whatever slows it down.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirstToken {
    /// Milliseconds for an empty prompt.
    pub base_ms: f64,
    /// Milliseconds more for each thousand uncached tokens.
    pub per_1k_input_ms: f64,
    /// Standard deviation of its logarithm.
    pub sigma: f64,
    /// Whether prompts are read one after the other, as on a machine of one's own; else side by
    /// side.
    #[serde(default)]
    pub in_turn: bool,
}

/// An Ornstein–Uhlenbeck process in the logarithm of slowness.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drift {
    /// Its stationary standard deviation.
    pub sigma: f64,
    /// Its relaxation time.
    pub minutes: f64,
}

/// A wave of the load that others put on the endpoint, an hour long.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Busy {
    /// How much slower it is at the peak than in the trough.
    pub swing: f64,
    /// The minute of the peak.
    pub peak_minute: f64,
}

/// How fast an answer's tokens come.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decode {
    /// The median, for one answer.
    pub tokens_per_second: f64,
    /// Standard deviation of its logarithm.
    pub sigma: f64,
}

/// How many answers at once.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Places {
    /// Answers at once.
    pub at_once: usize,
    /// Whoever would wait longer for a place is refused.
    #[serde(default)]
    pub longest_wait_ms: f64,
    /// How much slower it is when every place is taken than when it is empty.
    #[serde(default)]
    pub crowding: f64,
}

/// Something that goes wrong for a while.
#[derive(Debug, Clone, Deserialize)]
pub struct Shock {
    /// The endpoint's name.
    pub endpoint: String,
    /// The first and last minute at which it may begin; the seed draws one.
    pub from: [f64; 2],
    /// For how many minutes it lasts.
    pub minutes: f64,
    /// What happens.
    #[serde(flatten)]
    pub what: Woe,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case", deny_unknown_fields)]
pub enum Woe {
    /// A share of the attempts is answered 429.
    Storm {
        /// Which share.
        share: f64,
        /// What `retry-after` says, in seconds.
        retry_after_s: Option<f64>,
    },
    /// Everything is slower.
    BrownOut {
        /// How many times as slow.
        slower: f64,
    },
    /// The host is gone: running answers break, new ones fail.
    Vanish {
        /// How long a new attempt takes to fail.
        after_ms: f64,
    },
    /// Another price.
    Price {
        /// The price from now on.
        #[serde(deserialize_with = "price")]
        price: Price,
        /// How long the catalogue keeps the old one.
        #[serde(default)]
        noticed_minutes: f64,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPrice {
    input: String,
    cache_read: Option<String>,
    output: String,
}

/// The market that the figures in `RESULTS.md` are of.
pub const MARKET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/lab/market.yaml");

// === impl Market ===

impl Market {
    /// Reads a market and checks what its types cannot.
    pub fn read(path: &Path) -> Result<Self, Fault> {
        let text = fs::read_to_string(path).doing(|| format!("read `{}`", path.display()))?;
        let wrong = |why: String| Fault::Unusable(format!("{}: {why}", path.display()));
        let market: Self = serde_saphyr::from_str(&text).map_err(|why| wrong(why.to_string()))?;
        market.check().map_err(wrong)?;
        Ok(market)
    }

    /// The number of the endpoint with this name.
    pub fn number(&self, name: &str) -> Option<usize> {
        self.endpoints.iter().position(|offer| offer.name == name)
    }

    /// The same market with all noise of attempts and answers scaled: 0 for none, 1 as written.
    #[must_use]
    pub fn with_noise(mut self, factor: f64) -> Self {
        for offer in &mut self.endpoints {
            offer.ttft.sigma *= factor;
            offer.decode.sigma *= factor;
        }
        self
    }

    fn check(&self) -> Result<(), String> {
        if self.endpoints.is_empty() || self.endpoints.len() > 64 {
            return Err("a market has between 1 and 64 endpoints".to_owned());
        }
        for (number, offer) in self.endpoints.iter().enumerate() {
            if self.number(&offer.name) != Some(number) {
                return Err(format!("two endpoints are called `{}`", offer.name));
            }
            if offer.places.at_once == 0 || offer.decode.tokens_per_second <= 0.0 {
                return Err(format!("`{}` answers nobody: see `places` and `decode`", offer.name));
            }
            if offer.lease.is_none() && offer.price == Price::default() {
                return Err(format!("`{}` has neither a `price` nor a `lease`", offer.name));
            }
        }
        for shock in &self.shocks {
            if self.number(&shock.endpoint).is_none() {
                return Err(format!("a shock is for `{}`, which is no endpoint", shock.endpoint));
            }
            if shock.from[0] > shock.from[1] || shock.minutes <= 0.0 {
                return Err(format!("a shock of `{}` ends before it begins", shock.endpoint));
            }
        }
        Ok(())
    }
}

fn network<'de, D: Deserializer<'de>>(from: D) -> Result<Network, D::Error> {
    let word = String::deserialize(from)?;
    let found = Network::WORDS.iter().find(|(known, _)| *known == word);
    found.map(|(_, network)| *network).ok_or_else(|| {
        let known: Vec<_> = Network::WORDS.iter().map(|(word, _)| *word).collect();
        D::Error::custom(format!("`{word}` is none of `{}`", known.join("`, `")))
    })
}

/// A million tokens at a rate of so many dollars a million cost just that.
fn dollars<'de, D: Deserializer<'de>>(from: D) -> Result<Money, D::Error> {
    let rate: Rate = String::deserialize(from)?.parse().map_err(D::Error::custom)?;
    Ok(rate * 1_000_000)
}

fn price<'de, D: Deserializer<'de>>(from: D) -> Result<Price, D::Error> {
    let written = WrittenPrice::deserialize(from)?;
    let rate = |text: &str| text.parse::<Rate>().map_err(D::Error::custom);
    Ok(Price {
        input: rate(&written.input)?,
        cache_read: written.cache_read.as_deref().map(rate).transpose()?,
        output: rate(&written.output)?,
        ..Price::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_market_of_the_results_is_sound() {
        let market = Market::read(Path::new(MARKET)).unwrap();
        assert!(market.endpoints.iter().any(|offer| offer.lease.is_some()));
        for (_, network) in &Network::WORDS[..3] {
            assert!(market.endpoints.iter().any(|offer| offer.network == *network));
        }
    }

    #[test]
    fn a_market_that_cannot_be_is_refused_with_the_reason() {
        let written = fs::read_to_string(MARKET).unwrap();
        for (from, to, reason) in [
            ("network: vendor", "network: vendors", "`vendors` is none of"),
            ("endpoint: vendor-steady", "endpoint: nobody", "`nobody`, which is no endpoint"),
            ("at_once: 30 ", "at_once: 0 ", "`vendor-fast` answers nobody"),
            ("\"0.65\"", "\"cheap\"", "`cheap` is not a decimal number"),
            ("sigma: 0.12", "sigmas: 0.12", "sigmas"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("market.yaml");
            let text = written.replacen(from, to, 1);
            assert_ne!(text, written, "{from}");
            fs::write(&path, text).unwrap();
            let fault = Market::read(&path).unwrap_err().to_string();
            assert!(fault.contains(reason), "{fault}");
        }
    }
}
