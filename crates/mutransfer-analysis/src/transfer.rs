//! The whole analysis of a table: optima, how they scale, what transfer costs, with intervals and
//! verdicts.

use std::collections::BTreeMap;
use std::f64::consts::LN_2;

use super::bootstrap::{Resampler, affordable, replicates};
use super::gap;
use super::joint::{Joint, joint, rescatter};
use super::judgement::{Analysis, Best, Carried, Request, RuleAnalysis, Transfers};
use super::measured::{Measured, Number};
use super::prediction::{Prediction, predict};
use super::regret::{Excess, excess};
use super::run::is_same;
use super::scaling::{LIMIT_WIDTHS, Scaling, Vertex, kappa_of_grid};
use super::sweep::{Curve, Sweeps};
use super::{Flag, Optimum, Point, TableError, optimum};

/// Analyses a table. `axis` and `sweep` are only names.
///
/// # Errors
/// When the reference is not in the table, or the target is not above the narrowest width.
pub fn analyze(
    sweeps: &Sweeps,
    axis: &str,
    sweep: &str,
    request: &Request,
) -> Result<Analysis, TableError> {
    let reference = sweeps.reference(request.reference.as_deref())?;
    let smallest = sweeps
        .rules
        .values()
        .flatten()
        .map(|curve| curve.at)
        .fold(f64::INFINITY, f64::min);
    if let Some(target) = request.target.filter(|target| *target <= smallest) {
        return Err(TableError::Target {
            target,
            axis: axis.to_owned(),
            smallest,
        });
    }
    let judged = sweeps
        .rules
        .iter()
        .map(|(name, curves)| (name.clone(), Rule::new(name, curves, request).judge()));
    let judged: BTreeMap<String, Judged> = judged.collect();
    let base = reference.as_ref().map(|name| &judged[name]);
    let compared = |(name, rule): (&String, &Judged)| {
        let other = base.filter(|_| reference.as_ref() != Some(name));
        let mut analysis = rule.analysis.clone();
        analysis
            .numbers
            .extend(other.into_iter().flat_map(|base| rule.against(base)));
        (name.clone(), analysis)
    };
    let rules = judged.iter().map(compared).collect();
    let (axis, sweep, along) = (axis.to_owned(), sweep.to_owned(), sweeps.along.clone());
    Ok(Analysis {
        axis,
        sweep,
        reference,
        tolerance: request.tolerance,
        rows: sweeps.rows,
        along,
        rules,
    })
}

/// The value of the hyperparameter to use unchanged at `target`: the optimum at the widest width
/// below it that has one, which is the vertex of its parabola, or the best grid point where there is
/// no vertex.
///
/// Only runs below the target count, so the value stays the same once runs at the target arrive.
/// None where no width below it has an optimum. `max_octaves` is as in [`Request`].
pub fn carried(sweeps: &Sweeps, rule: &str, target: f64, max_octaves: Option<f64>) -> Option<f64> {
    let curves = sweeps.rules.get(rule)?.iter().rev();
    let mut below = curves.filter(|curve| curve.at < target);
    below.find_map(|curve| {
        let points: Vec<Point> = curve.trials.iter().map(super::Trials::point).collect();
        optimum::of_points(&points, 0, max_octaves).lr
    })
}

/// A rule on its own, and its numbers in every resampled table.
struct Judged {
    analysis: RuleAnalysis,
    resampled: Vec<BTreeMap<Number, f64>>,
}

/// A comparison, the number compared, and how.
type Comparison = (Number, Number, fn(f64, f64) -> f64);

/// What sets a rule against the reference.
const COMPARISONS: [Comparison; 2] = [
    (Number::LimitGap, Number::Limit, |rule, reference| {
        rule - reference
    }),
    (Number::ErrorRatio, Number::Error, |rule, reference| {
        rule / reference
    }),
];

