//! Who keeps what gateways may share.

use isthmus_inference::secret::Secret;

/// Who keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Keeper {
    /// Each process for itself.
    #[default]
    Local,
    /// A Redis that all of them share. It sees what it keeps as it is.
    Redis {
        /// Where it is, and as whom to ask.
        url: Secret,
    },
}
