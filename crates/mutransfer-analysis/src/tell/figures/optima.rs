//! Where the optimum lies at each width, with intervals, and where it is expected: one panel per
//! rule.

use crate::names::display_name;
use crate::tell::figures::canvas::{
    Axis, Key, Layer, Mark, Panel, Sheet, Symbol, draw, even_columns, power_of_two,
};
use crate::tell::figures::figure::{Figure, FigureError};
use crate::transfer::analysis::{Analysis, Best, RuleAnalysis};

const NAME: &str = "optima";
const COLOR: &str = "#0072b2";
const PREDICTED: &str = "#d1382b";
const NEUTRAL: &str = "#666666";

/// Log2 above which numbers get too long to write out.
const PLAIN: f64 = 15.0;

/// Draws the best value of the hyperparameter against the axis, both in octaves. Discs are optima
/// with their 95% intervals, crosses optima that no fit could use, and the star is the prediction
/// with its interval, which is cut off where it would dwarf all else.
///
/// # Errors
/// When there is no optimum at all, or the PNG cannot be made.
pub fn optima(analysis: &Analysis) -> Result<Figure, FigureError> {
    let mut rules = Vec::new();
    for (name, rule) in analysis.ordered_rules() {
        rules.push((name, layers(rule)));
    }
    let (x, y) = axes(&rules, analysis).ok_or(FigureError::Empty { figure: NAME })?;
    let columns = even_columns(rules.len());
    let panels = rules.into_iter().map(|(name, layers)| Panel {
        title: display_name(name).to_owned(),
        x: x.clone(),
        y: y.clone(),
        layers,
        guide: None,
        band: None,
    });
    draw(&Sheet {
        name: NAME,
        panels: panels.collect(),
        keys: vec![
            key("optimum, 95% interval", COLOR, Mark::Disc),
            key("not used in fits", NEUTRAL, Mark::Cross),
            key("prediction", PREDICTED, Mark::Star),
        ],
        columns,
        narrow_columns: 1,
        panel_size: (330.0, 320.0),
    })
}

fn layers(rule: &RuleAnalysis) -> Vec<Layer> {
    let (fitted, others): (Vec<&Best>, Vec<&Best>) =
        rule.optima.iter().partition(|best| best.fitted);
    let mut layers: Vec<Layer> = fitted
        .iter()
        .filter_map(|best| Some(bar(best.at.log2(), best.log2?.interval?, COLOR)))
        .collect();
    layers.push(Layer::marks(places(&fitted), COLOR, Mark::Disc, 4.0));
    layers.push(Layer::marks(places(&others), NEUTRAL, Mark::Cross, 4.0));
    if let Some(prediction) = &rule.prediction {
        let (at, log2) = (prediction.at.log2(), &prediction.log2);
        layers.extend(log2.interval.map(|interval| bar(at, interval, PREDICTED)));
        layers.push(Layer::marks(
            vec![(at, log2.value, 0.0)],
            PREDICTED,
            Mark::Star,
            6.0,
        ));
    }
    layers
}

fn places(optima: &[&Best]) -> Vec<(f64, f64, f64)> {
    optima
        .iter()
        .filter_map(|best| Some((best.at.log2(), best.log2?.value, 0.0)))
        .collect()
}

fn bar(x: f64, [low, high]: [f64; 2], color: &str) -> Layer {
    Layer::Line {
        points: vec![(x, low), (x, high)],
        color: color.to_owned(),
        dashed: false,
    }
}

fn axes(panels: &[(&str, Vec<Layer>)], analysis: &Analysis) -> Option<(Axis, Axis)> {
    let layers = panels.iter().flat_map(|(_, layers)| layers);
    let (across, up): (Vec<f64>, Vec<f64>) = layers.flat_map(must_show).unzip();
    let mut x = axis(&analysis.axis, &across, 0.5)?;
    if x.range.0 > -1.0 && x.range.1 < PLAIN {
        x.tick = plain;
    }
    let y = axis(&format!("best {}", analysis.sweep_name()), &up, 1.0)?;
    Some((x, y))
}

/// What the panel must have room for: all but the interval of the prediction.
fn must_show(layer: &Layer) -> Vec<(f64, f64)> {
    match layer {
        Layer::Line { color, .. } if color == PREDICTED => Vec::new(),
        Layer::Line { points, .. } => points.clone(),
        Layer::Area { points, .. } | Layer::Marks { points, .. } => {
            points.iter().map(|(x, y, _)| (*x, *y)).collect()
        }
    }
}

fn axis(label: &str, values: &[f64], margin: f64) -> Option<Axis> {
    let low = values.iter().copied().reduce(f64::min)? - margin;
    let high = values.iter().copied().reduce(f64::max)? + margin;
    Some(Axis {
        label: label.to_owned(),
        range: (low, high),
        step: ((high - low) / 8.0).ceil(),
        tick: power_of_two,
    })
}

fn plain(log2: f64) -> String {
    format!("{:.0}", log2.exp2())
}

fn key(label: &str, color: &str, mark: Mark) -> Key {
    Key {
        label: label.to_owned(),
        color: color.to_owned(),
        symbol: Symbol::Mark(mark),
    }
}
