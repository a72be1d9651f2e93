//! One rule of a table: its optima, what its real and its resampled tables say, and the verdict.

use std::collections::BTreeMap;
use std::f64::consts::LN_2;

use crate::statistics::measured::Measured;
use crate::statistics::needed::Needed;
use crate::table::sweep::Curve;
use crate::transfer::analysis::{Best, Carried, Request, RuleAnalysis, Transfers};
use crate::transfer::draw::{Draw, Route, Values};
use crate::transfer::flag::Flag;
use crate::transfer::gap::speed;
use crate::transfer::intervals::{Intervals, leaves_out_best, reach_zero, reliable};
use crate::transfer::noise::Noise;
use crate::transfer::number::{Number, Numbers};
use crate::transfer::optimum::{Optimum, optimum};
use crate::transfer::point::Point;
use crate::transfer::prediction::{Prediction, predict};
use crate::transfer::regret::{Excess, excess, run_at};
use crate::transfer::resample::Resampler;
use crate::transfer::scaling::{LIMIT_WIDTHS, Scaling, Vertex, kappa_of_grid};
use crate::transfer::sharing::BySeed;
use crate::transfer::verdict::Regret;

/// A rule on its own, and its numbers in every resampled table.
pub(crate) struct Judged {
    pub(crate) analysis: RuleAnalysis,
    pub(crate) resampled: Vec<Values>,
    /// Runs to spare behind what all its widths say.
    pub(crate) freedom: usize,
    /// Mean loss of each seed near the optimum, by width.
    pub(crate) levels: BTreeMap<u64, BySeed>,
}

/// Judges the curves of one rule, narrowest first.
pub(crate) fn judge(name: &str, curves: &[Curve], request: &Request) -> Judged {
    let rule = Rule::new(name, curves, request);
    let resamplers = rule.resamplers();
    let real = rule.real();
    let draws = rule.redraws(&resamplers, &real);
    let counts = rule.above_noise(&real, &draws);
    let numbers_of = |draw: &Draw| draw.numbers(&rule.fitted, &counts, rule.route);
    let resampled: Vec<Values> = draws.iter().map(numbers_of).collect();
    let intervals = rule.intervals(&resamplers);
    let mut numbers = intervals.measured(&numbers_of(&real), &resampled);
    let vertices = real.complete(&rule.fitted).unwrap_or_default();
    let kappa = kappa_of_grid(&vertices, &Scaling::of(&vertices));
    numbers.extend(kappa.map(|kappa| (Number::KappaOfGrid, Measured::plain(kappa))));
    let carried = rule.route.map(|route| rule.carried(route));
    let (verdict, seeds_to_decide) = rule.verdict(&numbers, carried.as_ref(), &intervals);
    reach_zero(&mut numbers);
    let best = |index| rule.best(index, &draws, &intervals);
    let optima: Vec<Best> = (0..curves.len()).map(best).collect();
    let levels = rule.levels();
    Judged {
        freedom: intervals.of_losses(&rule.fitted),
        analysis: RuleAnalysis {
            fast: speed(narrower(&counts), reliable(&numbers, Number::GapMargin)),
            prediction: rule.prediction(&vertices),
            verdict,
            seeds_to_decide,
            sharing: rule.sharing(&levels),
            carried,
            flags: Rule::flags(&optima, &vertices, &numbers, &counts),
            optima,
            replicates: draws.len(),
            joint: real.joint,
            numbers,
        },
        resampled,
        levels,
    }
}

/// The curves of a rule and the optima on them.
pub(crate) struct Rule<'a> {
    pub(crate) name: &'a str,
    pub(crate) curves: &'a [Curve],
    pub(crate) request: &'a Request,
    pub(crate) points: Vec<Vec<Point>>,
    pub(crate) optima: Vec<Optimum>,
    /// Indices of the widths that take part in fits.
    pub(crate) fitted: Vec<usize>,
    pub(crate) route: Option<Route>,
}

