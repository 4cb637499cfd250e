//! The endpoints of a pool in the order in which they were written, and nothing weighed.

use isthmus_inference::ident::EndpointName;

/// What to try, first choice first; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenOrder {
    endpoints: Vec<EndpointName>,
}

/// A pool without endpoints serves nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no endpoint is left to serve the request")]
pub struct NothingToTry;

impl WrittenOrder {
    /// The endpoints in the order in which the operator wrote them; only the first if `fallback`
    /// is off.
    pub fn ordered(
        endpoints: impl IntoIterator<Item = EndpointName>,
        fallback: bool,
    ) -> Result<Self, NothingToTry> {
        let most = if fallback { usize::MAX } else { 1 };
        let endpoints: Vec<_> = endpoints.into_iter().take(most).collect();
        if endpoints.is_empty() { Err(NothingToTry) } else { Ok(Self { endpoints }) }
    }

    /// First choice first.
    pub fn endpoints(&self) -> &[EndpointName] {
        &self.endpoints
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(texts: &[&str]) -> Vec<EndpointName> {
        texts.iter().copied().map(EndpointName::from).collect()
    }

    #[test]
    fn the_written_order_is_kept() {
        let plan = WrittenOrder::ordered(names(&["b", "a", "c"]), true).unwrap();
        assert_eq!(plan.endpoints(), names(&["b", "a", "c"]));
    }

    #[test]
    fn without_fallback_only_the_first_is_tried() {
        let plan = WrittenOrder::ordered(names(&["b", "a"]), false).unwrap();
        assert_eq!(plan.endpoints(), names(&["b"]));
    }

    #[test]
    fn an_empty_pool_is_no_plan() {
        assert_eq!(WrittenOrder::ordered([], true), Err(NothingToTry));
    }
}
