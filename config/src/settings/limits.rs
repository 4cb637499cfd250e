//! Who keeps the sums of budgets, and who is told of them.

use isthmus_inference::secret::Secret;

use super::keeper::Keeper;

/// Who keeps the sums of budgets, and who is told of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keeping {
    /// Who keeps the sums.
    pub keeper: Keeper,
    /// What becomes of requests under hard budgets while nobody can be asked for the sums.
    pub when_unreachable: WhenUnreachable,
    /// Where it is posted that a threshold was passed. Such addresses hold tokens.
    pub webhook: Option<Secret>,
}

/// What becomes of requests under hard budgets while nobody can be asked for the sums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WhenUnreachable {
    /// They are refused.
    #[default]
    Refuse,
    /// Each process goes on with an equal part of what was left.
    Local,
}

impl WhenUnreachable {
    /// Each with the word for it.
    pub const WORDS: &'static [(&'static str, Self)] =
        &[("refuse", Self::Refuse), ("local", Self::Local)];
}
