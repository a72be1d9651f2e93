//! Shapes from files: JSON, safetensors in one file or several, folders of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use mutransfer::error::ShapesError;
use mutransfer::{LeftOut, ParamName, Shape, Shapes, shards};
use thiserror::Error;

/// The longest safetensors header that the format allows.
const LONGEST_HEADER: u64 = 100_000_000;
/// The index that Hugging Face writes beside a checkpoint in several files.
const INDEX: &str = "model.safetensors.index.json";

/// Why files hold no shapes.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ShapesFileError {
    /// A file that cannot be read.
    #[error("cannot read {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that holds something else.
    #[error("{path}: {source}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: mutransfer::Error,
    },
    /// A file of base sizes only.
    #[error("{path} has base sizes only; a .bsh file can be given as --base")]
    BaseOnly {
        /// The file.
        path: PathBuf,
    },
    /// A folder without a checkpoint.
    #[error("{path} is a folder without safetensors files")]
    NoCheckpoint {
        /// The folder.
        path: PathBuf,
    },
    /// An index that names a file elsewhere.
    #[error("{path}: `{file}` is no file beside it")]
    Elsewhere {
        /// The index.
        path: PathBuf,
        /// The file that it names.
        file: PathBuf,
    },
    /// Nothing that is trained.
    #[error("{path} holds no shape")]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

type Result<T> = std::result::Result<T, ShapesFileError>;

/// The shapes of what is trained, from files that make one model together, and what was left out.
///
/// # Errors
/// When a file cannot be read, or holds no shapes, or none is of something that is trained.
pub fn read(paths: &[PathBuf]) -> Result<(Shapes, Vec<LeftOut>)> {
    let mut all = Shapes::default();
    for path in paths {
        all = all.with(read_one(path)?).map_err(content(path))?;
    }
    let [first, ..] = paths else {
        return Ok((all, Vec::new()));
    };
    let (trained, left) = all.trained().map_err(content(first))?;
    if trained.is_empty() {
        let path = first.clone();
        return Err(ShapesFileError::Empty { path });
    }
    Ok((trained, left))
}

/// Whether a file holds the base sizes of the Python package `mup`.
pub fn is_bsh(path: &Path) -> bool {
    has_ending(path, "bsh")
}

/// A file, or a folder of them.
fn read_one(path: &Path) -> Result<Shapes> {
    if path.is_dir() {
        return folder(path);
    }
    if is_bsh(path) {
        let path = path.to_owned();
        return Err(ShapesFileError::BaseOnly { path });
    }
    if has_ending(path, "safetensors") {
        return Shapes::from_safetensors(&header(path)?).map_err(content(path));
    }
    let text = crate::text::read(path).map_err(unreadable(path))?;
    match shards(&text) {
        Some(shards) => indexed(path, path.parent().unwrap_or(Path::new("")), &shards),
        None => Shapes::from_json(&text).map_err(content(path)),
    }
}

fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|own| own == ending)
}

/// All safetensors files of a folder, by their index where there is one.
fn folder(path: &Path) -> Result<Shapes> {
    let index = path.join(INDEX);
    if index.is_file() {
        return read_one(&index);
    }
    let entries = std::fs::read_dir(path).map_err(unreadable(path))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|file| has_ending(file, "safetensors"))
        .collect();
    files.sort();
    if files.is_empty() {
        let path = path.to_owned();
        return Err(ShapesFileError::NoCheckpoint { path });
    }
    together(Path::new(""), &files)
}

/// The files that an index names, which must have all it lists.
fn indexed(index: &Path, folder: &Path, shards: &BTreeMap<ParamName, String>) -> Result<Shapes> {
    let files: BTreeSet<PathBuf> = shards.values().map(PathBuf::from).collect();
    let is_elsewhere = |file: &&PathBuf| file.file_name() != Some(file.as_os_str());
    if let Some(file) = files.iter().find(is_elsewhere) {
        return Err(ShapesFileError::Elsewhere {
            path: index.to_owned(),
            file: file.clone(),
        });
    }
    let all = together(folder, &files.into_iter().collect::<Vec<_>>())?;
    let absent = shards.keys().find(|name| all.get(name.as_str()).is_none());
    match absent.filter(|name| is_trained(name)) {
        Some(name) => {
            let name = name.clone();
            Err(content(index)(ShapesError::NotInShards { name }.into()))
        }
        None => Ok(all),
    }
}

/// Whether it would be kept: counters and masks, which are of integers, are not read.
fn is_trained(name: &ParamName) -> bool {
    let alone = Shapes::from_iter([(name.clone(), Shape::vector(1))]);
    alone.trained().is_ok_and(|(kept, _)| !kept.is_empty())
}

fn together(folder: &Path, files: &[PathBuf]) -> Result<Shapes> {
    let mut all = Shapes::default();
    for file in files {
        let path = folder.join(file);
        all = all.with(read_one(&path)?).map_err(content(&path))?;
    }
    Ok(all)
}

/// The beginning of a safetensors file: a checkpoint of many gigabytes is not read for its shapes.
fn header(path: &Path) -> Result<Vec<u8>> {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let mut bytes = Vec::new();
        file.by_ref().take(8).read_to_end(&mut bytes)?;
        let length = bytes
            .first_chunk()
            .map_or(0, |length| u64::from_le_bytes(*length));
        file.take(length.min(LONGEST_HEADER))
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(unreadable(path))
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> ShapesFileError + use<> {
    let path = path.to_owned();
    move |source| ShapesFileError::File { path, source }
}

fn content(path: &Path) -> impl FnOnce(mutransfer::Error) -> ShapesFileError + use<> {
    let path = path.to_owned();
    move |source| ShapesFileError::Content { path, source }
}
