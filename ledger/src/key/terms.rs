//! On which terms a key is given: whose it is, what it may ask for, how much, and until when.

use std::collections::BTreeMap;

use isthmus_inference::money::Money;
use serde::{Deserialize, Serialize};

use crate::store::StoreError;

/// All that an operator may say of a key, and change while it is in use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// The models that it may ask for; empty means all.
    pub models: Vec<String>,
    /// Unix seconds from which it no longer opens anything.
    pub expires_at: Option<i64>,
    /// Whose it is, and what its data is.
    pub holder: Holder,
    /// How much it may take.
    pub limits: KeyLimits,
}

/// Whose a key is, and what its data is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holder {
    /// The organisation; `None` is the house's own.
    pub organisation: Option<String>,
    /// The team; `None` is the default one.
    pub team: Option<String>,
    /// The app; `None` is named like the key.
    pub app: Option<String>,
    /// The word for the class that its requests have at least. What the words are is not for the
    /// ledger to say.
    pub data_class: Option<String>,
    /// Whether its holder may say of a request that it is of a milder class.
    pub may_declassify: bool,
    /// What its requests are marked with, whatever its holder says.
    pub tags: BTreeMap<String, String>,
}

/// How much a key may take. What has no limit here may still have one in a budget.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeyLimits {
    /// Requests within any sixty seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpm: Option<u64>,
    /// Tokens, in and out, within any sixty seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tpm: Option<u64>,
    /// Requests under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u64>,
    /// Dollars in a day of UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_day: Option<Money>,
    /// Dollars in a calendar month of UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_month: Option<Money>,
}

impl Terms {
    /// Whether all of it can be kept.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        if self.models.iter().any(|model| model.trim().is_empty()) {
            return Err(StoreError::EmptyModel);
        }
        Ok(())
    }
}