impl Judged {
    /// Rules are resampled independently.
    fn against(&self, reference: &Self) -> Vec<(Number, Measured)> {
        let compare = |(name, number, of): Comparison| {
            let value = |judged: &Self| {
                judged
                    .analysis
                    .numbers
                    .get(&number)
                    .map(|measured| measured.value)
            };
            let pairs = self.resampled.iter().zip(&reference.resampled);
            let finite = |value: &f64| value.is_finite();
            let replicates = pairs.map(|(rule, base)| {
                Some(of(*rule.get(&number)?, *base.get(&number)?)).filter(finite)
            });
            let compared = Some(of(value(self)?, value(reference)?)).filter(finite)?;
            Some((name, Measured::of(compared, replicates)))
        };
        COMPARISONS.into_iter().filter_map(compare).collect()
    }
}

/// One rule under analysis.
struct Rule<'a> {
    name: &'a str,
    curves: &'a [Curve],
    request: &'a Request,
    points: Vec<Vec<Point>>,
    optima: Vec<Optimum>,
    /// Indices of the widths that take part in fits.
    fitted: Vec<usize>,
    carried: Option<Route>,
}

/// Which curves a transfer runs between.
#[derive(Clone, Copy)]
struct Route {
    proxy: usize,
    /// None where the target is not in the table.
    target: Option<usize>,
    to: f64,
}

/// What one table, real or resampled, says.
struct Draw {
    vertices: Vec<Option<Vertex>>,
    joint: Option<Joint>,
    /// Excess of the carried hyperparameter at a target of the table.
    excess: Option<f64>,
}

impl<'a> Rule<'a> {
    fn new(name: &'a str, curves: &'a [Curve], request: &'a Request) -> Self {
        let points: Vec<Vec<Point>> = curves
            .iter()
            .map(|curve| curve.trials.iter().map(super::Trials::point).collect())
            .collect();
        let of = |(curve, points): (&Curve, &Vec<Point>)| {
            optimum::of_points(points, curve.at.round() as usize, request.max_octaves)
        };
        let optima: Vec<Optimum> = curves.iter().zip(&points).map(of).collect();
        let fitted = (0..curves.len())
            .filter(|&index| Vertex::of(curves[index].at, &optima[index]).is_some())
            .collect();
        let carried = route(curves, &optima, request.target);
        Self {
            name,
            curves,
            request,
            points,
            optima,
            fitted,
            carried,
        }
    }

    fn judge(&self) -> Judged {
        let resamplers: Vec<Option<Resampler>> = (0..self.curves.len())
            .map(|index| self.resampler(index))
            .collect();
        let effort = resamplers.iter().flatten().map(Resampler::effort).sum();
        let freedom = |index: usize| {
            resamplers[index]
                .as_ref()
                .map_or(0, |resampler| resampler.freedom)
        };
        let spare = self.fitted.iter().map(|index| freedom(*index)).sum();
        let count = affordable(self.request.replicates, effort);
        let mut draws = replicates(self.name, &resamplers, count, |points| self.redraw(points));
        let real = self.real();
        if let Some(joint) = &real.joint {
            rescatter(
                joint,
                draws
                    .iter_mut()
                    .filter_map(|draw| draw.joint.as_mut())
                    .collect(),
            );
        }
        let counts = self.above_noise(&real, &draws);
        let values = self.numbers(&real, &counts);
        let resampled: Vec<BTreeMap<Number, f64>> = draws
            .iter()
            .map(|draw| self.numbers(draw, &counts))
            .collect();
        let measured = |(number, value): (&Number, &f64)| {
            (
                *number,
                Measured::of(*value, resampled.iter().map(|r| r.get(number).copied()))
                    .widened(spare),
            )
        };
        let mut numbers: BTreeMap<Number, Measured> = values.iter().map(measured).collect();
        reach_zero(&mut numbers);
        let vertices = self.complete(&real.vertices).unwrap_or_default();
        let kappa = kappa_of_grid(&vertices, &Scaling::of(&vertices));
        numbers.extend(kappa.map(|kappa| (Number::KappaOfGrid, Measured::plain(kappa))));
        let margin = numbers
            .get(&Number::GapMargin)
            .and_then(|margin| margin.interval);
        let analysis = RuleAnalysis {
            optima: (0..self.curves.len())
                .map(|index| self.best(index, &draws, freedom(index)))
                .collect(),
            fast: gap::speed(&counts[..counts.len().saturating_sub(1)], margin),
            prediction: self.prediction(&vertices),
            carried: self.carried.map(|route| self.carried(route)),
            verdict: self.verdict(&numbers),
            flags: self.flags(&vertices, &numbers, &counts),
            replicates: count,
            joint: real.joint,
            numbers,
        };
        Judged {
            analysis,
            resampled,
        }
    }

