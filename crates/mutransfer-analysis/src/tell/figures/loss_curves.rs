//! Final loss against learning rate, one panel per rule: where the valleys lie and whether they
//! move.

use crate::names::display_name;
use crate::table::sweep::Sweeps;
use crate::tell::figures::canvas::{
    Axis, Key, Layer, Mark, Panel, Sheet, Symbol, draw, even_columns, nice_step, ordered_color,
    power_of_two, two_decimals,
};
use crate::tell::figures::figure::{Figure, FigureError};
use crate::transfer::analysis::{Analysis, RuleAnalysis};
use crate::transfer::point::Point;

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
    let ladder = Ladder::of(analysis);
    let mut drawn = Vec::new();
    for (name, rule) in analysis.ordered_rules() {
        drawn.push((name, rule, curves(sweeps, &ladder, name, rule)));
    }
    let all: Vec<&Curve> = drawn.iter().flat_map(|(.., curves)| curves).collect();
    let empty = FigureError::Empty { figure: NAME };
    let (x, y, top) = axes(&all, analysis.sweep_name()).ok_or(empty)?;
    let panels = drawn.iter().map(|(name, rule, curves)| Panel {
        title: display_name(name).to_owned(),
        x: x.clone(),
        y: y.clone(),
        layers: layers(curves, top, y.range.1),
        guide: rule.carried.as_ref().and_then(|carried| carried.log2),
        band: any_diverged(&all).then_some((top, y.range.1)),
    });
    draw(&Sheet {
        name: NAME,
        panels: panels.collect(),
        keys: keys(analysis, &ladder, &all),
        columns: even_columns(drawn.len()),
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
    let mut curves = Vec::new();
    let swept = sweeps.rules.get(name).into_iter().flatten();
    for (curve, best) in swept.zip(&rule.optima) {
        let place = ladder.proxies.iter().position(|at| *at == curve.at);
        let bottom = best.log2.zip(best.loss);
        curves.push(Curve {
            points: curve.points(),
            best: bottom
                .map(|(log2, loss)| (log2.value, loss.value))
                .filter(|(_, loss)| loss.abs() < LARGEST),
            color: place.map_or(TARGET_COLOR.to_owned(), |index| {
                ordered_color(index, ladder.proxies.len())
            }),
            is_target: place.is_none(),
        });
    }
    curves
}

/// Both axes and the height above which only divergence is drawn.
fn axes(curves: &[&Curve], sweep: &str) -> Option<(Axis, Axis, f64)> {
    let (mut rates, mut losses, mut floors) = (Vec::new(), Vec::new(), Vec::new());
    for curve in curves {
        let own: Vec<f64> = curve.points.iter().filter_map(drawable).collect();
        floors.extend(min(&own));
        losses.extend(own);
        losses.extend(curve.best.map(|(_, loss)| loss));
        rates.extend(curve.points.iter().map(|point| point.log2));
    }
    let bottom = min(&losses)?;
    let top = (max(&floors)? * HEADROOM).min(max(&losses)?);
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

/// Curves first, then the marks that must stay visible. Diverged values are staggered by width,
/// because the same one often fails at several widths.
fn layers(curves: &[Curve], top: f64, edge: f64) -> Vec<Layer> {
    let mut layers: Vec<Layer> = curves.iter().flat_map(curve_layers).collect();
    for (index, curve) in curves.iter().enumerate() {
        let share = (index as f64 + 1.0) / (curves.len() as f64 + 1.0);
        layers.push(crosses(curve, top + (edge - top) * share));
    }
    layers.extend(curves.iter().flat_map(stars));
    layers
}

fn curve_layers(curve: &Curve) -> [Layer; 2] {
    let mut marks = Vec::new();
    for point in &curve.points {
        let error = point.standard_error.filter(|error| *error < LARGEST);
        if let Some(loss) = drawable(point) {
            marks.push((point.log2, loss, error.unwrap_or(0.0)));
        }
    }
    [
        Layer::Line {
            points: marks.iter().map(|(x, y, _)| (*x, *y)).collect(),
            color: curve.color.clone(),
            dashed: curve.is_target,
        },
        Layer::Marks {
            points: marks,
            color: curve.color.clone(),
            mark: if curve.is_target {
                Mark::Square
            } else {
                Mark::Disc
            },
            size: 3.0,
        },
    ]
}

fn drawable(point: &Point) -> Option<f64> {
    point.loss.filter(|loss| loss.abs() < LARGEST)
}

fn crosses(curve: &Curve, height: f64) -> Layer {
    let diverged = curve.points.iter().filter(|point| point.loss.is_none());
    Layer::Marks {
        points: diverged.map(|point| (point.log2, height, 0.0)).collect(),
        color: curve.color.clone(),
        mark: Mark::Cross,
        size: 4.0,
    }
}

/// A star with a pale rim, so that it stands out where curves cross.
fn stars(curve: &Curve) -> [Layer; 2] {
    [("white", 10.0), (&*curve.color, 7.5)].map(|(color, size)| Layer::Marks {
        points: curve
            .best
            .map(|(log2, loss)| (log2, loss, 0.0))
            .into_iter()
            .collect(),
        color: color.to_owned(),
        mark: Mark::Star,
        size,
    })
}

fn keys(analysis: &Analysis, ladder: &Ladder, curves: &[&Curve]) -> Vec<Key> {
    let axis = &analysis.axis;
    let mut keys = Vec::new();
    for (index, at) in ladder.proxies.iter().enumerate() {
        let color = ordered_color(index, ladder.proxies.len());
        keys.push(key(format!("{axis} {at}"), &color, Symbol::Line));
    }
    let is_measured = curves.iter().any(|curve| curve.is_target);
    if let Some(at) = ladder.target.filter(|_| is_measured) {
        let label = format!("target, {axis} {at}");
        keys.push(key(label, TARGET_COLOR, Symbol::DashedLine));
    }
    let best = format!("best {}", analysis.sweep_name());
    keys.push(key(best, NEUTRAL_COLOR, Symbol::Mark(Mark::Star)));
    if ladder.target.is_some() {
        let carried = "carried to the target".to_owned();
        keys.push(key(carried, NEUTRAL_COLOR, Symbol::DashedLine));
    }
    if any_diverged(curves) {
        let diverged = "diverged".to_owned();
        keys.push(key(diverged, NEUTRAL_COLOR, Symbol::Mark(Mark::Cross)));
    }
    keys
}

fn key(label: String, color: &str, symbol: Symbol) -> Key {
    Key {
        label,
        color: color.to_owned(),
        symbol,
    }
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
