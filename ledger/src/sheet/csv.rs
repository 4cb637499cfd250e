//! A sheet as comma-separated values: exact figures under the names for programs, and no totals, so that
//! whoever adds a column up gets the total.

use std::io::Write;

use super::{Cell, Column, Sheet, WriteError};

/// Rows of comma-separated values, as they come.
pub struct CsvRows<W: Write>(csv::Writer<W>);

/// The whole sheet.
pub fn text(sheet: &Sheet) -> Result<String, WriteError> {
    let mut rows = CsvRows::begin(Vec::new(), &sheet.columns)?;
    sheet.rows.iter().try_for_each(|row| rows.write(row))?;
    let bytes = rows.0.into_inner().map_err(WriteError::of)?;
    String::from_utf8(bytes).map_err(WriteError::of)
}

impl<W: Write> CsvRows<W> {
    /// Writes the names of the columns.
    pub fn begin(out: W, columns: &[Column]) -> Result<Self, WriteError> {
        let mut writer = csv::Writer::from_writer(out);
        writer.write_record(columns.iter().map(|it| &it.name)).map_err(WriteError::of)?;
        Ok(Self(writer))
    }

    /// Writes a row.
    pub fn write(&mut self, row: &[Cell]) -> Result<(), WriteError> {
        self.0.write_record(row.iter().map(ToString::to_string)).map_err(WriteError::of)
    }

    /// Writes what is left.
    pub fn finish(mut self) -> Result<(), WriteError> {
        self.0.flush().map_err(WriteError::of)
    }
}
