//! GPUs, of which each worker gets its own.

use std::collections::BTreeMap;
use std::process::Command;

/// What tells CUDA which GPUs there are.
pub(super) const VARIABLE: &str = "CUDA_VISIBLE_DEVICES";

/// GPUs for workers, by the numbers of their trials.
#[derive(Debug, Default)]
pub(super) struct Devices {
    each: usize,
    free: Vec<String>,
    taken: BTreeMap<usize, Vec<String>>,
}

impl Devices {
    /// So many for each worker, of all these.
    pub(super) fn new(each: usize, all: Vec<String>) -> Self {
        Self {
            each,
            free: all,
            taken: BTreeMap::new(),
        }
    }

    pub(super) fn are_enough(&self) -> bool {
        self.free.len() >= self.each
    }

    /// Gives a worker its own; nothing where none are asked for.
    pub(super) fn give(&mut self, number: usize, worker: &mut Command) {
        if self.each == 0 {
            return;
        }
        let own: Vec<String> = self.free.drain(..self.each.min(self.free.len())).collect();
        worker.env(VARIABLE, own.join(","));
        self.taken.insert(number, own);
    }

    pub(super) fn take_back(&mut self, number: usize) {
        self.free
            .extend(self.taken.remove(&number).unwrap_or_default());
    }
}

/// The GPUs that are present: those of `CUDA_VISIBLE_DEVICES`, or else all that the driver lists.
pub fn present() -> Vec<String> {
    let listed = match std::env::var(VARIABLE) {
        Ok(listed) => listed,
        Err(_) => of_driver().unwrap_or_default(),
    };
    let names = listed.split([',', '\n']).map(str::trim);
    names
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

fn of_driver() -> Option<String> {
    let output = Command::new("nvidia-smi")
        .args(["--query-gpu=index", "--format=csv,noheader"])
        .output()
        .ok()?;
    let listed = output.status.success();
    listed.then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
