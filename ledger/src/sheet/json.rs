//! A sheet as JSON: `{"rows":[{…}],"total":{…}}` under the names for programs. Counts are numbers; money
//! and other decimals are text, since a reader's floats would not keep them.

use serde_json::{Map, Value, json};

use super::{Cell, Column, Sheet};

/// The whole sheet.
pub fn value(sheet: &Sheet) -> Value {
    let rows: Vec<_> = sheet.rows.iter().map(|row| object(&sheet.columns, row, true)).collect();
    let mut whole = json!({ "rows": rows });
    if let Some(total) = &sheet.total {
        whole["total"] = object(&sheet.columns, total, false);
    }
    if !sheet.notes.is_empty() {
        whole["notes"] = json!(sheet.notes);
    }
    whole
}

/// A row says of every column that it has nothing there; a total has no words to begin with.
fn object(columns: &[Column], row: &[Cell], whole: bool) -> Value {
    let of = |cell: &Cell| match cell {
        Cell::Empty => Value::Null,
        Cell::Count(count) => json!(count),
        Cell::Text(_) | Cell::Money(_) | Cell::Number(_) | Cell::Moment(_) => {
            json!(cell.to_string())
        }
    };
    let cells = columns.iter().zip(row).filter(|(_, cell)| whole || **cell != Cell::Empty);
    let named = cells.map(|(column, cell)| (column.name.clone(), of(cell)));
    Value::Object(named.collect::<Map<_, _>>())
}
