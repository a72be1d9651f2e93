//! Event files, as TensorBoard and what reads its files open them.
//!
//! A file is a sequence of records: length, masked CRC-32C of the length, data, masked CRC-32C of
//! the data (`tensorflow/core/lib/io/record_writer.h`); data is an `Event` of
//! `tensorflow/core/util/event.proto`, of which few fields are needed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::axis::Axis;
use crate::curves::{Metric, metrics};
use crate::error::{StoreError, Verb};
use crate::store::{Part, Recorded, rungs, visit};
use crate::trial::{Loss, Trial};
use mutransfer_analysis::End;

/// What every file begins with, in field 3 of an event.
const VERSION: &str = "brain.Event:2";

/// Writes a folder `RULE/SIZE/LR-SEED-NAME` with an event file for every trial that ended, into
/// `folder`, and gives how many. `loss/train` is at every step, `loss/validation` at the last. The
/// times of steps are equally far apart and add up to what the trial took, from 1970 on.
///
/// # Errors
/// When there is no study, it cannot be read or is damaged, or a file cannot be written.
pub fn tensorboard(root: &Path, folder: &Path) -> Result<usize, StoreError> {
    let axis = Axis::of(&rungs(root)?);
    let mut count = 0;
    visit(root, Part::Curve, |recorded| {
        if let Some(events) = events(root, &recorded)? {
            let folder = folder.join(run(&recorded, axis));
            fs::create_dir_all(&folder).map_err(StoreError::of(Verb::Create, &folder))?;
            let path = folder.join("events.out.tfevents.0.mutransfer");
            fs::write(&path, events).map_err(StoreError::of(Verb::Write, &path))?;
            count += 1;
        }
        Ok::<(), StoreError>(())
    })?;
    Ok(count)
}

/// Name of a run, by which TensorBoard lists it.
fn run(recorded: &Recorded, axis: Axis) -> PathBuf {
    let Trial {
        rule, hyper, seed, ..
    } = &recorded.trial;
    let rule = rule.name().replace(['/', ':'], "-");
    let lr = hyper.learning_rate;
    let name = &recorded.id[..6.min(recorded.id.len())];
    [
        rule,
        axis.at(&recorded.trial.rung()).to_string(),
        format!("lr{lr:.3e}-seed{seed}-{name}"),
    ]
    .iter()
    .collect()
}

/// The file of a trial; none if it has not ended.
fn events(root: &Path, recorded: &Recorded) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(record) = &recorded.record else {
        return Ok(None);
    };
    let steps = metrics(root, &recorded.curve)?;
    let pace = record.seconds.unwrap_or(0.0) / steps.len().max(1) as f64;
    let mut file = Vec::new();
    append(&mut file, &event(0.0, None, (3, VERSION.as_bytes())));
    let mut add = |step: usize, tag: &str, value: f64| {
        let time = pace * (step + 1) as f64;
        append(
            &mut file,
            &event(time, Some(step as u64), (5, &summary(tag, value))),
        );
    };
    for Metric { step, loss } in &steps {
        add(*step, "loss/train", loss.unwrap_or(f64::NAN));
    }
    if let (End::Loss(loss), Some(last)) = (record.outcome.end(Loss::Validation), steps.last()) {
        add(last.step, "loss/validation", loss);
    }
    Ok(Some(file))
}

/// A record, with its length and its checks.
fn append(file: &mut Vec<u8>, data: &[u8]) {
    let length = (data.len() as u64).to_le_bytes();
    for part in [&length[..], data] {
        file.extend_from_slice(part);
        file.extend_from_slice(&masked(part).to_le_bytes());
    }
}

/// As `tensorflow/core/lib/hash/crc32c.h` masks a check, so that it is not that of itself.
fn masked(data: &[u8]) -> u32 {
    crc32c::crc32c(data)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}

/// `Event { wall_time: 1, step: 2, what }`.
fn event(time: f64, step: Option<u64>, what: (u8, &[u8])) -> Vec<u8> {
    let mut message = double(1, time);
    if let Some(step) = step {
        message.push(2 << 3);
        message.extend(varint(step));
    }
    message.extend(bytes(what.0, what.1));
    message
}

/// `Summary { value: 1 }` of `Value { tag: 1, simple_value: 2 }`.
fn summary(tag: &str, value: f64) -> Vec<u8> {
    let mut message = bytes(1, tag.as_bytes());
    message.push(2 << 3 | 5);
    message.extend((value as f32).to_le_bytes());
    bytes(1, &message)
}

fn double(field: u8, value: f64) -> Vec<u8> {
    let mut message = vec![field << 3 | 1];
    message.extend(value.to_le_bytes());
    message
}

fn bytes(field: u8, value: &[u8]) -> Vec<u8> {
    let mut message = vec![field << 3 | 2];
    message.extend(varint(value.len() as u64));
    message.extend(value);
    message
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From RFC 3720, appendix B.4, masked as in `crc32c.h`, and from the guide to protocol
    /// buffers.
    #[test]
    fn checks_and_numbers_are_those_of_their_formats() {
        let zeros = 0x8a91_36aa_u32;
        assert_eq!(
            masked(&[0; 32]),
            zeros.rotate_right(15).wrapping_add(0xa282_ead8)
        );
        assert_eq!(varint(150), [0x96, 0x01]);
        assert_eq!(bytes(2, b"testing"), b"\x12\x07testing");
    }
}
