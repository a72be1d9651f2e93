//! Training loss against step, a line per width: whether wider is better all along.

use std::collections::{BTreeMap, BTreeSet};

use crate::names::display_name;
use crate::tell::figures::canvas::{
    Axis, Key, Layer, Mark, Panel, Sheet, Symbol, draw, even_columns, nice_step, ordered_color,
    two_decimals,
};
use crate::tell::figures::figure::{Figure, FigureError};
use crate::wider::loss::LossRow;
use crate::wider::monitor::Monitor;

const NAME: &str = "curves";

/// Points of a line: each is the mean over that part of the steps, because single batches hide the
/// differences.
const BINS: usize = 40;

/// Share of the steps in which the loss falls off its start; what only happens there may leave the
/// panel.
const START: f64 = 0.1;

const CROSSING_COLOR: &str = "#d1382b";

/// The curve of one width under one rule.
struct Line {
    width: usize,
    points: Vec<Stretch>,
}

/// A stretch of training: its mean step, and the mean, lowest and highest loss over seeds.
struct Stretch {
    step: f64,
    loss: f64,
    low: f64,
    high: f64,
}

/// Draws the training loss against the step: a panel per rule, a line per width, averaged over
/// seeds and over fortieths of the training, and around it a band from the lowest to the highest
/// seed. A red cross marks where the wider of two neighbours becomes worse. A line ends where one
/// of its seeds diverges. Losses of the first tenth of training that are far above the rest leave
/// the panel.
///
/// # Errors
/// When no loss is finite, or the PNG cannot be made.
pub fn curves(rows: &[LossRow], judged: &[Monitor]) -> Result<Figure, FigureError> {
    let mut drawn = Vec::new();
    for monitor in judged {
        drawn.push((monitor, lines(rows, monitor)));
    }
    let widths: BTreeSet<usize> = rows.iter().map(|row| row.at).collect();
    let colors: BTreeMap<usize, String> = widths
        .iter()
        .enumerate()
        .map(|(index, width)| (*width, ordered_color(index, widths.len())))
        .collect();
    let all: Vec<&Line> = drawn.iter().flat_map(|(_, lines)| lines).collect();
    let (x, y) = axes(&all).ok_or(FigureError::Empty { figure: NAME })?;
    let panels = drawn.iter().map(|(monitor, lines)| Panel {
        title: format!("{}: {}", display_name(&monitor.rule), monitor.verdict),
        x: x.clone(),
        y: y.clone(),
        layers: layers(lines, monitor, &colors),
        guide: None,
        band: None,
    });
    draw(&Sheet {
        name: NAME,
        panels: panels.collect(),
        keys: keys(judged, &colors),
        columns: even_columns(drawn.len()),
        narrow_columns: 1,
        panel_size: (330.0, 380.0),
    })
}

fn lines(rows: &[LossRow], monitor: &Monitor) -> Vec<Line> {
    let mut widths: BTreeMap<usize, BTreeMap<u64, BTreeMap<usize, f64>>> = BTreeMap::new();
    for row in rows {
        if row.rule == monitor.rule && !is_lost(row, monitor) {
            let seeds = widths.entry(row.at).or_default();
            seeds
                .entry(row.seed)
                .or_default()
                .insert(row.step, row.loss);
        }
    }
    let last = rows.iter().map(|row| row.step).max().unwrap_or(0);
    let mut lines = Vec::new();
    for (width, seeds) in widths {
        let points = stretches(&seeds, last);
        lines.push(Line { width, points });
    }
    lines
}

/// Whether a seed of this width has diverged by then.
fn is_lost(row: &LossRow, monitor: &Monitor) -> bool {
    monitor
        .diverged
        .iter()
        .any(|lost| lost.at == row.at && lost.step <= row.step)
}

/// Smoothed losses over seeds. Each seed is smoothed by itself, so that the band is that of runs
/// and not of batches.
fn stretches(seeds: &BTreeMap<u64, BTreeMap<usize, f64>>, last: usize) -> Vec<Stretch> {
    let mut bins: BTreeMap<usize, Vec<(f64, f64)>> = BTreeMap::new();
    for curve in seeds.values() {
        let mut parts: BTreeMap<usize, Vec<(f64, f64)>> = BTreeMap::new();
        for (&step, &loss) in curve {
            let part = parts.entry(bin(step, last)).or_default();
            part.push((step as f64, loss));
        }
        for (index, part) in parts {
            bins.entry(index).or_default().push(means(&part));
        }
    }
    let stretches = bins.values().map(|seeds| over_seeds(seeds));
    stretches
        .filter(|stretch| stretch.loss.is_finite())
        .collect()
}

fn bin(step: usize, last: usize) -> usize {
    ((step as f64 / (last as f64 + 1.0) * BINS as f64) as usize).min(BINS - 1)
}

fn over_seeds(seeds: &[(f64, f64)]) -> Stretch {
    let (step, loss) = means(seeds);
    let losses = seeds.iter().map(|(_, loss)| *loss);
    Stretch {
        step,
        loss,
        low: losses.clone().fold(f64::INFINITY, f64::min),
        high: losses.fold(f64::NEG_INFINITY, f64::max),
    }
}

