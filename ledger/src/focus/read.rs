//! A FOCUS file read again, whoever wrote it.

use std::fs::File;
use std::io::{Read, Seek};

use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::record::Field;

use super::check::{Checker, Complaint};
use crate::sheet::{WriteError, number};

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read it: {0}")]
pub struct ReadError(String);

/// The first bytes of a Parquet file.
const PARQUET: &[u8; 4] = b"PAR1";

/// Checks a file of either format: how many rows it has, and what is wrong with them.
pub fn check(mut file: File) -> Result<(u64, Vec<Complaint>), ReadError> {
    let mut head = [0; 4];
    let is_parquet = file.read_exact(&mut head).is_ok() && head == *PARQUET;
    file.rewind().map_err(ReadError::of)?;
    if is_parquet { of_parquet(file) } else { of_csv(file) }
}

fn of_csv(file: File) -> Result<(u64, Vec<Complaint>), ReadError> {
    let mut reader = csv::Reader::from_reader(std::io::BufReader::new(file));
    let headers = reader.headers().map_err(ReadError::of)?.clone();
    let mut checker = Checker::new(headers.iter().map(str::to_owned));
    let mut rows = 0;
    for record in reader.records() {
        let record = record.map_err(ReadError::of)?;
        rows += 1;
        checker.row(record.iter().map(str::to_owned));
    }
    Ok((rows, checker.finish()))
}

fn of_parquet(file: File) -> Result<(u64, Vec<Complaint>), ReadError> {
    let reader = SerializedFileReader::new(file).map_err(ReadError::of)?;
    let schema = reader.metadata().file_metadata().schema_descr();
    let names: Vec<_> = schema.columns().iter().map(|column| column.name().to_owned()).collect();
    let mut checker = Checker::new(names);
    let mut rows = 0;
    for row in reader.get_row_iter(None).map_err(ReadError::of)? {
        let row = row.map_err(ReadError::of)?;
        rows += 1;
        checker.row(row.get_column_iter().map(|(_, field)| text(field)));
    }
    Ok((rows, checker.finish()))
}

/// A field as a file of text has it.
fn text(field: &Field) -> String {
    const MICROSECONDS: i64 = 1_000_000;
    match field {
        Field::Null => String::new(),
        Field::Str(text) => text.clone(),
        Field::TimestampMicros(micros) => number::moment(micros.div_euclid(MICROSECONDS)),
        other => other.to_string(),
    }
}

impl ReadError {
    fn of(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

impl From<WriteError> for ReadError {
    fn from(error: WriteError) -> Self {
        Self(error.to_string())
    }
}
