//! The coordinate check as a picture: how large a quantity of each module is at each width, before
//! and after some updates.

use std::collections::{BTreeMap, BTreeSet};

use super::canvas::{Axis, Key, Layer, Mark, Panel, Sheet, Symbol, draw, power_of_two};
use super::{Figure, FigureError};
use crate::display_name;
use crate::record::Coordinate;
use mutransfer::theory::Quantity;

const NAME: &str = "coordinates";

/// Panels per rule; more would be too small to read.
const STEPS: usize = 4;

/// Colours that people with any colour vision can tell apart (Okabe and Ito), without the yellow.
const COLORS: [&str; 7] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000",
];

/// Draws the mean absolute value of a quantity of each module against width, on one shared scale: a
/// row of panels per rule, a panel per step, a line per module. The line is the mean over seeds;
/// the pale band around it reaches from the lowest to the highest seed, so it is noise of initial
/// weights and batches, and it is not there with one seed. Values that are zero or not finite have
/// no place on a logarithmic axis and are left out.
///
/// # Errors
///
/// When no value is positive and finite, or the PNG cannot be made.
pub fn coordinates(rows: &[Coordinate], quantity: Quantity) -> Result<Figure, FigureError> {
    let shown = |row: &&Coordinate| row.quantity == quantity && row.l1.is_finite() && row.l1 > 0.0;
    let rows: Vec<&Coordinate> = rows.iter().filter(shown).collect();
    let (modules, steps) = (modules(&rows), steps(&rows));
    let panels: Vec<(String, Vec<Layer>)> = rules(&rows)
        .into_iter()
        .flat_map(|rule| steps.iter().map(move |step| (rule, *step)))
        .map(|(rule, step)| (title(rule, step), layers(&rows, rule, step, &modules)))
        .collect();
    let (x, y) = axes(&panels, label(quantity)).ok_or(FigureError::Empty { figure: NAME })?;
    let panel = |(title, layers)| Panel {
        title,
        x: x.clone(),
        y: y.clone(),
        layers,
        guide: None,
        band: None,
    };
    draw(&Sheet {
        name: NAME,
        panels: panels.into_iter().map(panel).collect(),
        keys: modules
            .iter()
            .enumerate()
            .map(|(index, module)| key(index, module))
            .collect(),
        columns: steps.len(),
        narrow_columns: 2,
        panel_size: (155.0, 260.0),
    })
}

fn title(rule: &str, step: usize) -> String {
    match step {
        0 => format!("{}, untrained", display_name(rule)),
        1 => format!("{}, 1 step", display_name(rule)),
        _ => format!("{}, {step} steps", display_name(rule)),
    }
}

fn rules<'a>(rows: &[&'a Coordinate]) -> Vec<&'a str> {
    let mut rules: Vec<&str> = rows
        .iter()
        .map(|row| row.rule.as_str())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    rules.sort_by_key(|rule| *rule != "sp");
    rules
}

/// Modules in the order of the rows, which is the order of the forward pass.
fn modules<'a>(rows: &[&'a Coordinate]) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    rows.iter()
        .map(|row| row.module.as_str())
        .filter(|module| seen.insert(*module))
        .collect()
}

/// At most [`STEPS`] steps, evenly spread, the first and the last among them.
fn steps(rows: &[&Coordinate]) -> Vec<usize> {
    let steps: Vec<usize> = rows
        .iter()
        .map(|row| row.step)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let shown = steps.len().min(STEPS);
    (0..shown)
        .map(|index| steps[index * (steps.len() - 1) / (shown - 1).max(1)])
        .collect()
}

