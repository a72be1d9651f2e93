//! Jobs of HyperQueue (0.25 or later), by `hq` alone.
//!
//! A job has a number of HyperQueue's own, which is kept in the folder of its batch. Where it was
//! lost on the way there, the batch is queued again, and the first job finds nothing to do.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::batch::{self, Batch};
use super::queue::{Queue, Runner, Stage, State, States, Trouble, output};
use super::settings::Settings;

/// The file with the number of a batch's job.
const JOB: &str = "job";

/// The option by which `hq` is asked for GPUs, by the name of those that it finds by itself.
const GPUS: &str = "--resource=gpus/nvidia";

/// What `hq` says when no server answers.
const AWAY: [&str; 3] = [
    "No running instance of HQ found",
    "is unreachable",
    "onnection",
];

/// States of tasks, in the words of `hq`. A task in another one has finished or was forgotten.
const STATES: [(&str, Option<&str>); 3] = [
    ("waiting,running", None),
    ("failed", Some("FAILED")),
    ("canceled", Some("CANCELED")),
];

/// The HyperQueue whose `hq` is in the path, of the server that this finds (`HQ_SERVER_DIR`).
#[derive(Clone, Debug)]
pub struct HyperQueue {
    settings: Settings,
    runner: Runner,
    root: PathBuf,
}

impl HyperQueue {
    /// Jobs of these settings, of the study in `root`.
    pub fn new(settings: Settings, runner: Runner, root: &Path) -> Self {
        let root = root.to_owned();
        Self {
            settings,
            runner,
            root,
        }
    }

    /// The number of a batch's job; none if it was never queued.
    fn job(&self, name: &str) -> Option<String> {
        let job = fs::read_to_string(batch::folder(&self.root, name).join(JOB)).ok()?;
        Some(job.trim().to_owned()).filter(|job| !job.is_empty())
    }

    /// How many GPUs a task needs; none where it needs none, or the options say it.
    fn gpus(&self, batch: &Batch) -> Option<usize> {
        let mut options = self.settings.options.iter();
        let is_said = options.any(|option| option.contains("gpus/"));
        self.runner.gpus(batch).filter(|_| !is_said)
    }

    fn submission(&self, batch: &Batch, folder: &Path) -> Command {
        let last = batch.elements.len().saturating_sub(1);
        let log = folder.join("%{TASK_ID}.log");
        let mut hq = hq("quiet");
        hq.arg("submit").arg(format!("--name={}", batch.name));
        hq.arg(format!("--array=0-{last}")).arg("--stdout=none");
        hq.arg(format!("--stderr={}", log.display()));
        let time = self.settings.time.as_ref();
        hq.args(time.map(|time| format!("--time-limit={time}")));
        hq.args(self.gpus(batch).map(|gpus| format!("{GPUS}={gpus}")));
        hq.args(&self.settings.options);
        hq.args(["--", "bash"]).arg(folder.join("script"));
        hq
    }
}

impl Queue for HyperQueue {
    fn name(&self) -> &'static str {
        "HyperQueue"
    }

    fn submit(&self, batch: &Batch, folder: &Path) -> Result<(), Trouble> {
        let refused =
            |error: std::io::Error| Trouble::Refused(format!("{}: {error}", folder.display()));
        let script = self.runner.body(&self.settings.setup, folder, "HQ_TASK_ID");
        fs::write(folder.join("script"), script).map_err(refused)?;
        let job = output(&mut self.submission(batch, folder), is_away)?;
        fs::write(folder.join(JOB), job).map_err(refused)
    }

    fn states(&self, names: &[String]) -> Result<States, Trouble> {
        let mut states = BTreeMap::new();
        for name in names {
            let Some(job) = self.job(name) else {
                continue;
            };
            for (filter, ended) in STATES {
                let mut list = hq("json");
                list.args(["job", "task-ids", &job, &format!("--filter={filter}")]);
                for task in tasks(&output(&mut list, is_away)?) {
                    let stage = ended.map_or(Stage::Alive, |how| Stage::Ended {
                        how: how.to_owned(),
                        is_own_fault: true,
                    });
                    let job = format!("{job}@{task}");
                    states.insert((name.clone(), task), State { job, stage });
                }
            }
        }
        Ok(states)
    }

    fn cancel(&self, names: &[String]) -> Result<(), Trouble> {
        for job in names.iter().filter_map(|name| self.job(name)) {
            output(hq("quiet").args(["job", "cancel", &job]), is_away)?;
        }
        Ok(())
    }

    fn how_to_cancel(&self, names: &[String]) -> String {
        let jobs: Vec<String> = names.iter().filter_map(|name| self.job(name)).collect();
        format!("hq job cancel {}", jobs.join(","))
    }
}

fn hq(mode: &str) -> Command {
    let mut hq = Command::new("hq");
    hq.arg(format!("--output-mode={mode}"));
    hq
}

fn is_away(words: &str) -> bool {
    AWAY.iter().any(|away| words.contains(away))
}

/// The numbers in `{ "JOB": [TASK, ...] }`.
fn tasks(listed: &str) -> Vec<usize> {
    let listed: Value = serde_json::from_str(listed).unwrap_or_default();
    let jobs = listed
        .as_object()
        .into_iter()
        .flat_map(|jobs| jobs.values());
    let tasks = jobs.filter_map(Value::as_array).flatten();
    tasks
        .filter_map(|task| usize::try_from(task.as_u64()?).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::batch::Share;

    #[test]
    fn a_batch_is_submitted_as_an_array() {
        let settings = Settings {
            time: Some("1h".to_owned()),
            options: vec!["--pin=taskset".to_owned()],
            ..Settings::default()
        };
        let runner = Runner {
            program: "/opt/mutransfer".into(),
            place: "/home".into(),
            jobs: 3,
        };
        let hyperqueue = HyperQueue::new(settings, runner, Path::new("/out"));
        let batch = Batch {
            name: "mutransfer-1".into(),
            build: "build".into(),
            elements: vec![vec!["a".into()]; 3],
            share: Share {
                gpus: 2,
                ..Share::default()
            },
        };
        let command = hyperqueue.submission(&batch, Path::new("/out/1"));
        let typed: Vec<_> = command
            .get_args()
            .map(|word| word.to_string_lossy())
            .collect();
        let expected = "--output-mode=quiet submit --name=mutransfer-1 --array=0-2 --stdout=none \
                        --stderr=/out/1/%{TASK_ID}.log --time-limit=1h --resource=gpus/nvidia=6 \
                        --pin=taskset -- bash /out/1/script";
        assert_eq!(typed.join(" "), expected);
    }

    #[test]
    fn numbers_of_tasks_are_found_in_what_is_listed() {
        assert_eq!(tasks(r#"{"1": [0, 2, 5]}"#), [0, 2, 5]);
        for nothing in ["", "{}", r#"{"1": []}"#, r#"{"error": "no such job"}"#] {
            assert_eq!(tasks(nothing), [0; 0], "{nothing}");
        }
    }
}
