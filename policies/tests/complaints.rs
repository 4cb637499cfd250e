//! What is said about faulty policies: each `complaints/NAME.cedar` is read, and every word about it
//! stands in `complaints/NAME.expected`.
//!
//! To accept what is said now, run the tests with `ISTHMUS_BLESS=1` and read the difference.

#![allow(clippy::unwrap_used, reason = "the helpers of a test panic like the test itself")]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use isthmus_policies::permit::{Bundle, Source};

#[test]
fn every_fault_is_named_with_its_place() {
    let cases = cases();
    assert!(cases.len() >= 5);
    let differences: Vec<String> = cases.iter().filter_map(|case| check(case).err()).collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

fn check(case: &Path) -> Result<(), String> {
    let said = said_about(case);
    let expected_path = case.with_extension("expected");
    if std::env::var_os("ISTHMUS_BLESS").is_some() {
        fs::write(&expected_path, &said).unwrap();
    }
    let expected = fs::read_to_string(&expected_path).unwrap_or_default();
    if said == expected && !said.is_empty() {
        return Ok(());
    }
    Err(format!("--- {}\nexpected:\n{expected}\nsaid:\n{said}", case.display()))
}

fn said_about(case: &Path) -> String {
    let file = case.file_name().unwrap().to_string_lossy().into_owned();
    let source = Source { file, text: fs::read_to_string(case).unwrap() };
    let complaints = Bundle::read(&[source]).err().unwrap_or_default();
    complaints.iter().fold(String::new(), |mut said, complaint| {
        writeln!(said, "{complaint}").unwrap();
        said
    })
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/complaints");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> =
        files.filter(|path| path.extension().unwrap() == "cedar").collect();
    cases.sort();
    cases
}
