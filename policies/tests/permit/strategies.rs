//! Any facts, any request.

use std::collections::BTreeSet;

use isthmus_inference::date::Date;
use isthmus_policies::class::{Class, DataClass};
use isthmus_policies::facts::{Fact, Facts, Network, Quantisation, Status, Tee, Trust};
use isthmus_policies::question::{Action, Context};
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// The day of every decision.
pub(crate) fn today() -> Date {
    Date::new(2027, 1, 15).unwrap()
}

/// A claim that is written or not, and lapsed or not.
fn claim<T: Clone + std::fmt::Debug + 'static>(
    value: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<Option<Fact<T>>> {
    let until = option::of(select(vec![
        Date::new(2027, 1, 14).unwrap(),
        Date::new(2027, 1, 15).unwrap(),
        Date::new(2027, 7, 1).unwrap(),
    ]));
    let fact = (value, until).prop_map(|(value, until)| Fact { value, until, evidence: None });
    option::weighted(0.7, fact).boxed()
}

fn words<T: Copy + std::fmt::Debug + 'static>(
    words: &'static [(&'static str, T)],
) -> impl Strategy<Value = T> {
    select(words).prop_map(|(_, value)| value)
}

fn places() -> BoxedStrategy<BTreeSet<String>> {
    const PLACES: &[&str] = &["EU", "DE", "FR", "US", "eu-central-1", "us-east-1", "mars-north-1"];
    btree_set(select(PLACES).prop_map(str::to_owned), 0..4).boxed()
}

fn certificate() -> impl Strategy<Value = Fact<String>> {
    claim(select(&["soc2", "iso27001", "c5"][..]).prop_map(str::to_owned))
        .prop_filter_map("written", |fact| fact)
}

/// Any facts of an endpoint.
pub(crate) fn facts() -> impl Strategy<Value = Facts> {
    let law = || claim(select(&["US", "DE", "EU", "CN"][..]).prop_map(str::to_owned));
    let who = (claim(words(Network::WORDS)), claim(Just("Acme".to_owned())), law(), law());
    let places = (claim(places()), claim(places()));
    let flag = || claim(any::<bool>());
    let promises = (vec(certificate(), 0..3), claim(0u32..400), flag(), flag(), flag(), flag());
    let machine = (
        claim(words(Trust::WORDS)),
        claim(words(Quantisation::WORDS)),
        claim(words(Tee::WORDS)),
        claim(words(Status::WORDS)),
    );
    (who, places, promises, machine).prop_map(|(who, places, promises, machine)| {
        let (network, operator, jurisdiction, parent_jurisdiction) = who;
        let (processing_regions, storage_regions) = places;
        let (certifications, retention_days, zero_data_retention, ..) = promises.clone();
        let (.., trains_on_data, baa, export_cleared) = promises;
        let (trust, quantisation, tee, status) = machine;
        Facts {
            network,
            operator,
            jurisdiction,
            parent_jurisdiction,
            processing_regions,
            storage_regions,
            certifications,
            retention_days,
            zero_data_retention,
            trains_on_data,
            baa,
            trust,
            quantisation,
            tee,
            export_cleared,
            status,
        }
    })
}

/// The same facts with some of them forgotten: which, `forgotten` says, a bit for each.
pub(crate) fn forget(facts: &Facts, forgotten: u16) -> Facts {
    fn keep<T: Clone>(fact: &Option<Fact<T>>, forgotten: bool) -> Option<Fact<T>> {
        if forgotten { None } else { fact.clone() }
    }
    let is = |bit: u16| forgotten & 1 << bit != 0;
    let certifications = if is(0) { vec![] } else { facts.certifications.clone() };
    Facts {
        certifications,
        network: keep(&facts.network, is(1)),
        operator: keep(&facts.operator, is(2)),
        jurisdiction: keep(&facts.jurisdiction, is(3)),
        parent_jurisdiction: keep(&facts.parent_jurisdiction, is(4)),
        processing_regions: keep(&facts.processing_regions, is(5)),
        storage_regions: keep(&facts.storage_regions, is(6)),
        retention_days: keep(&facts.retention_days, is(7)),
        zero_data_retention: keep(&facts.zero_data_retention, is(8)),
        trains_on_data: keep(&facts.trains_on_data, is(9)),
        baa: keep(&facts.baa, is(10)),
        trust: keep(&facts.trust, is(11)),
        quantisation: keep(&facts.quantisation, is(12)),
        tee: keep(&facts.tee, is(13)),
        export_cleared: keep(&facts.export_cleared, is(14)),
        status: keep(&facts.status, is(15)),
    }
}

/// Any request.
pub(crate) fn context() -> impl Strategy<Value = Context> {
    let labels = vec(words(DataClass::WORDS), 1..3);
    (labels, any::<bool>(), places(), option::of(places())).prop_map(
        |(labels, declared, subject_regions, allowed_regions)| Context {
            class: labels[1..]
                .iter()
                .fold(Class::only(labels[0]), |class, label| class.and(Class::only(*label))),
            declared,
            subject_regions,
            allowed_regions,
            purpose: String::new(),
        },
    )
}

/// Any action.
pub(crate) fn action() -> impl Strategy<Value = Action> {
    words(Action::WORDS)
}
