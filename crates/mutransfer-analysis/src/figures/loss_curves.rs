//! Final loss against learning rate, one panel per rule: where the valleys lie and whether they
//! move.

use super::canvas::{
    Axis, Key, Layer, Mark, Panel, Sheet, Symbol, draw, even_columns, nice_step, ordered_color,
    power_of_two, two_decimals,
};
use super::{Figure, FigureError};
use crate::{Analysis, Best, Point, RuleAnalysis, Sweeps, Trials, display_name};

const NAME: &str = "loss-curves";

/// Colour of the target, outside the colour scale of the proxies.
const TARGET_COLOR: &str = "#d1382b";
const NEUTRAL_COLOR: &str = "#666666";

/// Losses above this multiple of the highest valley floor leave the panel, so that the valleys fill
/// it.
const HEADROOM: f64 = 1.2;

/// Losses beyond this overflow the arithmetic of the plotting library; they are left out.
const LARGEST: f64 = 1e30;

/// The loss curve of one rule at one value of the axis.
struct Curve {
    points: Vec<Point>,
    /// Log2 of the best learning rate and the loss there.
    best: Option<(f64, f64)>,
    color: String,
    is_target: bool,
}

/// Draws mean final loss in nats against the swept hyperparameter, a curve per value of the axis
/// and a panel per rule.
///
/// Bars are standard errors over seeds, a star marks the best value, the dashed curve is the target
/// and the vertical line what is carried to it. A cross at the top is a value at which training
/// diverged.
///
/// # Errors
///
/// When no run has a finite loss, or the PNG cannot be made.
pub fn loss_curves(sweeps: &Sweeps, analysis: &Analysis) -> Result<Figure, FigureError> {
    let rules = analysis.ordered_rules();
    let ladder = Ladder::of(analysis);
    let panels: Vec<Vec<Curve>> = rules
        .iter()
        .map(|(name, rule)| curves(sweeps, &ladder, name, rule))
        .collect();
    let all: Vec<&Curve> = panels.iter().flatten().collect();
    let (x, y, top) =
        axes(&all, analysis.sweep_name()).ok_or(FigureError::Empty { figure: NAME })?;
    let panel = |((name, rule), curves): (&(&str, &RuleAnalysis), &Vec<Curve>)| Panel {
        title: display_name(name).to_owned(),
        x: x.clone(),
        y: y.clone(),
        layers: layers(curves, top, y.range.1),
        guide: rule.carried.as_ref().and_then(|carried| carried.log2),
        band: any_diverged(&all).then_some((top, y.range.1)),
    };
    draw(&Sheet {
        name: NAME,
        panels: rules.iter().zip(&panels).map(panel).collect(),
        keys: keys(analysis, &ladder, &all),
        columns: even_columns(rules.len()),
        narrow_columns: 1,
        panel_size: (330.0, 380.0),
    })
}

/// The values of the axis, smallest first.
struct Ladder {
    proxies: Vec<f64>,
    target: Option<f64>,
}

impl Ladder {
    fn of(analysis: &Analysis) -> Self {
        let target = analysis
            .rules
            .values()
            .find_map(|rule| rule.carried.as_ref())
            .map(|carried| carried.to);
        let optima = analysis.rules.values().flat_map(|rule| &rule.optima);
        let mut proxies: Vec<f64> = optima
            .map(|best| best.at)
            .filter(|at| Some(*at) != target)
            .collect();
        proxies.sort_unstable_by(f64::total_cmp);
        proxies.dedup();
        Self { proxies, target }
    }
}

fn curves(sweeps: &Sweeps, ladder: &Ladder, name: &str, rule: &RuleAnalysis) -> Vec<Curve> {
    let sweeps = sweeps.rules.get(name).into_iter().flatten();
    let curve = |(curve, best): (&crate::Curve, &Best)| {
        let place = ladder.proxies.iter().position(|at| *at == curve.at);
        Curve {
            points: curve.trials.iter().map(Trials::point).collect(),
            best: best
                .optimum
                .log2_lr
                .zip(best.optimum.loss)
                .filter(|(_, loss)| loss.abs() < LARGEST),
            color: place.map_or(TARGET_COLOR.to_owned(), |index| {
                ordered_color(index, ladder.proxies.len())
            }),
            is_target: place.is_none(),
        }
    };
    sweeps.zip(&rule.optima).map(curve).collect()
}

