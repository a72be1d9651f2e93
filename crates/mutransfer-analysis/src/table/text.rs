//! Tables as text: how it is read, whatever the dialect, and how records become it.

use std::io::Cursor;

use serde::Serialize;

/// What may stand between cells; the first of those that are as frequent counts.
const DELIMITERS: [u8; 3] = [b',', b'\t', b';'];

/// A reader of tables of other programs: with commas, tabs or semicolons, with a byte order mark or
/// without, with lines of either kind, with blanks around cells. With `is_ragged` rows may have any
/// number of cells, so that the caller can name one with the wrong number.
pub(crate) fn reader(text: &str, is_ragged: bool) -> csv::Reader<Cursor<Vec<u8>>> {
    // The crate takes each of the two characters for the end of a line, and counts only one kind.
    let lines = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    csv::ReaderBuilder::new()
        .delimiter(delimiter(&lines))
        .flexible(is_ragged)
        .trim(csv::Trim::All)
        .from_reader(Cursor::new(lines.into_bytes()))
}

/// The most frequent delimiter of the first line that has text, quoted names aside.
fn delimiter(text: &str) -> u8 {
    let first = text.lines().find(|line| !line.trim().is_empty());
    let mut counts = [0_usize; DELIMITERS.len()];
    for bare in first.unwrap_or_default().split('"').step_by(2) {
        for (count, delimiter) in counts.iter_mut().zip(DELIMITERS) {
            *count += bare.bytes().filter(|byte| *byte == delimiter).count();
        }
    }
    let most = counts.into_iter().max().unwrap_or_default();
    let found = DELIMITERS
        .into_iter()
        .zip(counts)
        .find(|(_, count)| *count == most);
    found.map_or(b',', |(delimiter, _)| delimiter)
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
