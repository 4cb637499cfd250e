//! A set of endpoints as a bitmask. An endpoint's number is its place in the catalogue.

/// A set of endpoints of one catalogue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct EndpointSet(Box<[u64]>);

impl EndpointSet {
    /// Whether the endpoint with this number is in it.
    pub fn has(&self, number: usize) -> bool {
        self.0.get(number / 64).is_some_and(|word| word & 1 << (number % 64) != 0)
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// How many are in it.
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The numbers in it, in order.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        (0..self.0.len() * 64).filter(|number| self.has(*number))
    }
}

impl FromIterator<usize> for EndpointSet {
    fn from_iter<I: IntoIterator<Item = usize>>(numbers: I) -> Self {
        let mut words = vec![];
        for number in numbers {
            if words.len() <= number / 64 {
                words.resize(number / 64 + 1, 0);
            }
            words[number / 64] |= 1 << (number % 64);
        }
        Self(words.into_boxed_slice())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_was_put_in(numbers in proptest::collection::btree_set(0usize..300, 0..40)) {
            let set: EndpointSet = numbers.iter().copied().collect();
            prop_assert_eq!(set.iter().collect::<BTreeSet<_>>(), numbers.clone());
            prop_assert_eq!(set.len(), numbers.len());
            prop_assert_eq!(set.is_empty(), numbers.is_empty());
            prop_assert!((0..320).all(|number| set.has(number) == numbers.contains(&number)));
        }
    }
}
