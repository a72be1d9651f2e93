//! Runs a program to its end, and hears what it tells.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::Builder;
use std::time::{Duration, Instant};

use super::error::CommandError;
use super::ledger::Ledger;
use super::metric::Metric;
use super::program::Program;
use super::run::{METRICS, Run};
use super::subject::Guard;
use super::tail::Tail;
use super::told::{Told, told};
use super::tree;
use crate::allowance::Allowance;
use crate::subject::Listener;

/// How often files and limits are looked at.
const TICK: Duration = Duration::from_millis(50);
/// How often memory is looked at, which takes some milliseconds.
const LOOK: Duration = Duration::from_millis(500);
/// How long a guard may take to end what is below it.
const GRACE: Duration = Duration::from_secs(2);

/// A program to run.
pub(super) struct Launch<'a> {
    pub(super) program: &'a Program,
    pub(super) run: &'a Run<'a>,
    /// The folder of the run's files.
    pub(super) folder: &'a Path,
    pub(super) guard: Guard,
    pub(super) allowance: &'a Allowance,
    /// Set to end it.
    pub(super) stop: &'a AtomicBool,
    /// Whether all that this process starts is of this program.
    pub(super) is_alone: bool,
}

/// A line of the program, of its standard output or else of its standard error.
enum Heard {
    Out(String),
    Error(String),
}

/// A program that runs.
struct Running<'a> {
    launch: &'a Launch<'a>,
    listener: &'a mut dyn Listener,
    name: String,
    guard: Child,
    pipe: Option<ChildStdin>,
    heard: Receiver<Heard>,
    tail: Tail,
    begun: Instant,
    looked: Instant,
    ledger: Ledger,
    said: String,
}

/// Runs a program to its end, or until its loss is no number. `listener` hears its steps; what it
/// says beside is written to `log`.
///
/// # Errors
/// When it cannot be started, fails, tells no loss, or takes more than it may.
pub(super) fn follow(
    launch: &Launch,
    listener: &mut dyn Listener,
    log: &mut dyn Write,
) -> Result<Ledger, CommandError> {
    let mut running = launch.start(listener)?;
    let followed = running.follow(log);
    running.end(log);
    followed?;
    let ended = running.guard.wait();
    let name = running.name.clone();
    running.drain();
    for (step, loss) in launch.table()? {
        running.take(Told::Step(step, loss));
    }
    let mut ledger = running.ledger;
    if launch.program.metric.is_some() && ledger.last.is_none() {
        ledger.last = ledger.steps.last().map(|(_, loss)| *loss);
    }
    if ledger.has_diverged() {
        return Ok(ledger);
    }
    let status = ended.map_err(|source| CommandError::Start {
        command: name.clone(),
        source,
    })?;
    if !status.success() {
        return Err(CommandError::ended(
            &name,
            &status.to_string(),
            &running.said,
        ));
    }
    Ok(ledger)
}

impl Launch<'_> {
    fn start<'a>(&'a self, listener: &'a mut dyn Listener) -> Result<Running<'a>, CommandError> {
        let place = self.program.place()?;
        self.run.write(self.folder)?;
        let (command, values) = self.program.fill(self.run, self.folder)?;
        let name = command.join(" ");
        let mut guard: Command = (self.guard)();
        guard
            .args(&command)
            .envs(values.environment())
            .current_dir(&place.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        own_group(&mut guard);
        let failed = |source| CommandError::Start {
            command: name.clone(),
            source,
        };
        let mut guard = guard.spawn().map_err(failed)?;
        let (sender, heard) = channel();
        // Where a thread is missing, the guard ends with its standard input.
        listen(guard.stdout.take(), sender.clone(), Heard::Out)
            .and_then(|()| listen(guard.stderr.take(), sender, Heard::Error))
            .map_err(failed)?;
        Ok(Running {
            launch: self,
            listener,
            name,
            pipe: guard.stdin.take(),
            guard,
            heard,
            tail: Tail::new(self.folder.join(METRICS)),
            begun: Instant::now(),
            looked: Instant::now(),
            ledger: Ledger::default(),
            said: String::new(),
        })
    }

    /// Losses in a CSV file, once it is complete.
    fn table(&self) -> Result<Vec<(Option<usize>, f64)>, CommandError> {
        match &self.program.metric {
            Some(Metric::Csv(csv)) if self.run.coordinates.is_none() => {
                let (_, values) = self.program.fill(self.run, self.folder)?;
                csv.read(&self.program.path(&values.fill(&csv.csv)?)?)
            }
            _ => Ok(Vec::new()),
        }
    }
}

