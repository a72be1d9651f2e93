//! Batches that may be in the queue.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use crate::executor::batch::{self, Batch};
use crate::executor::queue::Queue;
use crate::store::{folder_of, read_record};

/// A batch that may be in the queue.
pub(super) struct Known {
    pub(super) batch: Batch,
    /// Whether the queue has surely taken it.
    pub(super) is_certain: bool,
    /// Whether there is something in its logs.
    pub(super) has_failed: bool,
}

impl From<Batch> for Known {
    fn from(batch: Batch) -> Self {
        Self {
            batch,
            is_certain: false,
            has_failed: false,
        }
    }
}

/// What an earlier process of this build has left in an output folder, by names. What one of
/// another build has is ended, and what is done is forgotten.
pub(super) fn earlier(
    queue: &dyn Queue,
    root: &Path,
    build: &str,
) -> io::Result<BTreeMap<String, Known>> {
    let found = Batch::all(root).map_err(io::Error::other)?;
    let is_own = |batch: &Batch| batch.build == build;
    let (mut own, others): (Vec<_>, Vec<_>) = found.into_iter().partition(is_own);
    let names: Vec<String> = others.into_iter().map(|batch| batch.name).collect();
    // Elements whose batch is forgotten do nothing; that they go at once is a courtesy.
    let _ = queue.cancel(&names);
    own.retain(|batch| batch.elements.iter().flatten().any(|id| is_open(root, id)));
    batch::keep(root, &own.iter().map(|batch| batch.name.as_str()).collect())?;
    let known = own
        .into_iter()
        .map(|batch| (batch.name.clone(), batch.into()));
    Ok(known.collect())
}

fn is_open(root: &Path, id: &str) -> bool {
    let folder = folder_of(root, id);
    folder.exists() && matches!(read_record(&folder, id), Ok(None))
}