fn layers(rows: &[&Coordinate], rule: &str, step: usize, modules: &[&str]) -> Vec<Layer> {
    let line = |(index, module): (usize, &&str)| {
        let mut seeds: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        for row in rows
            .iter()
            .filter(|row| row.rule == rule && row.step == step && row.module == *module)
        {
            seeds.entry(row.width).or_default().push(row.l1);
        }
        let points = seeds
            .iter()
            .map(|(&width, values)| ((width as f64).log2(), log2_mean(values)))
            .collect();
        (area(&seeds, index), line_with_discs(points, index))
    };
    let (areas, lines): (Vec<Option<Layer>>, Vec<[Layer; 2]>) =
        modules.iter().enumerate().map(line).unzip();
    areas
        .into_iter()
        .flatten()
        .chain(lines.into_iter().flatten())
        .collect()
}

/// From the lowest to the highest seed at each width.
fn area(seeds: &BTreeMap<usize, Vec<f64>>, index: usize) -> Option<Layer> {
    let ends = |(&width, values): (&usize, &Vec<f64>)| {
        let (low, high) = values.iter().fold((f64::INFINITY, 0.0_f64), |ends, l1| {
            (ends.0.min(*l1), ends.1.max(*l1))
        });
        ((width as f64).log2(), low.log2(), high.log2())
    };
    let several = seeds.values().any(|values| values.len() > 1);
    several.then(|| Layer::Area {
        points: seeds.iter().map(ends).collect(),
        color: color(index),
    })
}

fn log2_mean(values: &[f64]) -> f64 {
    (values.iter().sum::<f64>() / values.len() as f64).log2()
}

fn line_with_discs(points: Vec<(f64, f64)>, index: usize) -> [Layer; 2] {
    let discs = points.iter().map(|(x, y)| (*x, *y, 0.0)).collect();
    [
        Layer::Line {
            points,
            color: color(index),
            dashed: is_dashed(index),
        },
        Layer::Marks {
            points: discs,
            color: color(index),
            mark: Mark::Disc,
            size: 2.5,
        },
    ]
}

fn label(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::Activation => "mean |activation|",
        Quantity::Change => "mean |change of activation|",
        Quantity::OwnUpdate => "mean |own update|",
    }
}

fn axes(panels: &[(String, Vec<Layer>)], label: &str) -> Option<(Axis, Axis)> {
    let points: Vec<(f64, f64)> = panels
        .iter()
        .flat_map(|(_, layers)| layers)
        .flat_map(line_points)
        .collect();
    let range = |values: &dyn Fn(&(f64, f64)) -> f64| {
        let low = points.iter().map(values).reduce(f64::min)?;
        let high = points.iter().map(values).reduce(f64::max)?;
        Some((low - 0.4, high + 0.4))
    };
    let (across, up) = (range(&|point| point.0)?, range(&|point| point.1)?);
    let step = |(low, high): (f64, f64), most: f64| ((high - low) / most).ceil();
    Some((
        Axis {
            label: "width".to_owned(),
            range: across,
            step: step(across, 5.0),
            tick: width,
        },
        Axis {
            label: label.to_owned(),
            range: up,
            step: step(up, 8.0),
            tick: power_of_two,
        },
    ))
}

fn line_points(layer: &Layer) -> Vec<(f64, f64)> {
    match layer {
        Layer::Line { points, .. } => points.clone(),
        Layer::Area { points, .. } => points
            .iter()
            .flat_map(|(x, low, high)| [(*x, *low), (*x, *high)])
            .collect(),
        Layer::Marks { .. } => Vec::new(),
    }
}

fn width(log2: f64) -> String {
    format!("{:.0}", log2.exp2())
}

fn key(index: usize, module: &str) -> Key {
    let symbol = if is_dashed(index) {
        Symbol::DashedLine
    } else {
        Symbol::Line
    };
    Key {
        label: module.to_owned(),
        color: color(index),
        symbol,
    }
}

fn color(index: usize) -> String {
    COLORS[index % COLORS.len()].to_owned()
}

/// The colours start again after the last one, with dashed lines.
fn is_dashed(index: usize) -> bool {
    index / COLORS.len() % 2 == 1
}
