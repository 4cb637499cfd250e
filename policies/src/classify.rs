//! What sort of data a request carries, from all who say something of it.
//!
//! The organisation's floor, the key's default, the caller's word and the detector each may only
//! make the class stricter. One exception has to be granted: a key that may declassify. What its
//! holder says stands in place of the key's default and of the detector's findings, never below
//! the organisation's floor.

use crate::class::{Class, DataClass};

/// What each says. `None` where it says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sources {
    /// The class below which nothing in the organisation is.
    pub organisation: Option<DataClass>,
    /// What the key's data usually is.
    pub key: Option<DataClass>,
    /// Whether the key's holder may say that it is less.
    pub may_declassify: bool,
    /// What the caller says of this request, in headers or in its metadata.
    pub caller: Option<Class>,
    /// What was found in it.
    pub detector: Option<Class>,
    /// What it is if nobody says anything; `None` is public.
    pub unclassified: Option<DataClass>,
}

/// Who decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The organisation's floor.
    Organisation,
    /// The key's default.
    Key,
    /// The caller, in a header or in metadata.
    Caller,
    /// The detector.
    Detector,
    /// Nobody said anything.
    Nobody,
}

/// What a request's data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Classified {
    /// All classes that apply.
    pub class: Class,
    /// Whether anyone said so.
    pub declared: bool,
    /// Whether a person relies on its being kept from where it must not go: somebody other than
    /// the detector said that it is not public.
    pub relied_upon: bool,
    /// Whose word the strictest of its classes is; of several, the first of [`Source::WORDS`].
    pub by: Source,
}

/// What a request counts as that nobody classified, where an operator's policies decide by classes
/// and the operator says nothing else.
pub const UNCLASSIFIED: DataClass = DataClass::Confidential;

/// The class of a request.
pub fn classify(sources: &Sources) -> Classified {
    let only = |class: Option<DataClass>| class.map(Class::only);
    let lowered = sources.may_declassify && sources.caller.is_some();
    let unless_lowered = |class: Option<Class>| class.filter(|_| !lowered);
    let said = [
        (Source::Organisation, only(sources.organisation)),
        (Source::Key, unless_lowered(only(sources.key))),
        (Source::Caller, sources.caller),
        (Source::Detector, unless_lowered(sources.detector)),
    ];
    let said = said.into_iter().filter_map(|(source, class)| Some((source, class?)));
    let Some(all) = said.clone().map(|(_, class)| class).reduce(Class::and) else {
        let class = Class::only(sources.unclassified.unwrap_or(DataClass::Public));
        return Classified { class, declared: false, relied_upon: false, by: Source::Nobody };
    };
    let strictest = all.strictest();
    let by = said.clone().find(|(_, class)| class.has(strictest)).map(|(source, _)| source);
    let relied_upon = said
        .filter(|(source, _)| *source != Source::Detector)
        .any(|(_, class)| class.strictest() > DataClass::Public);
    let by = by.unwrap_or(Source::Nobody);
    Classified { class: without_milder_levels(all), declared: true, relied_upon, by }
}

/// Public, internal and confidential are levels, and one request has one: what is of persons is
/// not public too, whoever said that it was. The labels above them stay side by side.
fn without_milder_levels(class: Class) -> Class {
    let strictest = class.strictest();
    let kept = class.labels().filter(|label| *label > DataClass::Confidential);
    kept.map(Class::only).fold(Class::only(strictest), Class::and)
}

// === impl Source ===

impl Source {
    /// Every source with the word for it.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("organisation", Self::Organisation),
        ("key", Self::Key),
        ("caller", Self::Caller),
        ("detector", Self::Detector),
        ("nobody", Self::Nobody),
    ];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        Self::WORDS[self as usize].0
    }
}

#[cfg(test)]
mod tests {
    use proptest::option;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    fn classes() -> impl Strategy<Value = Option<DataClass>> {
        option::of(select(DataClass::WORDS).prop_map(|(_, class)| class))
    }

    fn sources() -> impl Strategy<Value = Sources> {
        let unclassified = classes();
        (classes(), classes(), any::<bool>(), classes(), classes(), unclassified).prop_map(
            |(organisation, key, may_declassify, caller, detector, unclassified)| Sources {
                organisation,
                key,
                may_declassify,
                caller: caller.map(Class::only),
                detector: detector.map(Class::only),
                unclassified,
            },
        )
    }

    #[test]
    fn the_strictest_wins_and_says_who_decided() {
        let sources = Sources {
            organisation: Some(DataClass::Internal),
            key: Some(DataClass::Confidential),
            caller: Some(Class::only(DataClass::Public)),
            detector: Some(Class::only(DataClass::Pii).and(Class::only(DataClass::Pci))),
            ..Sources::default()
        };
        let told = classify(&sources);
        assert_eq!((told.class.to_string().as_str(), told.by), ("pii,pci", Source::Detector));
        assert!(told.declared && told.relied_upon);
    }

    #[test]
    fn a_key_that_may_declassify_replaces_what_is_not_the_organisations() {
        let public = Some(Class::only(DataClass::Public));
        let sources = Sources {
            key: Some(DataClass::Confidential),
            may_declassify: true,
            detector: Some(Class::only(DataClass::Secret)),
            ..Sources::default()
        };
        assert_eq!(
            classify(&sources).class.strictest(),
            DataClass::Secret,
            "silence lowers nothing"
        );
        let lowered = classify(&Sources { caller: public, ..sources });
        assert_eq!((lowered.class.to_string().as_str(), lowered.by), ("public", Source::Caller));
        let organisation = Some(DataClass::Internal);
        let floored = classify(&Sources { caller: public, organisation, ..sources });
        assert_eq!(
            (floored.class.to_string().as_str(), floored.by),
            ("internal", Source::Organisation)
        );
    }

    #[test]
    fn what_nobody_classified_is_what_the_operator_says() {
        let told = classify(&Sources::default());
        assert_eq!((told.class.to_string().as_str(), told.declared), ("public", false));
        let unclassified = Some(DataClass::Confidential);
        let told = classify(&Sources { unclassified, ..Sources::default() });
        assert_eq!((told.class.to_string().as_str(), told.by), ("confidential", Source::Nobody));
    }

    #[test]
    fn every_source_has_its_own_word() {
        for (word, source) in Source::WORDS {
            assert_eq!(source.as_str(), *word);
        }
    }

    proptest! {
        #[test]
        fn no_source_lowers_another_unless_it_may(sources in sources()) {
            let class = classify(&sources).class.strictest();
            prop_assert!(sources.organisation.is_none_or(|floor| floor <= class));
            prop_assert!(sources.caller.is_none_or(|said| said.strictest() <= class));
            if !sources.may_declassify || sources.caller.is_none() {
                prop_assert!(sources.key.is_none_or(|default| default <= class));
                prop_assert!(sources.detector.is_none_or(|found| found.strictest() <= class));
            }
        }

        #[test]
        fn a_request_has_one_level(sources in sources()) {
            let labels: Vec<_> = classify(&sources).class.labels().collect();
            let levels = labels.iter().filter(|label| **label <= DataClass::Confidential).count();
            prop_assert!(levels == usize::from(labels.len() == 1 && labels[0] <= DataClass::Confidential));
        }
    }
}
