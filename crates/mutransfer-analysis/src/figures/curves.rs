//! Training loss against step, a line per width: whether wider is better all along.

use std::collections::{BTreeMap, BTreeSet};

use super::canvas::{
    Axis, Key, Layer, Mark, Panel, Sheet, Symbol, draw, even_columns, nice_step, ordered_color,
    two_decimals,
};
use super::{Figure, FigureError};
use crate::record::LossRow;
use crate::{Monitor, display_name};

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
    /// Step, and the mean, lowest and highest loss over seeds.
    points: Vec<(f64, f64, f64, f64)>,
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
    let panels: Vec<(&Monitor, Vec<Line>)> = judged
        .iter()
        .map(|monitor| (monitor, lines(rows, monitor)))
        .collect();
    let widths: BTreeSet<usize> = rows.iter().map(|row| row.width).collect();
    let colors: BTreeMap<usize, String> = widths
        .iter()
        .enumerate()
        .map(|(index, width)| (*width, ordered_color(index, widths.len())))
        .collect();
    let all: Vec<&Line> = panels.iter().flat_map(|(_, lines)| lines).collect();
    let (x, y) = axes(&all).ok_or(FigureError::Empty { figure: NAME })?;
    let panel = |(monitor, lines): &(&Monitor, Vec<Line>)| Panel {
        title: format!("{}: {}", display_name(&monitor.rule), monitor.verdict),
        x: x.clone(),
        y: y.clone(),
        layers: layers(lines, monitor, &colors),
        guide: None,
        band: None,
    };
    draw(&Sheet {
        name: NAME,
        panels: panels.iter().map(panel).collect(),
        keys: keys(judged, &colors),
        columns: even_columns(panels.len()),
        narrow_columns: 1,
        panel_size: (330.0, 380.0),
    })
}

fn lines(rows: &[LossRow], monitor: &Monitor) -> Vec<Line> {
    let mut widths: BTreeMap<usize, BTreeMap<u64, BTreeMap<usize, f64>>> = BTreeMap::new();
    let lost = |row: &LossRow| {
        monitor
            .diverged
            .iter()
            .any(|lost| lost.width == row.width && lost.step <= row.step)
    };
    for row in rows
        .iter()
        .filter(|row| row.rule == monitor.rule && !lost(row))
    {
        widths
            .entry(row.width)
            .or_default()
            .entry(row.seed)
            .or_default()
            .insert(row.step, row.loss);
    }
    let last = rows.iter().map(|row| row.step).max().unwrap_or(0);
    widths
        .into_iter()
        .map(|(width, seeds)| Line {
            width,
            points: points(&seeds, last),
        })
        .collect()
}

/// Smoothed losses over seeds. Each seed is smoothed by itself, so that the band is that of runs
/// and not of batches.
fn points(seeds: &BTreeMap<u64, BTreeMap<usize, f64>>, last: usize) -> Vec<(f64, f64, f64, f64)> {
    let bin =
        |step: usize| ((step as f64 / (last as f64 + 1.0) * BINS as f64) as usize).min(BINS - 1);
    let mut bins: BTreeMap<usize, Vec<(f64, f64)>> = BTreeMap::new();
    for curve in seeds.values() {
        let mut parts: BTreeMap<usize, Vec<(f64, f64)>> = BTreeMap::new();
        for (&step, &loss) in curve {
            parts
                .entry(bin(step))
                .or_default()
                .push((step as f64, loss));
        }
        for (index, part) in parts {
            bins.entry(index).or_default().push((
                mean(part.iter().map(|p| p.0)),
                mean(part.iter().map(|p| p.1)),
            ));
        }
    }
    let over_seeds = |seeds: Vec<(f64, f64)>| {
        let losses = || seeds.iter().map(|(_, loss)| *loss);
        let (low, high) = (
            losses().fold(f64::INFINITY, f64::min),
            losses().fold(f64::NEG_INFINITY, f64::max),
        );
        (
            mean(seeds.iter().map(|(step, _)| *step)),
            mean(losses()),
            low,
            high,
        )
    };
    bins.into_values()
        .map(over_seeds)
        .filter(|point| point.1.is_finite())
        .collect()
}

