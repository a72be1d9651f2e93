//! The best value of the hyperparameter at one width: a parabola in its logarithm around the best
//! grid point.

use std::f64::consts::LN_2;

use crate::statistics::sample::mean;
use crate::table::run::SAME_OCTAVES;
use crate::table::sweep::Curve;
use crate::transfer::flag::Flag;
use crate::transfer::point::Point;

/// Grid points whose loss is at most this multiple of the lowest belong to the valley; the walls
/// are not parabolic. Kalra and Barkeshli (arXiv 2605.21486) use the same threshold.
const VALLEY: f64 = 1.35;

/// Points that a parabola needs.
const FEWEST: usize = 3;

/// The best value of the hyperparameter on one loss curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Optimum {
    /// Log2 of the best value: the vertex of the parabola, or the best grid point where there is no
    /// vertex.
    pub log2: Option<f64>,
    /// The same as a plain number.
    pub value: Option<f64>,
    /// Loss there in nats: at the vertex, or the mean at the best grid point.
    pub loss: Option<f64>,
    /// Everything that limits trust in this optimum, worst first.
    pub flags: Vec<Flag>,
    /// Log2 of the grid point with the lowest mean loss; a tie goes to the smaller value.
    pub raw_log2: Option<f64>,
    /// Mean loss at that grid point in nats.
    pub raw_loss: Option<f64>,
    /// The fitted parabola; absent when there is no vertex to trust.
    pub parabola: Option<Parabola>,
    /// Log2 of the vertex of a parabola through the whole valley; differs where the fit was limited
    /// to its bottom.
    pub whole_valley_log2: Option<f64>,
    /// Values in the grid.
    pub tried: usize,
    /// Values at which at least one seed diverged.
    pub diverged: usize,
}

/// A convex parabola through the valley of a loss curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Parabola {
    /// Log2 of the value at the vertex.
    pub log2: f64,
    /// Loss at the vertex in nats.
    pub loss: f64,
    /// Second derivative of the loss in the natural logarithm of the value, in nats.
    pub curvature: f64,
    /// Log2 of the smallest and the largest value the parabola was fitted to.
    pub kept: [f64; 2],
}

impl Parabola {
    /// Whether a value, given as log2, is among those the parabola was fitted to.
    pub fn covers(&self, log2: f64) -> bool {
        (self.kept[0]..=self.kept[1]).contains(&log2)
    }

    /// How much worse than the vertex a value is, given as log2: nats, never negative.
    pub fn excess(&self, log2: f64) -> f64 {
        0.5 * self.curvature * ((log2 - self.log2) * LN_2).powi(2)
    }
}

/// Finds the best value of the hyperparameter on a loss curve. `max_octaves` limits the parabola to
/// that distance from the best grid point on either side: valleys are steeper towards large
/// learning rates than a parabola, which pulls the vertex of a wide fit away from the bottom.
pub fn optimum(curve: &Curve, max_octaves: Option<f64>) -> Optimum {
    of_points(&curve.points(), max_octaves)
}

pub(crate) fn of_points(points: &[Point], max_octaves: Option<f64>) -> Optimum {
    let (tried, diverged) = (
        points.len(),
        points.iter().filter(|point| point.loss.is_none()).count(),
    );
    let Some(best) = best_point(points) else {
        return Optimum::none(tried, diverged);
    };
    let whole = valley(points, best);
    let kept = window(&whole, best, max_octaves);
    let fitted = vertex(points, &kept, best);
    let flags = flags(&fitted, &kept);
    let parabola = fitted.ok();
    let (log2, value, loss) = match &parabola {
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
        whole_valley_log2: vertex(points, &whole, best).ok().map(|fit| fit.log2),
        parabola,
        tried,
        diverged,
    }
}

impl Optimum {
    /// Where everything diverged.
    fn none(tried: usize, diverged: usize) -> Self {
        Self {
            log2: None,
            value: None,
            loss: None,
            flags: vec![Flag::Diverged],
            raw_log2: None,
            raw_loss: None,
            parabola: None,
            whole_valley_log2: None,
            tried,
            diverged,
        }
    }
}

/// The points that the parabola is fitted to.
pub(crate) fn kept_points(points: &[Point], max_octaves: Option<f64>) -> Vec<&Point> {
    best_point(points)
        .map(|best| window(&valley(points, best), best, max_octaves))
        .unwrap_or_default()
}

