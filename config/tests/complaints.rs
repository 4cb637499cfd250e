//! What is said about faulty configurations: each `complaints/NAME.yaml` is checked, and every word
//! about it stands in `complaints/NAME.expected`.
//!
//! Lines `# env NAME=value` in a file are its environment. To accept what is said now, run the
//! tests with `ISTHMUS_BLESS=1` and read the difference.

#![allow(clippy::unwrap_used, reason = "the helpers of a test panic like the test itself")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use isthmus_config::check_text;

#[test]
fn every_fault_is_named_with_its_place() {
    let differences: Vec<String> = cases().iter().filter_map(|case| check(case).err()).collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn every_expectation_has_its_case() {
    let stems = |extension: &str| -> BTreeSet<PathBuf> {
        files()
            .filter(|path| path.extension().unwrap() == extension)
            .map(|path| path.with_extension(""))
            .collect()
    };
    assert_eq!(stems("yaml"), stems("expected"));
    assert!(stems("yaml").len() >= 15);
}

#[test]
fn no_complaint_shows_what_a_variable_holds() {
    for case in cases() {
        let said = said_about(&case);
        for (name, value) in environment(&std::fs::read_to_string(&case).unwrap()) {
            let harmless = value.is_empty() || !name.contains("SECRET");
            assert!(harmless || !said.contains(&value), "{name} is shown in\n{said}");
        }
    }
}

fn check(case: &Path) -> Result<(), String> {
    let said = said_about(case);
    let expected_path = case.with_extension("expected");
    if std::env::var_os("ISTHMUS_BLESS").is_some() {
        std::fs::write(&expected_path, &said).unwrap();
    }
    let expected = std::fs::read_to_string(&expected_path).unwrap_or_default();
    if said == expected {
        return Ok(());
    }
    Err(format!("--- {}\nexpected:\n{expected}\nsaid:\n{said}", case.display()))
}

fn said_about(case: &Path) -> String {
    let text = std::fs::read_to_string(case).unwrap();
    let name = case.file_name().unwrap().to_string_lossy();
    let variables = environment(&text);
    let complaints = match check_text(&name, &text, &|name| variables.get(name).cloned()) {
        Ok(checked) => checked.warnings,
        Err(complaints) => complaints,
    };
    complaints.iter().fold(String::new(), |mut said, complaint| {
        writeln!(said, "{complaint}").unwrap();
        said
    })
}

fn environment(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| line.strip_prefix("# env ")?.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn cases() -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> =
        files().filter(|path| path.extension().unwrap() == "yaml").collect();
    cases.sort();
    cases
}

fn files() -> impl Iterator<Item = PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/complaints");
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path())
}