/// Both axes and the height above which only divergence is drawn.
fn axes(curves: &[&Curve], sweep: &str) -> Option<(Axis, Axis, f64)> {
    let losses = |curve: &Curve| curve.points.iter().filter_map(drawable).collect::<Vec<_>>();
    let floors: Vec<f64> = curves
        .iter()
        .map(|curve| losses(curve))
        .filter_map(|losses| min(&losses))
        .collect();
    let best = |curve: &Curve| curve.best.map(|(_, loss)| loss);
    let every: Vec<f64> = curves
        .iter()
        .flat_map(|curve| losses(curve).into_iter().chain(best(curve)))
        .collect();
    let rates: Vec<f64> = curves
        .iter()
        .flat_map(|curve| curve.points.iter().map(|point| point.log2_lr))
        .collect();
    let (bottom, top) = (min(&every)?, (max(&floors)? * HEADROOM).min(max(&every)?));
    let span = (top - bottom).max(0.01);
    let strip = if any_diverged(curves) { 0.15 } else { 0.05 };
    let (left, right) = (min(&rates)? - 0.5, max(&rates)? + 0.5);
    let range = (bottom - 0.06 * span, top + strip * span);
    let x = Axis {
        label: sweep.to_owned(),
        range: (left, right),
        step: ((right - left) / 9.0).ceil(),
        tick: power_of_two,
    };
    let y = Axis {
        label: "final loss (nats)".to_owned(),
        range,
        step: nice_step(range.1 - range.0),
        tick: two_decimals,
    };
    Some((x, y, top))
}

/// Curves first, then the marks that must stay visible. Diverged learning rates are staggered by
/// width, because the same one often fails at several widths.
fn layers(curves: &[Curve], top: f64, edge: f64) -> Vec<Layer> {
    let height =
        |index: usize| top + (edge - top) * (index as f64 + 1.0) / (curves.len() as f64 + 1.0);
    let crosses = curves
        .iter()
        .enumerate()
        .map(|(index, curve)| crosses(curve, height(index)));
    curves
        .iter()
        .flat_map(curve_layers)
        .chain(crosses)
        .chain(curves.iter().flat_map(stars))
        .collect()
}

fn curve_layers(curve: &Curve) -> [Layer; 2] {
    let stable = || {
        curve
            .points
            .iter()
            .filter_map(|point| Some((point, drawable(point)?)))
    };
    let error = |point: &Point| {
        point
            .standard_error
            .filter(|error| *error < LARGEST)
            .unwrap_or(0.0)
    };
    let marks = stable().map(|(point, loss)| (point.log2_lr, loss, error(point)));
    let mark = if curve.is_target {
        Mark::Square
    } else {
        Mark::Disc
    };
    let points = stable()
        .map(|(point, loss)| (point.log2_lr, loss))
        .collect();
    [
        Layer::Line {
            points,
            color: curve.color.clone(),
            dashed: curve.is_target,
        },
        Layer::Marks {
            points: marks.collect(),
            color: curve.color.clone(),
            mark,
            size: 3.0,
        },
    ]
}

fn drawable(point: &Point) -> Option<f64> {
    point.loss.filter(|loss| loss.abs() < LARGEST)
}

fn crosses(curve: &Curve, height: f64) -> Layer {
    let diverged = curve.points.iter().filter(|point| point.loss.is_none());
    let points = diverged.map(|point| (point.log2_lr, height, 0.0)).collect();
    Layer::Marks {
        points,
        color: curve.color.clone(),
        mark: Mark::Cross,
        size: 4.0,
    }
}

/// A star with a pale rim, so that it stands out where curves cross.
fn stars(curve: &Curve) -> Vec<Layer> {
    let points: Vec<_> = curve
        .best
        .map(|(log2_lr, loss)| (log2_lr, loss, 0.0))
        .into_iter()
        .collect();
    let star = |color: &str, size| Layer::Marks {
        points: points.clone(),
        color: color.to_owned(),
        mark: Mark::Star,
        size,
    };
    vec![star("white", 10.0), star(&curve.color, 7.5)]
}

fn keys(analysis: &Analysis, ladder: &Ladder, curves: &[&Curve]) -> Vec<Key> {
    let axis = &analysis.axis;
    let proxy = |(index, at)| Key {
        label: format!("{axis} {at}"),
        color: ordered_color(index, ladder.proxies.len()),
        symbol: Symbol::Line,
    };
    let target = |at| Key {
        label: format!("target, {axis} {at}"),
        color: TARGET_COLOR.to_owned(),
        symbol: Symbol::DashedLine,
    };
    let note = |label: String, symbol| Key {
        label,
        color: NEUTRAL_COLOR.to_owned(),
        symbol,
    };
    let mut keys: Vec<Key> = ladder.proxies.iter().enumerate().map(proxy).collect();
    let measured = curves.iter().any(|curve| curve.is_target);
    keys.extend(ladder.target.filter(|_| measured).map(target));
    keys.push(note(
        format!("best {}", analysis.sweep_name()),
        Symbol::Mark(Mark::Star),
    ));
    keys.extend(
        ladder
            .target
            .map(|_| note("carried to the target".to_owned(), Symbol::DashedLine)),
    );
    keys.extend(
        any_diverged(curves).then(|| note("diverged".to_owned(), Symbol::Mark(Mark::Cross))),
    );
    keys
}

fn any_diverged(curves: &[&Curve]) -> bool {
    curves
        .iter()
        .any(|curve| curve.points.iter().any(|point| point.loss.is_none()))
}

fn min(values: &[f64]) -> Option<f64> {
    values.iter().copied().reduce(f64::min)
}

fn max(values: &[f64]) -> Option<f64> {
    values.iter().copied().reduce(f64::max)
}
