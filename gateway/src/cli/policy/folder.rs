//! A folder of policies, with their tests and invariants beside them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use isthmus_config::policytest;
use isthmus_inference::date::Date;
use isthmus_policies::permit::Bundle;
use isthmus_policies::policytest::Suite;

use super::Refusal;
use crate::policy_files;

/// How the names of files of tests end.
const TESTS: &str = ".policytest.yaml";

/// The folder of invariants within a folder of policies.
const INVARIANTS: &str = "invariants";

/// The policies of a folder.
pub(super) fn policies(folder: &Path) -> Result<Arc<Bundle>, Refusal> {
    Ok(Arc::new(policy_files::bundle(Some(folder))?))
}

/// What the policies of a folder must never allow.
pub(super) fn invariants(folder: &Path) -> Result<Bundle, Refusal> {
    let folder = folder.join(INVARIANTS);
    if !folder.is_dir() {
        return Err(Refusal::of(format_args!(
            "there are no invariants: {} is not a folder; in it stands what must never be allowed, \
             as `forbid` policies",
            folder.display()
        )));
    }
    Ok(policy_files::bundle(Some(&folder))?)
}

/// Every file of tests in a folder, in the order of their names.
pub(super) fn suites(folder: &Path) -> Result<Vec<Suite>, Refusal> {
    let env = |name: &str| std::env::var(name).ok();
    let mut suites = vec![];
    let mut complaints = vec![];
    for file in tests(folder)? {
        match policytest::load(&file, &env) {
            Ok(suite) => suites.push(suite),
            Err(about) => complaints.extend(about),
        }
    }
    if complaints.is_empty() { Ok(suites) } else { Err(complaints.into()) }
}

/// The endpoints of a configuration, as a file of tests without cases.
pub(super) fn catalogue(file: &Path, today: Date) -> Result<Suite, Refusal> {
    let catalogue = policytest::load_catalogue(file, &|name| std::env::var(name).ok())?;
    let file = file.display().to_string();
    Ok(Suite { file, today, catalogue, cases: vec![], every_policy_decides: false })
}

fn tests(folder: &Path) -> Result<Vec<PathBuf>, Refusal> {
    let unreadable = |error| Refusal::of(format_args!("{}: {error}", folder.display()));
    let mut files = vec![];
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(TESTS)) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
