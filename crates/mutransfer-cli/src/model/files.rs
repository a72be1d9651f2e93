//! Shapes from files: JSON, safetensors in one file or several, `.bsh`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use mutransfer::error::ShapesError;
use mutransfer::{Error, ParamName, Shape, Shapes, shards};

use crate::failure::Failure;
use crate::say::note;

/// The longest safetensors header that the format allows.
const LONGEST_HEADER: u64 = 100_000_000;
/// The index that Hugging Face writes beside a checkpoint in several files.
const INDEX: &str = "model.safetensors.index.json";

/// Shapes of what is trained, from files that make one model together; none of no files. Says what
/// was left out.
pub(super) fn shapes(paths: &[PathBuf]) -> Result<Option<Shapes>, Failure> {
    if paths.is_empty() {
        Ok(None)
    } else {
        base(paths).map(Some)
    }
}

/// The same of one file at least.
pub(super) fn base(paths: &[PathBuf]) -> Result<Shapes, Failure> {
    let mut all = Shapes::default();
    for path in paths {
        let read = read(path)?;
        all = all
            .with(read)
            .map_err(|error| Failure::from(error).in_file(path))?;
    }
    let [first, ..] = paths else { return Ok(all) };
    let (trained, left) = all
        .trained()
        .map_err(|error| Failure::from(error).in_file(first))?;
    for kind in left {
        let (path, what) = (first.display(), kind.what);
        note!(
            "note: {path}: left out {} {what}, such as `{}`",
            kind.count,
            kind.example
        );
    }
    if trained.is_empty() {
        let message = format!("{} holds no shape", first.display());
        return Err(Failure::usage(message, None));
    }
    Ok(trained)
}

/// A file, or a folder of them.
fn read(path: &Path) -> Result<Shapes, Failure> {
    if path.is_dir() {
        return folder(path);
    }
    let read = match path.extension().and_then(|extension| extension.to_str()) {
        Some("safetensors") => Shapes::from_safetensors(&header(path)?),
        Some("bsh") => {
            let message = format!(
                "{} has base sizes only; a .bsh file can be given as --base",
                path.display()
            );
            return Err(Failure::usage(message, None));
        }
        _ => {
            let text = text(path)?;
            if let Some(shards) = shards(&text) {
                let folder = path.parent().unwrap_or(Path::new(""));
                return indexed(path, folder, &shards);
            }
            Shapes::from_json(&text)
        }
    };
    read.map_err(|error| Failure::from(error).in_file(path))
}

/// All safetensors files of a folder, by their index where there is one.
fn folder(path: &Path) -> Result<Shapes, Failure> {
    let index = path.join(INDEX);
    if index.is_file() {
        return read(&index);
    }
    let entries = std::fs::read_dir(path).map_err(|error| unreadable(path, error))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    files.retain(|file| {
        file.extension()
            .is_some_and(|extension| extension == "safetensors")
    });
    files.sort();
    if files.is_empty() {
        let message = format!("{} is a folder without safetensors files", path.display());
        return Err(Failure::usage(message, None));
    }
    together(Path::new(""), &files)
}

/// The files that an index names, which must have all it lists.
fn indexed(
    index: &Path,
    folder: &Path,
    shards: &BTreeMap<ParamName, String>,
) -> Result<Shapes, Failure> {
    let files: BTreeSet<PathBuf> = shards.values().map(PathBuf::from).collect();
    if let Some(file) = files
        .iter()
        .find(|file| file.file_name() != Some(file.as_os_str()))
    {
        let message = format!(
            "{}: `{}` is no file beside it",
            index.display(),
            file.display()
        );
        return Err(Failure::usage(message, None));
    }
    let all = together(folder, &files.into_iter().collect::<Vec<_>>())?;
    let absent = shards.keys().find(|name| all.get(name.as_str()).is_none());
    match absent.filter(|name| is_trained(name)) {
        Some(name) => {
            let name = name.clone();
            let error = Error::from(ShapesError::NotInShards { name });
            Err(Failure::from(error).in_file(index))
        }
        None => Ok(all),
    }
}

/// Whether it would be kept: counters and masks, which are of integers, are not read.
fn is_trained(name: &ParamName) -> bool {
    let alone = Shapes::from_iter([(name.clone(), Shape::vector(1))]);
    alone.trained().is_ok_and(|(kept, _)| !kept.is_empty())
}

fn together(folder: &Path, files: &[PathBuf]) -> Result<Shapes, Failure> {
    let mut all = Shapes::default();
    for file in files {
        let path = folder.join(file);
        let read = read(&path)?;
        all = all
            .with(read)
            .map_err(|error| Failure::from(error).in_file(&path))?;
    }
    Ok(all)
}

pub(super) fn is_bsh(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "bsh")
}

pub(crate) fn text(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| unreadable(path, error))
}

/// The beginning of a safetensors file: a checkpoint of many gigabytes is not read for its shapes.
fn header(path: &Path) -> Result<Vec<u8>, Failure> {
    let read = || -> std::io::Result<Vec<u8>> {
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
    read().map_err(|error| unreadable(path, error))
}

fn unreadable(path: &Path, error: std::io::Error) -> Failure {
    Failure::unreadable(path, error)
}