    fn resampler(&self, index: usize) -> Option<Resampler> {
        let losses: Vec<&[f64]> = self.curves[index]
            .trials
            .iter()
            .map(|trials| trials.losses.as_slice())
            .collect();
        let kept = optimum::kept_points(&self.points[index], self.request.max_octaves);
        Resampler::of(&self.points[index], &losses, &kept, &self.optima[index])
    }

    fn real(&self) -> Draw {
        let vertices = self
            .curves
            .iter()
            .zip(&self.optima)
            .map(|(curve, optimum)| Vertex::of(curve.at, optimum));
        let excess = self.carried.and_then(|route| {
            let target = route.target?;
            nats(excess(
                &self.points[target],
                &self.optima[target],
                self.optima[route.proxy].log2_lr?,
            ))
        });
        let vertices: Vec<Option<Vertex>> = vertices.collect();
        let joint = self.joint(&vertices, |index| &self.points[index]);
        Draw {
            vertices,
            joint,
            excess,
        }
    }

    fn redraw(&self, points: &[Option<Vec<Point>>]) -> Draw {
        let of = |points: &Vec<Point>| optimum::of_points(points, 0, self.request.max_octaves);
        let optima: Vec<Option<Optimum>> = points
            .iter()
            .map(|points| points.as_ref().map(of))
            .collect();
        let vertex = |index: usize| Vertex::of(self.curves[index].at, optima[index].as_ref()?);
        let excess = self.carried.and_then(|route| {
            let target = route.target?;
            vertex(target)?;
            let log2 = vertex(route.proxy)?.ln_best / LN_2;
            nats(excess(
                points[target].as_ref()?,
                optima[target].as_ref()?,
                log2,
            ))
        });
        let vertices: Vec<Option<Vertex>> = (0..points.len()).map(vertex).collect();
        let joint = self.joint(&vertices, |index| {
            points[index].as_deref().unwrap_or_default()
        });
        Draw {
            vertices,
            joint,
            excess,
        }
    }

    /// The vertices of all widths that take part in fits; none if one of them got lost.
    fn complete(&self, vertices: &[Option<Vertex>]) -> Option<Vec<Vertex>> {
        self.fitted.iter().map(|index| vertices[*index]).collect()
    }

    /// Which fitted widths' optima differ from that of the widest by more than noise.
    fn above_noise(&self, real: &Draw, draws: &[Draw]) -> Vec<bool> {
        let Some(vertices) = self
            .complete(&real.vertices)
            .filter(|vertices| !vertices.is_empty())
        else {
            return Vec::new();
        };
        let complete: Vec<Vec<Vertex>> = draws
            .iter()
            .filter_map(|draw| self.complete(&draw.vertices))
            .collect();
        let error = |index: usize| {
            let gaps: Vec<f64> = complete
                .iter()
                .map(|all| all[index].ln_best - all[all.len() - 1].ln_best)
                .collect();
            deviation(&gaps)
        };
        gap::above_noise(
            &vertices,
            &(0..vertices.len()).map(error).collect::<Vec<_>>(),
        )
    }

