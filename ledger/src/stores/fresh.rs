//! What a store does not have yet of the links that it is told, and what that adds to the sums. Each store
//! writes it in its own language.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::books::{Bucket, Dimensions, Sums};
use crate::entry::{Chained, Entry, Head};
use crate::fold;
use crate::store::StoreError;

/// A link and its entry.
pub(super) type Fresh<'l> = (&'l Chained, Cow<'l, Entry>);

/// The links behind `start`, and where the chain ends with them. Behind a gap nothing is taken.
pub(super) fn fresh(links: &[Chained], start: Head) -> Result<(Head, Vec<Fresh<'_>>), StoreError> {
    let (mut head, mut fresh) = (start, Vec::with_capacity(links.len()));
    let Some(first) = links.first() else { return Ok((head, fresh)) };
    for link in links.iter().filter(|link| link.node == first.node) {
        if link.sequence <= head.sequence {
            continue;
        }
        let broken = || StoreError::Broken { node: link.node.to_string(), sequence: link.sequence };
        if !head.continues(link) {
            return Err(broken());
        }
        let entry = link.entry().map_err(|_| broken())?;
        head = link.head();
        fresh.push((link, entry));
    }
    Ok((head, fresh))
}

/// What these links add to the sums, by hour and dimensions.
pub(super) fn sums(fresh: &[Fresh<'_>]) -> BTreeMap<(i64, Dimensions), Sums> {
    let mut added: BTreeMap<_, Sums> = BTreeMap::new();
    for Bucket { hour, of, sums } in fresh.iter().flat_map(|(_, entry)| fold::buckets(entry)) {
        *added.entry((hour, of)).or_default() += sums;
    }
    added
}
