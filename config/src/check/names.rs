//! Names that the operator chose, and references to them.

use std::collections::{BTreeMap, BTreeSet};

use crate::near;
use crate::reader::Value;

/// The things of one section: those that could be read, and the names of all that were written, so
/// that a reference to a faulty thing is not a second complaint.
pub(super) struct Section<K, T> {
    pub(super) read: BTreeMap<K, T>,
    pub(super) written: BTreeSet<String>,
}

impl<K: Ord + for<'n> From<&'n str>, T> Section<K, T> {
    /// Reads a map of named things, if the section is there.
    pub(super) fn read<'a>(
        section: Option<&Value<'a>>,
        allowed: fn(&str) -> Result<(), &'static str>,
        mut read: impl FnMut(K, &Value<'a>) -> Option<T>,
    ) -> Self {
        let mut things = Self { read: BTreeMap::new(), written: BTreeSet::new() };
        let Some(section) = section else { return things };
        section.each(|name, value| {
            things.written.insert(name.to_owned());
            match allowed(name) {
                Ok(()) => {
                    things.read.extend(read(name.into(), value).map(|thing| (name.into(), thing)));
                }
                Err(reason) => {
                    value.refuse_field::<()>(format!("a name {reason}"));
                }
            }
        });
        things
    }
}

/// Complains that `name` refers to nothing; `what` is the thing's word.
pub(super) fn unknown<T>(
    value: &Value<'_>,
    what: &str,
    name: &str,
    known: &BTreeSet<String>,
) -> Option<T> {
    let hint = near::hint(name, known.iter().map(String::as_str));
    value.refuse(format!("there is no {what} {}{hint}", value.quoted(name)))
}

/// Providers and endpoints travel in response headers and in `provider/model`.
pub(super) fn plain_name(name: &str) -> Result<(), &'static str> {
    if name.contains('/') {
        return Err("must not contain `/`, which stands between a provider and its model");
    }
    callers_name(name)
}

/// Callers send a model's name in JSON, and see it in headers and tables.
pub(super) fn callers_name(name: &str) -> Result<(), &'static str> {
    match name {
        "" => Err("must not be empty"),
        _ if !name.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Err("is made of visible ASCII characters, without spaces")
        }
        _ => Ok(()),
    }
}
