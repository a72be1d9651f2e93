//! The check along depth as a picture: how what a few updates do grows with the number of blocks,
//! beside what each rule promises.

use std::collections::{BTreeMap, BTreeSet};

use mutransfer::theory::DepthSlopes;

use crate::depth::{DepthRow, QUANTITIES, Quantity};
use crate::names::{after_baseline, display_name};
use crate::statistics::sample::mean;
use crate::tell::figures::canvas::{Key, Layer, Mark, Panel, Sheet, Symbol, draw};
use crate::tell::figures::coordinates::{area, axes, color};
use crate::tell::figures::figure::{Figure, FigureError};

const NAME: &str = "depth";

/// Draws every quantity of the check against the number of blocks, on one shared scale: a panel for
/// each, a line for each rule. A value is relative to the mean at the fewest blocks, so that all
/// begin at one. The line is the mean over seeds, the pale band reaches from the lowest to the
/// highest seed, and the dashed line has the slope that the rule promises.
///
/// # Errors
///
/// When no value is positive and finite, or the PNG cannot be made.
pub fn depth(
    rows: &[DepthRow],
    expected: &BTreeMap<String, DepthSlopes>,
) -> Result<Figure, FigureError> {
    let rules: BTreeSet<&str> = rows.iter().map(|row| row.rule.as_str()).collect();
    let mut rules: Vec<&str> = rules.into_iter().collect();
    rules.sort_by_key(|rule| after_baseline(rule));
    let drawn: Vec<(String, Vec<Layer>)> = QUANTITIES
        .iter()
        .map(|quantity| {
            let of_rule = |(index, rule): (usize, &&str)| {
                let own: Vec<&DepthRow> = rows.iter().filter(|row| row.rule == **rule).collect();
                layers(index, &own, quantity, expected.get(*rule))
            };
            let mut all: Vec<Layer> = rules.iter().enumerate().flat_map(of_rule).collect();
            all.sort_by_key(|layer| !matches!(layer, Layer::Area { .. }));
            (quantity.0.to_owned(), all)
        })
        .collect();
    let label = "size over that at the fewest blocks";
    let (x, y) = axes(&drawn, "blocks", label).ok_or(FigureError::Empty { figure: NAME })?;
    let panels = drawn.into_iter().map(|(title, layers)| Panel {
        title,
        x: x.clone(),
        y: y.clone(),
        layers,
        guide: None,
        band: None,
    });
    draw(&Sheet {
        name: NAME,
        panels: panels.collect(),
        keys: keys(&rules),
        columns: QUANTITIES.len(),
        narrow_columns: 1,
        panel_size: (220.0, 260.0),
    })
}

/// What is drawn of a quantity of one rule.
fn layers(
    index: usize,
    rows: &[&DepthRow],
    (_, size, slope): &Quantity,
    expected: Option<&DepthSlopes>,
) -> Vec<Layer> {
    let mut sizes: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    let is_shown = |value: &f64| value.is_finite() && *value > 0.0;
    for row in rows {
        let value = Some(size(row)).filter(is_shown);
        sizes.entry(row.depth).or_default().extend(value);
    }
    sizes.retain(|_, values| !values.is_empty());
    let Some((&fewest, first)) = sizes.first_key_value() else {
        return Vec::new();
    };
    let unit = mean(first);
    for value in sizes.values_mut().flatten() {
        *value /= unit;
    }
    let points: Vec<(f64, f64)> = sizes
        .iter()
        .map(|(&depth, values)| ((depth as f64).log2(), mean(values).log2()))
        .collect();
    let mut layers: Vec<Layer> = area(&sizes, index).into_iter().collect();
    let promised = expected
        .zip(sizes.keys().next_back())
        .map(|(slopes, &most)| {
            let (from, to) = ((fewest as f64).log2(), (most as f64).log2());
            vec![(from, 0.0), (to, slope(slopes) * (to - from))]
        });
    let discs = points.iter().map(|(x, y)| (*x, *y, 0.0)).collect();
    let line = |points, dashed| Layer::Line {
        points,
        color: color(index),
        dashed,
    };
    layers.extend(promised.map(|points| line(points, true)));
    layers.push(line(points, false));
    layers.push(Layer::marks(discs, &color(index), Mark::Disc, 2.5));
    layers
}

fn keys(rules: &[&str]) -> Vec<Key> {
    let of_rule = |(index, rule): (usize, &&str)| Key {
        label: display_name(rule).to_owned(),
        color: color(index),
        symbol: Symbol::Line,
    };
    let promised = Key {
        label: "as promised".to_owned(),
        color: "#555555".to_owned(),
        symbol: Symbol::DashedLine,
    };
    let measured = rules.iter().enumerate().map(of_rule);
    measured.chain([promised]).collect()
}
