//! The check along a size other than the width as a picture: how what a few updates do grows,
//! beside what each rule promises.

use std::collections::{BTreeMap, BTreeSet};

use crate::growth::{GrowthRow, Promise};
use crate::names::{after_baseline, display_name};
use crate::statistics::sample::mean;
use crate::tell::figures::canvas::{Key, Layer, Mark, Sheet, Symbol, draw};
use crate::tell::figures::coordinates::{area, axes, color, panels};
use crate::tell::figures::figure::{Figure, FigureError};

const NAME: &str = "growth";

/// Panels side by side.
const COLUMNS: usize = 3;

/// Draws every quantity of the check against what grows, called `axis`, on one shared scale: a
/// panel for each, a line for each rule. A value is relative to the mean at the smallest size, so
/// that all begin at one. The line is the mean over seeds, the pale band reaches from the lowest to the
/// highest seed, and the dashed line has the slope that the rule promises.
///
/// # Errors
///
/// When no value is positive and finite, or the PNG cannot be made.
pub fn growth(
    rows: &[GrowthRow],
    expected: &BTreeMap<String, Promise>,
    axis: &str,
) -> Result<Figure, FigureError> {
    let rules: BTreeSet<&str> = rows.iter().map(|row| row.rule.as_str()).collect();
    let mut rules: Vec<&str> = rules.into_iter().collect();
    rules.sort_by_key(|rule| after_baseline(rule));
    let quantities: Promise = expected.values().next().cloned().unwrap_or_default();
    let mut drawn: Vec<(String, Vec<Layer>)> = Vec::new();
    for (quantity, _) in &quantities {
        let mut all = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            let own = rows.iter().filter(|row| row.rule == *rule);
            let sizes = relative(own.filter(|row| row.quantity == *quantity));
            let promise = expected.get(*rule).into_iter().flatten();
            let slope = promise.copied().find(|(name, _)| name == quantity);
            all.extend(layers(index, &sizes, slope.map(|(_, slope)| slope)));
        }
        all.sort_by_key(|layer| !matches!(layer, Layer::Area { .. }));
        drawn.push(((*quantity).to_owned(), all));
    }
    let label = "size over that at the smallest";
    let (x, y) = axes(&drawn, axis, label).ok_or(FigureError::Empty { figure: NAME })?;
    draw(&Sheet {
        name: NAME,
        panels: panels(drawn, &x, &y),
        keys: keys(&rules),
        columns: COLUMNS,
        narrow_columns: 1,
        panel_size: (220.0, 260.0),
    })
}

/// What all seeds have, by what grows, over the mean at the smallest.
fn relative<'a>(rows: impl Iterator<Item = &'a GrowthRow>) -> BTreeMap<usize, Vec<f64>> {
    let mut sizes: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for row in rows {
        if row.size.is_finite() && row.size > 0.0 {
            sizes.entry(row.at).or_default().push(row.size);
        }
    }
    let unit = sizes.values().next().map_or(1.0, |first| mean(first));
    for value in sizes.values_mut().flatten() {
        *value /= unit;
    }
    sizes
}

/// What is drawn of a quantity of one rule.
fn layers(index: usize, sizes: &BTreeMap<usize, Vec<f64>>, slope: Option<f64>) -> Vec<Layer> {
    let points: Vec<(f64, f64)> = sizes
        .iter()
        .map(|(&depth, values)| ((depth as f64).log2(), mean(values).log2()))
        .collect();
    let mut layers: Vec<Layer> = area(sizes, index).into_iter().collect();
    if let (Some(&(from, _)), Some(&(to, _)), Some(slope)) = (points.first(), points.last(), slope)
    {
        layers.push(line(
            vec![(from, 0.0), (to, slope * (to - from))],
            index,
            true,
        ));
    }
    let discs = points.iter().map(|(x, y)| (*x, *y, 0.0)).collect();
    layers.push(line(points, index, false));
    layers.push(Layer::marks(discs, &color(index), Mark::Disc, 2.5));
    layers
}

fn line(points: Vec<(f64, f64)>, index: usize, dashed: bool) -> Layer {
    Layer::Line {
        points,
        color: color(index),
        dashed,
    }
}

fn keys(rules: &[&str]) -> Vec<Key> {
    let mut keys: Vec<Key> = rules
        .iter()
        .enumerate()
        .map(|(index, rule)| Key {
            label: display_name(rule).to_owned(),
            color: color(index),
            symbol: Symbol::Line,
        })
        .collect();
    keys.push(Key {
        label: "as promised".to_owned(),
        color: "#555555".to_owned(),
        symbol: Symbol::DashedLine,
    });
    keys
}
