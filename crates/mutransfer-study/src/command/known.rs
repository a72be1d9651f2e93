//! Shapes that commands have printed, which a study keeps: a framework may take seconds to start.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mutransfer::Shapes;

use super::error::CommandError;

/// Shapes by what was asked: the command, its environment and its files.
#[derive(Debug, Default)]
pub struct Known {
    earlier: BTreeMap<String, Shapes>,
    /// Those that this process has used.
    used: Mutex<BTreeMap<String, Shapes>>,
}

impl Known {
    /// What an earlier process has left in a file; nothing where that cannot be read.
    pub fn read(path: &Path) -> Self {
        let text = fs::read(path).unwrap_or_default();
        Self {
            earlier: serde_json::from_slice(&text).unwrap_or_default(),
            used: Mutex::default(),
        }
    }

    /// What a later process is to know; none where that is nothing.
    #[expect(clippy::missing_panics_doc, reason = "shapes always are JSON")]
    pub fn file(&self) -> Option<Vec<u8>> {
        let used = self.used();
        (!used.is_empty()).then(|| serde_json::to_vec(&*used).expect("plain data"))
    }

    /// The shapes of a key, which are found out where they are not known.
    pub(super) fn get(
        &self,
        key: String,
        find: impl FnOnce() -> Result<Shapes, CommandError>,
    ) -> Result<Shapes, CommandError> {
        let found = self.used().get(&key).cloned();
        let shapes = match found.or_else(|| self.earlier.get(&key).cloned()) {
            Some(shapes) => shapes,
            None => find()?,
        };
        self.used().insert(key, shapes.clone());
        Ok(shapes)
    }

    fn used(&self) -> MutexGuard<'_, BTreeMap<String, Shapes>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_is_known_to_the_next_process_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shapes.json");
        let shapes = |size: u32| Shapes::from_json(&format!("{{\"w\": [{size}]}}")).unwrap();
        let key = |name: &str| name.to_owned();
        let first = Known::read(&path);
        assert_eq!(first.file(), None);
        for (name, size) in [("a", 1), ("b", 2)] {
            assert_eq!(
                first.get(key(name), || Ok(shapes(size))).unwrap(),
                shapes(size)
            );
        }
        fs::write(&path, first.file().unwrap()).unwrap();
        let asked = || Err(CommandError::NoCommand);
        let second = Known::read(&path);
        assert_eq!(second.get(key("b"), asked).unwrap(), shapes(2));
        fs::write(&path, second.file().unwrap()).unwrap();
        let third = Known::read(&path);
        assert!(third.get(key("b"), asked).is_ok());
        assert!(third.get(key("a"), asked).is_err());
    }
}
