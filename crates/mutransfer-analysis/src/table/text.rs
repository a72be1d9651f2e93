//! Tables as text: how it is read, whatever the dialect, and how records become it.

use std::io::{Chain, Cursor, Read as _};

use serde::Serialize;

/// What may stand between cells; the first of those that are as frequent counts.
const DELIMITERS: [u8; 3] = [b',', b'\t', b';'];

/// Bytes above which a table is read in parts.
const WORTH_PARTS: usize = 1 << 20;

/// A reader of tables of other programs: with commas, tabs or semicolons, with a byte order mark or
/// without, with lines of either kind, with blanks around cells. With `is_ragged` rows may have any
/// number of cells, so that the caller can name one with the wrong number.
pub(crate) fn reader(text: &str, is_ragged: bool) -> csv::Reader<Cursor<Vec<u8>>> {
    // The crate takes each of the two characters for the end of a line, and counts only one kind.
    let lines = bare(text).replace("\r\n", "\n");
    dialect(&lines, is_ragged).from_reader(Cursor::new(lines.into_bytes()))
}

fn bare(text: &str) -> &str {
    text.trim_start_matches('\u{feff}')
}

fn dialect(text: &str, is_ragged: bool) -> csv::ReaderBuilder {
    let delimiter = delimiter(text);
    // Looking for blanks takes a third of the time of reading.
    let has_blanks = text.contains(' ') || (delimiter != b'\t' && text.contains('\t'));
    let trim = if has_blanks {
        csv::Trim::All
    } else {
        csv::Trim::None
    };
    let mut builder = csv::ReaderBuilder::new();
    builder.delimiter(delimiter).flexible(is_ragged).trim(trim);
    builder
}

/// A reader of one part of a table, behind its header.
pub(crate) type PartReader<'a> = csv::Reader<Chain<&'a [u8], &'a [u8]>>;

/// Readers of tables that are this one together, to be read at a time. None where the table is
/// small, or a quote may hide the end of a line.
pub(crate) fn parts(text: &str, count: usize) -> Vec<PartReader<'_>> {
    let text = bare(text);
    let is_plain = text.len() > WORTH_PARTS && !text.contains('"') && !text.contains('\r');
    let header = is_plain.then(|| text.find('\n')).flatten();
    let Some(end) = header.filter(|end| !text[..*end].trim().is_empty()) else {
        return Vec::new();
    };
    let dialect = dialect(text, false);
    let (header, mut rest) = text.split_at(end + 1);
    let length = rest.len() / count.max(1);
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let mut behind = rest.bytes().skip(length);
        let cut = behind.position(|byte| byte == b'\n');
        let (part, left) = rest.split_at(cut.map_or(rest.len(), |at| length + at + 1));
        parts.push(dialect.from_reader(header.as_bytes().chain(part.as_bytes())));
        rest = left;
    }
    parts
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_the_table_together() {
        let rows: Vec<String> = (0..200_000).map(|row| format!("{row},π{row}")).collect();
        let text = format!("\u{feff}one,other\n{}", rows.join("\n"));
        let read = |text: &str| -> Vec<(usize, String)> {
            let rows: Result<_, _> = reader(text, false).deserialize().collect();
            rows.unwrap()
        };
        let parts = parts(&text, 3);
        assert_eq!(parts.len(), 3);
        let found: Vec<(usize, String)> = parts
            .into_iter()
            .flat_map(csv::Reader::into_deserialize)
            .collect::<Result<_, _>>()
            .unwrap();
        assert!(found == read(&text) && found.len() == 200_000);
        let quoted = text + "\n1,\"a\nb\"";
        assert!(super::parts(&quoted, 3).is_empty());
    }
}
