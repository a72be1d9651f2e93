//! The state of a training that is under way, so that a killed trial goes on where it was.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Instant;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

use crate::error::StoreError;
use crate::store::write_atomic;
use crate::subject::{Listener, Session, Site, State};
use crate::train::{Progress, train};
use crate::trial::{Outcome, Trial};

/// In the folder of a trial.
const FILE: &str = "checkpoint.safetensors";
/// What is kept beside the state: the name of the trial, the seconds that it took so far, and the
/// loss of every step behind that of the untrained model.
const TRIAL: &str = "trial";
const SECONDS: &str = "seconds";
const LOSSES: &str = "losses";
/// What stands before the names of a state, so that none is one of these.
const STATE: &str = "state/";

/// Trains a trial as [`train`] does, from its checkpoint where there is one that can be believed,
/// and keeps one now and then and when it is to stop. The bits are those of a training that was
/// never stopped. `listener` hears each step and its loss, those before the checkpoint too.
///
/// # Errors
/// When a checkpoint cannot be written.
pub fn resume(
    trial: &Trial,
    session: &mut dyn Session,
    site: &Site,
    listener: &mut dyn Listener,
) -> Result<Outcome, StoreError> {
    let (id, path) = (name(trial, site), site.folder.join(FILE));
    let (start, before) = (Instant::now(), seconds(trial, site));
    let begun = match read(&path, &id).and_then(|kept| restore(session, kept)) {
        Some(progress) => progress,
        None => Progress::begin(session),
    };
    for (step, loss) in begun.losses.iter().enumerate() {
        listener.step(step, *loss);
    }
    let (mut kept, mut failed) = (Instant::now(), None);
    let outcome = train(&trial.budget, session, begun, |progress, session| {
        let step = progress.losses.len() - 1;
        listener.step(step, progress.losses[step]);
        let stops = site.stop.load(Ordering::Relaxed);
        if stops || kept.elapsed() >= site.every {
            let seconds = before + start.elapsed().as_secs_f64();
            let written = write(&path, &id, seconds, progress, session);
            failed = failed.take().or(written.err());
            kept = Instant::now();
        }
        if stops || failed.is_some() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    failed.map_or(Ok(outcome), Err)
}

/// How many seconds a trial took before its checkpoint; 0 if it has none that can be believed.
pub fn seconds(trial: &Trial, site: &Site) -> f64 {
    let kept = read(&site.folder.join(FILE), &name(trial, site));
    kept.map_or(0.0, |kept| kept.seconds)
}

/// What a checkpoint is of. Another build may go on with other bits.
fn name(trial: &Trial, site: &Site) -> String {
    format!("{} of {}", trial.id(), site.build)
}

/// A checkpoint that was read.
struct Kept {
    progress: Progress,
    seconds: f64,
    state: State,
}

/// Puts a session into a state that was kept; none if the state is that of another model.
fn restore(session: &mut dyn Session, kept: Kept) -> Option<Progress> {
    let Kept {
        progress, state, ..
    } = kept;
    let steps = progress.losses.len();
    session.restore(steps, state).ok().map(|()| progress)
}

fn write(
    path: &Path,
    id: &str,
    seconds: f64,
    progress: &Progress,
    session: &dyn Session,
) -> Result<(), StoreError> {
    let Some(state) = session.state() else {
        return Ok(());
    };
    let all: Vec<f64> = [progress.start]
        .into_iter()
        .chain(progress.losses.iter().copied())
        .collect();
    let seconds = seconds.to_le_bytes();
    let losses: Vec<u8> = all.iter().flat_map(|loss| loss.to_le_bytes()).collect();
    let state: BTreeMap<String, (usize, Vec<u8>)> = state
        .into_iter()
        .map(|(name, values)| {
            let bytes = values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect();
            (format!("{STATE}{name}"), (values.len(), bytes))
        })
        .collect();
    let view = |dtype, length, bytes| {
        TensorView::new(dtype, vec![length], bytes).expect("the bytes are those of the length")
    };
    let mut tensors = vec![
        (TRIAL, view(Dtype::U8, id.len(), id.as_bytes())),
        (SECONDS, view(Dtype::F64, 1, &seconds)),
        (LOSSES, view(Dtype::F64, all.len(), &losses[..])),
    ];
    for (name, (length, bytes)) in &state {
        tensors.push((name, view(Dtype::F32, *length, &bytes[..])));
    }
    let file = serialize(tensors, None).expect("memory takes any tensors");
    write_atomic(path, &file)
}

/// The checkpoint of the trial of this name; none if there is none, or one that cannot be believed.
fn read(path: &PathBuf, id: &str) -> Option<Kept> {
    let file = fs::read(path).ok()?;
    let tensors = SafeTensors::deserialize(&file).ok()?;
    if tensors.tensor(TRIAL).ok()?.data() != id.as_bytes() {
        return None;
    }
    let numbers = |name: &str| {
        let numbers = tensors.tensor(name).ok()?.data().chunks_exact(8);
        Some(numbers.map(|bytes| f64::from_le_bytes(bytes.try_into().expect("eight bytes"))))
    };
    let seconds = numbers(SECONDS)?.next()?;
    let mut losses = numbers(LOSSES)?;
    let start = losses.next()?;
    let losses = losses.collect();
    let state = tensors.iter().filter_map(|(name, tensor)| {
        let values = tensor.data().chunks_exact(4);
        let values = values.map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four bytes")));
        Some((name.strip_prefix(STATE)?.to_owned(), values.collect()))
    });
    Some(Kept {
        progress: Progress { start, losses },
        seconds,
        state: state.collect(),
    })
}
