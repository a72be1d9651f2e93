//! One rule of a table: its optima, what its real and its resampled tables say, and the verdict.

use std::f64::consts::LN_2;

use crate::statistics::bootstrap::{affordable, replicates};
use crate::statistics::measured::Measured;
use crate::statistics::sample::deviation;
use crate::table::sweep::Curve;
use crate::transfer::analysis::{Best, Carried, Request, RuleAnalysis, Transfers};
use crate::transfer::draw::{Draw, Route, Values};
use crate::transfer::flag::Flag;
use crate::transfer::gap::{above_noise, speed};
use crate::transfer::joint::{Joint, joint, rescatter};
use crate::transfer::number::{Number, Numbers};
use crate::transfer::optimum::{Optimum, optimum, redrawn};
use crate::transfer::point::Point;
use crate::transfer::prediction::{Prediction, predict};
use crate::transfer::regret::{Excess, excess, run_at};
use crate::transfer::resample::{Resampler, resamplers};
use crate::transfer::scaling::{LIMIT_WIDTHS, Scaling, Vertex, kappa_of_grid};
use crate::transfer::window::whole_valley;

/// A rule on its own, and its numbers in every resampled table.
pub(crate) struct Judged {
    pub(crate) analysis: RuleAnalysis,
    pub(crate) resampled: Vec<Values>,
}

/// Judges the curves of one rule, narrowest first.
// Long, as it is the list of all that is judged, in order.
pub(crate) fn judge(name: &str, curves: &[Curve], request: &Request) -> Judged {
    let rule = Rule::new(curves, request);
    let resamplers = resamplers(curves, &rule.points, &rule.optima);
    let real = rule.real();
    let draws = rule.redraws(name, &resamplers, &real);
    let counts = rule.above_noise(&real, &draws);
    let freedom: Vec<usize> = resamplers.iter().map(|one| freedom(one.as_ref())).collect();
    let resampled: Vec<Values> = draws
        .iter()
        .map(|draw| draw.numbers(&rule.fitted, &counts, rule.route))
        .collect();
    let of_fits = rule
        .fitted
        .iter()
        .filter_map(|index| resamplers[*index].as_ref());
    let spare = of_fits.map(|resampler| resampler.own).sum();
    let values = real.numbers(&rule.fitted, &counts, rule.route);
    let mut numbers = measured(&values, &resampled, spare);
    let vertices = real.complete(&rule.fitted).unwrap_or_default();
    let kappa = kappa_of_grid(&vertices, &Scaling::of(&vertices));
    numbers.extend(kappa.map(|kappa| (Number::KappaOfGrid, Measured::plain(kappa))));
    let carried = rule.route.map(|route| rule.carried(route));
    let optima: Vec<Best> = (0..curves.len())
        .map(|index| rule.best(index, &draws, freedom[index]))
        .collect();
    let analysis = RuleAnalysis {
        fast: speed(narrower(&counts), interval(&numbers, Number::GapMargin)),
        prediction: rule.prediction(&vertices),
        verdict: rule.verdict(&numbers, carried.as_ref()),
        carried,
        flags: Rule::flags(&optima, &vertices, &numbers, &counts),
        optima,
        replicates: draws.len(),
        joint: real.joint,
        numbers,
    };
    Judged {
        analysis,
        resampled,
    }
}

/// Runs to spare; 0 where nothing is known about the noise.
fn freedom(resampler: Option<&Resampler>) -> usize {
    resampler.map_or(0, |resampler| resampler.freedom)
}

/// The curves of a rule and the optima on them.
struct Rule<'a> {
    curves: &'a [Curve],
    request: &'a Request,
    points: Vec<Vec<Point>>,
    optima: Vec<Optimum>,
    /// Indices of the widths that take part in fits.
    fitted: Vec<usize>,
    route: Option<Route>,
}

impl<'a> Rule<'a> {
    fn new(curves: &'a [Curve], request: &'a Request) -> Self {
        let points: Vec<Vec<Point>> = curves.iter().map(Curve::points).collect();
        let optima: Vec<Optimum> = curves
            .iter()
            .map(|curve| optimum(curve, request.max_octaves))
            .collect();
        let fitted = (0..curves.len())
            .filter(|&index| Vertex::of(curves[index].at, &optima[index]).is_some())
            .collect();
        let route = Route::of(curves, &optima, request.target);
        Self {
            curves,
            request,
            points,
            optima,
            fitted,
            route,
        }
    }

    /// What the table says.
    fn real(&self) -> Draw {
        let vertices: Vec<Option<Vertex>> = self
            .curves
            .iter()
            .zip(&self.optima)
            .map(|(curve, optimum)| Vertex::of(curve.at, optimum))
            .collect();
        let log2 = self.route.and_then(|route| self.optima[route.proxy].log2);
        let target = self.route.and_then(|route| route.target);
        let points: Vec<&[Point]> = self.points.iter().map(Vec::as_slice).collect();
        Draw {
            joint: self.joint(&vertices, &points),
            excess: target.zip(log2).and_then(|(target, log2)| {
                excess(&self.points[target], &self.optima[target], log2).nats()
            }),
            vertices,
        }
    }