impl<'a> Rule<'a> {
    pub(crate) fn new(name: &'a str, curves: &'a [Curve], request: &'a Request) -> Self {
        let optima: Vec<Optimum> = curves
            .iter()
            .map(|curve| optimum(curve, request.max_octaves))
            .collect();
        let fitted = (0..curves.len())
            .filter(|&index| Vertex::of(curves[index].at, &optima[index]).is_some())
            .collect();
        let route = Route::of(curves, &optima, request.target);
        Self {
            name,
            curves,
            request,
            points: curves.iter().map(Curve::points).collect(),
            optima,
            fitted,
            route,
        }
    }

    fn intervals(&self, resamplers: &[Option<Resampler>]) -> Intervals<'_> {
        let freedoms = |one: &Option<Resampler>| one.as_ref().map(|one| one.freedoms);
        Intervals {
            freedoms: resamplers.iter().map(freedoms).collect(),
            common: self.common(),
            fitted: &self.fitted,
            route: self.route,
        }
    }

    fn best(&self, index: usize, draws: &[Draw], intervals: &Intervals) -> Best {
        let mut optimum = self.optima[index].clone();
        if optimum.noise.is_none() && !self.noises().is_empty() {
            let flags = optimum.flags.iter_mut();
            flags
                .filter(|flag| **flag == Flag::FewSeeds)
                .for_each(|flag| *flag = Flag::PooledNoise);
        }
        let curvature = optimum.valley.as_ref().map(|valley| valley.curvature);
        let draws = Some(draws).filter(|_| self.fitted.contains(&index));
        let measured = |value: Option<f64>, freedom: usize, of: fn(&Vertex) -> f64| {
            let replicates = draws.into_iter().flatten();
            let replicates = replicates.map(|draw| draw.vertices[index].as_ref().map(of));
            Some(Measured::of(value?, replicates).widened(freedom))
        };
        let (of_loss, of_shape) = (intervals.of_losses(&[index]), intervals.of_shapes(&[index]));
        let log2 = measured(optimum.log2, of_shape, |vertex| vertex.ln_best / LN_2);
        if log2.is_some_and(|log2| leaves_out_best(&self.points[index], &optimum, &log2)) {
            optimum.flags.push(Flag::BesideBest);
            optimum.flags.sort_unstable();
        }
        Best {
            at: self.curves[index].at,
            value: optimum.value,
            log2,
            loss: measured(optimum.loss, of_loss, |vertex| vertex.loss),
            curvature: measured(curvature, of_shape, |vertex| vertex.curvature),
            raw_log2: optimum.raw_log2,
            raw_loss: optimum.raw_loss,
            flags: optimum.flags,
            fitted: self.fitted.contains(&index),
            tried: optimum.tried,
            diverged: optimum.diverged,
            seeds: self.seeds(index),
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

    /// What the regret shows, and how many seeds would show it where it shows nothing.
    fn verdict(
        &self,
        numbers: &Numbers,
        carried: Option<&Carried>,
        intervals: &Intervals,
    ) -> (Transfers, Option<Needed>) {
        if carried.is_some_and(|carried| carried.diverged) {
            return (Transfers::Fails, None);
        }
        let both = [Number::Regret, Number::Shift].map(|number| numbers.get(&number).copied());
        let [Some(regret), Some(shift)] = both else {
            return (Transfers::Undetermined, None);
        };
        let regret = Regret {
            regret,
            shift,
            tolerance: self.request.tolerance,
        };
        let widths = intervals.entering(Number::Regret);
        let seeds = widths.iter().map(|index| self.seeds(*index)).min();
        let freedom = intervals.freedom(Number::Regret);
        let needed = seeds.and_then(|seeds| regret.needed(seeds, freedom, widths.len()));
        (regret.verdict(), needed)
    }

    /// The noise of all curves with a valley on which it is known.
    pub(crate) fn noises(&self) -> Vec<Noise> {
        let optima = self.optima.iter();
        optima.filter_map(Optimum::noise_of_valley).collect()
    }

    /// Fewest seeds at the values that the valley was fitted to.
    pub(crate) fn seeds(&self, index: usize) -> usize {
        let valley = self.optima[index].valley.as_ref();
        let near = self.points[index]
            .iter()
            .filter(|point| valley.is_none_or(|valley| valley.covers(point.log2)));
        near.map(|point| point.seeds).min().unwrap_or(0)
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

/// All but the widest of the widths that take part in fits.
fn narrower(counts: &[bool]) -> &[bool] {
    &counts[..counts.len().saturating_sub(1)]
}
