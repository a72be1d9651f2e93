//! The best value of the hyperparameter at one width: the bottom of a valley fitted in its
//! logarithm around the best grid point.

use crate::table::sweep::Curve;
use crate::transfer::flag::Flag;
use crate::transfer::noise::Noise;
use crate::transfer::point::Point;
use crate::transfer::valley::{FEWEST, Valley};
use crate::transfer::window::{Window, best_point};

/// The best value of the hyperparameter on one loss curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Optimum {
    /// Log2 of the best value: the bottom of the valley, or the best grid point where there is no
    /// valley.
    pub log2: Option<f64>,
    /// The same as a plain number.
    pub value: Option<f64>,
    /// Loss there in nats: at the bottom, or the mean at the best grid point.
    pub loss: Option<f64>,
    /// Everything that limits trust in this optimum, worst first.
    pub flags: Vec<Flag>,
    /// Log2 of the grid point with the lowest mean loss; a tie goes to the smaller value.
    pub raw_log2: Option<f64>,
    /// Mean loss at that grid point in nats.
    pub raw_loss: Option<f64>,
    /// The fitted valley; absent when there is no bottom to trust.
    pub valley: Option<Valley>,
    /// Values in the grid.
    pub tried: usize,
    /// Values at which at least one seed diverged.
    pub diverged: usize,
    /// The noise between seeds around it; none where no value there has two.
    pub(crate) noise: Option<Noise>,
}

/// Finds the best value of the hyperparameter on a loss curve: the bottom of a skewed valley
/// through the points within 1.5 octaves of the best one, or 2 where that are fewer than five; with
/// still fewer, that of a parabola through those within 1 octave and the nearest on either side.
/// `max_octaves` takes the place of the 1.5 and the 2.
pub fn optimum(curve: &Curve, max_octaves: Option<f64>) -> Optimum {
    let points = curve.points();
    let noise = |kept: &[&Point]| Noise::of(&curve.near([kept[0].log2, kept[kept.len() - 1].log2]));
    let mut found = found(&points, noise, |best| {
        let window = Window::about(&points, best, max_octaves);
        let skewed = window.skewed().and_then(|kept| Valley::skewed(&kept));
        bottom(skewed, &window.parabola(), best)
    });
    if let Some((valley, noise)) = found.valley.as_ref().zip(found.noise) {
        found.flags.extend(noise.doubts(&points, valley));
        found.flags.sort_unstable();
    }
    found
}

/// The optimum of a resampled curve: a valley of the same kind through the same values, with the
/// same noise. A window that followed the resampled best point would be moved by noise twice, and
/// intervals be too long.
pub(crate) fn redrawn(points: &[Point], valley: &Valley, noise: Option<Noise>) -> Optimum {
    found(
        points,
        |_| noise,
        |best| {
            let same = valley.refit(&valley.points(points));
            bottom(same, &Window::about(points, best, None).parabola(), best)
        },
    )
}

/// The optimum where `fit` finds the valley around the best point.
fn found(
    points: &[Point],
    noise: impl Fn(&[&Point]) -> Option<Noise>,
    fit: impl Fn(&Point) -> Result<Valley, Flag>,
) -> Optimum {
    let diverged = points.iter().filter(|point| point.loss.is_none()).count();
    let Some(best) = best_point(points) else {
        return Optimum::none(points.len(), diverged);
    };
    let fitted = bracketed(points, best).and_then(|()| fit(best));
    let kept = match &fitted {
        Ok(valley) => valley.points(points),
        Err(_) => Window::about(points, best, None).parabola(),
    };
    let noise = noise(&kept);
    let flags = flags(&fitted, &kept, noise);
    let valley = fitted.ok();
    let (log2, value, loss) = match &valley {
        Some(fit) => (fit.log2, fit.log2.exp2(), Some(fit.loss)),
        None => (best.log2, best.value, best.loss),
    };
    Optimum {
        log2: Some(log2),
        value: Some(value),
        loss,
        flags,
        raw_log2: Some(best.log2),
        raw_loss: best.loss,
        valley,
        tried: points.len(),
        diverged,
        noise,
    }
}

impl Optimum {
    /// The noise of runs that a valley was fitted to.
    pub(crate) fn noise_of_valley(&self) -> Option<Noise> {
        self.noise.filter(|_| self.valley.is_some())
    }

    /// Where everything diverged.
    fn none(tried: usize, diverged: usize) -> Self {
        Self {
            log2: None,
            value: None,
            loss: None,
            flags: vec![Flag::Diverged],
            raw_log2: None,
            raw_loss: None,
            valley: None,
            tried,
            diverged,
            noise: None,
        }
    }
}

/// Whether there are points on either side of the best one.
///
/// A diverged value counts as a bracket, so that an optimum below a cliff is told from one at the
/// edge of the grid, but it has no loss and cannot support a valley.
fn bracketed(points: &[Point], best: &Point) -> Result<(), Flag> {
    if points.len() < FEWEST {
        return Err(Flag::TooFew);
    }
    let (below, above): (Vec<&Point>, Vec<&Point>) = points
        .iter()
        .filter(|point| point.value != best.value)
        .partition(|point| point.value < best.value);
    if below.is_empty() || above.is_empty() {
        return Err(Flag::EdgeOptimum);
    }
    if above.iter().all(|point| point.loss.is_none()) {
        return Err(Flag::Cliff);
    }
    Ok(())
}

/// The valley with a skew where there is one, else the parabola through the points near the best
/// one, or the reason why there is none.
fn bottom(skewed: Option<Valley>, near: &[&Point], best: &Point) -> Result<Valley, Flag> {
    let is_bracketed = near.iter().any(|point| point.value > best.value)
        && near.iter().any(|point| point.value < best.value);
    if !is_bracketed {
        return Err(Flag::TooFew);
    }
    skewed
        .or_else(|| Valley::parabola(near))
        .ok_or(Flag::NotConvex)
}

/// What limits trust in a fit to these points, or without one in the points about the best one,
/// worst first.
fn flags(fitted: &Result<Valley, Flag>, kept: &[&Point], noise: Option<Noise>) -> Vec<Flag> {
    let of_fit = match fitted {
        Err(flag) => Some(*flag),
        Ok(fit) if !fit.covers(fit.log2) => Some(Flag::Extrapolated),
        Ok(_) => None,
    };
    let of_seeds = noise.map_or(vec![Flag::FewSeeds], |noise| of_seeds(kept, noise));
    let mut flags: Vec<Flag> = of_fit.into_iter().chain(of_seeds).collect();
    flags.sort_unstable();
    flags
}

/// What several seeds say: that the valley drowns in their noise, or that values with a single one
/// take that of others.
fn of_seeds(kept: &[&Point], noise: Noise) -> Vec<Flag> {
    let losses: Vec<f64> = kept.iter().filter_map(|point| point.loss).collect();
    let highest = losses.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let lowest = losses.iter().copied().fold(f64::INFINITY, f64::min);
    let seeds = kept.iter().map(|point| point.seeds as f64).sum::<f64>() / kept.len() as f64;
    let error = (noise.rest.value / seeds).sqrt();
    let flags = [
        (Flag::NoiseLimited, highest - lowest < 2.0 * error),
        (Flag::PooledNoise, kept.iter().any(|point| point.seeds == 1)),
    ];
    let held = flags.into_iter().filter(|(_, holds)| *holds);
    held.map(|(flag, _)| flag).collect()
}
