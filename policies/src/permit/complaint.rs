//! What is wrong with a policy, and where.

use std::fmt;

use miette::{Diagnostic, LabeledSpan};

/// One thing that is wrong, printed as `residency.cedar:7:12: error: …`, or without a place if the
/// whole file is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The file as its [`Source`](super::Source) names it.
    pub file: String,
    /// The line, from 1; 0 if the whole file is meant.
    pub line: usize,
    /// The column, from 1, in characters; 0 if the whole file is meant.
    pub column: usize,
    /// What was wrong and what to do.
    pub message: String,
}

impl Complaint {
    /// A complaint of what stands at `offset` of `text`, in bytes.
    pub(super) fn at(file: &str, text: &str, offset: usize, message: String) -> Self {
        let (line, column) = position(text, offset);
        Self { file: file.to_owned(), line, column, message }
    }

    /// Cedar's own words, at the place that Cedar names, or else at `otherwise`.
    pub(super) fn of(
        file: &str,
        text: &str,
        otherwise: usize,
        error: &(impl Diagnostic + ?Sized),
    ) -> Self {
        let label = error.labels().and_then(|mut labels| labels.next());
        let offset = label.as_ref().map_or(otherwise, LabeledSpan::offset);
        let mut message = error.to_string();
        let hints = [label.and_then(|label| label.label().map(str::to_owned)), help(error)];
        for hint in hints.into_iter().flatten() {
            message = format!("{message}: {hint}");
        }
        Self::at(file, text, offset, message)
    }
}

/// The line and the column of an offset, both from 1; the column in characters.
pub(super) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(offset)];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

fn help(error: &(impl Diagnostic + ?Sized)) -> Option<String> {
    error.help().map(|help| help.to_string())
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, message } = self;
        if *line == 0 {
            return write!(f, "{file}: error: {message}");
        }
        write!(f, "{file}:{line}:{column}: error: {message}")
    }
}

impl std::error::Error for Complaint {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_file_has_no_place() {
        let mut complaint = Complaint::at("a.cedar", "forbid", 2, "no".to_owned());
        assert_eq!(complaint.to_string(), "a.cedar:1:3: error: no");
        (complaint.line, complaint.column) = (0, 0);
        assert_eq!(complaint.to_string(), "a.cedar: error: no");
    }

    #[test]
    fn columns_are_counted_in_characters() {
        let text = "permit\n  é forbid";
        assert_eq!(position(text, 0), (1, 1));
        assert_eq!(position(text, text.find("forbid").unwrap()), (2, 5));
        assert_eq!(position(text, 10_000), (2, 11));
        assert_eq!(position("", 0), (1, 1));
    }
}