/// A signal to the worker's group, such as Ctrl-C, is for the worker alone.
#[cfg(unix)]
fn own_group(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
}

#[cfg(not(unix))]
fn own_group(_: &mut Command) {}

/// Sends every line until there are no more.
fn listen(
    stream: Option<impl Read + Send + 'static>,
    sender: Sender<Heard>,
    heard: fn(String) -> Heard,
) -> io::Result<()> {
    let Some(stream) = stream else {
        return Ok(());
    };
    Builder::new().spawn(move || {
        let mut lines = BufReader::new(stream);
        let mut line = Vec::new();
        while matches!(lines.read_until(b'\n', &mut line), Ok(count) if count > 0) {
            let text = String::from_utf8_lossy(&line);
            if sender.send(heard(text.trim_end().to_owned())).is_err() {
                return;
            }
            line.clear();
        }
    })?;
    Ok(())
}

impl Running<'_> {
    /// Until it has ended by itself, has diverged, or has taken more than it may.
    fn follow(&mut self, log: &mut dyn Write) -> Result<(), CommandError> {
        loop {
            match self.heard.recv_timeout(TICK) {
                Ok(heard) => self.hear(heard, log),
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {
                    // A guard that was killed leaves the program behind.
                    if matches!(self.guard.try_wait(), Ok(Some(_))) {
                        return Ok(());
                    }
                    self.drain();
                }
            }
            if self.ledger.has_diverged() {
                return Ok(());
            }
            self.check()?;
        }
    }

    fn hear(&mut self, heard: Heard, log: &mut dyn Write) {
        let (line, told) = match heard {
            Heard::Out(line) => {
                let told = self.told(&line);
                (line, told)
            }
            Heard::Error(line) => (line, None),
        };
        match told {
            Some(told) => self.take(told),
            None => {
                // A log that cannot be written is no reason to lose a training.
                let _ = writeln!(log, "{line}");
                if !line.is_empty() {
                    self.said = line;
                }
            }
        }
    }

    fn told(&self, line: &str) -> Option<Told> {
        match &self.launch.program.metric {
            Some(Metric::Found(expression)) if self.launch.run.coordinates.is_none() => {
                let (step, loss) = expression.find(line)?;
                Some(Told::Step(step, loss))
            }
            _ => told(line),
        }
    }

    /// What it has written into the file that it was told.
    fn drain(&mut self) {
        for line in self.tail.lines() {
            if let Some(told) = told(&line) {
                self.take(told);
            }
        }
    }

    fn take(&mut self, told: Told) {
        let is_step = matches!(told, Told::Step(..));
        self.ledger.add(told);
        if is_step && let Some((step, loss)) = self.ledger.steps.last() {
            self.listener.step(*step, *loss);
        }
    }

    fn check(&mut self) -> Result<(), CommandError> {
        if self.launch.stop.load(Ordering::Relaxed) {
            return Err(CommandError::Stopped);
        }
        let allowance = self.launch.allowance;
        let command = || self.name.clone();
        if let Some(limit) = allowance.time
            && self.begun.elapsed() > limit
        {
            let command = command();
            return Err(CommandError::TimeLimit { command, limit });
        }
        if let Some(limit) = allowance.memory
            && self.looked.elapsed() > LOOK
        {
            self.looked = Instant::now();
            let taken = tree::memory(self.guard.id());
            if taken > limit {
                return Err(CommandError::MemoryLimit {
                    command: command(),
                    taken: taken >> 20,
                    limit: limit >> 20,
                });
            }
        }
        Ok(())
    }

    /// Ends it with all that it has started, if it has not ended by itself, and hears the rest.
    fn end(&mut self, log: &mut dyn Write) {
        self.pipe = None;
        let begun = Instant::now();
        while matches!(self.guard.try_wait(), Ok(None)) {
            if begun.elapsed() > GRACE {
                // It may have been stopped by a signal.
                let _ = self.guard.kill();
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        if self.launch.is_alone {
            tree::end_all();
        }
        while let Ok(heard) = self.heard.recv_timeout(GRACE) {
            self.hear(heard, log);
        }
    }
}
