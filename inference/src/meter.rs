//! Meters: what a price counts, each with its unit.
//!
//! A meter belongs to one bucket of [`Usage`], so what an exchange costs is a sum of lines, one for
//! each meter that ran: [`Price::charges`]. The names are those that FOCUS exports show.

use serde::{Deserialize, Serialize};

use crate::money::{Money, Price};
use crate::usage::Usage;

/// What is counted and charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meter {
    /// Input that no cache had to do with.
    Input,
    /// Input served from the provider's cache.
    CacheRead,
    /// Input written to the five-minute cache.
    #[serde(rename = "cache_write_5m")]
    CacheWrite5m,
    /// Input written to the one-hour cache.
    #[serde(rename = "cache_write_1h")]
    CacheWrite1h,
    /// Audio in the prompt.
    AudioInput,
    /// Images in the prompt.
    ImageInput,
    /// Visible output.
    Output,
    /// Thinking.
    Reasoning,
    /// Audio that was generated.
    AudioOutput,
    /// The request itself.
    Request,
}

/// What a meter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// What is consumed, as FOCUS says `ConsumedUnit`.
    pub consumed: &'static str,
    /// What a price is given for, as FOCUS says `PricingUnit`,
    pub priced: &'static str,
    /// and how many of the consumed ones that is.
    pub each: u64,
}

/// One line of what an exchange costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charge {
    /// What was counted.
    pub meter: Meter,
    /// How many of it.
    pub quantity: u64,
    /// What one costs.
    pub each: Money,
    /// What all of them cost.
    pub cost: Money,
    /// Whether these are tokens that the provider's total has and none of its parts explains: nobody
    /// knows what they are, so they are charged like the dearest.
    pub unexplained: bool,
}

const TOKENS: Unit = Unit { consumed: "Tokens", priced: "1000000 Tokens", each: 1_000_000 };
const REQUESTS: Unit = Unit { consumed: "Requests", priced: "Requests", each: 1 };

// === impl Meter ===

impl Meter {
    /// Every meter, in the order in which bills show them.
    pub const ALL: [Self; 10] = [
        Self::Input,
        Self::CacheRead,
        Self::CacheWrite5m,
        Self::CacheWrite1h,
        Self::AudioInput,
        Self::ImageInput,
        Self::Output,
        Self::Reasoning,
        Self::AudioOutput,
        Self::Request,
    ];

    /// The word for it in configurations and catalogues.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::CacheRead => "cache_read",
            Self::CacheWrite5m => "cache_write_5m",
            Self::CacheWrite1h => "cache_write_1h",
            Self::AudioInput => "audio_input",
            Self::ImageInput => "image_input",
            Self::Output => "output",
            Self::Reasoning => "reasoning",
            Self::AudioOutput => "audio_output",
            Self::Request => "request",
        }
    }

    /// Its name for people, as FOCUS says `SkuMeter`.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Input => "Input Tokens",
            Self::CacheRead => "Cached Input Tokens",
            Self::CacheWrite5m => "Cache Write Tokens, 5 Minutes",
            Self::CacheWrite1h => "Cache Write Tokens, 1 Hour",
            Self::AudioInput => "Audio Input Tokens",
            Self::ImageInput => "Image Input Tokens",
            Self::Output => "Output Tokens",
            Self::Reasoning => "Reasoning Tokens",
            Self::AudioOutput => "Audio Output Tokens",
            Self::Request => "Requests",
        }
    }

    /// What it counts.
    pub const fn unit(self) -> Unit {
        match self {
            Self::Request => REQUESTS,
            _ => TOKENS,
        }
    }

    /// Whether it counts what goes in; `None` for the request itself.
    pub const fn is_input(self) -> Option<bool> {
        match self {
            Self::Input
            | Self::CacheRead
            | Self::CacheWrite5m
            | Self::CacheWrite1h
            | Self::AudioInput
            | Self::ImageInput => Some(true),
            Self::Output | Self::Reasoning | Self::AudioOutput => Some(false),
            Self::Request => None,
        }
    }

    /// What it counts of an exchange.
    #[inline]
    pub const fn quantity(self, usage: &Usage) -> u64 {
        match self {
            Self::Input => usage.uncached_input,
            Self::CacheRead => usage.cache_read,
            Self::CacheWrite5m => usage.cache_write_5m,
            Self::CacheWrite1h => usage.cache_write_1h,
            Self::AudioInput => usage.audio_input,
            Self::ImageInput => usage.image_input,
            Self::Output => usage.text_output,
            Self::Reasoning => usage.reasoning_output,
            Self::AudioOutput => usage.audio_output,
            Self::Request => 1,
        }
    }
}

// === impl Price ===

impl Price {
    /// What one of what a meter counts costs.
    #[inline]
    pub fn each(&self, meter: Meter) -> Money {
        let input = |rate: Option<_>| rate.unwrap_or(self.input) * 1;
        let output = |rate: Option<_>| rate.unwrap_or(self.output) * 1;
        match meter {
            Meter::Input => self.input * 1,
            Meter::CacheRead => input(self.cache_read),
            Meter::CacheWrite5m => input(self.cache_write_5m),
            // Whoever writes for an hour pays no less than for five minutes.
            Meter::CacheWrite1h => input(self.cache_write_1h.or(self.cache_write_5m)),
            Meter::AudioInput => input(self.audio_input),
            Meter::ImageInput => input(self.image_input),
            Meter::Output => self.output * 1,
            Meter::Reasoning => output(self.reasoning),
            Meter::AudioOutput => output(self.audio_output),
            Meter::Request => self.request,
        }
    }

