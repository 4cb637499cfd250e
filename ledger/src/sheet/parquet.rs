//! A sheet as Parquet, exactly: money and other decimals as `DECIMAL(38, 12)`, moments in microseconds.
//! Written column by column with the format's own writer; a row group is what is handed over at once.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{
    ByteArray, ByteArrayType, FixedLenByteArray, FixedLenByteArrayType, Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{Type, TypePtr};

use super::{Cell, Column, Kind, Sheet, WriteError, number};

/// Rows of a Parquet file, a group at a time.
pub struct ParquetRows<W: Write + Send> {
    file: SerializedFileWriter<W>,
    columns: Vec<Column>,
}

const PRECISION: i32 = 38;
const MICROSECONDS: i64 = 1_000_000;
/// Bytes of an integer of 38 digits.
const WIDTH: i32 = 16;

/// The whole sheet.
pub fn bytes(sheet: &Sheet) -> Result<Vec<u8>, WriteError> {
    let mut bytes = Vec::new();
    let mut rows = ParquetRows::begin(&mut bytes, &sheet.columns)?;
    rows.write(&sheet.rows)?;
    rows.finish()?;
    Ok(bytes)
}

impl<W: Write + Send> ParquetRows<W> {
    /// Begins a file with these columns.
    pub fn begin(out: W, columns: &[Column]) -> Result<Self, WriteError> {
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let schema = schema(columns).map_err(WriteError::of)?;
        let file = SerializedFileWriter::new(out, schema, Arc::new(properties));
        Ok(Self { file: file.map_err(WriteError::of)?, columns: columns.to_vec() })
    }

    /// Writes rows as a group of their own.
    pub fn write(&mut self, rows: &[Vec<Cell>]) -> Result<(), WriteError> {
        self.write_group(rows).map_err(WriteError::of)
    }

    /// Writes the file's end, without which it is none.
    pub fn finish(self) -> Result<(), WriteError> {
        self.file.close().map(drop).map_err(WriteError::of)
    }

    fn write_group(&mut self, rows: &[Vec<Cell>]) -> Result<(), ParquetError> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut group = self.file.next_row_group()?;
        for (at, column) in self.columns.iter().enumerate() {
            let Some(mut writer) = group.next_column()? else { break };
            let cells = || rows.iter().map(|row| &row[at]);
            let levels: Vec<i16> = cells().map(|cell| i16::from(*cell != Cell::Empty)).collect();
            write_column(&mut writer, column.kind, cells(), &levels)?;
            writer.close()?;
        }
        group.close().map(drop)
    }
}

fn write_column<'c>(
    writer: &mut SerializedColumnWriter<'_>,
    kind: Kind,
    cells: impl Iterator<Item = &'c Cell>,
    levels: &[i16],
) -> Result<(), ParquetError> {
    let cells = cells.filter(|cell| **cell != Cell::Empty);
    match kind {
        Kind::Text => {
            let texts: Vec<_> =
                cells.map(|cell| ByteArray::from(cell.to_string().as_str())).collect();
            writer.typed::<ByteArrayType>().write_batch(&texts, Some(levels), None)?;
        }
        Kind::Count | Kind::Moment => {
            let numbers: Vec<_> = cells.map(whole).collect();
            writer.typed::<Int64Type>().write_batch(&numbers, Some(levels), None)?;
        }
        Kind::Money | Kind::Number(_) => {
            let units = |cell: &Cell| FixedLenByteArray::from(units(cell).to_be_bytes().to_vec());
            let decimals: Vec<_> = cells.map(units).collect();
            writer.typed::<FixedLenByteArrayType>().write_batch(&decimals, Some(levels), None)?;
        }
    }
    Ok(())
}

fn schema(columns: &[Column]) -> Result<TypePtr, ParquetError> {
    let fields = columns.iter().map(|column| field(column).map(Arc::new));
    let fields = fields.collect::<Result<_, _>>()?;
    Ok(Arc::new(Type::group_type_builder("isthmus").with_fields(fields).build()?))
}

fn field(column: &Column) -> Result<Type, ParquetError> {
    let of = |physical| {
        Type::primitive_type_builder(&column.name, physical).with_repetition(Repetition::OPTIONAL)
    };
    let decimals = number::DECIMALS as i32;
    match column.kind {
        Kind::Text => of(Physical::BYTE_ARRAY).with_logical_type(Some(LogicalType::String)).build(),
        Kind::Count => of(Physical::INT64).build(),
        Kind::Moment => {
            let micros = LogicalType::timestamp(true, parquet::basic::TimeUnit::MICROS);
            of(Physical::INT64).with_logical_type(Some(micros)).build()
        }
        Kind::Money | Kind::Number(_) => of(Physical::FIXED_LEN_BYTE_ARRAY)
            .with_length(WIDTH)
            .with_precision(PRECISION)
            .with_scale(decimals)
            .with_logical_type(Some(LogicalType::decimal(decimals, PRECISION)))
            .build(),
    }
}

fn whole(cell: &Cell) -> i64 {
    match cell {
        Cell::Count(count) => i64::try_from(*count).unwrap_or(i64::MAX),
        Cell::Moment(seconds) => seconds * MICROSECONDS,
        Cell::Empty | Cell::Text(_) | Cell::Money(_) | Cell::Number(_) => 0,
    }
}

fn units(cell: &Cell) -> i128 {
    match cell {
        Cell::Money(money) => money.pico_dollars(),
        Cell::Number(number) => number.units(),
        Cell::Count(count) => super::Number::whole(*count).units(),
        Cell::Empty | Cell::Text(_) | Cell::Moment(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use isthmus_inference::money::Money;
    use parquet::file::reader::FileReader;
    use parquet::file::serialized_reader::SerializedFileReader;

    use super::*;

    #[test]
    fn what_was_written_is_read_exactly() {
        let columns = vec![
            Column::new("tag:feature", "Feature", Kind::Text),
            Column::new("requests", "Requests", Kind::Count),
            Column::new("cost_usd", "Cost", Kind::Money),
            Column::new("at", "At", Kind::Moment),
        ];
        let cost = Money::from_pico_dollars(-12_345_678_901_234_567_890_123);
        let sheet = Sheet {
            columns,
            rows: vec![
                vec!["summary".into(), 7.into(), cost.into(), Cell::Moment(86_400)],
                vec![Cell::Empty, Cell::Empty, Cell::Empty, Cell::Empty],
            ],
            ..Sheet::default()
        };
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes(&sheet).unwrap()).unwrap();
        let reader = SerializedFileReader::new(file).unwrap();
        let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
        let texts: Vec<_> =
            rows[0].get_column_iter().map(|(name, field)| format!("{name}={field}")).collect();
        assert_eq!(texts[0], "tag:feature=\"summary\"");
        assert_eq!(texts[1], "requests=7");
        assert_eq!(texts[2], "cost_usd=-12345678901.234567890123");
        assert!(texts[3].starts_with("at=1970-01-02 00:00:00"), "{}", texts[3]);
        assert_eq!(rows[1].get_column_iter().filter(|(_, it)| it.to_string() == "null").count(), 4);
    }
}