    /// What resampled tables say; none of them has a curve without a resampler.
    fn redraws(&self, name: &str, resamplers: &[Option<Resampler>], real: &Draw) -> Vec<Draw> {
        let effort = resamplers.iter().flatten().map(Resampler::effort).sum();
        let count = affordable(self.request.replicates, effort);
        let mut draws = replicates(name, count, |random| {
            let mut points = Vec::new();
            for resampler in resamplers {
                points.push(resampler.as_ref().map(|resampler| resampler.draw(random)));
            }
            self.redraw(&points)
        });
        if let Some(joint) = &real.joint {
            let redrawn = draws.iter_mut().filter_map(|draw| draw.joint.as_mut());
            rescatter(joint, redrawn.collect());
        }
        draws
    }

    fn redraw(&self, points: &[Option<Vec<Point>>]) -> Draw {
        let (mut optima, mut vertices) = (Vec::new(), Vec::new());
        for ((curve, points), real) in self.curves.iter().zip(points).zip(&self.optima) {
            let both = points.as_ref().zip(real.valley.as_ref());
            let optimum = both.map(|(points, valley)| redrawn(points, valley));
            vertices.push(
                optimum
                    .as_ref()
                    .and_then(|optimum| Vertex::of(curve.at, optimum)),
            );
            optima.push(optimum);
        }
        let slices: Vec<&[Point]> = points
            .iter()
            .map(|points| points.as_deref().unwrap_or_default())
            .collect();
        Draw {
            joint: self.joint(&vertices, &slices),
            excess: self.redrawn_excess(points, &optima, &vertices),
            vertices,
        }
    }

    fn redrawn_excess(
        &self,
        points: &[Option<Vec<Point>>],
        optima: &[Option<Optimum>],
        vertices: &[Option<Vertex>],
    ) -> Option<f64> {
        let route = self.route?;
        let target = route.target?;
        vertices[target]?;
        let log2 = vertices[route.proxy]?.ln_best / LN_2;
        excess(points[target].as_ref()?, optima[target].as_ref()?, log2).nats()
    }

    fn joint(&self, vertices: &[Option<Vertex>], points: &[&[Point]]) -> Option<Joint> {
        let (mut fitted, mut curves) = (Vec::new(), Vec::new());
        for &index in &self.fitted {
            fitted.push(vertices[index]?);
            curves.push(
                whole_valley(points[index])
                    .iter()
                    .filter_map(|point| Some((point.value.ln(), point.loss?)))
                    .collect(),
            );
        }
        joint(&fitted, &Scaling::of(&fitted), &curves)
    }

    /// Which fitted widths' optima differ from that of the widest by more than noise.
    fn above_noise(&self, real: &Draw, draws: &[Draw]) -> Vec<bool> {
        let vertices = real.complete(&self.fitted).unwrap_or_default();
        if vertices.is_empty() {
            return Vec::new();
        }
        let complete: Vec<Vec<Vertex>> = draws
            .iter()
            .filter_map(|draw| draw.complete(&self.fitted))
            .collect();
        let mut errors = Vec::new();
        for index in 0..vertices.len() {
            let gaps: Vec<f64> = complete
                .iter()
                .map(|all| all[index].ln_best - all[all.len() - 1].ln_best)
                .collect();
            errors.push(deviation(&gaps));
        }
        above_noise(&vertices, &errors)
    }

    fn best(&self, index: usize, draws: &[Draw], freedom: usize) -> Best {
        let mut optimum = self.optima[index].clone();
        let curvature = optimum.valley.as_ref().map(|valley| valley.curvature);
        let noise = Noise {
            draws: self.fitted.contains(&index).then_some(draws),
            index,
            freedom,
        };
        let log2 = noise.measured(optimum.log2, |vertex| vertex.ln_best / LN_2);
        if log2.is_some_and(|log2| leaves_out_best(&self.points[index], &optimum, &log2)) {
            optimum.flags.push(Flag::BesideBest);
            optimum.flags.sort_unstable();
        }
        let seeds = self.points[index].iter().map(|point| point.seeds);
        Best {
            at: self.curves[index].at,
            value: optimum.value,
            log2,
            loss: noise.measured(optimum.loss, |vertex| vertex.loss),
            curvature: noise.measured(curvature, |vertex| vertex.curvature),
            raw_log2: optimum.raw_log2,
            raw_loss: optimum.raw_loss,
            flags: optimum.flags,
            fitted: self.fitted.contains(&index),
            tried: optimum.tried,
            diverged: optimum.diverged,
            seeds: seeds.min().unwrap_or(0),
        }
    }

