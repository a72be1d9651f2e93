//! Bytes of a file, unpacked where they are gzip.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::ImageFlaw;
use crate::Error;

/// Most bytes of a file of images, unpacked: several times the largest of the usual sets, and no
/// threat to memory.
pub(super) const MOST: usize = 1 << 30;

/// The first bytes of a gzip file, whatever its name.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The first `most` bytes of a file, or all if there are fewer. Takes memory for what is there, not
/// for `most`.
pub(super) fn read(path: &Path, most: usize) -> Result<Vec<u8>, Error> {
    let unreadable = |source| Error::Unreadable {
        path: path.to_owned(),
        source,
    };
    let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
    let packed = file.fill_buf().map_err(unreadable)?.starts_with(&GZIP);
    let bytes = match packed {
        true => first(MultiGzDecoder::new(file), most).map_err(|reason| Error::Images {
            path: path.to_owned(),
            flaw: ImageFlaw::Gzip { reason },
        })?,
        false => first(file, most).map_err(unreadable)?,
    };
    match bytes.is_empty() && most > 0 {
        true => Err(Error::Empty {
            path: path.to_owned(),
        }),
        false => Ok(bytes),
    }
}

fn first(reader: impl Read, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(most as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}
