//! What is assumed of an endpoint before it was seen at work, and while it is seen seldom.
//!
//! Wide on purpose: a stranger's p95 is far from its median, so that under a bound on the p95 it is
//! explored, not trusted. The figures are rough ones of public APIs in 2026; a hundred requests
//! make them immaterial.

use crate::facts::Network;
use crate::live::Quantiles;

/// Expectations of a stranger.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prior {
    /// Seconds to the first token of a tiny prompt, at the median.
    pub first_token: f64,
    /// Seconds more for each thousand tokens of prompt.
    pub per_thousand_input: f64,
    /// How far the p95 is from the median, as a factor.
    pub spread: f64,
    /// Output tokens per second of one answer.
    pub tokens_per_second: f64,
    /// The probability that an attempt fails.
    pub failure: f64,
}

impl Prior {
    /// What is usual in a network. An unknown one is taken for the worst.
    pub const fn of(network: Option<Network>) -> Self {
        match network {
            Some(Network::Local) => Self {
                first_token: 0.2,
                per_thousand_input: 0.2,
                spread: 2.5,
                tokens_per_second: 30.0,
                failure: 0.005,
            },
            Some(Network::Hyperscaler | Network::Vendor) => Self {
                first_token: 0.5,
                per_thousand_input: 0.03,
                spread: 3.0,
                tokens_per_second: 60.0,
                failure: 0.01,
            },
            Some(Network::Decentralised) | None => Self {
                first_token: 1.0,
                per_thousand_input: 0.1,
                spread: 4.0,
                tokens_per_second: 30.0,
                failure: 0.05,
            },
        }
    }

    /// Seconds to the first token of a prompt of this size. The shape is a log-normal one with the
    /// given distance between median and p95: `ln x` is 1.28, 1.64 and 2.33 deviations out.
    pub fn ttft(&self, input_tokens: u64) -> Quantiles {
        let p50 = self.first_token + self.per_thousand_input * input_tokens as f64 / 1000.0;
        let out = |deviations: f64| p50 * self.spread.powf(deviations / 1.645);
        Quantiles { p50, p90: out(1.282), p95: out(1.645), p99: out(2.326) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unknown_is_the_worst() {
        let unknown = Prior::of(None);
        let networks = [Network::Hyperscaler, Network::Vendor, Network::Local];
        for known in networks.map(|network| Prior::of(Some(network))) {
            assert!(unknown.ttft(1000).p95 > known.ttft(1000).p95);
            assert!(unknown.failure > known.failure);
        }
    }

    #[test]
    fn quantiles_stand_in_order_and_keep_the_spread() {
        let ttft = Prior::of(None).ttft(2000);
        assert!(ttft.p50 < ttft.p90 && ttft.p90 < ttft.p95 && ttft.p95 < ttft.p99);
        assert!((ttft.p95 / ttft.p50 - 4.0).abs() < 1e-9);
    }
}
