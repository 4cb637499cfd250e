//! What an operator claims of an endpoint: who runs it, where, and under which promises.
//!
//! A fact that is not written is unknown, and whoever judges takes the unknown for the worst case.

use std::collections::BTreeSet;

use isthmus_inference::date::Date;

/// What is claimed of one endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// What sort of network it belongs to.
    pub network: Option<Fact<Network>>,
    /// Who operates the machines.
    pub operator: Option<Fact<String>>,
    /// Under whose law its operator stands: an ISO 3166-1 two-letter code, or `EU`.
    pub jurisdiction: Option<Fact<String>>,
    /// Under whose law the operator's parent company stands.
    pub parent_jurisdiction: Option<Fact<String>>,
    /// Where prompts are processed: countries or cloud regions. An empty set is a claim too, and
    /// grants nothing.
    pub processing_regions: Option<Fact<BTreeSet<String>>>,
    /// Where prompts and answers are stored.
    pub storage_regions: Option<Fact<BTreeSet<String>>>,
    /// The certificates that its operator holds.
    pub certifications: Vec<Fact<String>>,
    /// For how many days prompts and answers are kept.
    pub retention_days: Option<Fact<u32>>,
    /// Whether nothing is kept by contract.
    pub zero_data_retention: Option<Fact<bool>>,
    /// Whether prompts and answers may train models.
    pub trains_on_data: Option<Fact<bool>>,
    /// Whether a business associate agreement (HIPAA) is signed with the operator.
    pub baa: Option<Fact<bool>>,
    /// How far it can be believed.
    pub trust: Option<Fact<Trust>>,
    /// In which numbers the model's weights are kept.
    pub quantisation: Option<Fact<Quantisation>>,
    /// What hardware shields the computation from those who own the machine.
    pub tee: Option<Fact<Tee>>,
    /// Whether export-controlled data may go there.
    pub export_cleared: Option<Fact<bool>>,
    /// How settled the offer is.
    pub status: Option<Fact<Status>>,
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

/// In which numbers the weights are kept; the words are those of OpenRouter's `quantizations`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quantisation {
    /// Four-bit integers.
    Int4,
    /// Four-bit floats.
    Fp4,
    /// Six-bit floats.
    Fp6,
    /// Eight-bit integers.
    Int8,
    /// Eight-bit floats.
    Fp8,
    /// Half floats.
    Fp16,
    /// Brain floats.
    Bf16,
    /// Full floats.
    Fp32,
}

/// What hardware shields a computation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tee {
    /// None.
    None,
    /// The processor's memory is encrypted (Intel TDX, AMD SEV-SNP).
    Cpu,
    /// The GPU's too (NVIDIA confidential computing).
    Gpu,
}

/// How settled an offer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// To be withdrawn.
    Deprecated,
    /// On trial.
    Preview,
    /// Generally available.
    Ga,
}

// === impl Facts ===

impl Facts {
    /// The last day of each claim that has one.
    pub fn ends(&self) -> impl Iterator<Item = Date> {
        let certificates = self.certifications.iter().map(|held| held.until);
        let others = [
            end(&self.network),
            end(&self.operator),
            end(&self.jurisdiction),
            end(&self.parent_jurisdiction),
            end(&self.processing_regions),
            end(&self.storage_regions),
            end(&self.retention_days),
            end(&self.zero_data_retention),
            end(&self.trains_on_data),
            end(&self.baa),
            end(&self.trust),
            end(&self.quantisation),
            end(&self.tee),
            end(&self.export_cleared),
            end(&self.status),
        ];
        certificates.chain(others).flatten()
    }
}

fn end<T>(fact: &Option<Fact<T>>) -> Option<Date> {
    fact.as_ref()?.until
}

// === impl Fact ===

impl<T> Fact<T> {
    /// The value, unless the claim has lapsed before this day.
    pub fn on(&self, day: Date) -> Option<&T> {
        self.until.is_none_or(|until| day <= until).then_some(&self.value)
    }
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

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        Self::WORDS[self as usize].0
    }
}

// === impl Trust ===

impl Trust {
    /// Every degree with the word for it.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("unverified", Self::Unverified),
        ("audited", Self::Audited),
        ("attested", Self::Attested),
    ];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        Self::WORDS[self as usize].0
    }
}

// === impl Quantisation ===

impl Quantisation {
    /// Every kind of number with the word for it.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("int4", Self::Int4),
        ("fp4", Self::Fp4),
        ("fp6", Self::Fp6),
        ("int8", Self::Int8),
        ("fp8", Self::Fp8),
        ("fp16", Self::Fp16),
        ("bf16", Self::Bf16),
        ("fp32", Self::Fp32),
    ];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        Self::WORDS[self as usize].0
    }

    /// Bits to a weight.
    pub const fn bits(self) -> u8 {
        match self {
            Self::Int4 | Self::Fp4 => 4,
            Self::Fp6 => 6,
            Self::Int8 | Self::Fp8 => 8,
            Self::Fp16 | Self::Bf16 => 16,
            Self::Fp32 => 32,
        }
    }
}

// === impl Tee ===

impl Tee {
    /// Every shield with the word for it.
    pub const WORDS: &'static [(&'static str, Self)] =
        &[("none", Self::None), ("cpu", Self::Cpu), ("gpu", Self::Gpu)];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        Self::WORDS[self as usize].0
    }
}

// === impl Status ===

impl Status {
    /// Every status with the word for it.
    pub const WORDS: &'static [(&'static str, Self)] =
        &[("deprecated", Self::Deprecated), ("preview", Self::Preview), ("ga", Self::Ga)];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        Self::WORDS[self as usize].0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_counts_up_to_its_last_day() {
        let day = |text: &str| text.parse::<Date>().unwrap();
        let fact = Fact { value: "soc2", until: Some(day("2027-06-30")), evidence: None };
        assert_eq!(fact.on(day("2027-06-30")), Some(&"soc2"));
        assert_eq!(fact.on(day("2027-07-01")), None);
    }

    #[test]
    fn words_stand_in_the_order_of_their_values() {
        fn check<T: Copy>(words: &[(&str, T)], word: impl Fn(T) -> &'static str) {
            words.iter().for_each(|(expected, value)| assert_eq!(word(*value), *expected));
        }
        check(Network::WORDS, Network::as_str);
        check(Trust::WORDS, Trust::as_str);
        check(Quantisation::WORDS, Quantisation::as_str);
        check(Tee::WORDS, Tee::as_str);
        check(Status::WORDS, Status::as_str);
    }
}
