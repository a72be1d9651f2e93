//! Bytes of a file, unpacked where they are gzip.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::flaw::ImageFlaw;
use crate::error::Error;

/// Most bytes of a file of images, unpacked: several times the largest of the usual sets, and no
/// threat to memory.
pub(super) const MOST: usize = 1 << 30;

/// The first bytes of a gzip file, whatever its name.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The first `most` bytes of a file, or all if there are fewer. Takes memory for what is there, not
/// for `most`.
pub(super) fn read(path: &Path, most: usize) -> Result<Vec<u8>, Error> {
    let mut file = BufReader::new(File::open(path).map_err(Error::unreadable(path))?);
    let start = file.fill_buf().map_err(Error::unreadable(path))?;
    let bytes = if start.starts_with(&GZIP) {
        first(MultiGzDecoder::new(file), most)
            .map_err(|reason| Error::images(path, ImageFlaw::Gzip { reason }))?
    } else {
        first(file, most).map_err(Error::unreadable(path))?
    };
    if bytes.is_empty() && most > 0 {
        let path = path.to_owned();
        return Err(Error::Empty { path });
    }
    Ok(bytes)
}

fn first(reader: impl Read, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(most as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}
