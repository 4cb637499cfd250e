//! Every file in `examples/` is accepted without a word, given the variables that it names.

#![allow(clippy::unwrap_used, reason = "the helpers of a test panic like the test itself")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use isthmus_adapters::registry::PROVIDERS;
use isthmus_config::settings::Account;
use isthmus_config::{load, zero};

fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// An environment in which every key is set, and nothing else.
fn keys(name: &str) -> Option<String> {
    if name.ends_with("_SEED") {
        return Some(SEED.to_owned());
    }
    let is_secret = ["_API_KEY", "_TOKEN"].iter().any(|end| name.ends_with(end));
    is_secret.then(|| "key-for-tests".to_owned())
}

/// A seed must be one. This is of a well-known development key.
const SEED: &str = "e5be9a5092b81bca64be81d212e7f2f9eba183bb7a90954f7b76361f6edb5c0a";

#[test]
fn every_account_of_an_example_can_be_used() {
    for path in examples() {
        for (name, provider) in load(&path, &keys).unwrap().settings.providers {
            let Account::Remote(account) = provider.account else { continue };
            let built = (account.kind.build)(&account);
            assert!(built.is_ok(), "{} of {}: {:?}", name, path.display(), built.err());
        }
    }
}

#[test]
fn every_example_is_accepted() {
    assert!(examples().len() >= 5);
    for path in examples() {
        let checked = load(&path, &keys).unwrap_or_else(|said| panic!("{said:#?}"));
        // Warnings of the environment speak of providers that the example does not use.
        let of_the_file = |file: &str| path.ends_with(file) || Path::new(file) == path;
        let warnings: Vec<_> =
            checked.warnings.iter().filter(|warning| of_the_file(&warning.file)).collect();
        assert!(warnings.is_empty(), "{warnings:#?}");
        assert!(!checked.settings.models.is_empty(), "{} serves nothing", path.display());
    }
}

#[test]
fn every_kind_of_provider_has_an_endpoint_with_facts() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/every-provider.yaml");
    let settings = load(&path, &keys).unwrap().settings;
    let shown: BTreeSet<&str> = (settings.endpoints.values())
        .filter(|endpoint| endpoint.facts.network.is_some())
        .filter_map(|endpoint| match &settings.providers[&endpoint.provider].account {
            Account::Remote(account) => Some(account.kind.kind),
            Account::Embedded(_) => None,
        })
        .collect();
    let kinds = PROVIDERS.iter().map(|provider| provider.kind);
    assert_eq!(shown, kinds.collect());
}

#[test]
fn no_example_shows_its_keys() {
    for path in examples() {
        let checked = load(&path, &keys).unwrap();
        let shown = format!("{checked:#?}");
        assert!(!shown.contains("key-for-tests") && !shown.contains(SEED), "{}", path.display());
    }
}

#[test]
fn without_variables_an_example_names_those_that_it_needs() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/two-continents.yaml");
    let said = load(&path, &|_| None).unwrap_err();
    let named: BTreeSet<&str> =
        said.iter().filter_map(|complaint| complaint.message.split('`').nth(1)).collect();
    let needed = ["AKASHML_API_KEY", "CHUTES_API_KEY", "IOINTELLIGENCE_API_KEY", "OPENAI_API_KEY"];
    assert_eq!(named, BTreeSet::from(needed));
    assert_eq!(said.len(), needed.len());
}

#[test]
fn nothing_at_all_is_enough_to_answer() {
    let settings = zero(&|_| None).unwrap().settings;
    assert_eq!(settings.models["chat"].endpoints, ["smollm-local"]);
    assert_eq!(settings.endpoints["smollm-local"].provider, "local");
    assert_eq!(settings.providers.len(), 1);
}