    /// What is written for a meter, as decimal text in its unit; `None` where a meter has no rate of its
    /// own.
    pub fn written(&self, meter: Meter) -> Option<String> {
        let rate = match meter {
            Meter::Input => Some(self.input),
            Meter::CacheRead => self.cache_read,
            Meter::CacheWrite5m => self.cache_write_5m,
            Meter::CacheWrite1h => self.cache_write_1h,
            Meter::AudioInput => self.audio_input,
            Meter::ImageInput => self.image_input,
            Meter::Output => Some(self.output),
            Meter::Reasoning => self.reasoning,
            Meter::AudioOutput => self.audio_output,
            Meter::Request => return self.charges_requests().then(|| self.request.to_string()),
        };
        rate.map(|rate| rate.to_string())
    }

    /// The meter by which tokens are charged of which nobody knows what they are.
    pub fn dearest(&self) -> Meter {
        let tokens = Meter::ALL.into_iter().filter(|meter| *meter != Meter::Request);
        // Of several that are as dear as each other, the first.
        tokens.rev().max_by_key(|meter| self.each(*meter)).unwrap_or(Meter::Output)
    }

    /// The lines that make up what `usage` costs; a meter that did not run has none, nor have requests
    /// that cost nothing by themselves.
    pub fn charges(&self, usage: &Usage) -> impl Iterator<Item = Charge> {
        let unexplained = (usage.unexplained > 0).then(|| self.dearest());
        let counted = Meter::ALL.map(|meter| (meter, meter.quantity(usage), false));
        let rest = unexplained.map(|meter| (meter, usage.unexplained, true));
        let runs =
            |meter, quantity| quantity > 0 && (meter != Meter::Request || self.charges_requests());
        counted
            .into_iter()
            .chain(rest)
            .filter(move |(meter, quantity, _)| runs(*meter, *quantity))
            .map(|(meter, quantity, unexplained)| {
                let each = self.each(meter);
                Charge { meter, quantity, each, cost: each * quantity, unexplained }
            })
    }

    fn charges_requests(&self) -> bool {
        self.request != Money::ZERO
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::money::Rate;

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    #[test]
    fn words_are_those_of_serde() {
        for meter in Meter::ALL {
            assert_eq!(serde_json::to_string(&meter).unwrap(), format!("\"{}\"", meter.as_str()));
        }
    }

    #[test]
    fn lines_say_what_was_counted_and_what_it_costs() {
        let price = Price {
            input: rate("2.5"),
            cache_read: Some(rate("0.25")),
            output: rate("10"),
            audio_output: Some(rate("80")),
            request: "0.01".parse().unwrap(),
            ..Price::default()
        };
        let usage = Usage {
            uncached_input: 100,
            cache_read: 1000,
            text_output: 10,
            audio_output: 5,
            unexplained: 2,
            ..Usage::default()
        };
        let lines: Vec<_> = price
            .charges(&usage)
            .map(|line| (line.meter, line.quantity, line.cost.to_string(), line.unexplained))
            .collect();
        let expected = [
            (Meter::Input, 100, "0.00025", false),
            (Meter::CacheRead, 1000, "0.00025", false),
            (Meter::Output, 10, "0.0001", false),
            (Meter::AudioOutput, 5, "0.0004", false),
            (Meter::Request, 1, "0.01", false),
            (Meter::AudioOutput, 2, "0.00016", true),
        ];
        let expected = expected.map(|(meter, quantity, cost, unexplained)| {
            (meter, quantity, cost.to_owned(), unexplained)
        });
        assert_eq!(lines, expected);
        assert_eq!(price.cost(&usage).to_string(), "0.01116");
    }

    #[test]
    fn a_meter_without_a_rate_is_charged_like_its_parent() {
        let price = Price { input: rate("1"), output: rate("2"), ..Price::default() };
        for meter in Meter::ALL.into_iter().filter(|meter| *meter != Meter::Request) {
            let expected = if meter.is_input() == Some(true) { 1_000_000 } else { 2_000_000 };
            assert_eq!(price.each(meter).pico_dollars(), expected, "{meter:?}");
        }
        let price = Price { cache_write_5m: Some(rate("1.25")), ..price };
        assert_eq!(price.each(Meter::CacheWrite1h).pico_dollars(), 1_250_000);
        assert_eq!(price.dearest(), Meter::Output);
    }

    proptest! {
        #[test]
        fn lines_add_up_to_the_cost(
            counts in prop::array::uniform10(0u64..1 << 40),
            rates in prop::array::uniform9(prop::option::of(0u64..1 << 30)),
            fee in 0i64..1 << 50,
        ) {
            let price = Price::made(rates, fee);
            let usage = Usage {
                uncached_input: counts[0],
                cache_read: counts[1],
                cache_write_5m: counts[2],
                cache_write_1h: counts[3],
                audio_input: counts[4],
                image_input: counts[5],
                text_output: counts[6],
                reasoning_output: counts[7],
                audio_output: counts[8],
                unexplained: counts[9],
                ..Usage::default()
            };
            let lines: Vec<_> = price.charges(&usage).collect();
            prop_assert_eq!(lines.iter().map(|line| line.cost).sum::<Money>(), price.cost(&usage));
            let tokens = lines.iter().filter(|line| line.meter != Meter::Request);
            prop_assert_eq!(tokens.map(|line| line.quantity).sum::<u64>(), usage.total());
        }
    }
}
