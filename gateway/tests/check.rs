//! `isthmus check` through the program: what it says of policies, and how it ends.

#![allow(clippy::unwrap_used, reason = "the helpers of a test panic like the test itself")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const CONFIG: &str = "version: 1
providers: { local: { kind: embedded } }
endpoints: { smollm: { provider: local, model: m } }
models: { chat: { endpoints: [smollm] } }
";

fn check(folder: &Path, policies: &str) -> Output {
    let config = folder.join("isthmus.yaml");
    fs::write(&config, format!("{CONFIG}{policies}")).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_isthmus"));
    program.arg("check").arg("--config").arg(config).env_clear().output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn without_a_folder_the_built_in_policies_count() {
    let folder = tempfile::tempdir().unwrap();
    let output = check(folder.path(), "");
    assert!(output.status.success());
    assert!(said(&output).contains(" built-in policies (version "), "{}", said(&output));
}

#[test]
fn the_starter_set_passes() {
    let starter = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/starter");
    let folder = tempfile::tempdir().unwrap();
    let (dir, shadow) = (starter.display(), starter.display());
    let output =
        check(folder.path(), &format!("policies: {{ dir: {dir:?}, shadow_dir: {shadow:?} }}"));
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("; in the shadow "), "{}", said(&output));
}

#[test]
fn every_complaint_of_both_folders_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["live", "next"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    let policy = "@id(\"all\")\npermit (principal, action, resource) when { resource.bba };";
    fs::write(folder.path().join("live/a.cedar"), policy).unwrap();
    let output = check(folder.path(), "policies: { dir: live, shadow_dir: next }");
    assert_eq!(output.status.code(), Some(1));
    let said = said(&output);
    assert!(said.contains("live/a.cedar:2:45: error: ") && said.contains("`baa`"), "{said}");
    assert!(said.contains("next: error: no policies"), "{said}");
}
