//! Whose requests count.

use std::collections::BTreeMap;

use super::{Amounts, OwnLimits};

/// Whose requests count: those that have all of these properties, summed up together or for each value
/// of one more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Properties that a request must have; none means that all requests count.
    pub of: Vec<(Dimension, String)>,
    /// Each value of this has a sum of its own.
    pub each: Option<Dimension>,
}

/// A property of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dimension {
    /// Who pays.
    Organisation,
    /// The team.
    Team,
    /// The app.
    App,
    /// The key, by its visible head.
    Key,
    /// The model that was asked for.
    Model,
    /// The account that is asked; a request may have several.
    Provider,
    /// What the caller marked it with, by its name.
    Tag(String),
}

/// What is known of a request, as far as budgets may see it.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Who pays.
    pub organisation: &'a str,
    /// The team.
    pub team: &'a str,
    /// The app.
    pub app: &'a str,
    /// The visible head of the key; empty without one.
    pub key: &'a str,
    /// The model that was asked for.
    pub model: &'a str,
    /// What sums call it: callers choose names such as `provider/model`, and sums must not grow with
    /// them.
    pub label: &'a str,
    /// What it is marked with.
    pub tags: &'a BTreeMap<String, String>,
    /// What its key may take by its own limits.
    pub own: &'a OwnLimits,
}

impl Scope {
    /// Whether sums are kept by account: then each account of a request counts by itself.
    pub fn is_by_provider(&self) -> bool {
        let of = self.of.iter().map(|(dimension, _)| dimension);
        of.chain(&self.each).any(|dimension| *dimension == Dimension::Provider)
    }

    /// The account that a member's sum is of, where sums are kept by account.
    pub fn provider<'a>(&'a self, member: &'a str) -> Option<&'a str> {
        if self.each == Some(Dimension::Provider) {
            return Some(member);
        }
        let of = self.of.iter().find(|(dimension, _)| *dimension == Dimension::Provider);
        of.map(|(_, provider)| provider.as_str())
    }

    /// The member that a request at this account counts for: the value of `each`, or nothing where all
    /// are summed up together. `None` where it does not count.
    pub fn member<'a>(&self, subject: &Subject<'a>, provider: &'a str) -> Option<&'a str> {
        let has = |(dimension, wanted): &(Dimension, String)| {
            subject.value(dimension, provider).is_some_and(|value| value == wanted)
        };
        if !self.of.iter().all(has) {
            return None;
        }
        match &self.each {
            None => Some(""),
            Some(Dimension::Model) => Some(subject.label),
            Some(dimension) => subject.value(dimension, provider),
        }
    }
}

impl<'a> Subject<'a> {
    fn value(&self, dimension: &Dimension, provider: &'a str) -> Option<&'a str> {
        let value = match dimension {
            Dimension::Organisation => self.organisation,
            Dimension::Team => self.team,
            Dimension::App => self.app,
            Dimension::Key => self.key,
            Dimension::Model => self.model,
            Dimension::Provider => provider,
            Dimension::Tag(name) => self.tags.get(name).map_or("", String::as_str),
        };
        Some(value).filter(|value| !value.is_empty())
    }
}

impl Dimension {
    /// The words for those without a name of their own.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("organisation", Self::Organisation),
        ("team", Self::Team),
        ("app", Self::App),
        ("key", Self::Key),
        ("model", Self::Model),
        ("provider", Self::Provider),
    ];

    /// Whether callers choose its values, so that metrics may not name them.
    pub fn is_callers_choice(&self) -> bool {
        matches!(self, Self::Tag(_))
    }
}

/// What a request may take, all together and at each account that may be asked. Accounts are in the
/// order of their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shares<'a> {
    /// All together.
    pub whole: Amounts,
    /// At each account.
    pub by_provider: BTreeMap<&'a str, Amounts>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(of: &[(Dimension, &str)], each: Option<Dimension>) -> Scope {
        let of = of.iter().map(|(dimension, value)| (dimension.clone(), (*value).to_owned()));
        Scope { of: of.collect(), each }
    }

    #[test]
    fn a_request_counts_where_all_properties_fit() {
        let tags = BTreeMap::from([("feature".to_owned(), "chat".to_owned())]);
        let subject = Subject {
            organisation: "acme",
            team: "support",
            app: "web",
            key: "",
            model: "openai/gpt-x",
            label: "openai/*",
            tags: &tags,
            own: &OwnLimits::default(),
        };
        let member = |scope: Scope| scope.member(&subject, "openai");
        let feature = || Dimension::Tag("feature".to_owned());
        assert_eq!(member(scope(&[], None)), Some(""));
        assert_eq!(member(scope(&[(Dimension::Team, "support")], Some(feature()))), Some("chat"));
        assert_eq!(member(scope(&[(Dimension::Team, "sales")], None)), None);
        assert_eq!(member(scope(&[(Dimension::Model, "openai/gpt-x")], None)), Some(""));
        assert_eq!(member(scope(&[], Some(Dimension::Model))), Some("openai/*"));
        assert_eq!(member(scope(&[], Some(Dimension::Provider))), Some("openai"));
        assert_eq!(member(scope(&[], Some(Dimension::Key))), None, "it has no key");
    }
}