/// The grid point with the lowest loss. `min_by` returns the first of equals, which is the smaller
/// value.
fn best_point(points: &[Point]) -> Option<&Point> {
    let stable = points.iter().filter_map(|point| Some((point, point.loss?)));
    stable
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(point, _)| point)
}

/// The stable points whose loss is near the lowest.
fn valley<'a>(points: &'a [Point], best: &Point) -> Vec<&'a Point> {
    points
        .iter()
        .filter(|point| {
            let losses = point.loss.zip(best.loss);
            losses.is_some_and(|(loss, lowest)| loss <= VALLEY * lowest)
        })
        .collect()
}

/// The part of the valley within `max_octaves` of the best grid point.
fn window<'a>(valley: &[&'a Point], best: &Point, max_octaves: Option<f64>) -> Vec<&'a Point> {
    let reach = max_octaves.unwrap_or(f64::INFINITY) + SAME_OCTAVES;
    valley
        .iter()
        .copied()
        .filter(|point| (point.log2 - best.log2).abs() <= reach)
        .collect()
}

/// The parabola around the best grid point, or the reason why there is none.
///
/// A diverged value counts as a bracket, so that an optimum below a cliff is told from one at the
/// edge of the grid, but it has no loss and cannot support a vertex.
fn vertex(points: &[Point], kept: &[&Point], best: &Point) -> Result<Parabola, Flag> {
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
    let is_bracketed = kept.iter().any(|point| point.value > best.value)
        && kept.iter().any(|point| point.value < best.value);
    if kept.len() < FEWEST || !is_bracketed {
        return Err(Flag::TooFew);
    }
    fit(kept).ok_or(Flag::NotConvex)
}

/// Least squares of `loss = a0 + a1 z + a2 z²`, with z the centred natural logarithm of the value,
/// written in polynomials orthogonal on the grid: 1, z and `square = z² - skew z - spread`. `None`
/// unless `a2 > 0`.
fn fit(kept: &[&Point]) -> Option<Parabola> {
    let logarithms: Vec<f64> = kept.iter().map(|point| point.log2 * LN_2).collect();
    let losses: Vec<f64> = kept.iter().filter_map(|point| point.loss).collect();
    let center = mean(&logarithms);
    let z: Vec<f64> = logarithms.iter().map(|ln| ln - center).collect();
    let (second, third) = (moment(&z, 2), moment(&z, 3));
    let (skew, spread) = (third / second, second / kept.len() as f64);
    let square: Vec<f64> = z.iter().map(|z| z * z - skew * z - spread).collect();
    let slope = dot(&z, &losses) / second;
    let a2 = dot(&square, &losses) / dot(&square, &square);
    let a1 = slope - a2 * skew;
    let a0 = mean(&losses) - a2 * spread;
    (a2 > 0.0).then(|| Parabola {
        log2: (center - a1 / (2.0 * a2)) / LN_2,
        loss: a0 - a1 * a1 / (4.0 * a2),
        curvature: 2.0 * a2,
        kept: [kept[0].log2, kept[kept.len() - 1].log2],
    })
}

fn moment(z: &[f64], power: i32) -> f64 {
    z.iter().map(|z| z.powi(power)).sum()
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter()
        .zip(right)
        .map(|(left, right)| left * right)
        .sum()
}

/// What limits trust in a fit, worst first.
fn flags(fitted: &Result<Parabola, Flag>, kept: &[&Point]) -> Vec<Flag> {
    let of_fit = match fitted {
        Err(flag) => Some(*flag),
        Ok(fit) if !fit.covers(fit.log2) => Some(Flag::Extrapolated),
        Ok(_) => None,
    };
    let mut flags: Vec<Flag> = of_fit.into_iter().chain(seed_flag(kept)).collect();
    flags.sort_unstable();
    flags
}

/// What the seeds say: a single one leaves the noise unknown, several may show that the valley
/// drowns in it.
fn seed_flag(kept: &[&Point]) -> Option<Flag> {
    if kept.iter().any(|point| point.seeds == 1) {
        return Some(Flag::FewSeeds);
    }
    let losses: Vec<f64> = kept.iter().filter_map(|point| point.loss).collect();
    let highest = losses.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let lowest = losses.iter().copied().fold(f64::INFINITY, f64::min);
    let variances = kept
        .iter()
        .filter_map(|point| point.standard_error)
        .map(|error| error * error);
    let noise = (variances.sum::<f64>() / kept.len() as f64).sqrt();
    (highest - lowest < 2.0 * noise).then_some(Flag::NoiseLimited)
}
