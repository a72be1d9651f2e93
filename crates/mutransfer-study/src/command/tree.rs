//! The processes that a process has started, and those that they have.

#[cfg(target_os = "linux")]
mod system {
    use std::collections::BTreeMap;
    use std::fs;
    use std::time::Duration;

    use rustix::process::{Pid, Signal, kill_process, set_child_subreaper};

    /// How long to wait for processes that were killed to be gone.
    const MOMENT: Duration = Duration::from_millis(1);

    /// Makes processes that lose their parent children of this one, if one of them is below it.
    pub(crate) fn adopt() {
        // A kernel without it leaves only what has left the tree.
        let _ = set_child_subreaper(Some(rustix::process::getpid()));
    }

    /// Ends all processes below this one, however they have hidden themselves.
    pub(crate) fn end_all() {
        loop {
            let living = below(std::process::id());
            if living.is_empty() {
                return;
            }
            for process in living {
                if let Some(process) = Pid::from_raw(process as i32) {
                    // It may have ended by itself meanwhile.
                    let _ = kill_process(process, Signal::KILL);
                }
            }
            std::thread::sleep(MOMENT);
        }
    }

    /// Memory of all processes below one, in bytes; what they share is counted once.
    pub(crate) fn memory(root: u32) -> u64 {
        below(root).into_iter().map(memory_of).sum()
    }

    fn memory_of(process: u32) -> u64 {
        let path = format!("/proc/{process}/smaps_rollup");
        let text = fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
        let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kibibytes.unwrap_or(0) * 1024
    }

    /// Living processes below one.
    fn below(root: u32) -> Vec<u32> {
        let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(process) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
            else {
                continue;
            };
            if let Some(parent) = parent(process) {
                children.entry(parent).or_default().push(process);
            }
        }
        let mut found = Vec::new();
        let mut next = vec![root];
        while let Some(process) = next.pop() {
            let below = children.remove(&process).unwrap_or_default();
            found.extend(&below);
            next.extend(below);
        }
        found
    }

    /// The parent of a process that has not ended.
    fn parent(process: u32) -> Option<u32> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // The name before it may hold anything, parentheses too.
        let (_, rest) = stat.rsplit_once(") ")?;
        let mut words = rest.split(' ');
        let state = words.next()?;
        let parent = words.next()?.parse().ok()?;
        (!["Z", "X"].contains(&state)).then_some(parent)
    }
}

/// Elsewhere only the group of processes is known, and memory is not.
#[cfg(not(target_os = "linux"))]
mod system {
    pub(crate) fn adopt() {}

    pub(crate) fn end_all() {}

    pub(crate) fn memory(_: u32) -> u64 {
        0
    }
}

pub(super) use system::{adopt, end_all, memory};
