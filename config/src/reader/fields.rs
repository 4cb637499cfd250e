//! A map with known fields: asked for one by one, and what nobody asked for is refused.

use crate::complaint::Severity;
use crate::near;
use crate::reader::Value;
use crate::tree::{self, Content, Entry};

/// The fields of one map. Only [`Value::fields`] makes one, so the check for unknown fields at its
/// end cannot be forgotten.
pub(crate) struct Fields<'v, 'a> {
    value: &'v Value<'a>,
    entries: &'a [Entry],
    known: Vec<&'static str>,
    open_ended: bool,
    free_prefix: Option<&'static str>,
}

impl<'v, 'a> Fields<'v, 'a> {
    pub(super) fn new(value: &'v Value<'a>, entries: &'a [Entry]) -> Self {
        Self { value, entries, known: vec![], open_ended: false, free_prefix: None }
    }

    /// A field that is there and not null.
    pub(crate) fn get(&mut self, name: &'static str) -> Option<Value<'a>> {
        self.known.push(name);
        let entry = self.entries.iter().find(|entry| entry.key == name)?;
        let written = !matches!(entry.value.content, Content::Nothing);
        written.then(|| self.value.child(entry))
    }

    /// Whether a field is written, be it null. Asking is not reading: it may still be unknown.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == name)
    }

    /// A field that may be absent: `None` if it is, or after a complaint.
    pub(crate) fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Value<'a>) -> Option<T>,
    ) -> Option<T> {
        read(&self.get(name)?)
    }

    /// A field that must be there.
    pub(crate) fn required<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Value<'a>) -> Option<T>,
    ) -> Option<T> {
        match self.get(name) {
            Some(value) => read(&value),
            None => self.value.refuse_field(format!("`{name}` is missing")),
        }
    }

    /// Replaces a default by what the field says, if it is there.
    pub(crate) fn set<T>(
        &mut self,
        name: &'static str,
        target: &mut T,
        read: impl FnOnce(&Value<'a>) -> Option<T>,
    ) {
        if let Some(value) = self.optional(name, read) {
            *target = value;
        }
    }

    /// The map as a value.
    pub(crate) fn whole(&self) -> &'v Value<'a> {
        self.value
    }

    /// Lets unknown fields pass, where an earlier complaint makes it unclear what is known.
    pub(crate) fn allow_unknown(&mut self) {
        self.open_ended = true;
    }

    /// Lets fields whose names begin like this pass: a place for anchors.
    pub(crate) fn allow_prefix(&mut self, prefix: &'static str) {
        self.free_prefix = Some(prefix);
    }

    pub(super) fn refuse_unknown(self) {
        if self.open_ended {
            return;
        }
        for entry in self.entries {
            let free = self.free_prefix.is_some_and(|prefix| entry.key.starts_with(prefix));
            if free || self.known.contains(&entry.key.as_str()) {
                continue;
            }
            let hint = near::hint(&entry.key, self.known.iter().copied());
            let path = tree::field_path(&self.value.path, &entry.key);
            let message = format!("unknown field{hint}");
            self.value.reader.complain(Severity::Error, Some(entry.position), path, message);
        }
    }
}
