//! What a cheaper tier saved: what the same tokens would have cost at the usual one.
//!
//! A sum has no tier of its own, but the price that it was charged by has. Compared is with the usual
//! price of the same tariff; a price that is in no tariff any more is compared with nothing.

use std::borrow::Borrow;
use std::collections::{BTreeSet, HashMap};

use isthmus_inference::money::{Money, Price};
use isthmus_inference::tariff::{Tariff, Written};
use isthmus_inference::tier::Tier;

use crate::books::Bucket;

/// Prices of cheaper tiers, by version, each beside the usual one for prompts of that length.
#[derive(Debug, Clone, Default)]
pub struct Discounts(HashMap<String, (Price, Price)>);

impl Discounts {
    /// Those of these tariffs.
    pub fn of<T: Borrow<Tariff>>(tariffs: impl IntoIterator<Item = T>) -> Self {
        Self(tariffs.into_iter().flat_map(|tariff| of_tariff(tariff.borrow())).collect())
    }

    /// What a bucket saved; less than nothing if its tier is the dearer one.
    pub fn saved(&self, bucket: &Bucket) -> Money {
        let tokens = &bucket.sums.usage;
        match self.0.get(&*bucket.of.price) {
            Some((charged, usual)) => usual.cost(tokens) - charged.cost(tokens),
            None => Money::ZERO,
        }
    }
}

fn of_tariff(tariff: &Tariff) -> Vec<(String, (Price, Price))> {
    let mut pairs = vec![];
    for tier in [Tier::Batch, Tier::Flex] {
        // Where the lengths differ, a sum at one price would be one at several others.
        if bands(tariff, Some(tier)) != bands(tariff, None) {
            continue;
        }
        for priced in tariff.prices().iter().filter(|it| it.written.tier == Some(tier)) {
            let Written { price, above_tokens, .. } = priced.written;
            let usual = tariff.price(None, above_tokens.saturating_add(1)).written.price;
            // How many requests are in a sum of tokens is not told, so fees have to cancel out.
            if usual.request == price.request {
                pairs.push((priced.id.to_string(), (price, usual)));
            }
        }
    }
    pairs
}

fn bands(tariff: &Tariff, tier: Option<Tier>) -> BTreeSet<u64> {
    let of_tier = tariff.prices().iter().filter(|priced| priced.written.tier == tier);
    of_tier.map(|priced| priced.written.above_tokens).collect()
}

#[cfg(test)]
mod tests {
    use isthmus_inference::tariff::Usd;
    use isthmus_inference::usage::Usage;

    use super::*;
    use crate::books::{Dimensions, Sums};

    fn written(tier: Option<Tier>, above_tokens: u64, input: &str) -> Written {
        let price = Price {
            input: input.parse().unwrap(),
            request: "0.01".parse().unwrap(),
            ..Price::default()
        };
        let source = "https://example.org/prices".to_owned();
        Written { price, currency: Usd::Usd, tier, above_tokens, source, converted: None }
    }

    /// What a million tokens at this tier and length saved.
    fn saved(tariff: &Tariff, tier: Option<Tier>, length: u64) -> String {
        let of =
            Dimensions { price: tariff.price(tier, length).id.clone(), ..Dimensions::default() };
        let usage = Usage { uncached_input: 1_000_000, ..Usage::default() };
        let sums = Sums { usage, attempts: 4, ..Sums::default() };
        Discounts::of([tariff]).saved(&Bucket { hour: 0, of, sums }).to_string()
    }

    #[test]
    fn each_length_is_compared_with_its_own() {
        let tariff = Tariff::new([
            written(None, 0, "2"),
            written(None, 200_000, "4"),
            written(Some(Tier::Batch), 0, "1"),
            written(Some(Tier::Batch), 200_000, "1.5"),
            written(Some(Tier::Flex), 0, "1"),
            written(Some(Tier::Priority), 0, "9"),
        ])
        .unwrap();
        assert_eq!(saved(&tariff, Some(Tier::Batch), 1), "1.00");
        assert_eq!(saved(&tariff, Some(Tier::Batch), 200_001), "2.50");
        assert_eq!(saved(&tariff, Some(Tier::Flex), 1), "0.00", "it has other lengths");
        assert_eq!(saved(&tariff, Some(Tier::Priority), 1), "0.00", "it is no saving");
        assert_eq!(saved(&tariff, None, 1), "0.00");
    }
}
