//! Job arrays of Slurm (21.08 or later), by `sbatch`, `squeue` and `scancel` alone.
//!
//! `squeue` is read by a format of our own, as its JSON changes from version to version, and
//! nothing is asked of the accounting database, which many sites lack.

mod script;

use std::process::Command;

use std::path::Path;

use super::batch::Batch;
use super::queue::{Queue, Runner, Stage, State, States, Trouble, output};
use super::settings::Settings;

/// What Slurm's commands say when it does not answer or has no room for now.
const AWAY: [&str; 8] = [
    "Unable to contact slurm controller",
    "Socket timed out",
    "Connection refused",
    "Connection timed out",
    "Zero Bytes were transmitted or received",
    "temporarily unable to accept job",
    "job submit limit",
    "Slurm backup controller in standby mode",
];

/// States of jobs that have ended (`squeue(1)`), and whether they would end so again. Jobs in any
/// other state wait, run, or will run again.
const ENDED: [(&str, bool); 10] = [
    ("BOOT_FAIL", false),
    ("CANCELLED", true),
    ("COMPLETED", true),
    ("DEADLINE", true),
    ("FAILED", true),
    ("NODE_FAIL", false),
    ("OUT_OF_MEMORY", true),
    ("PREEMPTED", false),
    ("REVOKED", false),
    ("TIMEOUT", true),
];

/// States in which, and reasons for which, a job waits for somebody.
const HELD: [&str; 6] = [
    "REQUEUE_HOLD",
    "SPECIAL_EXIT",
    "JobHeldUser",
    "JobHeldAdmin",
    "launch failed requeued held",
    "DependencyNeverSatisfied",
];

/// The Slurm whose commands are in the path.
#[derive(Clone, Debug)]
pub struct Slurm {
    settings: Settings,
    runner: Runner,
}

impl Slurm {
    /// Jobs of these settings.
    pub fn new(settings: Settings, runner: Runner) -> Self {
        Self { settings, runner }
    }
}

impl Queue for Slurm {
    fn name(&self) -> &'static str {
        "Slurm"
    }

    fn submit(&self, batch: &Batch, folder: &Path) -> Result<(), Trouble> {
        let text = script::script(&self.settings, &self.runner, batch, folder);
        let path = folder.join("script");
        let refused = |error| Trouble::Refused(format!("{}: {error}", path.display()));
        std::fs::write(&path, text).map_err(refused)?;
        // Paths of logs are relative, as Slurm reads `%` in them.
        let mut sbatch = command("sbatch");
        sbatch.current_dir(folder).arg("--parsable").arg("script");
        output(&mut sbatch, is_away).map(drop)
    }

    fn states(&self, names: &[String]) -> Result<States, Trouble> {
        let mut squeue = command("squeue");
        squeue.args(["--noheader", "--array", "--states=all"]);
        squeue.arg("--format=%j|%K|%i|%T|%r");
        squeue.arg(format!("--name={}", names.join(",")));
        let listed = output(&mut squeue, is_away)?;
        Ok(listed.lines().filter_map(state).collect())
    }

    fn cancel(&self, names: &[String]) -> Result<(), Trouble> {
        for name in names {
            let mut scancel = command("scancel");
            output(scancel.arg(format!("--name={name}")), is_away)?;
        }
        Ok(())
    }

    fn how_to_cancel(&self, names: &[String]) -> String {
        let each = names.iter().map(|name| format!("scancel --name={name}"));
        each.collect::<Vec<_>>().join("; ")
    }
}

/// A command of Slurm, without the user's wishes for how it prints.
fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    for (key, _) in std::env::vars_os() {
        if key.to_string_lossy().starts_with("SQUEUE_") {
            command.env_remove(key);
        }
    }
    command
}

fn is_away(words: &str) -> bool {
    AWAY.iter().any(|away| words.contains(away))
}

/// A line of `squeue`: name of the job, number in the array, number of the job, state, reason.
fn state(line: &str) -> Option<((String, usize), State)> {
    let mut fields = line.splitn(5, '|').map(str::trim);
    let mut next = || fields.next();
    let (name, element, job, state, reason) = (next()?, next()?, next()?, next()?, next()?);
    let ended = ENDED.iter().find(|(ended, _)| *ended == state);
    let stage = match ended {
        Some((how, is_own_fault)) => Stage::Ended {
            how: (*how).to_owned(),
            is_own_fault: *is_own_fault,
        },
        None if HELD.contains(&state) || HELD.contains(&reason) => Stage::Held(reason.to_owned()),
        None => Stage::Alive,
    };
    let job = job.to_owned();
    Some((
        (name.to_owned(), element.parse().ok()?),
        State { job, stage },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_squeue_are_understood() {
        let ended = |how: &str, is_own_fault| Stage::Ended {
            how: how.to_owned(),
            is_own_fault,
        };
        let cases = [
            ("mt|0|7_0|RUNNING|None", Stage::Alive),
            ("mt|0|7_0|PENDING|BeginTime", Stage::Alive),
            ("mt|0|7_0|COMPLETING|None", Stage::Alive),
            ("mt|0|7_0|REQUEUED|None", Stage::Alive),
            (
                "mt|0|7_0|PENDING|launch failed requeued held",
                Stage::Held("launch failed requeued held".to_owned()),
            ),
            ("mt|0|7_0|NODE_FAIL|NodeDown", ended("NODE_FAIL", false)),
            ("mt|0|7_0|TIMEOUT|TimeLimit", ended("TIMEOUT", true)),
            ("mt|0|7_0|COMPLETED|None", ended("COMPLETED", true)),
        ];
        for (line, stage) in cases {
            let (place, found) = state(line).unwrap();
            assert_eq!(place, ("mt".to_owned(), 0));
            assert_eq!((found.job.as_str(), found.stage), ("7_0", stage), "{line}");
        }
        for line in ["", "mt|N/A|7|RUNNING|None", "slurm_load_jobs error"] {
            assert_eq!(state(line), None, "{line}");
        }
    }

    #[test]
    fn silence_is_told_from_a_refusal() {
        let silent = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)";
        assert!(is_away(silent));
        let refused = "sbatch: error: invalid partition specified: gpu";
        assert!(!is_away(refused));
    }
}
