//! What copying the proxy's learning rate to the target width costs.

use serde::{Deserialize, Serialize};

use super::regret::{Excess, excess};
use super::run::is_same;
use super::{Flag, Optimum, Point, optimum};

/// The zero-shot transfer of one rule to the target width.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Width of the target.
    pub width: usize,
    /// Log2 of the transferred learning rate; absent when no proxy has an optimum.
    pub log2_lr: Option<f64>,
    /// The same as a plain number.
    pub lr: Option<f64>,
    /// Mean loss of the direct runs at that learning rate, in nats; absent when there are none or
    /// one diverged.
    pub loss: Option<f64>,
    /// Log2 of the best learning rate of the verification sweep at the target; absent without such
    /// a sweep.
    pub best_log2_lr: Option<f64>,
    /// Loss there in nats.
    pub best_loss: Option<f64>,
    /// Lowest mean loss of any learning rate run at the target, the direct runs included, in nats.
    /// Beside the fitted `best_loss` it shows how well the parabola describes the valley.
    pub lowest_loss: Option<f64>,
    /// How much the transferred learning rate loses against the best of the sweep, in nats: read
    /// off the target's curve, and where that has no bottom, the loss of the direct runs minus the
    /// lowest.
    pub regret: Option<f64>,
    /// The most severe of the flags.
    pub flag: Option<Flag>,
    /// Everything that limits trust in these numbers, worst first.
    pub flags: Vec<Flag>,
    /// Direct runs at the transferred learning rate.
    pub seeds: usize,
}

/// Judges the transfer from the target's loss curve, which holds the direct runs and the sweep
/// together.
pub(super) fn judge(
    points: &[Point],
    width: usize,
    transferred: Option<f64>,
    max_octaves: Option<f64>,
) -> Target {
    let log2_lr = transferred.map(f64::log2);
    let is_direct = |point: &Point| log2_lr.is_some_and(|lr| is_same(point.log2_lr, lr));
    let direct = points.iter().find(|point| is_direct(point));
    let swept = points.iter().any(|point| !is_direct(point));
    let best = swept.then(|| optimum::of_points(points, width, max_octaves));
    let flags = flags(direct, best.as_ref());
    Target {
        width,
        log2_lr,
        lr: transferred,
        loss: direct.and_then(|direct| direct.loss),
        best_log2_lr: best.as_ref().and_then(|best| best.log2_lr),
        best_loss: best.as_ref().and_then(|best| best.loss),
        lowest_loss: best.as_ref().and_then(|best| best.raw_loss),
        regret: best
            .as_ref()
            .and_then(|best| regret(points, best, log2_lr?, direct)),
        flag: flags.first().copied(),
        flags,
        seeds: direct.map_or(0, |direct| direct.seeds),
    }
}

/// As in the analysis of a table; where the target's valley has no bottom, what the direct runs
/// lose to the best run.
fn regret(points: &[Point], best: &Optimum, log2_lr: f64, direct: Option<&Point>) -> Option<f64> {
    match excess(points, best, log2_lr) {
        Excess::Nats(nats) => Some(nats),
        Excess::Diverged => None,
        Excess::Unknown => Some(direct?.loss? - best.loss?),
    }
}

fn flags(direct: Option<&Point>, best: Option<&Optimum>) -> Vec<Flag> {
    let mut flags = best.map(|best| best.flags.clone()).unwrap_or_default();
    flags.extend(
        direct
            .filter(|direct| direct.loss.is_none())
            .map(|_| Flag::Diverged),
    );
    flags.extend(
        direct
            .filter(|direct| direct.seeds == 1)
            .map(|_| Flag::FewSeeds),
    );
    flags.sort_unstable();
    flags.dedup();
    flags
}