    fn numbers(&self, draw: &Draw, counts: &[bool]) -> BTreeMap<Number, f64> {
        let vertices = self.complete(&draw.vertices).unwrap_or_default();
        let scaling = Scaling::of(&vertices);
        let gap = gap::exponent(&vertices, counts);
        let ends = vertices
            .first()
            .zip(vertices.last())
            .filter(|_| vertices.len() > 1);
        let ends_of_transfer = self.carried.map(|route| self.ends(route, draw, &scaling));
        let shift = ends_of_transfer
            .and_then(|(proxy, target)| Some((target?.ln_best - proxy?.ln_best) / LN_2));
        let gain = ends_of_transfer.and_then(|(proxy, target)| Some(proxy?.loss - target?.loss));
        let regret = self.carried.and_then(|route| match route.target {
            Some(_) => draw.excess,
            None => Some(0.5 * ends_of_transfer?.1?.curvature * (shift? * LN_2).powi(2)),
        });
        let target_loss = self
            .carried
            .and_then(|route| Some(draw.vertices[route.target?]?.loss));
        let all = [
            (
                Number::Drift,
                ends.map(|(first, last)| (last.ln_best - first.ln_best) / LN_2),
            ),
            (Number::DriftRate, scaling.beta().map(|beta| 0.0 - beta)),
            (Number::Alpha, scaling.alpha()),
            (Number::Beta, scaling.beta()),
            (Number::S, scaling.s()),
            (Number::Gamma, scaling.gamma()),
            (Number::Kappa, scaling.kappa()),
            (Number::Error, draw.joint.as_ref().map(|joint| joint.error)),
            (Number::Limit, scaling.loss.map(|loss| loss.limit)),
            (Number::GapExponent, gap),
            (
                Number::GapMargin,
                gap.zip(scaling.alpha())
                    .map(|(gap, alpha)| gap - alpha / 2.0),
            ),
            (Number::Shift, shift),
            (Number::Regret, regret),
            (Number::TargetLoss, target_loss),
            (
                Number::RelativeRegret,
                regret
                    .zip(gain)
                    .filter(|(_, gain)| *gain > 0.0)
                    .map(|(regret, gain)| regret / gain),
            ),
        ];
        all.into_iter()
            .filter_map(|(number, value)| Some((number, value?)))
            .collect()
    }

    /// The vertices at both ends of the transfer; that of a target outside the table is
    /// extrapolated.
    fn ends(
        &self,
        route: Route,
        draw: &Draw,
        scaling: &Scaling,
    ) -> (Option<Vertex>, Option<Vertex>) {
        let extrapolated = || {
            let ln_at = route.to.ln();
            let loss = scaling.loss.map_or(f64::NAN, |loss| {
                loss.limit + loss.amplitude * (-loss.exponent * ln_at).exp()
            });
            let (ln_best, curvature) =
                (scaling.best?.at(ln_at), scaling.curvature?.at(ln_at).exp());
            Some(Vertex {
                ln_at,
                ln_best,
                loss,
                curvature,
                raw_loss: loss,
            })
        };
        (
            draw.vertices[route.proxy],
            route
                .target
                .map_or_else(extrapolated, |target| draw.vertices[target]),
        )
    }

