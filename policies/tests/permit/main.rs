//! What the policies that ship allow and forbid, and the laws that hold for any policies.

#![allow(clippy::unwrap_used, reason = "the helpers of a test panic like the test itself")]

mod strategies;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use isthmus_inference::date::Date;
use isthmus_policies::class::{Class, DataClass};
use isthmus_policies::facts::{Fact, Facts, Network, Quantisation, Trust};
use isthmus_policies::permit::{Bundle, Decision, Described, Permit, Source};
use isthmus_policies::question::{Action, Context, Principal};
use proptest::prelude::*;

use crate::strategies::{action, context, facts, forget, today};

static BUILTIN: LazyLock<Arc<Bundle>> = LazyLock::new(|| Arc::new(Bundle::builtin()));
static STARTER: LazyLock<Arc<Bundle>> =
    LazyLock::new(|| Arc::new(Bundle::read(&starter()).unwrap()));

fn starter() -> Vec<Source> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("starter");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "cedar"))
        .map(|path| Source {
            file: path.file_name().unwrap().to_string_lossy().into_owned(),
            text: fs::read_to_string(path).unwrap(),
        })
        .collect()
}

fn bundle(text: &str) -> Arc<Bundle> {
    let source = Source { file: "test.cedar".to_owned(), text: text.to_owned() };
    Arc::new(Bundle::read(&[source]).unwrap_or_else(|said| panic!("{said:#?}")))
}

fn described(name: &str, facts: Facts) -> Described {
    let (provider, model) = ("account".into(), "model".into());
    Described { name: name.into(), provider, model, facts, in_process: false }
}

fn someone() -> Principal {
    let (organisation, team, app) = ("acme".into(), "support".into(), "helpdesk".into());
    Principal { organisation, team, app }
}

fn of(class: DataClass) -> Context {
    Context {
        class: Class::only(class),
        declared: true,
        subject_regions: BTreeSet::new(),
        allowed_regions: None,
        purpose: String::new(),
    }
}

fn decide(
    bundle: &Arc<Bundle>,
    catalogue: &[Described],
    action: Action,
    context: &Context,
) -> Decision {
    let permit = Permit::new(Arc::clone(bundle), catalogue, today()).unwrap();
    permit.decide(&someone(), action, context)
}

/// The ids of the rules that decided about one endpoint.
fn deciding(bundle: &Bundle, decision: &Decision, number: usize) -> Vec<String> {
    let rules = decision.verdicts[number].rules.iter();
    rules.map(|rule| bundle.rules()[usize::from(*rule)].id.clone()).collect()
}

fn fact<T>(value: T) -> Option<Fact<T>> {
    Some(Fact { value, until: None, evidence: None })
}

fn held(name: &str, until: Option<Date>) -> Fact<String> {
    Fact { value: name.to_owned(), until, evidence: None }
}

fn places(places: &[&str]) -> Option<Fact<BTreeSet<String>>> {
    fact(places.iter().map(ToString::to_string).collect())
}

/// A vendor that promises what one can ask for.
fn good() -> Facts {
    Facts {
        network: fact(Network::Vendor),
        processing_regions: places(&["eu-central-1"]),
        storage_regions: places(&["DE"]),
        certifications: vec![held("soc2", None)],
        trains_on_data: fact(false),
        baa: fact(true),
        ..Facts::default()
    }
}

// === the starter set ===

/// Which rules of the starter set stand between an endpoint with these facts and this request.
fn stands_between(facts: Facts, context: &Context) -> Vec<String> {
    let decision = decide(&STARTER, &[described("one", facts)], Action::Route, context);
    let rules = deciding(&STARTER, &decision, 0);
    if decision.allowed.has(0) { vec![] } else { rules }
}

#[test]
fn a_good_vendor_may_have_all_but_secrets() {
    for (_, class) in DataClass::WORDS {
        let secret = *class == DataClass::Secret;
        let expected: &[&str] = if secret { &["secret-stays-local"] } else { &[] };
        assert_eq!(stands_between(good(), &of(*class)), expected, "{class}");
    }
}

#[test]
fn each_starter_rule_stands_alone_between() {
    let lapsed = Date::new(2027, 1, 14);
    let decentralised = Facts {
        network: fact(Network::Decentralised),
        trust: fact(Trust::Attested),
        quantisation: fact(Quantisation::Fp8),
        ..good()
    };
    let cases = [
        (decentralised.clone(), DataClass::Confidential, None),
        (
            Facts { trust: fact(Trust::Audited), ..decentralised.clone() },
            DataClass::Internal,
            Some("decentralised-public-only"),
        ),
        (Facts { network: None, ..good() }, DataClass::Public, None),
        (
            Facts { quantisation: fact(Quantisation::Fp6), ..decentralised.clone() },
            DataClass::Internal,
            Some("quantisation-floor"),
        ),
        (
            Facts { quantisation: None, ..decentralised },
            DataClass::Internal,
            Some("quantisation-floor"),
        ),
        (
            Facts { trains_on_data: None, ..good() },
            DataClass::Internal,
            Some("no-training-on-non-public-data"),
        ),
        (Facts { trains_on_data: None, ..good() }, DataClass::Public, None),
        (
            Facts { certifications: vec![held("soc2", lapsed)], ..good() },
            DataClass::Pii,
            Some("confidential-needs-certificate"),
        ),
        (Facts { certifications: vec![], ..good() }, DataClass::Internal, None),
        (
            Facts { certifications: vec![], network: fact(Network::Local), ..good() },
            DataClass::Secret,
            None,
        ),
        (Facts { baa: None, ..good() }, DataClass::Phi, Some("phi-needs-baa")),
        (Facts { baa: None, ..good() }, DataClass::Pii, None),
    ];
    for (facts, class, expected) in cases {
        let expected: Vec<&str> = expected.into_iter().collect();
        assert_eq!(stands_between(facts.clone(), &of(class)), expected, "{class} {facts:?}");
    }
}

