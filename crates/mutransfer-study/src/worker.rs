//! A worker: trains one trial and writes how it ended.

use std::io::{self, BufWriter, Seek, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

use crate::checkpoint;
use crate::error::{RunError, StoreError, Verb};
use crate::store::{
    Assignment, begin_file, curve_path, end_file, read_assignment, sweep, write_record,
};
use crate::subject::{Listener, Open, Site, Subject};
use crate::trial::{Outcome, Trial};

/// How often the state of a training is kept, where nobody says otherwise.
pub const USUAL_PACE: Duration = Duration::from_mins(1);

/// How long steps may stay in memory.
const A_MOMENT: Duration = Duration::from_secs(1);

/// Trains the trial at a site.
///
/// # Errors
/// When the trial was made by another build or for other data, its subject cannot be opened, the
/// folder not be read and written, or it was stopped before its end.
pub fn work(site: &Site, open: Open) -> Result<(), RunError> {
    let (folder, build) = (site.folder, site.build);
    let assignment = read_assignment(folder)?;
    if assignment.build != build {
        return Err(RunError::OtherBuild);
    }
    let Assignment { trial, .. } = assignment;
    let path = trial.data.path.as_ref();
    let subject = open(&trial.subject, path.map(Path::new)).map_err(RunError::Subject)?;
    if !subject.data().is_same(&trial.data) {
        let path = path.cloned().unwrap_or_default();
        return Err(RunError::DataChanged { path });
    }
    let (begun, before) = (Instant::now(), checkpoint::seconds(&trial, site));
    let outcome = run(&trial, subject.as_ref(), site)?;
    if outcome == Outcome::Stopped {
        return Err(RunError::Stopped);
    }
    let seconds = before + begun.elapsed().as_secs_f64();
    Ok(write_record(folder, &trial.id(), outcome, seconds, build)?)
}

/// Lets the system kill this process once the one that started it is gone, which works on it too
/// while it is stopped.
pub fn die_with_parent() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Signal, set_parent_process_death_signal};
        // Without it the end of standard input is all that tells.
        let _ = set_parent_process_death_signal(Some(Signal::KILL));
    }
}

fn run(trial: &Trial, subject: &dyn Subject, site: &Site) -> Result<Outcome, RunError> {
    let folder = site.folder;
    // A worker on a machine that was taken for lost may still be at this trial: what it has begun
    // goes, so that it cannot end.
    sweep(folder)?;
    let path = curve_path(folder);
    let file = begin_file(folder).map_err(StoreError::of(Verb::Create, &path))?;
    let mut curve = Curve {
        lines: BufWriter::new(file),
        written: Ok(()),
        shown: Instant::now(),
    };
    let outcome = subject.train(trial, site, &mut curve)?;
    let written = curve.end(&path);
    written.map_err(StoreError::of(Verb::Write, &path))?;
    Ok(outcome)
}

/// The curve of a trial under way, in a file that has no name yet.
struct Curve {
    lines: BufWriter<NamedTempFile>,
    written: io::Result<()>,
    shown: Instant,
}

impl Curve {
    fn try_step(&mut self, step: usize, loss: f64) -> io::Result<()> {
        write_step(&mut self.lines, step, loss)?;
        // Whoever watches sees that it moves.
        if self.shown.elapsed() > A_MOMENT {
            self.lines.flush()?;
            self.shown = Instant::now();
        }
        Ok(())
    }

    fn try_anew(&mut self) -> io::Result<()> {
        self.lines.rewind()?;
        self.lines.get_ref().as_file().set_len(0)
    }

    fn end(self, path: &Path) -> io::Result<()> {
        self.written?;
        let file = self.lines.into_inner();
        end_file(file.map_err(io::IntoInnerError::into_error)?, path)
    }
}

/// What cannot be written is told at the end.
impl Listener for Curve {
    fn step(&mut self, step: usize, loss: f64) {
        if self.written.is_ok() {
            self.written = self.try_step(step, loss);
        }
    }

    fn anew(&mut self) {
        if self.written.is_ok() {
            self.written = self.try_anew();
        }
    }
}

/// A loss that is no number is written as `null`.
fn write_step(metrics: &mut impl Write, step: usize, loss: f64) -> io::Result<()> {
    let line = serde_json::json!({ "step": step, "loss": loss });
    writeln!(metrics, "{line}")
}