    fn joint<'p>(
        &self,
        vertices: &[Option<Vertex>],
        points: impl Fn(usize) -> &'p [Point],
    ) -> Option<Joint> {
        let vertices = self.complete(vertices)?;
        let curve = |index: &usize| -> Vec<(f64, f64)> {
            let kept = optimum::kept_points(points(*index), self.request.max_octaves);
            kept.iter()
                .filter_map(|point| Some((point.lr.ln(), point.loss?)))
                .collect()
        };
        joint(
            &vertices,
            &Scaling::of(&vertices),
            &self.fitted.iter().map(curve).collect::<Vec<_>>(),
        )
    }

    fn best(&self, index: usize, draws: &[Draw], freedom: usize) -> Best {
        let optimum = &self.optima[index];
        let fitted = self.fitted.contains(&index);
        let measured = |value: Option<f64>, of: fn(&Vertex) -> f64| {
            let replicates = || {
                draws
                    .iter()
                    .map(|draw| draw.vertices[index].as_ref().map(of))
            };
            value.map(|value| {
                if fitted {
                    Measured::of(value, replicates()).widened(freedom)
                } else {
                    Measured::plain(value)
                }
            })
        };
        let curvature = optimum.parabola.as_ref().map(|parabola| parabola.curvature);
        Best {
            at: self.curves[index].at,
            log2: measured(optimum.log2_lr, |vertex| vertex.ln_best / LN_2),
            loss: measured(optimum.loss, |vertex| vertex.loss),
            curvature: measured(curvature, |vertex| vertex.curvature),
            seeds: self.points[index]
                .iter()
                .map(|point| point.seeds)
                .min()
                .unwrap_or(0),
            fitted,
            optimum: optimum.clone(),
        }
    }

    fn prediction(&self, vertices: &[Vertex]) -> Option<Prediction> {
        let to = self.carried?.to;
        let below: Vec<Vertex> = vertices
            .iter()
            .filter(|vertex| vertex.ln_at < to.ln())
            .copied()
            .collect();
        predict(&below, to)
    }

    fn carried(&self, route: Route) -> Carried {
        let log2 = self.optima[route.proxy].log2_lr;
        let at = |target: usize| Some(excess(&self.points[target], &self.optima[target], log2?));
        let was_run = |point: &&Point| log2.is_some_and(|log2| is_same(point.log2_lr, log2));
        Carried {
            from: self.curves[route.proxy].at,
            to: route.to,
            log2,
            loss: route
                .target
                .and_then(|target| self.points[target].iter().find(was_run)?.loss),
            measured: route.target.is_some(),
            diverged: route.target.and_then(at) == Some(Excess::Diverged),
        }
    }

    fn verdict(&self, numbers: &BTreeMap<Number, Measured>) -> Transfers {
        let interval = numbers
            .get(&Number::Regret)
            .and_then(|regret| regret.interval);
        let diverged = self
            .carried
            .is_some_and(|route| self.carried(route).diverged);
        match interval {
            _ if diverged => Transfers::Fails,
            Some([_, high]) if high <= self.request.tolerance => Transfers::Transfers,
            Some([low, _]) if low > self.request.tolerance => Transfers::Fails,
            _ => Transfers::Undetermined,
        }
    }

    fn flags(
        &self,
        vertices: &[Vertex],
        numbers: &BTreeMap<Number, Measured>,
        counts: &[bool],
    ) -> Vec<Flag> {
        let pinned = Scaling::of(vertices).loss.is_some_and(|loss| loss.pinned);
        let narrower = &counts[..counts.len().saturating_sub(1)];
        let conditions = [
            (Flag::TooFewWidths, vertices.len() < LIMIT_WIDTHS),
            (Flag::Pinned, pinned),
            (
                Flag::Unreliable,
                numbers.values().any(Measured::is_unreliable),
            ),
            (Flag::AtNoiseFloor, narrower.iter().any(|counts| !counts)),
        ];
        let held = conditions
            .into_iter()
            .filter(|(_, holds)| *holds)
            .map(|(flag, _)| flag);
        let mut flags: Vec<Flag> = self
            .optima
            .iter()
            .flat_map(|optimum| optimum.flags.clone())
            .chain(held)
            .collect();
        flags.sort_unstable();
        flags.dedup();
        flags
    }
}

/// From the widest proxy with any optimum to the target: the one asked for, else the widest of the
/// table.
fn route(curves: &[Curve], optima: &[Optimum], asked: Option<f64>) -> Option<Route> {
    let to = asked.or(curves.last().map(|curve| curve.at))?;
    let proxy = (0..curves.len())
        .rev()
        .find(|&index| curves[index].at < to && optima[index].log2_lr.is_some())?;
    Some(Route {
        proxy,
        target: curves.iter().position(|curve| curve.at == to),
        to,
    })
}

fn nats(excess: Excess) -> Option<f64> {
    match excess {
        Excess::Nats(nats) => Some(nats),
        Excess::Diverged | Excess::Unknown => None,
    }
}

/// Standard deviation; zero where there are no replicates to tell.
fn deviation(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values
        .iter()
        .map(|value| (value - mean).powi(2))
        .sum::<f64>()
        / (count - 1.0);
    if values.len() > 1 {
        variance.sqrt()
    } else {
        0.0
    }
}

/// Noise of either sign makes a regret positive. Where the optimum may have moved either way, there
/// may be none at all. Nowhere is there less, nor an error below zero.
fn reach_zero(numbers: &mut BTreeMap<Number, Measured>) {
    let shift = numbers.get(&Number::Shift).and_then(|shift| shift.interval);
    let either_way = shift.is_some_and(|[low, high]| low <= 0.0 && high >= 0.0);
    for (number, is_zero) in [
        (Number::Regret, either_way),
        (Number::RelativeRegret, either_way),
        (Number::Error, false),
    ] {
        if let Some([low, _]) = numbers
            .get_mut(&number)
            .and_then(|measured| measured.interval.as_mut())
        {
            *low = if is_zero { 0.0 } else { low.max(0.0) };
        }
    }
}