#[test]
fn every_label_of_a_request_counts() {
    let mut context = of(DataClass::Secret);
    context.class = context.class.and(Class::only(DataClass::Phi));
    let facts = Facts { network: fact(Network::Local), baa: None, ..good() };
    assert_eq!(stands_between(facts, &context), ["phi-needs-baa"]);
}

#[test]
fn restricted_regions_hold_processing_and_storage() {
    let bound = |allowed: &[&str]| Context {
        allowed_regions: Some(allowed.iter().map(ToString::to_string).collect()),
        ..of(DataClass::Public)
    };
    let facts = |processing: &[&str], storage: &[&str]| Facts {
        processing_regions: places(processing),
        storage_regions: places(storage),
        ..good()
    };
    let allows = |facts: Facts, allowed: &[&str]| {
        let rules = stands_between(facts, &bound(allowed));
        assert!(rules.is_empty() || rules == ["residency"], "{rules:?}");
        rules.is_empty()
    };
    for bundle in [&*STARTER, &*BUILTIN] {
        let nowhere = described("one", Facts { processing_regions: None, ..good() });
        let decision = decide(bundle, &[nowhere], Action::Route, &bound(&["EU"]));
        assert_eq!(deciding(bundle, &decision, 0), ["residency"]);
    }
    assert!(allows(facts(&["eu-central-1"], &["DE"]), &["EU"]));
    assert!(allows(facts(&["eu-central-1"], &["DE"]), &["DE"]));
    assert!(allows(facts(&["EU"], &["EU"]), &["EU", "US"]));
    assert!(!allows(facts(&["EU"], &["DE"]), &["DE"]));
    assert!(!allows(facts(&["eu-central-1"], &["US"]), &["EU"]));
    assert!(!allows(facts(&["eu-central-1", "us-east-1"], &["DE"]), &["EU"]));
    assert!(!allows(facts(&[], &["DE"]), &["EU"]) && !allows(facts(&["DE"], &[]), &["EU"]));
    assert!(!allows(facts(&["DE"], &["DE"]), &[]));
}

#[test]
fn only_harmless_data_is_audited_or_kept() {
    for action in [Action::Audit, Action::LogBody] {
        for (class, expected) in [(DataClass::Internal, true), (DataClass::Confidential, false)] {
            let decision = decide(&STARTER, &[described("one", good())], action, &of(class));
            assert_eq!(decision.allowed.has(0), expected, "{action:?} {class}");
            assert!(expected || decision.verdicts[0].rules.is_empty(), "nothing permits it");
        }
    }
}

// === the built-in policies ===

#[test]
fn without_policies_public_data_goes_anywhere_and_declared_data_is_protected() {
    let mut engine = described("engine", Facts::default());
    engine.in_process = true;
    let catalogue = [described("unknown", Facts::default()), described("good", good()), engine];
    let may = |class| {
        let decision = decide(&BUILTIN, &catalogue, Action::Route, &of(class));
        decision.allowed.iter().collect::<Vec<_>>()
    };
    assert_eq!(may(DataClass::Public), [0, 1, 2]);
    assert_eq!(may(DataClass::Internal), [1, 2]);
    assert_eq!(may(DataClass::Phi), [1, 2]);
    assert_eq!(may(DataClass::Secret), [2]);
}

/// `docs/policies.md` shows policies; each of them is one.
#[test]
fn the_pages_examples_are_sound() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/policies.md");
    let page = fs::read_to_string(page).unwrap();
    let shown = page.split("```cedar\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let text: String = shown.collect();
    assert_eq!(bundle(&text).rules().len(), 5);
}

// === the laws ===

#[test]
fn who_asks_is_known_with_team_and_organisation() {
    let one = [described("one", good())];
    let allows = |scope: &str| {
        let bundle = bundle(&format!("@id(\"a\") permit (principal {scope}, action, resource);"));
        decide(&bundle, &one, Action::Route, &of(DataClass::Public)).allowed.has(0)
    };
    assert!(allows("== App::\"helpdesk\"") && allows("in Team::\"support\""));
    assert!(allows("in Organisation::\"acme\"") && !allows("in Team::\"payments\""));
}

