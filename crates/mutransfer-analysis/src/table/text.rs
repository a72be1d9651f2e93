//! CSV text: how it is read, and how records become it.

use serde::Serialize;

/// A reader of tables of other programs, whose cells may have blanks around them. With `is_ragged`
/// rows may have any number of cells, so that the caller can name one with the wrong number.
pub(crate) fn reader(text: &str, is_ragged: bool) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new()
        .flexible(is_ragged)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes())
}

/// Flat records as a table with a header.
///
/// # Panics
/// When a record is not flat, which none of this crate's is.
pub fn to_csv<T: Serialize>(records: &[T]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for record in records {
        writer.serialize(record).expect("a record is flat");
    }
    let bytes = writer.into_inner().expect("memory can be written to");
    String::from_utf8(bytes).expect("records are text")
}
