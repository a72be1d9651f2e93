//! Runs trials as processes of this machine.
//!
//! One trial per process and thread beats every other arrangement on a CPU, and a crash takes one
//! trial with it. Each worker holds the other end of a pipe: when this process ends, however it
//! ends, so do its workers. A byte in it asks them to keep where they are, and end.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use super::devices::Devices;
use super::watch::Watch;
use super::words::error_in;
use super::{End, Executor, News};
use crate::store::{read_assignment, remove_if_there};

/// How long a worker may take to keep where it is. Whoever stops a study waits for that.
const GRACE: Duration = Duration::from_millis(600);

/// Processes of this machine.
pub struct Local {
    jobs: usize,
    /// Makes the command that runs the trial in a folder.
    command: Box<dyn Fn(&Path) -> Command>,
    /// The pipes that keep the workers alive, by the numbers of their trials.
    pipes: BTreeMap<usize, Option<ChildStdin>>,
    /// When the workers were asked to end.
    asked: Option<Instant>,
    ended: (Sender<Waited>, Receiver<Waited>),
    processes: BTreeMap<usize, u32>,
    watch: Watch,
    /// After how long workers were ended.
    overdue: BTreeMap<usize, Duration>,
    devices: Devices,
}

/// A worker that was waited for.
struct Waited {
    number: usize,
    log: PathBuf,
    status: io::Result<ExitStatus>,
}

impl Local {
    /// Up to `jobs` processes at a time, each started by the command for its folder.
    pub fn new(jobs: usize, command: impl Fn(&Path) -> Command + 'static) -> Self {
        Self {
            jobs,
            command: Box::new(command),
            pipes: BTreeMap::new(),
            asked: None,
            ended: channel(),
            processes: BTreeMap::new(),
            watch: Watch::default(),
            overdue: BTreeMap::new(),
            devices: Devices::default(),
        }
    }

    /// The same with so many of these GPUs for each worker alone.
    pub fn with_gpus(mut self, each: usize, all: Vec<String>) -> Self {
        self.devices = Devices::new(each, all);
        self
    }

    /// Kills workers that take too long, to train or to end, which works on those too that were
    /// stopped.
    fn end_overdue(&mut self) {
        if self.asked.is_some_and(|asked| asked.elapsed() > 2 * GRACE) {
            self.processes.values().for_each(|process| kill(*process));
        }
        for (number, limit) in self.watch.overdue(Instant::now()) {
            if let Some(process) = self.processes.get(&number)
                && self.overdue.insert(number, limit).is_none()
            {
                kill(*process);
            }
        }
    }
}

impl Executor for Local {
    fn has_room(&self) -> bool {
        self.pipes.len() < self.jobs && self.devices.are_enough()
    }

    /// Its workers end with it.
    fn adopt(&mut self, _: usize, _: &Path) -> bool {
        false
    }

    fn submit(&mut self, number: usize, folder: &Path) -> io::Result<()> {
        let log = folder.join("log");
        // What is there may be a link to somebody's file.
        remove_if_there(&log).map_err(io::Error::other)?;
        let mut worker = (self.command)(folder);
        worker
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?);
        self.devices.give(number, &mut worker);
        let mut child = worker.spawn()?;
        // Without one the worker says so itself.
        if let Ok(assignment) = read_assignment(folder) {
            self.watch.begin(number, &assignment.trial, Instant::now());
        }
        self.processes.insert(number, child.id());
        self.pipes.insert(number, child.stdin.take());
        let sender = self.ended.0.clone();
        std::thread::Builder::new().spawn(move || wait(number, child, log, &sender))?;
        Ok(())
    }

    fn next(&mut self, patience: Duration) -> io::Result<Option<News>> {
        self.end_overdue();
        if let Some(text) = self.watch.slow(Instant::now()) {
            return Ok(Some(News::Notice(text)));
        }
        let waited = match self.ended.1.recv_timeout(patience) {
            Ok(waited) => waited,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Ok(None),
        };
        let number = waited.number;
        self.pipes.remove(&number);
        self.processes.remove(&number);
        self.devices.take_back(number);
        self.watch.end(number, Instant::now());
        let last_words = match self.overdue.remove(&number) {
            Some(limit) => format!("it was ended after its time limit, {limit:.1?}"),
            None => last_words(waited.status?, &waited.log),
        };
        Ok(Some(News::Ended(End { number, last_words })))
    }

    fn cancel(&mut self) {
        let asked = *self.asked.get_or_insert_with(|| {
            for pipe in self.pipes.values_mut().flatten() {
                // One that has ended meanwhile reads nothing.
                let _ = pipe.write_all(b"\n");
            }
            Instant::now()
        });
        if asked.elapsed() > GRACE {
            self.pipes.values_mut().for_each(|pipe| *pipe = None);
        }
    }
}

#[cfg(target_os = "linux")]
fn kill(process: u32) {
    use rustix::process::{Pid, Signal, kill_process};
    if let Some(process) = Pid::from_raw(process as i32) {
        // It may have ended by itself meanwhile.
        let _ = kill_process(process, Signal::KILL);
    }
}

/// Elsewhere a worker that is overdue is only named.
#[cfg(not(target_os = "linux"))]
fn kill(_: u32) {}

fn wait(number: usize, mut child: Child, log: PathBuf, ended: &Sender<Waited>) {
    let status = child.wait();
    // Nobody listens any more if the study has ended by an error.
    let _ = ended.send(Waited {
        number,
        log,
        status,
    });
}

/// How a worker ended, and the first error that it told.
fn last_words(status: ExitStatus, log: &Path) -> String {
    format!(
        "its worker ended with {status}{} (log: {})",
        error_in(log),
        log.display()
    )
}