#[test]
fn an_error_denies_and_names_the_rule() {
    let catalogue =
        [described("one", good()), described("two", Facts { retention_days: fact(3), ..good() })];
    let all = "@id(\"all\") permit (principal, action, resource);";
    let overflowing = "@id(\"long\") forbid (principal, action, resource) when { resource.retention_days * 2 > 60 };";
    let bundle = bundle(&format!("{all}\n{overflowing}"));
    let decision = decide(&bundle, &catalogue, Action::Route, &of(DataClass::Public));
    assert_eq!(decision.allowed.iter().collect::<Vec<_>>(), [1]);
    assert_eq!(deciding(&bundle, &decision, 0), ["long"]);
    let error = decision.verdicts[0].error.as_deref().unwrap();
    assert!(error.contains("`long`") && error.contains("overflow"), "{error}");
    assert_eq!(deciding(&bundle, &decision, 1), ["all"]);
}

#[test]
fn a_permit_lapses_the_day_after_its_first_claim() {
    let day = |day| Date::new(2027, 2, day);
    let ending = |day| Facts { certifications: vec![held("soc2", day)], ..Facts::default() };
    let catalogue = [
        described("a", ending(day(28))),
        described("b", ending(day(20))),
        described("c", ending(Date::new(2027, 1, 1))),
    ];
    let permit = Permit::new(Arc::clone(&BUILTIN), &catalogue, today()).unwrap();
    assert_eq!(permit.lapses(), day(21));
    let later = Permit::new(Arc::clone(&BUILTIN), &catalogue, day(21).unwrap()).unwrap();
    assert_eq!(later.lapses(), Date::new(2027, 3, 1));
}

#[test]
fn no_two_endpoints_have_one_name() {
    let twice = [described("one", good()), described("one", Facts::default())];
    let error = Permit::new(Arc::clone(&BUILTIN), &twice, today()).unwrap_err();
    assert!(error.to_string().contains("is there twice"), "{error}");
}

proptest! {
    /// To write a fact, whichever value it has, never takes a permission away: unknown is the worst.
    #[test]
    fn unknown_facts_never_allow_more(
        facts in facts(), forgotten in any::<u16>(), action in action(), context in context(),
    ) {
        let catalogue = [described("forgetful", forget(&facts, forgotten)), described("full", facts)];
        for bundle in [&*STARTER, &*BUILTIN] {
            let decision = decide(bundle, &catalogue, action, &context);
            prop_assert!(decision.verdicts.iter().all(|verdict| verdict.error.is_none()));
            prop_assert!(!decision.allowed.has(0) || decision.allowed.has(1));
        }
    }

    /// A lapsed claim counts as one that nobody made.
    #[test]
    fn a_lapsed_fact_is_unknown(facts in facts(), action in action(), context in context()) {
        let day = today();
        let mut living = facts.clone();
        living.certifications.retain(|held| held.on(day).is_some());
        living.network = living.network.filter(|fact| fact.on(day).is_some());
        living.trains_on_data = living.trains_on_data.filter(|fact| fact.on(day).is_some());
        living.processing_regions = living.processing_regions.filter(|fact| fact.on(day).is_some());
        living.baa = living.baa.filter(|fact| fact.on(day).is_some());
        let decision = decide(&STARTER, &[described("one", facts), described("two", living)], action, &context);
        prop_assert_eq!(&decision.verdicts[0], &decision.verdicts[1]);
    }

    /// What moves nowhere may have anything, as far as routing goes.
    #[test]
    fn the_engine_in_the_process_may_have_anything(context in context()) {
        let mut engine = described("engine", Facts::default());
        engine.in_process = true;
        for bundle in [&*STARTER, &*BUILTIN] {
            prop_assert!(decide(bundle, std::slice::from_ref(&engine), Action::Route, &context).allowed.has(0));
        }
    }

    /// A policy that cannot be evaluated denies, whichever it is and whatever others say.
    #[test]
    fn any_error_denies(effect in "permit|forbid", facts in facts(), action in action(), context in context()) {
        let failing = format!(
            "@id(\"failing\") {effect} (principal, action, resource) when {{ Endpoint::\"gone\".baa }};"
        );
        let mut sources = starter();
        sources.push(Source { file: "failing.cedar".to_owned(), text: failing });
        let bundle = Arc::new(Bundle::read(&sources).unwrap());
        let decision = decide(&bundle, &[described("one", facts)], action, &context);
        prop_assert!(decision.allowed.is_empty());
        prop_assert!(deciding(&bundle, &decision, 0).contains(&"failing".to_owned()));
    }

    /// The version is that of the policies: their files, their order and their looks do not count.
    #[test]
    fn the_version_is_of_the_content(shuffled in Just(starter()).prop_shuffle(), changed in 0usize..6) {
        let version = |sources: &[Source]| Bundle::read(sources).unwrap().version().to_owned();
        prop_assert_eq!(version(&shuffled), STARTER.version());
        let text = shuffled.iter().map(|source| format!("// x\n{}\r\n", source.text)).collect();
        prop_assert_eq!(version(&[Source { file: "one.cedar".to_owned(), text }]), STARTER.version());
        let mut without = shuffled;
        without.remove(changed);
        prop_assert_ne!(version(&without), STARTER.version());
    }
}
