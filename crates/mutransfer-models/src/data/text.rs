//! Text files as bytes.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::error::Error;

/// A text of which the last tenth is held out.
#[derive(Clone, Debug)]
pub struct Text {
    path: PathBuf,
    bytes: Vec<u8>,
    /// Where the held-out part begins.
    split: usize,
}

impl Text {
    /// Tokens are bytes.
    pub const VOCABULARY: usize = 256;

    /// Reads a file, or all files of a folder and its folders one after the other in order of their
    /// paths.
    ///
    /// # Errors
    /// When a file cannot be read, or when there is no text.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let mut bytes = Vec::new();
        for file in files(path).map_err(Error::unreadable(path))? {
            // Behind what is there, so that no text is in memory twice.
            let read = open(&file).and_then(|mut text| text.read_to_end(&mut bytes));
            read.map_err(Error::unreadable(&file))?;
        }
        let path = path.to_owned();
        if bytes.is_empty() {
            return Err(Error::Empty { path });
        }
        Ok(Self {
            path,
            split: bytes.len() - bytes.len() / 10,
            bytes,
        })
    }

    /// Fingerprint of the text, in hexadecimal.
    pub fn fingerprint(&self) -> String {
        blake3::hash(&self.bytes).to_hex().to_string()
    }

    /// Checks that a batch of `batch` sequences of `length` tokens can be drawn.
    ///
    /// # Errors
    /// When the training part is shorter than a batch or the held-out part than a sequence.
    pub fn check(&self, batch: usize, length: usize) -> Result<(), Error> {
        let parts = [
            (
                "training",
                self.split,
                batch * length,
                format!("a batch of {batch} sequences of {length} bytes"),
            ),
            (
                "validation",
                self.bytes.len() - self.split,
                length,
                format!("one sequence of {length} bytes"),
            ),
        ];
        match parts
            .into_iter()
            .find(|(_, available, needed, _)| available < needed)
        {
            None => Ok(()),
            Some((part, available, needed, why)) => {
                let (path, bytes) = (self.path.clone(), self.bytes.len());
                Err(Error::TooShort {
                    path,
                    bytes,
                    part,
                    available,
                    needed,
                    why,
                })
            }
        }
    }

    pub(super) fn sample(&self, rng: &mut ChaCha8Rng, length: usize) -> Vec<u8> {
        let start = rng.random_range(0..=self.split - length);
        self.bytes[start..start + length].to_vec()
    }

    /// At most `count` sequences, evenly spaced over the held-out part, without overlap.
    pub(super) fn validation(&self, count: usize, length: usize) -> Vec<Vec<u8>> {
        let held_out = &self.bytes[self.split..];
        let count = count.min(held_out.len() / length);
        (0..count)
            .map(|index| index * (held_out.len() / count))
            .map(|at| held_out[at..at + length].to_vec())
            .collect()
    }
}

/// A file that has an end, as devices do not.
fn open(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
    }
    Ok(file)
}

fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut entries = fs::read_dir(path)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    let found = entries
        .iter()
        .map(|entry| files(entry))
        .collect::<io::Result<Vec<_>>>()?;
    Ok(found.concat())
}