    fn prediction(&self, vertices: &[Vertex]) -> Option<Prediction> {
        let to = self.route?.to;
        let below: Vec<Vertex> = vertices
            .iter()
            .filter(|vertex| vertex.ln_at < to.ln())
            .copied()
            .collect();
        predict(&below, to)
    }

    fn carried(&self, route: Route) -> Carried {
        let proxy = &self.optima[route.proxy];
        let at_target = route.target.zip(proxy.log2);
        let direct = at_target.and_then(|(target, log2)| run_at(&self.points[target], log2));
        let diverged = at_target.is_some_and(|(target, log2)| {
            excess(&self.points[target], &self.optima[target], log2) == Excess::Diverged
        });
        Carried {
            from: self.curves[route.proxy].at,
            to: route.to,
            value: proxy.value,
            log2: proxy.log2,
            loss: direct.and_then(|direct| direct.loss),
            seeds: direct.map_or(0, |direct| direct.seeds),
            measured: route.target.is_some(),
            diverged,
        }
    }

    fn verdict(&self, numbers: &Numbers, carried: Option<&Carried>) -> Transfers {
        let tolerance = self.request.tolerance;
        match interval(numbers, Number::Regret) {
            _ if carried.is_some_and(|carried| carried.diverged) => Transfers::Fails,
            Some([_, high]) if high <= tolerance => Transfers::Transfers,
            Some([low, _]) if low > tolerance => Transfers::Fails,
            _ => Transfers::Undetermined,
        }
    }

    fn flags(
        optima: &[Best],
        vertices: &[Vertex],
        numbers: &Numbers,
        counts: &[bool],
    ) -> Vec<Flag> {
        let pinned = Scaling::of(vertices).loss.is_some_and(|loss| loss.pinned);
        let conditions = [
            (Flag::TooFewWidths, vertices.len() < LIMIT_WIDTHS),
            (Flag::Pinned, pinned),
            (
                Flag::Unreliable,
                numbers.values().any(Measured::is_unreliable),
            ),
            (
                Flag::AtNoiseFloor,
                narrower(counts).iter().any(|counts| !counts),
            ),
        ];
        let mut flags: Vec<Flag> = optima.iter().flat_map(|best| best.flags.clone()).collect();
        flags.extend(
            conditions
                .iter()
                .filter(|(_, holds)| *holds)
                .map(|(flag, _)| flag),
        );
        flags.sort_unstable();
        flags.dedup();
        flags
    }
}

/// What says how noisy the optimum of one width is: its vertices in resampled tables, where it
/// takes part in fits.
struct Noise<'a> {
    draws: Option<&'a [Draw]>,
    index: usize,
    freedom: usize,
}

impl Noise<'_> {
    fn measured(&self, value: Option<f64>, of: fn(&Vertex) -> f64) -> Option<Measured> {
        let value = value?;
        let Some(draws) = self.draws else {
            return Some(Measured::plain(value));
        };
        let replicates = draws
            .iter()
            .map(|draw| draw.vertices[self.index].as_ref().map(of));
        Some(Measured::of(value, replicates).widened(self.freedom))
    }
}

/// Whether the whole interval of an optimum is nearer to another run than to the best one, though
/// that other one is worse by more than noise, where the noise is known.
fn leaves_out_best(points: &[Point], optimum: &Optimum, log2: &Measured) -> bool {
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
        let errors = [point, best].map(|point| point.standard_error.unwrap_or_default());
        let losses = point.loss.zip(best.loss);
        losses.is_some_and(|(loss, lowest)| loss - lowest > 2.0 * errors[0].hypot(errors[1]))
    };
    points
        .iter()
        .any(|point| is_nearer(point) && is_worse(point))
}

/// Numbers with the intervals that their values in resampled tables give.
fn measured(values: &Values, resampled: &[Values], spare: usize) -> Numbers {
    let mut numbers = Numbers::new();
    for (number, value) in values {
        let replicates = resampled.iter().map(|values| values.get(number).copied());
        numbers.insert(*number, Measured::of(*value, replicates).widened(spare));
    }
    reach_zero(&mut numbers);
    numbers
}

/// Noise of either sign makes a regret positive. Where the optimum may have moved either way, there
/// may be none at all. Nowhere is there less, nor an error below zero.
fn reach_zero(numbers: &mut Numbers) {
    let either_way =
        interval(numbers, Number::Shift).is_some_and(|[low, high]| low <= 0.0 && high >= 0.0);
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

fn interval(numbers: &Numbers, number: Number) -> Option<[f64; 2]> {
    numbers.get(&number)?.interval
}

/// All but the widest of the widths that take part in fits.
fn narrower(counts: &[bool]) -> &[bool] {
    &counts[..counts.len().saturating_sub(1)]
}
