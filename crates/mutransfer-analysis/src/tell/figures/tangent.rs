//! How far training takes a network from its start, against width: the exponents of its features
//! and of its neural tangent kernel.

use crate::names::display_name;
use crate::tangent::{Changed, Slope};
use crate::tell::figures::canvas::{
    Axis, Key, Layer, Mark, Panel, Sheet, Symbol, draw, power_of_two,
};
use crate::tell::figures::figure::{Figure, FigureError};

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
pub fn tangent(slopes: &[Slope]) -> Result<Figure, FigureError> {
    let mut rules: Vec<&str> = slopes.iter().map(|slope| slope.rule.as_str()).collect();
    rules.dedup();
    let (x, y) = axes(slopes).ok_or(FigureError::Empty { figure: NAME })?;
    let panels = Changed::ALL.map(|changed| Panel {
        title: title(changed).to_owned(),
        x: x.clone(),
        y: y.clone(),
        layers: layers(slopes, changed, &rules),
        guide: None,
        band: None,
    });
    let mut keys: Vec<Key> = slopes.iter().map(|slope| key(slope, &rules)).collect();
    keys.push(Key {
        label: "neural tangent limit: -1/2, -1".to_owned(),
        color: GUIDE_COLOR.to_owned(),
        symbol: Symbol::DashedLine,
    });
    draw(&Sheet {
        name: NAME,
        panels: panels.into(),
        keys,
        columns: 2,
        narrow_columns: 1,
        panel_size: (260.0, 340.0),
    })
}

fn title(changed: Changed) -> &'static str {
    match changed {
        Changed::Features => "features",
        Changed::Kernel => "neural tangent kernel",
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
    let of_panel: Vec<&Slope> = slopes
        .iter()
        .filter(|slope| slope.changed == changed)
        .collect();
    let mut layers = Vec::new();
    layers.extend(of_panel.first().map(|slope| guide(slope, limit(changed))));
    for slope in of_panel {
        layers.extend(line(slope, color(&slope.rule, rules)));
    }
    layers
}

/// A dashed line of this slope through the first point of a line.
fn guide(slope: &Slope, exponent: f64) -> Layer {
    let points = points(slope);
    let (x, y) = points.first().map_or((0.0, 0.0), |(x, y, _)| (*x, *y));
    Layer::Line {
        points: points
            .iter()
            .map(|(to, ..)| (*to, y + exponent * (to - x)))
            .collect(),
        color: GUIDE_COLOR.to_owned(),
        dashed: true,
    }
}

fn line(slope: &Slope, color: String) -> [Layer; 2] {
    let marks = points(slope);
    [
        Layer::Line {
            points: marks.iter().map(|(x, y, _)| (*x, *y)).collect(),
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
    let mut points = Vec::new();
    for (width, change) in &slope.log2_change {
        let margin = change.margin.unwrap_or_default();
        points.push(((*width as f64).log2(), change.mean, margin));
    }
    points
}

fn axes(slopes: &[Slope]) -> Option<(Axis, Axis)> {
    let all: Vec<(f64, f64, f64)> = slopes.iter().flat_map(points).collect();
    let widths: Vec<f64> = all.iter().map(|point| point.0).collect();
    let ends: Vec<f64> = all
        .iter()
        .flat_map(|(_, change, margin)| [change - margin, change + margin])
        .collect();
    let mut x = axis("width", range(&widths, 0.3)?, 6.0);
    x.tick = width;
    Some((
        x,
        axis("relative change in training", range(&ends, 0.4)?, 8.0),
    ))
}

/// From the lowest to the highest value, with room on both sides.
fn range(values: &[f64], margin: f64) -> Option<(f64, f64)> {
    let low = values.iter().copied().reduce(f64::min)?;
    let high = values.iter().copied().reduce(f64::max)?;
    Some((low - margin, high + margin))
}

fn axis(label: &str, range: (f64, f64), most: f64) -> Axis {
    Axis {
        label: label.to_owned(),
        range,
        step: ((range.1 - range.0) / most).ceil(),
        tick: power_of_two,
    }
}

fn width(log2: f64) -> String {
    format!("{:.0}", log2.exp2())
}

fn key(slope: &Slope, rules: &[&str]) -> Key {
    Key {
        label: format!(
            "{} {}: slope {}",
            display_name(&slope.rule),
            slope.changed,
            slope.slope
        ),
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