/// Mean step and loss. Each value is divided before it is added, so that large losses do not
/// overflow.
fn means(points: &[(f64, f64)]) -> (f64, f64) {
    let count = points.len() as f64;
    (
        points.iter().map(|(step, _)| step / count).sum(),
        points.iter().map(|(_, loss)| loss / count).sum(),
    )
}

fn layers(lines: &[Line], monitor: &Monitor, colors: &BTreeMap<usize, String>) -> Vec<Layer> {
    let (mut areas, mut strokes) = (Vec::new(), Vec::new());
    for Line { width, points } in lines {
        areas.push(Layer::Area {
            points: points.iter().map(|p| (p.step, p.low, p.high)).collect(),
            color: colors[width].clone(),
        });
        strokes.push(Layer::Line {
            points: points.iter().map(|p| (p.step, p.loss)).collect(),
            color: colors[width].clone(),
            dashed: false,
        });
    }
    areas.extend(strokes);
    areas.push(crossings(lines, monitor));
    areas
}

/// Crosses on the line of the wider model.
fn crossings(lines: &[Line], monitor: &Monitor) -> Layer {
    let mut points = Vec::new();
    for pair in &monitor.pairs {
        let line = lines.iter().find(|line| line.width == pair.wide);
        for step in &pair.crossings {
            points.extend(line.and_then(|line| nearest(line, *step as f64)));
        }
    }
    Layer::Marks {
        points,
        color: CROSSING_COLOR.to_owned(),
        mark: Mark::Cross,
        size: 5.0,
    }
}

/// The place on a line that is nearest to a step.
fn nearest(line: &Line, step: f64) -> Option<(f64, f64, f64)> {
    let stretch = line.points.iter().min_by(|a, b| {
        let [a, b] = [a, b].map(|stretch| (stretch.step - step).abs());
        a.total_cmp(&b)
    })?;
    Some((stretch.step, stretch.loss, 0.0))
}

fn axes(lines: &[&Line]) -> Option<(Axis, Axis)> {
    let last = lines
        .iter()
        .filter_map(|line| line.points.last())
        .map(|stretch| stretch.step)
        .reduce(f64::max)?;
    let (low, high) = height(lines, START * last)?;
    let span = (high - low).clamp(0.01, f64::MAX / 4.0);
    let range = (low - 0.05 * span, low + 1.08 * span);
    Some((
        Axis {
            label: "step".into(),
            range: (0.0, last.max(1.0) * 1.02),
            step: nice_step(last.max(1.0)),
            tick: whole,
        },
        Axis {
            label: "training loss (nats)".into(),
            range,
            step: nice_step(range.1 - range.0),
            tick: two_decimals,
        },
    ))
}

/// The height is that of what happens after the start, and of half the points at least where some
/// line explodes.
fn height(lines: &[&Line], start: f64) -> Option<(f64, f64)> {
    let all: Vec<&Stretch> = lines.iter().flat_map(|line| &line.points).collect();
    let low = all.iter().map(|stretch| stretch.low).reduce(f64::min)?;
    let mut settled = Vec::new();
    for line in lines {
        settled.extend(spread(line, start));
    }
    let highest = all.iter().map(|stretch| stretch.high).reduce(f64::max)?;
    let top = highest_of(&settled, |[_, _, high]| high).unwrap_or(highest);
    let floor = highest_of(&settled, |[low, _, _]| low).unwrap_or(top);
    let middle = highest_of(&settled, |[_, middle, _]| middle).unwrap_or(top);
    let high = top.min(middle.max(low + 3.0 * (floor - low)) + (middle - low));
    Some((low, high))
}

/// Lowest, middle and highest loss of a line after the start.
fn spread(line: &Line, start: f64) -> Option<[f64; 3]> {
    let mut losses: Vec<f64> = line
        .points
        .iter()
        .filter(|stretch| stretch.step >= start)
        .map(|stretch| stretch.high)
        .collect();
    losses.sort_by(f64::total_cmp);
    Some([*losses.first()?, losses[losses.len() / 2], *losses.last()?])
}

fn highest_of(spreads: &[[f64; 3]], of: fn([f64; 3]) -> f64) -> Option<f64> {
    spreads.iter().copied().map(of).reduce(f64::max)
}

fn whole(value: f64) -> String {
    format!("{value:.0}")
}

fn keys(judged: &[Monitor], colors: &BTreeMap<usize, String>) -> Vec<Key> {
    let axis = judged
        .first()
        .map(|monitor| monitor.axis)
        .unwrap_or_default();
    let mut keys = Vec::new();
    for (width, color) in colors {
        keys.push(Key {
            label: format!("{axis} {width}"),
            color: color.clone(),
            symbol: Symbol::Line,
        });
    }
    let mut pairs = judged.iter().flat_map(|monitor| &monitor.pairs);
    if pairs.any(|pair| !pair.crossings.is_empty()) {
        keys.push(Key {
            label: format!("{} becomes worse", axis.larger()),
            color: CROSSING_COLOR.to_owned(),
            symbol: Symbol::Mark(Mark::Cross),
        });
    }
    keys
}
