//! What is read, what is refused, and who is left.

use std::sync::Arc;

use super::*;
use crate::facts::Facts;
use crate::offer::Pricing;

fn read(json: &str) -> Narrowing {
    Narrowing::of_provider_object(json.as_bytes()).unwrap()
}

fn refused(json: &str) -> NarrowError {
    Narrowing::of_provider_object(json.as_bytes()).unwrap_err()
}

fn today() -> Date {
    "2026-11-28".parse().unwrap()
}

fn offer(facts: Facts) -> Offer {
    Offer {
        name: "gpt-mini-eu".into(),
        provider: "azure-eu".into(),
        kind: Arc::from("azure"),
        pricing: Pricing::Unknown,
        facts: Arc::new(facts),
    }
}

fn claimed<T>(value: T) -> Option<Fact<T>> {
    Some(Fact { value, until: None, evidence: None })
}

#[test]
fn what_is_not_known_is_refused_by_name() {
    let error = refused(r#"{"onyl": ["azure"]}"#);
    assert_eq!(error.param, "provider");
    assert!(error.message.contains("onyl"), "{error}");
    for (json, param) in [
        (r#"{"quantizations": ["int5"]}"#, "provider.quantizations"),
        (r#"{"max_price": {"prompt": "cheap"}}"#, "provider.max_price.prompt"),
        (r#"{"max_price": {"completion": 0.0000001}}"#, "provider.max_price.completion"),
        (r#"{"max_price": {"image": 1}}"#, "provider"),
        (r#"{"enforce_distillable_text": true}"#, "provider.enforce_distillable_text"),
        (r#"{"sort": "beauty"}"#, "provider"),
        (r#"{"sort": {"by": "price", "partition": "all"}}"#, "provider"),
        (r#"["azure"]"#, "provider"),
        (r#"{"only": "azure"}"#, "provider"),
    ] {
        assert_eq!(refused(json).param, param, "{json}");
    }
    let many = format!(r#"{{"only": [{}"x"]}}"#, r#""x","#.repeat(MOST));
    assert_eq!(refused(&many).param, "provider.only");
    let error = Narrowing::none().with_objective("cheap").unwrap_err();
    assert_eq!(error.param, "x-isthmus-objective");
    assert!(error.message.contains("ordered, cheapest, fastest, balanced"), "{error}");
}

const MOST: usize = 100;

#[test]
fn an_empty_object_changes_nothing() {
    assert!(read("{}").is_none());
    assert!(read(r#"{"require_parameters": true, "allow_fallbacks": true}"#).is_none());
    assert!(read(r#"{"only": null, "data_collection": "allow", "zdr": false}"#).is_none());
    assert!(!read(r#"{"only": []}"#).is_none(), "nobody is something");
}

#[test]
fn an_endpoint_is_named_by_itself_its_account_or_its_kind() {
    let offer = offer(Facts::default());
    for name in ["gpt-mini-eu", "azure-eu", "Azure"] {
        let only = read(&format!(r#"{{"only": ["{name}"]}}"#));
        assert_eq!(only.admits(&offer, today()), Ok(()));
        let ignore = read(&format!(r#"{{"ignore": ["{name}"]}}"#));
        assert_eq!(ignore.admits(&offer, today()), Err("provider.ignore"));
    }
    assert_eq!(read(r#"{"only": ["az"]}"#).admits(&offer, today()), Err("provider.only"));
    assert_eq!(read(r#"{"only": []}"#).admits(&offer, today()), Err("provider.only"));
}

#[test]
fn what_is_not_claimed_grants_no_privacy() {
    let (zdr, deny) = (read(r#"{"zdr": true}"#), read(r#"{"data_collection": "deny"}"#));
    let silent = offer(Facts::default());
    assert_eq!(zdr.admits(&silent, today()), Err("provider.zdr"));
    assert_eq!(deny.admits(&silent, today()), Err("provider.data_collection"));

    let mut facts = Facts {
        zero_data_retention: claimed(true),
        trains_on_data: claimed(false),
        ..Facts::default()
    };
    assert_eq!(zdr.admits(&offer(facts.clone()), today()), Ok(()));
    assert_eq!(deny.admits(&offer(facts.clone()), today()), Ok(()));
    let lapsed = "2026-11-27".parse().ok();
    facts.zero_data_retention = Some(Fact { value: true, until: lapsed, evidence: None });
    assert_eq!(zdr.admits(&offer(facts), today()), Err("provider.zdr"));
}

#[test]
fn quantisations_are_those_of_the_claim() {
    let fp8 = offer(Facts { quantisation: claimed(Quantisation::Fp8), ..Facts::default() });
    let silent = offer(Facts::default());
    let narrowing = read(r#"{"quantizations": ["fp8", "bf16"]}"#);
    assert_eq!(narrowing.admits(&fp8, today()), Ok(()));
    assert_eq!(narrowing.admits(&silent, today()), Err("provider.quantizations"));
    let unknown = read(r#"{"quantizations": ["unknown"]}"#);
    assert_eq!(unknown.admits(&silent, today()), Ok(()));
    assert_eq!(unknown.admits(&fp8, today()), Err("provider.quantizations"));
}

#[test]
fn an_unknown_price_is_above_any() {
    let narrowing = read(r#"{"max_price": {"prompt": "1000000"}}"#);
    assert_eq!(narrowing.admits(&offer(Facts::default()), today()), Err("provider.max_price"));
    let free = read(r#"{"max_price": {"request": 0}}"#);
    assert_eq!(free.admits(&offer(Facts::default()), today()), Ok(()));
}

#[test]
fn sort_goes_before_the_header() {
    let both = read(r#"{"sort": {"by": "price", "partition": null}}"#).with_objective("fastest");
    assert_eq!(both.unwrap().aim().unwrap().0.word, "cheapest");
    let header = Narrowing::none().with_objective("fastest").unwrap();
    assert_eq!(header.aim().unwrap().0.word, "fastest");
    assert_eq!(Narrowing::none().aim(), None);
}
