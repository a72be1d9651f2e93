//! What copying the proxy's optimum to the target costs: one bar per rule, with its interval.

use crate::names::display_name;
use crate::statistics::measured::Measured;
use crate::tell::figures::canvas::{Axis, Key, Layer, Mark, Panel, Sheet, Symbol, draw, nice_step};
use crate::tell::figures::figure::{Figure, FigureError};
use crate::transfer::analysis::Analysis;
use crate::transfer::number::Number;

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
    let bars: Vec<(&str, Measured)> = rules
        .iter()
        .filter_map(|(name, rule)| Some((*name, *rule.numbers.get(&Number::Regret)?)))
        .collect();
    let highest = bars
        .iter()
        .map(|(_, regret)| top(regret))
        .reduce(f64::max)
        .ok_or(FigureError::Empty { figure: NAME })?;
    let height = 1.1 * highest.max(analysis.tolerance);
    draw(&Sheet {
        name: NAME,
        panels: bars
            .iter()
            .map(|(name, regret)| panel(name, regret, analysis.tolerance, height))
            .collect(),
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

fn top(regret: &Measured) -> f64 {
    regret.interval.map_or(regret.value, |[_, high]| high)
}

fn panel(name: &str, regret: &Measured, tolerance: f64, height: f64) -> Panel {
    Panel {
        title: display_name(name).to_owned(),
        x: Axis {
            label: String::new(),
            range: (0.0, 2.0),
            step: 4.0,
            tick: |_| String::new(),
        },
        y: Axis {
            label: "regret (nats)".to_owned(),
            range: (0.0, height),
            step: nice_step(height),
            tick: short,
        },
        layers: layers(regret, tolerance),
        guide: None,
        band: Some((0.0, regret.value.max(0.0))),
    }
}

fn layers(regret: &Measured, tolerance: f64) -> Vec<Layer> {
    let mut layers = vec![Layer::Line {
        points: vec![(0.0, tolerance), (2.0, tolerance)],
        color: TOLERANCE_COLOR.to_owned(),
        dashed: true,
    }];
    if let Some([low, high]) = regret.interval {
        layers.push(Layer::Line {
            points: vec![(1.0, low), (1.0, high)],
            color: COLOR.to_owned(),
            dashed: false,
        });
    }
    layers.push(Layer::Marks {
        points: vec![(1.0, regret.value, 0.0)],
        color: COLOR.to_owned(),
        mark: Mark::Disc,
        size: 4.0,
    });
    layers
}

/// Without the digits of rounding.
fn short(value: f64) -> String {
    format!("{}", (value * 1e6).round() / 1e6)
}