fn mean(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let count = values.clone().count() as f64;
    values.map(|value| value / count).sum()
}

fn layers(lines: &[Line], monitor: &Monitor, colors: &BTreeMap<usize, String>) -> Vec<Layer> {
    let areas = lines.iter().map(|line| Layer::Area {
        points: line
            .points
            .iter()
            .map(|(step, _, low, high)| (*step, *low, *high))
            .collect(),
        color: colors[&line.width].clone(),
    });
    let strokes = lines.iter().map(|line| Layer::Line {
        points: line
            .points
            .iter()
            .map(|(step, loss, ..)| (*step, *loss))
            .collect(),
        color: colors[&line.width].clone(),
        dashed: false,
    });
    areas
        .chain(strokes)
        .chain([crossings(lines, monitor)])
        .collect()
}

/// Crosses on the line of the wider model.
fn crossings(lines: &[Line], monitor: &Monitor) -> Layer {
    let place = |wide: usize, step: usize| {
        let line = lines.iter().find(|line| line.width == wide)?;
        let distance = |point: &&(f64, f64, f64, f64)| (point.0 - step as f64).abs();
        line.points
            .iter()
            .min_by(|a, b| distance(a).total_cmp(&distance(b)))
            .map(|point| (point.0, point.1, 0.0))
    };
    let every = monitor
        .pairs
        .iter()
        .flat_map(|pair| pair.crossings.iter().map(|step| (pair.wide, *step)));
    let points = every.filter_map(|(wide, step)| place(wide, step)).collect();
    Layer::Marks {
        points,
        color: CROSSING_COLOR.to_owned(),
        mark: Mark::Cross,
        size: 5.0,
    }
}

/// The height is that of what happens after the start, and of half the points at least where some
/// line explodes.
fn axes(lines: &[&Line]) -> Option<(Axis, Axis)> {
    let last = lines
        .iter()
        .filter_map(|line| line.points.last())
        .map(|point| point.0)
        .reduce(f64::max)?;
    let settled = |line: &&Line| {
        let mut losses: Vec<f64> = line
            .points
            .iter()
            .filter(|point| point.0 >= START * last)
            .map(|point| point.3)
            .collect();
        losses.sort_by(f64::total_cmp);
        Some((*losses.first()?, losses[losses.len() / 2], *losses.last()?))
    };
    let all = || lines.iter().flat_map(|line| &line.points);
    let settled: Vec<(f64, f64, f64)> = lines.iter().filter_map(settled).collect();
    let low = all().map(|point| point.2).reduce(f64::min)?;
    let top = settled
        .iter()
        .map(|(_, _, high)| *high)
        .reduce(f64::max)
        .or(all().map(|point| point.3).reduce(f64::max))?;
    let floor = settled
        .iter()
        .map(|(low, ..)| *low)
        .reduce(f64::max)
        .unwrap_or(top);
    let middle = settled
        .iter()
        .map(|(_, middle, _)| *middle)
        .reduce(f64::max)
        .unwrap_or(top);
    let high = top.min(middle.max(low + 3.0 * (floor - low)) + (middle - low));
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

fn whole(value: f64) -> String {
    format!("{value:.0}")
}

fn keys(judged: &[Monitor], colors: &BTreeMap<usize, String>) -> Vec<Key> {
    let width = |(width, color): (&usize, &String)| Key {
        label: format!("width {width}"),
        color: color.clone(),
        symbol: Symbol::Line,
    };
    let crossed = judged
        .iter()
        .flat_map(|monitor| &monitor.pairs)
        .any(|pair| !pair.crossings.is_empty());
    let crossing = Key {
        label: "wider becomes worse".to_owned(),
        color: CROSSING_COLOR.to_owned(),
        symbol: Symbol::Mark(Mark::Cross),
    };
    colors
        .iter()
        .map(width)
        .chain(crossed.then_some(crossing))
        .collect()
}
