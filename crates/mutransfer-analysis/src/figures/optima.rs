//! Where the optimum lies at each width, with intervals, and where it is expected: one panel per
//! rule.

use super::canvas::{
    Axis, Key, Layer, Mark, Panel, Sheet, Symbol, draw, even_columns, power_of_two,
};
use super::{Figure, FigureError};
use crate::{Analysis, RuleAnalysis, display_name};

const NAME: &str = "optima";
const COLOR: &str = "#0072b2";
const PREDICTED: &str = "#d1382b";
const NEUTRAL: &str = "#666666";

/// Draws the best value of the hyperparameter against the axis, both in octaves. Discs are optima
/// with their 95% intervals, crosses optima that no fit could use, and the star is the prediction
/// with its interval, which is cut off where it would dwarf all else.
///
/// # Errors
/// When there is no optimum at all, or the PNG cannot be made.
pub fn optima(analysis: &Analysis) -> Result<Figure, FigureError> {
    let rules = analysis.ordered_rules();
    let all: Vec<Vec<Layer>> = rules.iter().map(|(_, rule)| layers(rule)).collect();
    let (x, y) = axes(&all, analysis).ok_or(FigureError::Empty { figure: NAME })?;
    let panel = |((name, _), layers): (&(&str, &RuleAnalysis), Vec<Layer>)| Panel {
        title: display_name(name).to_owned(),
        x: x.clone(),
        y: y.clone(),
        layers,
        guide: None,
        band: None,
    };
    draw(&Sheet {
        name: NAME,
        panels: rules.iter().zip(all).map(panel).collect(),
        keys: keys(),
        columns: even_columns(rules.len()),
        narrow_columns: 1,
        panel_size: (330.0, 320.0),
    })
}

fn layers(rule: &RuleAnalysis) -> Vec<Layer> {
    let place = |best: &&crate::Best| Some((best.at.log2(), best.log2?.value, 0.0));
    let (fitted, others): (Vec<_>, Vec<_>) = rule.optima.iter().partition(|best| best.fitted);
    let bars = fitted
        .iter()
        .filter_map(|best| Some(bar(best.at.log2(), best.log2?.interval?, COLOR)));
    let mut layers: Vec<Layer> = bars.collect();
    layers.push(marks(
        fitted.iter().filter_map(place).collect(),
        COLOR,
        Mark::Disc,
        4.0,
    ));
    layers.push(marks(
        others.iter().filter_map(place).collect(),
        NEUTRAL,
        Mark::Cross,
        4.0,
    ));
    if let Some(prediction) = &rule.prediction {
        let at = prediction.target.log2();
        layers.extend(
            prediction
                .log2
                .interval
                .map(|interval| bar(at, interval, PREDICTED)),
        );
        layers.push(marks(
            vec![(at, prediction.log2.value, 0.0)],
            PREDICTED,
            Mark::Star,
            6.0,
        ));
    }
    layers
}

fn bar(x: f64, [low, high]: [f64; 2], color: &str) -> Layer {
    Layer::Line {
        points: vec![(x, low), (x, high)],
        color: color.to_owned(),
        dashed: false,
    }
}

fn marks(points: Vec<(f64, f64, f64)>, color: &str, mark: Mark, size: f64) -> Layer {
    Layer::Marks {
        points,
        color: color.to_owned(),
        mark,
        size,
    }
}

fn axes(panels: &[Vec<Layer>], analysis: &Analysis) -> Option<(Axis, Axis)> {
    let points = |layer: &Layer| -> Vec<(f64, f64)> {
        match layer {
            Layer::Line { color, .. } if color == PREDICTED => Vec::new(),
            Layer::Line { points, .. } => points.clone(),
            Layer::Area { points, .. } | Layer::Marks { points, .. } => {
                points.iter().map(|(x, y, _)| (*x, *y)).collect()
            }
        }
    };
    let all: Vec<(f64, f64)> = panels.iter().flatten().flat_map(points).collect();
    let axis = |label: &str, values: Vec<f64>, margin: f64| {
        let low = values.iter().copied().reduce(f64::min)? - margin;
        let high = values.iter().copied().reduce(f64::max)? + margin;
        Some(Axis {
            label: label.to_owned(),
            range: (low, high),
            step: ((high - low) / 8.0).ceil(),
            tick: power_of_two,
        })
    };
    let x = axis(
        &analysis.axis,
        all.iter().map(|point| point.0).collect(),
        0.5,
    )?;
    let tick = if x.range.0 > -1.0 && x.range.1 < PLAIN {
        plain
    } else {
        power_of_two
    };
    let y = axis(
        &format!("best {}", analysis.sweep_name()),
        all.iter().map(|point| point.1).collect(),
        1.0,
    )?;
    Some((Axis { tick, ..x }, y))
}

/// Log2 above which numbers get too long to write out.
const PLAIN: f64 = 15.0;

fn plain(log2: f64) -> String {
    format!("{:.0}", log2.exp2())
}

fn keys() -> Vec<Key> {
    let key = |label: &str, color: &str, mark| Key {
        label: label.to_owned(),
        color: color.to_owned(),
        symbol: Symbol::Mark(mark),
    };
    vec![
        key("optimum, 95% interval", COLOR, Mark::Disc),
        key("not used in fits", NEUTRAL, Mark::Cross),
        key("prediction", PREDICTED, Mark::Star),
    ]
}
