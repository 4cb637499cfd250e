//! A sheet: named columns and rows of cells, and its forms. Every report ends as one, so that each can
//! be read by people, by spreadsheets, by programs and by warehouses.
//!
//! * [`table`]: for a terminal · [`csv`] · [`json`] · [`parquet`] · [`html`]

pub mod csv;
pub mod html;
pub mod json;
pub mod number;
pub mod parquet;
pub mod table;

use std::fmt;

use isthmus_inference::money::Money;

pub use number::Number;

/// Columns, rows, and what is to be said of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sheet {
    /// What it is.
    pub title: String,
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows, each with as many cells as there are columns.
    pub rows: Vec<Vec<Cell>>,
    /// The sum of them, where they have one.
    pub total: Option<Vec<Cell>>,
    /// What a reader has to know about the figures, a sentence each.
    pub notes: Vec<String>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name for programs.
    pub name: String,
    /// Its title for people.
    pub title: String,
    /// What stands in it.
    pub kind: Kind,
    /// Whether it is for programs alone: people see the others.
    pub hidden: bool,
}

/// What stands in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Words.
    Text,
    /// Whole numbers.
    Count,
    /// Dollars.
    Money,
    /// Numbers; people see so many decimals.
    Number(usize),
    /// Moments.
    Moment,
}

/// One figure or word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// There is none.
    Empty,
    /// A word.
    Text(String),
    /// A whole number.
    Count(u64),
    /// Dollars.
    Money(Money),
    /// A number.
    Number(Number),
    /// Unix seconds.
    Moment(i64),
}

/// What could not be written, and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the report: {0}")]
pub struct WriteError(String);

// === impl Column ===

impl Column {
    /// A column that everybody sees.
    pub fn new(name: impl Into<String>, title: impl Into<String>, kind: Kind) -> Self {
        Self { name: name.into(), title: title.into(), kind, hidden: false }
    }

    /// A column for programs alone.
    pub fn hidden(name: impl Into<String>, kind: Kind) -> Self {
        Self { name: name.into(), title: String::new(), kind, hidden: true }
    }
}

// === impl Sheet ===

impl Sheet {
    /// What of it people see.
    pub fn visible(&self) -> Self {
        let shown = |row: &Vec<Cell>| -> Vec<Cell> {
            let cells = row.iter().zip(&self.columns).filter(|(_, column)| !column.hidden);
            cells.map(|(cell, _)| cell.clone()).collect()
        };
        Self {
            title: self.title.clone(),
            columns: self.columns.iter().filter(|column| !column.hidden).cloned().collect(),
            rows: self.rows.iter().map(shown).collect(),
            total: self.total.as_ref().map(shown),
            notes: self.notes.clone(),
        }
    }
}

// === impl Cell ===

impl Cell {
    /// A word, or nothing for an empty one.
    pub fn word(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() { Self::Empty } else { Self::Text(text) }
    }

    /// A number, or nothing.
    pub fn number(number: Option<Number>) -> Self {
        number.map_or(Self::Empty, Self::Number)
    }

    /// An amount, or nothing.
    pub fn money(money: Option<Money>) -> Self {
        money.map_or(Self::Empty, Self::Money)
    }
}

impl fmt::Display for Cell {
    /// Exactly, as programs read it; nothing for nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => Ok(()),
            Self::Text(text) => f.write_str(text),
            Self::Count(count) => count.fmt(f),
            Self::Money(money) => money.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Moment(seconds) => number::moment(*seconds).fmt(f),
        }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::word(text)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::word(text)
    }
}

impl From<u64> for Cell {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<Money> for Cell {
    fn from(money: Money) -> Self {
        Self::Money(money)
    }
}

impl From<Number> for Cell {
    fn from(number: Number) -> Self {
        Self::Number(number)
    }
}

// === impl WriteError ===

impl WriteError {
    pub(crate) fn of(error: impl fmt::Display) -> Self {
        Self(error.to_string())
    }
}
