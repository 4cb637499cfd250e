//! Files of policy tests, `*.policytest.yaml`, read with the same care as the configuration: every
//! complaint at once, each with its line.
//!
//! ```
//! let text = "
//! today: 2026-11-28
//! catalogue:
//!   smollm: { in_process: true }
//! cases:
//!   - name: secrets stay inside
//!     request: { data_class: secret }
//!     allowed: [smollm]
//! ";
//! let none = |_: &str| unreachable!("the catalogue stands in the file");
//! let suite = isthmus_config::policytest::read("house.policytest.yaml", text, &|_| None, &none);
//! assert_eq!(suite.unwrap().cases[0].line, 6);
//! ```

use std::cell::RefCell;
use std::path::Path;

use isthmus_policies::permit::Described;
use isthmus_policies::policytest::Suite;

use crate::complaint::Complaint;
use crate::{Env, check, read_file, read_text};

/// Reads the catalogue that stands in another file, or complains of that one.
pub type Open<'a> = &'a dyn Fn(&str) -> Result<Vec<Described>, Vec<Complaint>>;

/// Reads a file of tests, and the catalogue that it names.
pub fn load(path: &Path, env: Env) -> Result<Suite, Vec<Complaint>> {
    let (name, text) = (path.display().to_string(), read_file(path)?);
    let folder = path.parent().unwrap_or(Path::new(""));
    read(&name, &text, env, &|catalogue| load_catalogue(&folder.join(catalogue), env))
}

/// Reads the text of a file of tests.
pub fn read(file: &str, text: &str, env: Env, open: Open) -> Result<Suite, Vec<Complaint>> {
    let elsewhere = RefCell::new(vec![]);
    let open = |name: &str| open(name).map_err(|of_it| elsewhere.borrow_mut().extend(of_it)).ok();
    let read = read_text(file, text, env, |root| check::policytest::suite(root, file, &open));
    let elsewhere = elsewhere.take();
    match read {
        Ok((suite, _)) if elsewhere.is_empty() => Ok(suite),
        Ok(_) => Err(elsewhere),
        Err(complaints) => Err(complaints.into_iter().chain(elsewhere).collect()),
    }
}

/// The endpoints of a configuration, read for their facts alone: credentials may be missing, and
/// nothing else in the file is looked at.
pub fn load_catalogue(path: &Path, env: Env) -> Result<Vec<Described>, Vec<Complaint>> {
    let (name, text) = (path.display().to_string(), read_file(path)?);
    read_text(&name, &text, env, check::catalogue::of_configuration).map(|(read, _)| read)
}
