//! How large a study may be. What is beyond is a slip of the pen, and would end in the middle of
//! the training for want of memory.

use crate::subject::{Experts, ModelSizes};
use crate::trial::Budget;

/// The widest model, whose hidden matrices have 16 GiB.
const WIDTH: usize = 1 << 16;
/// The most blocks.
const DEPTH: usize = 1 << 12;
/// The most experts.
const EXPERTS: usize = 1 << 12;
/// The longest sequence.
const CONTEXT: usize = 1 << 20;
/// The largest batch.
const BATCH: usize = 1 << 20;
/// The longest training.
const STEPS: usize = 100_000_000;
/// The most repetitions.
const SEEDS: u64 = 10_000;
/// The most trials of a study.
const TRIALS: u64 = 1_000_000;

/// Bytes that training takes for every number of a model at least: the number itself, its gradient
/// and two moments, in `f32`.
pub(crate) const TRAINED: u64 = 16;

/// Bytes of memory that this machine has; none where that is not known.
pub fn memory() -> Option<u64> {
    let about = std::fs::read_to_string("/proc/meminfo").ok()?;
    let total = about
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = total.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

/// A size that is zero, or beyond all that makes sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{what}` {problem}")]
pub struct BadSize {
    /// Which one.
    pub what: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

/// Checks that every size is at least 1 and within reason.
///
/// # Errors
/// When one is not.
pub fn check_sizes(sizes: &ModelSizes) -> Result<(), BadSize> {
    check("base_width", sizes.base_width, WIDTH)?;
    check("width", sizes.width, WIDTH)?;
    check("depth", sizes.depth, DEPTH)?;
    check("base_depth", sizes.base_depth(), DEPTH)?;
    check("context", sizes.context, CONTEXT)?;
    check_experts("experts", sizes.experts)?;
    check_experts("base_experts", sizes.base_experts)
}

fn check_experts(what: &'static str, experts: Option<Experts>) -> Result<(), BadSize> {
    let Some(experts) = experts else {
        return Ok(());
    };
    let Experts { count, active, .. } = experts;
    check(what, count, EXPERTS)?;
    if active == 0 {
        let problem = "has no active ones; a token must go to one at least".to_owned();
        return Err(BadSize { what, problem });
    }
    for size in [active, experts.width.unwrap_or(1), experts.shared.max(1)] {
        check(what, size, WIDTH)?;
    }
    if active > count {
        let problem = format!("has {active} active ones of {count}");
        return Err(BadSize { what, problem });
    }
    Ok(())
}

/// Checks that steps and batch are at least 1 and within reason.
///
/// # Errors
/// When one is not.
pub fn check_budget(budget: &Budget) -> Result<(), BadSize> {
    check("steps", budget.steps, STEPS)?;
    check("batch", budget.batch, BATCH)
}

/// Checks that the widths, where `what` names them, are at least 1 and within reason.
///
/// # Errors
/// When one is not.
pub fn check_width(what: &'static str, width: usize) -> Result<(), BadSize> {
    check(what, width, WIDTH)
}

/// Checks that the depths, where `what` names them, are at least 1 and within reason.
///
/// # Errors
/// When one is not.
pub fn check_depth(what: &'static str, depth: usize) -> Result<(), BadSize> {
    check(what, depth, DEPTH)
}

/// Checks that the batch, where `what` names it, is at least 1 and within reason.
pub(crate) fn check_batch(what: &'static str, batch: usize) -> Result<(), BadSize> {
    check(what, batch, BATCH)
}

/// Checks that the number of repetitions, where `what` names it, is at least 1 and within reason.
///
/// # Errors
/// When it is not.
pub fn check_seeds(what: &'static str, seeds: u64) -> Result<(), BadSize> {
    check(
        what,
        usize::try_from(seeds).unwrap_or(usize::MAX),
        SEEDS as usize,
    )
}

/// Checks that a study of `settings` settings at `seeds` seeds each is within reason.
pub(crate) fn check_trials(settings: usize, seeds: u64) -> Result<(), BadSize> {
    let trials = seeds.saturating_mul(settings as u64);
    if trials <= TRIALS {
        return Ok(());
    }
    let problem = format!("makes {trials} trials; the most there can be are {TRIALS}");
    let what = "seeds";
    Err(BadSize { what, problem })
}

fn check(what: &'static str, size: usize, most: usize) -> Result<(), BadSize> {
    let problem = match size {
        0 => "is zero; it must be at least 1".to_owned(),
        _ if size > most => format!("is {size}; it must be at most {most}"),
        _ => return Ok(()),
    };
    Err(BadSize { what, problem })
}
