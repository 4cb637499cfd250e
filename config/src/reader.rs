//! Reading typed values out of the tree, and gathering every complaint on the way.
//!
//! A read returns `None` only after it complained, so a caller that gets `None` just goes on with
//! the next field: one run finds every fault. A complaint never shows a value after its variables
//! were replaced, for it may be a secret; it shows what is written in the file.

mod fields;
mod scalars;

use std::cell::RefCell;
use std::sync::Arc;

use crate::Env;
use crate::complaint::{Complaint, Position, Severity};
use crate::tree::{self, Content, Entry, Fault, Node};
use crate::variables;

pub(crate) use fields::Fields;

/// Gathers the complaints about one configuration.
pub(crate) struct Reader<'a> {
    file: Arc<str>,
    env: Env<'a>,
    complaints: RefCell<Vec<Complaint>>,
}

/// A value in the file: what it is, where it is, and how one gets there.
pub(crate) struct Value<'a> {
    reader: &'a Reader<'a>,
    node: &'a Node,
    /// Where its name stands, or itself if it has none.
    named_at: Position,
    path: String,
}

// === impl Reader ===

impl<'a> Reader<'a> {
    pub(crate) fn new(file: &str, env: Env<'a>) -> Self {
        Self { file: file.into(), env, complaints: RefCell::default() }
    }

    /// The whole file as a value.
    pub(crate) fn root(&'a self, node: &'a Node) -> Value<'a> {
        Value { reader: self, node, named_at: node.position, path: String::new() }
    }

    /// Complains of what the tree found.
    pub(crate) fn complain_of_fault(&self, fault: Fault) {
        self.complain(Severity::Error, Some(fault.position), fault.path, fault.message);
    }

    /// Everything that was found, in the order of the file, the environment first.
    pub(crate) fn into_complaints(self) -> Vec<Complaint> {
        let mut complaints = self.complaints.into_inner();
        complaints.sort_by_key(|complaint| complaint.position);
        complaints
    }

    fn complain(
        &self,
        severity: Severity,
        position: Option<Position>,
        path: String,
        message: String,
    ) {
        let file = Arc::clone(&self.file);
        self.complaints.borrow_mut().push(Complaint { severity, file, position, path, message });
    }
}

// === impl Value ===

impl<'a> Value<'a> {
    /// Complains of this value. Nothing that says `None` does so without a complaint.
    pub(crate) fn refuse<T>(&self, message: impl Into<String>) -> Option<T> {
        let position = Some(self.node.position);
        self.reader.complain(Severity::Error, position, self.path.clone(), message.into());
        None
    }

    /// Says that this value is understood, and what of it may surprise.
    pub(crate) fn warn(&self, message: impl Into<String>) {
        let position = Some(self.named_at);
        self.reader.complain(Severity::Warning, position, self.path.clone(), message.into());
    }

    /// Complains of the whole field, where its name stands.
    pub(crate) fn refuse_field<T>(&self, message: impl Into<String>) -> Option<T> {
        let position = Some(self.named_at);
        self.reader.complain(Severity::Error, position, self.path.clone(), message.into());
        None
    }

    /// A list whose items are all read by `read`.
    pub(crate) fn list<T>(&self, mut read: impl FnMut(&Value<'a>) -> Option<T>) -> Option<Vec<T>> {
        let Content::List(items) = &self.node.content else { return self.expected("a list") };
        let mut values = Vec::with_capacity(items.len());
        for (index, node) in items.iter().enumerate() {
            let path = tree::item_path(&self.path, index);
            let item = Value { reader: self.reader, node, named_at: node.position, path };
            values.extend(read(&item));
        }
        Some(values)
    }

    /// A map from names that the operator chose; calls `read` with each.
    pub(crate) fn each(&self, mut read: impl FnMut(&'a str, &Value<'a>)) -> Option<()> {
        for entry in self.entries()? {
            read(&entry.key, &self.child(entry));
        }
        Some(())
    }

    /// A map with known fields. Those that `read` did not ask for are refused.
    pub(crate) fn fields<T>(
        &self,
        read: impl FnOnce(&mut Fields<'_, 'a>) -> Option<T>,
    ) -> Option<T> {
        let mut fields = Fields::new(self, self.entries()?);
        let outcome = read(&mut fields);
        fields.refuse_unknown();
        outcome
    }

    /// The line on which its name stands, or itself if it has none.
    pub(crate) fn line(&self) -> usize {
        self.named_at.line
    }

    /// Whether it is a list, whatever is in it.
    pub(crate) fn is_list(&self) -> bool {
        matches!(self.node.content, Content::List(_))
    }

    /// Whether nothing is written for it.
    pub(crate) fn is_nothing(&self) -> bool {
        matches!(self.node.content, Content::Nothing)
    }

    /// Whether it is a map, whatever is in it.
    pub(crate) fn is_map(&self) -> bool {
        matches!(self.node.content, Content::Map(_))
    }

    /// An environment variable, unless it is unset or empty.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        variables::lookup(name, self.reader.env)
    }

    /// Complains of an environment variable.
    pub(crate) fn refuse_variable(&self, name: &str, message: String) {
        let (severity, file, path) = (Severity::Error, "environment".into(), name.to_owned());
        let complaint = Complaint { severity, file, position: None, path, message };
        self.reader.complaints.borrow_mut().push(complaint);
    }

    fn entries(&self) -> Option<&'a [Entry]> {
        match &self.node.content {
            Content::Map(entries) => Some(entries),
            // A section with nothing under it is an empty section.
            Content::Nothing => Some(&[]),
            Content::Scalar(_) | Content::List(_) => self.expected("a map of fields"),
        }
    }

    fn child(&self, entry: &'a Entry) -> Value<'a> {
        Value {
            reader: self.reader,
            node: &entry.value,
            named_at: entry.position,
            path: tree::field_path(&self.path, &entry.key),
        }
    }

    /// Complains that something else was expected.
    fn expected<T>(&self, what: &str) -> Option<T> {
        let found = match &self.node.content {
            Content::Nothing => "nothing",
            Content::List(_) => "a list",
            Content::Map(_) => "a map",
            Content::Scalar(scalar) => scalars::kind_of(scalar),
        };
        self.refuse(format!("expected {what}, found {found}"))
    }
}
