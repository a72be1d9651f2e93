//! How far training takes a network from its start, against width: the exponents of its features
//! and of its kernel.

use super::canvas::{Axis, Key, Layer, Mark, Panel, Sheet, Symbol, draw, power_of_two};
use super::{Figure, FigureError};
use crate::{Changed, Slope, display_name};

const NAME: &str = "kernel";

/// As in the figure of coordinates, without the pale ones.
const COLORS: [&str; 5] = ["#d55e00", "#0072b2", "#009e73", "#cc79a7", "#000000"];

const GUIDE_COLOR: &str = "#888888";

/// Draws the relative change of features and of the kernel against width, a panel each: a line per
/// rule through the geometric means over seeds, with their 95% intervals. Dashed guides fall as the
/// neural tangent limit does.
///
/// # Errors
/// When there is no slope, or the PNG cannot be made.
pub fn kernel(slopes: &[Slope]) -> Result<Figure, FigureError> {
    let mut rules: Vec<&str> = slopes.iter().map(|slope| slope.rule.as_str()).collect();
    rules.dedup();
    let (x, y) = axes(slopes).ok_or(FigureError::Empty { figure: NAME })?;
    let panel = |changed: Changed| Panel {
        title: title(changed),
        x: x.clone(),
        y: y.clone(),
        layers: layers(slopes, changed, &rules),
        guide: None,
        band: None,
    };
    let guide = Key {
        label: "neural tangent limit: -1/2, -1".to_owned(),
        color: GUIDE_COLOR.to_owned(),
        symbol: Symbol::DashedLine,
    };
    draw(&Sheet {
        name: NAME,
        panels: Changed::ALL.into_iter().map(panel).collect(),
        keys: slopes
            .iter()
            .map(|slope| key(slope, &rules))
            .chain([guide])
            .collect(),
        columns: 2,
        narrow_columns: 1,
        panel_size: (260.0, 340.0),
    })
}

fn title(changed: Changed) -> String {
    match changed {
        Changed::Features => "features".to_owned(),
        Changed::Kernel => "neural tangent kernel".to_owned(),
    }
}

/// Exponent in the neural tangent limit: TP4 (arXiv 2011.14522) for features, arXiv 1909.11304 for
/// the kernel.
fn limit(changed: Changed) -> f64 {
    match changed {
        Changed::Features => -0.5,
        Changed::Kernel => -1.0,
    }
}

fn layers(slopes: &[Slope], changed: Changed, rules: &[&str]) -> Vec<Layer> {
    let of_panel = || slopes.iter().filter(|slope| slope.changed == changed);
    let guide = of_panel().next().map(|slope| guide(slope, limit(changed)));
    guide
        .into_iter()
        .chain(of_panel().flat_map(|slope| line(slope, color(&slope.rule, rules))))
        .collect()
}

/// A dashed line of this slope through the first point of a line.
fn guide(slope: &Slope, exponent: f64) -> Layer {
    let points = points(slope);
    let (x, y) = points.first().map_or((0.0, 0.0), |(x, y, _)| (*x, *y));
    let points = points
        .iter()
        .map(|(to, ..)| (*to, y + exponent * (to - x)))
        .collect();
    Layer::Line {
        points,
        color: GUIDE_COLOR.to_owned(),
        dashed: true,
    }
}

fn line(slope: &Slope, color: String) -> [Layer; 2] {
    let marks = points(slope);
    let points = marks.iter().map(|(x, y, _)| (*x, *y)).collect();
    [
        Layer::Line {
            points,
            color: color.clone(),
            dashed: false,
        },
        Layer::Marks {
            points: marks,
            color,
            mark: Mark::Disc,
            size: 3.0,
        },
    ]
}

/// Log2 of width and of change, with the margin of the latter.
fn points(slope: &Slope) -> Vec<(f64, f64, f64)> {
    let point = |(width, change): (&usize, &crate::Estimate)| {
        (
            (*width as f64).log2(),
            change.mean,
            change.margin.unwrap_or_default(),
        )
    };
    slope.log2_change.iter().map(point).collect()
}

fn axes(slopes: &[Slope]) -> Option<(Axis, Axis)> {
    let all: Vec<(f64, f64, f64)> = slopes.iter().flat_map(points).collect();
    let low = |value: fn(&(f64, f64, f64)) -> f64| all.iter().map(value).reduce(f64::min);
    let high = |value: fn(&(f64, f64, f64)) -> f64| all.iter().map(value).reduce(f64::max);
    let across = (low(|point| point.0)? - 0.3, high(|point| point.0)? + 0.3);
    let up = (
        low(|point| point.1 - point.2)? - 0.4,
        high(|point| point.1 + point.2)? + 0.4,
    );
    let step = |(low, high): (f64, f64), most: f64| ((high - low) / most).ceil();
    Some((
        Axis {
            label: "width".to_owned(),
            range: across,
            step: step(across, 6.0),
            tick: |log2| format!("{:.0}", log2.exp2()),
        },
        Axis {
            label: "relative change in training".to_owned(),
            range: up,
            step: step(up, 8.0),
            tick: power_of_two,
        },
    ))
}

fn key(slope: &Slope, rules: &[&str]) -> Key {
    let label = format!(
        "{} {}: slope {}",
        display_name(&slope.rule),
        slope.changed,
        slope.slope
    );
    Key {
        label,
        color: color(&slope.rule, rules),
        symbol: Symbol::Line,
    }
}

fn color(rule: &str, rules: &[&str]) -> String {
    let index = rules
        .iter()
        .position(|known| *known == rule)
        .unwrap_or_default();
    COLORS[index % COLORS.len()].to_owned()
}
