//! The table of results as a Parquet file, a row for each trial that ended.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::{ConvertedType, Repetition, Type as Physical};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

use crate::store::{Cell, Kind, Recorded, rows};

/// Writes the trials that ended: the columns of `results.csv`, and nothing where a trial has no
/// loss or a setting no value.
///
/// # Errors
/// When it cannot be written.
pub fn parquet(trials: &[Recorded], out: impl Write + Send) -> Result<(), ParquetError> {
    let (columns, rows) = rows(trials);
    let fields: Vec<_> = columns
        .named()
        .map(|(name, kind)| field(name, kind).map(Arc::new))
        .collect::<Result<_, _>>()?;
    let schema = Type::group_type_builder("trials")
        .with_fields(fields)
        .build()?;
    let properties = Arc::new(WriterProperties::default());
    let mut file = SerializedFileWriter::new(out, Arc::new(schema), properties)?;
    let mut group = file.next_row_group()?;
    let mut place = 0;
    while let Some(mut column) = group.next_column()? {
        let cells: Vec<Cell> = rows.iter().map(|row| row[place]).collect();
        write(column.untyped(), &cells)?;
        column.close()?;
        place += 1;
    }
    group.close()?;
    file.close()?;
    Ok(())
}

fn field(name: &str, kind: Kind) -> Result<Type, ParquetError> {
    let (physical, logical) = match kind {
        Kind::Text => (Physical::BYTE_ARRAY, ConvertedType::UTF8),
        Kind::Count => (Physical::INT64, ConvertedType::NONE),
        Kind::Number => (Physical::DOUBLE, ConvertedType::NONE),
    };
    Type::primitive_type_builder(name, physical)
        .with_converted_type(logical)
        .with_repetition(Repetition::OPTIONAL)
        .build()
}

/// Values stand close together; a level says of every row whether it has one.
fn write(column: &mut ColumnWriter, cells: &[Cell]) -> Result<usize, ParquetError> {
    let levels: Vec<i16> = cells.iter().map(|cell| i16::from(is_there(cell))).collect();
    let there = || cells.iter().filter(|cell| is_there(cell));
    let levels = Some(&levels[..]);
    match column {
        ColumnWriter::ByteArrayColumnWriter(column) => {
            let values: Vec<ByteArray> = there().filter_map(text).collect();
            column.write_batch(&values, levels, None)
        }
        ColumnWriter::Int64ColumnWriter(column) => {
            let values: Vec<i64> = there().filter_map(count).collect();
            column.write_batch(&values, levels, None)
        }
        ColumnWriter::DoubleColumnWriter(column) => {
            let values: Vec<f64> = there().filter_map(number).collect();
            column.write_batch(&values, levels, None)
        }
        _ => unreachable!("no other kind of column is made"),
    }
}

fn is_there(cell: &Cell) -> bool {
    match cell {
        Cell::Text(text) => !text.is_empty(),
        Cell::Count(_) => true,
        Cell::Number(number) => !number.is_nan(),
    }
}

fn text(cell: &Cell) -> Option<ByteArray> {
    match cell {
        Cell::Text(text) => Some((*text).into()),
        _ => None,
    }
}

fn count(cell: &Cell) -> Option<i64> {
    match cell {
        Cell::Count(count) => Some(*count as i64),
        _ => None,
    }
}

fn number(cell: &Cell) -> Option<f64> {
    match cell {
        Cell::Number(number) => Some(*number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::recorded;
    use parquet::file::reader::{FileReader, SerializedFileReader};

    #[test]
    fn rows_come_back_and_a_diverged_trial_has_no_loss() {
        let mut file = Vec::new();
        parquet(&recorded(), &mut file).unwrap();
        let mut read = tempfile::tempfile().unwrap();
        read.write_all(&file).unwrap();
        let reader = SerializedFileReader::new(read).unwrap();
        let rows = reader.get_row_iter(None).unwrap();
        let rows: Vec<String> = rows.map(|row| row.unwrap().to_string()).collect();
        let ended = [
            "seed: 0, steps: 10, status: \"ok\", train_loss: 1.5, loss: 2.0}",
            "seed: 1, steps: 10, status: \"diverged\", train_loss: null, loss: null}",
        ];
        let first = "{rule: \"mup\", width: 8, depth: 1, lr: 0.001, momentum: 0E0, ";
        assert_eq!(rows, ended.map(|end| format!("{first}{end}")));
    }
}
