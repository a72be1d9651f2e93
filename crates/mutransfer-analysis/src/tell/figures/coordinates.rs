//! The coordinate check as a picture: how large a quantity of each module is at each width, before
//! and after some updates.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use mutransfer::theory::Quantity;

use crate::coordinates::size::Coordinate;
use crate::names::{after_baseline, display_name};
use crate::statistics::sample::mean;
use crate::tell::figures::canvas::{
    Axis, Key, Layer, Mark, Panel, Sheet, Symbol, draw, power_of_two,
};
use crate::tell::figures::figure::{Figure, FigureError};

const NAME: &str = "coordinates";

/// Panels per rule; more would be too small to read.
const STEPS: usize = 4;

/// Modules drawn: as many as there are colours, in full and in dashed lines.
const MODULES: usize = 2 * COLORS.len();

/// Colours that people with any colour vision can tell apart (Okabe and Ito), without the yellow.
const COLORS: [&str; 7] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000",
];

/// Draws the mean absolute value of a quantity of each module against width, on one shared scale: a
/// row of panels per rule, a panel per step, a line per module. The line is the mean over seeds;
/// the pale band around it reaches from the lowest to the highest seed, so it is noise of initial
/// weights and batches, and it is not there with one seed. Values that are zero or not finite have
/// no place on a logarithmic axis and are left out. Of many modules only those whose size changes
/// most with the width are drawn; a key says how many are not.
///
/// # Errors
///
/// When no value is positive and finite, or the PNG cannot be made.
pub fn coordinates(rows: &[Coordinate], quantity: Quantity) -> Result<Figure, FigureError> {
    let rows: Vec<&Coordinate> = rows
        .iter()
        .filter(|row| row.quantity == quantity && row.l1.is_finite() && row.l1 > 0.0)
        .collect();
    let steps = steps(&rows);
    let sizes = Sizes::of(&rows, &steps);
    let modules = sizes.steepest(MODULES);
    let mut drawn = Vec::new();
    for rule in rules(&rows) {
        for &step in &steps {
            drawn.push((title(rule, step), layers(&sizes, rule, step, &modules)));
        }
    }
    let (x, y) =
        axes(&drawn, "width", label(quantity)).ok_or(FigureError::Empty { figure: NAME })?;
    draw(&Sheet {
        name: NAME,
        panels: panels(drawn, &x, &y),
        keys: keys(&sizes, &modules),
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
        .chunk_by(|one, next| one.rule == next.rule)
        .map(|block| &*block[0].rule)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    rules.sort_by_key(|rule| after_baseline(rule));
    rules
}

/// At most [`STEPS`] steps, evenly spread, the first and the last among them.
fn steps(rows: &[&Coordinate]) -> Vec<usize> {
    let steps: Vec<usize> = rows
        .chunk_by(|one, next| one.step == next.step)
        .map(|block| block[0].step)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let shown = steps.len().min(STEPS);
    (0..shown)
        .map(|index| steps[index * (steps.len() - 1) / (shown - 1).max(1)])
        .collect()
}

/// What all seeds have, by width.
type BySeed = BTreeMap<usize, Vec<f64>>;

/// What is drawn of every module.
struct Sizes<'a> {
    /// Modules in the order of the rows, which is the order of the forward pass.
    modules: Vec<&'a str>,
    /// With the place of the module.
    sizes: Vec<(usize, BySeed)>,
    /// Places of these, by rule, step and place of the module.
    found: HashMap<(&'a str, usize, usize), usize>,
}

impl<'a> Sizes<'a> {
    fn of(rows: &[&'a Coordinate], steps: &[usize]) -> Self {
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut all = Self {
            modules: Vec::new(),
            sizes: Vec::new(),
            found: HashMap::new(),
        };
        for row in rows {
            let place = *places.entry(&row.module).or_insert_with(|| {
                all.modules.push(&row.module);
                all.modules.len() - 1
            });
            if steps.contains(&row.step) {
                let found = all.found.entry((&row.rule, row.step, place));
                let found = *found.or_insert_with(|| {
                    all.sizes.push((place, BySeed::new()));
                    all.sizes.len() - 1
                });
                let of_width = all.sizes[found].1.entry(row.width);
                of_width.or_default().push(row.l1);
            }
        }
        all
    }

    fn get(&self, rule: &'a str, step: usize, place: usize) -> Option<&BySeed> {
        let found = *self.found.get(&(rule, step, place))?;
        Some(&self.sizes[found].1)
    }

    /// Places of at most so many modules, those that change most with the width at any time, in
    /// the order of the forward pass.
    fn steepest(&self, most: usize) -> Vec<usize> {
        let mut reach = vec![0.0_f64; self.modules.len()];
        for (place, sizes) in &self.sizes {
            let means = || sizes.values().map(|values| mean(values).log2());
            let change =
                means().fold(f64::NEG_INFINITY, f64::max) - means().fold(f64::INFINITY, f64::min);
            reach[*place] = reach[*place].max(change);
        }
        let mut places: Vec<usize> = (0..reach.len()).collect();
        places.sort_by(|a, b| reach[*b].total_cmp(&reach[*a]));
        places.truncate(most);
        places.sort_unstable();
        places
    }
}

/// Areas below lines, so that no line is covered.
fn layers(sizes: &Sizes, rule: &str, step: usize, modules: &[usize]) -> Vec<Layer> {
    let (mut areas, mut lines) = (Vec::new(), Vec::new());
    for (index, module) in modules.iter().enumerate() {
        let Some(seeds) = sizes.get(rule, step, *module) else {
            continue;
        };
        let points = seeds
            .iter()
            .map(|(&width, values)| ((width as f64).log2(), mean(values).log2()))
            .collect();
        areas.extend(area(seeds, index));
        lines.extend(line_with_discs(points, index));
    }
    areas.extend(lines);
    areas
}

/// From the lowest to the highest seed at each size.
pub(crate) fn area(seeds: &BySeed, index: usize) -> Option<Layer> {
    if seeds.values().all(|values| values.len() < 2) {
        return None;
    }
    let mut points = Vec::new();
    for (&width, values) in seeds {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(0.0, f64::max);
        points.push(((width as f64).log2(), low.log2(), high.log2()));
    }
    Some(Layer::Area {
        points,
        color: color(index),
    })
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

/// Panels that share their axes.
pub(crate) fn panels(drawn: Vec<(String, Vec<Layer>)>, x: &Axis, y: &Axis) -> Vec<Panel> {
    let panels = drawn.into_iter().map(|(title, layers)| Panel {
        title,
        x: x.clone(),
        y: y.clone(),
        layers,
        guide: None,
        band: None,
    });
    panels.collect()
}

/// Of a size, and of what is measured at it, both as logarithms.
pub(crate) fn axes(
    panels: &[(String, Vec<Layer>)],
    size: &str,
    label: &str,
) -> Option<(Axis, Axis)> {
    let layers = panels.iter().flat_map(|(_, layers)| layers);
    let (across, up): (Vec<f64>, Vec<f64>) = layers.flat_map(line_points).unzip();
    let mut x = axis(size, &across, 5.0)?;
    x.tick = whole;
    Some((x, axis(label, &up, 8.0)?))
}

/// With room on both sides, and at most so many ticks.
fn axis(label: &str, values: &[f64], most: f64) -> Option<Axis> {
    let low = values.iter().copied().reduce(f64::min)? - 0.4;
    let high = values.iter().copied().reduce(f64::max)? + 0.4;
    Some(Axis {
        label: label.to_owned(),
        range: (low, high),
        step: ((high - low) / most).ceil(),
        tick: power_of_two,
    })
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

fn whole(log2: f64) -> String {
    format!("{:.0}", log2.exp2())
}

fn keys(sizes: &Sizes, modules: &[usize]) -> Vec<Key> {
    let drawn = modules.iter().enumerate();
    let mut keys: Vec<Key> = drawn
        .map(|(index, module)| key(index, sizes.modules[*module]))
        .collect();
    let others = sizes.modules.len() - modules.len();
    if others > 0 {
        keys.push(Key {
            label: format!("{others} that change less are not drawn"),
            color: "none".to_owned(),
            symbol: Symbol::Line,
        });
    }
    keys
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

pub(crate) fn color(index: usize) -> String {
    COLORS[index % COLORS.len()].to_owned()
}

/// The colours start again after the last one, with dashed lines.
fn is_dashed(index: usize) -> bool {
    index / COLORS.len() % 2 == 1
}
