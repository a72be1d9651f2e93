//! What copying the proxy's optimum to the target costs: one bar per rule, with its interval.

use super::canvas::{Axis, Key, Layer, Mark, Panel, Sheet, Symbol, draw, nice_step};
use super::{Figure, FigureError};
use crate::{Analysis, Measured, Number, display_name};

const NAME: &str = "regret";
const COLOR: &str = "#0072b2";
const TOLERANCE_COLOR: &str = "#d1382b";

/// Draws the regret in nats: a panel per rule, filled up to the estimate, a line for the 95%
/// interval and a dashed one for the tolerance.
///
/// # Errors
/// When no rule has a regret, or the PNG cannot be made.
pub fn regret(analysis: &Analysis) -> Result<Figure, FigureError> {
    let rules = analysis.ordered_rules();
    let known = rules
        .iter()
        .filter_map(|(name, rule)| Some((*name, *rule.numbers.get(&Number::Regret)?)));
    let bars: Vec<(&str, Measured)> = known.collect();
    let top =
        |(_, regret): &(&str, Measured)| regret.interval.map_or(regret.value, |[_, high]| high);
    let highest = bars
        .iter()
        .map(top)
        .reduce(f64::max)
        .ok_or(FigureError::Empty { figure: NAME })?;
    let height = 1.1 * highest.max(analysis.tolerance);
    let x = Axis {
        label: String::new(),
        range: (0.0, 2.0),
        step: 4.0,
        tick: |_| String::new(),
    };
    let y = Axis {
        label: "regret (nats)".to_owned(),
        range: (0.0, height),
        step: nice_step(height),
        tick: short,
    };
    let panel = |(name, regret): &(&str, Measured)| Panel {
        title: display_name(name).to_owned(),
        x: x.clone(),
        y: y.clone(),
        layers: layers(regret, analysis.tolerance),
        guide: None,
        band: Some((0.0, regret.value.max(0.0))),
    };
    draw(&Sheet {
        name: NAME,
        panels: bars.iter().map(panel).collect(),
        keys: vec![Key {
            label: "tolerance".to_owned(),
            color: TOLERANCE_COLOR.to_owned(),
            symbol: Symbol::DashedLine,
        }],
        columns: bars.len().min(6),
        narrow_columns: 2,
        panel_size: (110.0, 280.0),
    })
}

fn layers(regret: &Measured, tolerance: f64) -> Vec<Layer> {
    let line = |points, color: &str, dashed| Layer::Line {
        points,
        color: color.to_owned(),
        dashed,
    };
    let interval = regret
        .interval
        .map(|[low, high]| line(vec![(1.0, low), (1.0, high)], COLOR, false));
    let estimate = Layer::Marks {
        points: vec![(1.0, regret.value, 0.0)],
        color: COLOR.to_owned(),
        mark: Mark::Disc,
        size: 4.0,
    };
    let limit = line(
        vec![(0.0, tolerance), (2.0, tolerance)],
        TOLERANCE_COLOR,
        true,
    );
    [limit]
        .into_iter()
        .chain(interval)
        .chain([estimate])
        .collect()
}

/// Without the digits of rounding.
fn short(value: f64) -> String {
    format!("{}", (value * 1e6).round() / 1e6)
}
