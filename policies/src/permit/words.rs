//! The names of types and words in the schema, as Cedar's identifiers.

use std::str::FromStr;
use std::sync::LazyLock;

use cedar_policy::{EntityId, EntityTypeName, EntityUid, RestrictedExpression};

/// The types of the schema.
pub(super) struct Types {
    pub(super) organisation: EntityTypeName,
    pub(super) team: EntityTypeName,
    pub(super) app: EntityTypeName,
    pub(super) provider: EntityTypeName,
    pub(super) endpoint: EntityTypeName,
    pub(super) action: EntityTypeName,
    pub(super) data_class: EntityTypeName,
    pub(super) network: EntityTypeName,
    pub(super) trust: EntityTypeName,
    pub(super) tee: EntityTypeName,
    pub(super) status: EntityTypeName,
}

/// Parsed once.
pub(super) static TYPES: LazyLock<Types> = LazyLock::new(|| Types {
    organisation: name("Organisation"),
    team: name("Team"),
    app: name("App"),
    provider: name("Provider"),
    endpoint: name("Endpoint"),
    action: name("Action"),
    data_class: name("DataClass"),
    network: name("Network"),
    trust: name("Trust"),
    tee: name("Tee"),
    status: name("Status"),
});

fn name(name: &str) -> EntityTypeName {
    EntityTypeName::from_str(name).expect("each name above is an identifier")
}

/// The thing of this type and name.
pub(super) fn uid(of: &EntityTypeName, name: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(of.clone(), EntityId::new(name))
}

/// A word of an enumeration as a value.
pub(super) fn word(of: &EntityTypeName, word: &str) -> RestrictedExpression {
    RestrictedExpression::new_entity_uid(uid(of, word))
}

/// A text as a value.
pub(super) fn text(text: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(text.to_owned())
}

/// A set of texts as a value.
pub(super) fn texts<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> RestrictedExpression {
    RestrictedExpression::new_set(texts.into_iter().map(|one| text(one.as_ref())))
}
