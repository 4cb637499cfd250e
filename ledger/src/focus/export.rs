//! From rows to a file, in batches, each row checked on its way.

use std::io::Write;

use isthmus_inference::money::Money;

use super::check::{Checker, Complaint};
use super::row::{Category, Row};
use super::{Version, columns};
use crate::sheet::csv::CsvRows;
use crate::sheet::parquet::ParquetRows;
use crate::sheet::{Cell, WriteError};

/// How a file looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values.
    Csv,
    /// Parquet, with decimals of 38 digits.
    Parquet,
}

/// A file that grows.
pub struct Export<W: Write + Send> {
    out: Out<W>,
    version: Version,
    checker: Checker,
    pending: Vec<Vec<Cell>>,
    told: Told,
}

/// What an export came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    /// Rows.
    pub rows: u64,
    /// What invoices will say.
    pub billed: Money,
    /// What it costs when leases are spread over their use.
    pub effective: Money,
    /// Of what is billed, leases.
    pub purchased: Money,
}

enum Out<W: Write + Send> {
    Csv(CsvRows<W>),
    Parquet(ParquetRows<W>),
}

/// Rows that are written at once: a row group of Parquet.
const BATCH: usize = 20_000;

impl<W: Write + Send> Export<W> {
    /// Begins a file.
    pub fn begin(out: W, version: Version, format: Format) -> Result<Self, WriteError> {
        let columns = columns::columns(version);
        let out = match format {
            Format::Csv => Out::Csv(CsvRows::begin(out, &columns)?),
            Format::Parquet => Out::Parquet(ParquetRows::begin(out, &columns)?),
        };
        let names = columns.into_iter().map(|column| column.name);
        let (checker, pending) = (Checker::new(names), Vec::with_capacity(BATCH));
        Ok(Self { out, version, checker, pending, told: Told::default() })
    }

    /// Adds a row.
    pub fn row(&mut self, row: &Row) -> Result<(), WriteError> {
        self.told.rows += 1;
        self.told.billed += row.billed;
        self.told.effective += row.effective;
        if row.category == Category::Purchase {
            self.told.purchased += row.billed;
        }
        let cells = columns::cells(row, self.version);
        self.checker.row(cells.iter().map(ToString::to_string));
        self.pending.push(cells);
        if self.pending.len() == BATCH { self.write() } else { Ok(()) }
    }

    /// Writes what is left. The complaints are of rules that the file breaks; there should be none.
    pub fn finish(mut self) -> Result<(Told, Vec<Complaint>), WriteError> {
        self.write()?;
        match self.out {
            Out::Csv(rows) => rows.finish()?,
            Out::Parquet(rows) => rows.finish()?,
        }
        Ok((self.told, self.checker.finish()))
    }

    fn write(&mut self) -> Result<(), WriteError> {
        match &mut self.out {
            Out::Csv(rows) => self.pending.iter().try_for_each(|row| rows.write(row))?,
            Out::Parquet(rows) => rows.write(&self.pending)?,
        }
        self.pending.clear();
        Ok(())
    }
}
