//! The files that a program is, so that a changed one is another program.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use super::error::CommandError;

/// A hash of the files that a command names, relative to `folder`, and of `others`. An interpreter
/// in the search path is none of them.
pub(super) fn fingerprint(
    folder: &Path,
    command: &[String],
    others: &[String],
) -> Result<String, CommandError> {
    let is_file = |name: &&String| !Path::new(name).is_absolute() && folder.join(name).is_file();
    let named = command.iter().filter(is_file);
    let files: BTreeSet<&String> = named.chain(others).collect();
    let mut hasher = blake3::Hasher::new();
    for name in files {
        let path = folder.join(name);
        let hashed = File::open(&path).and_then(|file| {
            let mut own = blake3::Hasher::new();
            own.update_reader(file)?;
            Ok(own.finalize())
        });
        let hash = hashed.map_err(|source| CommandError::File { path, source })?;
        hasher.update(name.as_bytes());
        hasher.update(hash.as_bytes());
    }
    Ok(hasher.finalize().to_hex()[..16].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_fingerprint_is_of_the_files_a_command_names() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        fs::write(at.join("train.py"), "one").unwrap();
        fs::write(at.join("model.py"), "model").unwrap();
        let command = ["python", "train.py", "{lr}"].map(str::to_owned);
        let others = ["model.py".to_owned()];
        let first = fingerprint(at, &command, &others).unwrap();
        assert_eq!(fingerprint(at, &command, &others).unwrap(), first);
        for (file, text) in [("train.py", "two"), ("model.py", "other")] {
            let before = fs::read(at.join(file)).unwrap();
            fs::write(at.join(file), text).unwrap();
            assert_ne!(fingerprint(at, &command, &others).unwrap(), first, "{file}");
            fs::write(at.join(file), before).unwrap();
        }
        let absent = fingerprint(at, &command, &["no.py".to_owned()]).unwrap_err();
        assert!(absent.to_string().contains("no.py"), "{absent}");
    }
}
