//! What an operator claims of an endpoint: who runs it, where, and under which promises.
//!
//! A fact that is not written is unknown, and whoever judges takes the unknown for the worst case.

use std::collections::BTreeSet;

use crate::date::Date;

/// What is claimed of one endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// What sort of network it belongs to.
    pub network: Option<Fact<Network>>,
    /// Who operates the machines.
    pub operator: Option<Fact<String>>,
    /// Under whose law: an ISO 3166-1 two-letter code, or `EU`.
    pub jurisdiction: Option<Fact<String>>,
    /// Where prompts are processed: countries or cloud regions. An empty set is a claim too, and
    /// grants nothing.
    pub processing_regions: Option<Fact<BTreeSet<String>>>,
    /// The certificates that its operator holds.
    pub certifications: Vec<Fact<String>>,
    /// For how many days prompts and answers are kept.
    pub retention_days: Option<Fact<u32>>,
    /// Whether nothing is kept by contract.
    pub zero_data_retention: Option<Fact<bool>>,
    /// Whether prompts and answers may train models.
    pub trains_on_data: Option<Fact<bool>>,
    /// How far it can be believed.
    pub trust: Option<Fact<Trust>>,
}

/// One claim, with its proof and its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact<T> {
    /// What is claimed.
    pub value: T,
    /// The last day on which the claim counts.
    pub until: Option<Date>,
    /// Where the proof is: a link, a document, a contract's number.
    pub evidence: Option<String>,
}

/// What sort of network an endpoint belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Network {
    /// One of the large clouds.
    Hyperscaler,
    /// A company that serves models by itself.
    Vendor,
    /// Machines of many owners behind a protocol.
    Decentralised,
    /// The operator's own machines.
    Local,
}

/// How far an endpoint can be believed to run the model that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trust {
    /// Nobody looked.
    Unverified,
    /// Its answers agree with a reference copy of the model.
    Audited,
    /// Hardware vouches for what runs there.
    Attested,
}

// === impl Network ===

impl Network {
    /// Every network with the word for it.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("hyperscaler", Self::Hyperscaler),
        ("vendor", Self::Vendor),
        ("decentralised", Self::Decentralised),
        ("local", Self::Local),
    ];
}

// === impl Trust ===

impl Trust {
    /// Every degree with the word for it.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("unverified", Self::Unverified),
        ("audited", Self::Audited),
        ("attested", Self::Attested),
    ];
}
