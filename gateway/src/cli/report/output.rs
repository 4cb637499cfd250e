//! In which form a report is written, and where.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use isthmus_ledger::sheet::{self, Sheet, csv, json, table};

use super::as_html;
use crate::cli::CommandError;

/// In which form, and where.
#[derive(Debug, Args)]
pub(in crate::cli) struct Output {
    /// How it looks.
    #[arg(long, value_enum, default_value = "table")]
    pub(super) format: Format,
    /// The file to write [default: the terminal].
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// How a report looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Format {
    /// For people at a terminal.
    Table,
    /// For programs; money is decimal text.
    Json,
    /// For spreadsheets.
    Csv,
    /// For warehouses; money is DECIMAL(38, 12).
    Parquet,
    /// For browsers and printers: one file with everything in it.
    Html,
}

impl Output {
    /// Writes a report.
    pub(super) fn write(&self, sheet: &Sheet) -> Result<(), CommandError> {
        let bytes = match self.format {
            Format::Table => table::text(sheet).into_bytes(),
            Format::Json => {
                let json = serde_json::to_string_pretty(&json::value(sheet));
                (json.map_err(CommandError::of)? + "\n").into_bytes()
            }
            Format::Csv => csv::text(sheet).map_err(CommandError::of)?.into_bytes(),
            Format::Html => as_html(sheet).into_bytes(),
            Format::Parquet => {
                if self.output.is_none() && io::stdout().is_terminal() {
                    let message =
                        "Parquet is nothing to be read at a terminal; add `--output FILE`";
                    return Err(CommandError::of(message));
                }
                sheet::parquet::bytes(sheet).map_err(CommandError::of)?
            }
        };
        self.write_bytes(&bytes)
    }

    /// Writes what is in its form already.
    pub(super) fn write_bytes(&self, bytes: &[u8]) -> Result<(), CommandError> {
        let Some(path) = &self.output else {
            // Whoever reads may have read enough (`| head`), which is no failure.
            let _ = io::stdout().write_all(bytes);
            return Ok(());
        };
        fs::write(path, bytes)
            .map_err(|error| CommandError::of(format!("cannot write {}: {error}", path.display())))
    }
}
