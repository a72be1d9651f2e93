//! How surely the numbers of a rule are known.

use crate::statistics::measured::Measured;
use crate::transfer::draw::{Route, Values};
use crate::transfer::number::{Number, Numbers};
use crate::transfer::optimum::Optimum;
use crate::transfer::point::Point;
use crate::transfer::resample::{Freedoms, together};
use crate::transfer::sharing::Common;

/// What says how surely the numbers are known.
pub(crate) struct Intervals<'a> {
    /// Of each width, where its noise is known.
    pub(crate) freedoms: Vec<Option<Freedoms>>,
    /// What the levels of all widths have in common.
    pub(crate) common: Common,
    /// Indices of the widths that take part in fits.
    pub(crate) fitted: &'a [usize],
    pub(crate) route: Option<Route>,
}

impl Intervals<'_> {
    /// Runs to spare behind what the valleys of these widths say of losses, and of where their
    /// bottom is; 0 where nothing is known about the noise.
    pub(crate) fn of_losses(&self, widths: &[usize]) -> usize {
        let known = widths.iter().filter_map(|index| self.freedoms[*index]);
        together(known.map(|freedoms| freedoms.level))
    }

    pub(crate) fn of_shapes(&self, widths: &[usize]) -> usize {
        let known = widths.iter().filter_map(|index| self.freedoms[*index]);
        together(known.map(|freedoms| freedoms.shape))
    }

    /// Runs to spare behind a number.
    pub(crate) fn freedom(&self, number: Number) -> usize {
        let widths = self.entering(number);
        match number {
            Number::Limit
            | Number::TargetLoss
            | Number::Alpha
            | Number::Kappa
            | Number::RelativeRegret
            | Number::GapMargin
            | Number::Error => self.of_losses(&widths),
            _ => self.of_shapes(&widths),
        }
    }

    /// As Student's t is wider than a normal number. What all widths have in common enters the
    /// limit of the loss whole, and is known from the seeds of one width.
    fn widened(&self, number: Number, measured: Measured) -> Measured {
        let freedom = self.freedom(number);
        let deviation = measured.deviation().filter(|_| number == Number::Limit);
        let share = deviation.map_or(0.0, |nats| self.common.variance / nats.powi(2));
        measured.widened(blended(freedom, self.fitted.len(), share.min(1.0)))
    }

    /// Numbers with the intervals that their values in resampled tables give, wherever these reach.
    pub(crate) fn measured(&self, values: &Values, resampled: &[Values]) -> Numbers {
        let mut numbers = Numbers::new();
        for (number, value) in values {
            let replicates = resampled.iter().map(|values| values.get(number).copied());
            let measured = Measured::of(*value, replicates);
            numbers.insert(*number, self.widened(*number, measured));
        }
        numbers
    }

    /// The widths that enter a number.
    pub(crate) fn entering(&self, number: Number) -> Vec<usize> {
        let swept = self
            .route
            .and_then(|route| Some((route.proxy, route.target?)));
        let ends = self.fitted.first().zip(self.fitted.last());
        match (number, swept, ends) {
            (Number::TargetLoss, Some((_, target)), _) => vec![target],
            (Number::Shift | Number::Regret | Number::RelativeRegret, Some((proxy, target)), _) => {
                vec![proxy, target]
            }
            (Number::Drift, _, Some((first, last))) => vec![*first, *last],
            _ => self.fitted.to_vec(),
        }
    }
}

/// Runs to spare behind a number of whose variance this share is known from one of so many widths,
/// and the rest from all, after Satterthwaite.
fn blended(freedom: usize, widths: usize, share: f64) -> usize {
    let (all, one) = (freedom as f64, freedom as f64 / widths as f64);
    let blended = 1.0 / (share.powi(2) / one + (1.0 - share).powi(2) / all);
    if share > 0.0 && freedom > 0 {
        blended.max(1.0) as usize
    } else {
        freedom
    }
}

/// Whether the whole interval of an optimum is nearer to another run than to the best one, though
/// that other one is worse by more than noise, where the noise is known.
pub(crate) fn leaves_out_best(points: &[Point], optimum: &Optimum, log2: &Measured) -> bool {
    let best = points
        .iter()
        .find(|point| Some(point.log2) == optimum.raw_log2);
    let Some(([low, high], best)) = log2.interval.zip(best) else {
        return false;
    };
    let is_nearer = |point: &Point| {
        let middle = f64::midpoint(point.log2, best.log2);
        (point.log2 < best.log2 && high < middle) || (point.log2 > best.log2 && low > middle)
    };
    let is_worse = |point: &Point| {
        let of_run = optimum.noise.map_or(0.0, |noise| noise.rest.value);
        let [one, other] = [point, best].map(|point| of_run / point.seeds as f64);
        let losses = point.loss.zip(best.loss);
        losses.is_some_and(|(loss, lowest)| loss - lowest > 2.0 * (one + other).sqrt())
    };
    points
        .iter()
        .any(|point| is_nearer(point) && is_worse(point))
}

/// Noise of either sign makes a regret positive. Where the optimum may have moved either way, there
/// may be none at all. Nowhere is there less, nor an error below zero.
pub(crate) fn reach_zero(numbers: &mut Numbers) {
    let either_way = numbers
        .get(&Number::Shift)
        .is_some_and(Measured::reaches_zero);
    for (number, is_zero) in [
        (Number::Regret, either_way),
        (Number::RelativeRegret, either_way),
        (Number::Error, false),
    ] {
        let measured = numbers.get_mut(&number);
        if let Some([low, _]) = measured.and_then(|measured| measured.interval.as_mut()) {
            *low = if is_zero { 0.0 } else { low.max(0.0) };
        }
    }
}

/// The interval of a number, where it can be relied on.
pub(crate) fn reliable(numbers: &Numbers, number: Number) -> Option<[f64; 2]> {
    let measured = numbers.get(&number)?;
    measured.interval.filter(|_| !measured.is_unreliable())
}
