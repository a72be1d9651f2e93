//! What a search believes of the loss along each hyperparameter, through the point that it
//! recommends.

use crate::tell::figures::canvas::{
    Axis, Key, Layer, Mark, Panel, Sheet, Symbol, draw, even_columns, nice_step, power_of_two,
    two_decimals,
};
use crate::tell::figures::figure::{Figure, FigureError};

const NAME: &str = "search";
const COLOR: &str = "#0072b2";
const RUN_COLOR: &str = "#555555";
const BEST_COLOR: &str = "#d1382b";

/// Standard deviations on either side of the mean.
const BAND: f64 = 2.0;
/// Octaves from the best within which everything is to be seen.
const WINDOW: f64 = 1.5;

/// The loss along one hyperparameter, the others as recommended.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    /// What is on its axis, in octaves.
    pub name: String,
    /// Octaves, mean of the loss and its standard deviation, ascending.
    pub line: Vec<(f64, f64, f64)>,
    /// Octaves and losses of the runs, whatever their other hyperparameters are.
    pub runs: Vec<(f64, f64)>,
    /// The recommended place, in octaves.
    pub best: f64,
}

/// Draws a panel for each hyperparameter: what is believed with a band of two standard deviations,
/// the runs, and the recommended place.
///
/// # Errors
/// When there is nothing to draw, or the PNG cannot be made.
pub fn slices(slices: &[Slice]) -> Result<Figure, FigureError> {
    let (low, high) = range(slices).ok_or(FigureError::Empty { figure: NAME })?;
    let y = Axis {
        label: "loss".to_owned(),
        range: (low, high),
        step: nice_step(high - low),
        tick: two_decimals,
    };
    let key = |label: &str, color: &str, symbol| Key {
        label: label.to_owned(),
        color: color.to_owned(),
        symbol,
    };
    draw(&Sheet {
        name: NAME,
        panels: slices.iter().map(|slice| panel(slice, &y)).collect(),
        keys: vec![
            key("believed", COLOR, Symbol::Line),
            key("runs", RUN_COLOR, Symbol::Mark(Mark::Disc)),
            key("recommended", BEST_COLOR, Symbol::Mark(Mark::Star)),
        ],
        columns: even_columns(slices.len()),
        narrow_columns: 1,
        panel_size: (230.0, 260.0),
    })
}

/// Of the losses around the best places.
fn range(slices: &[Slice]) -> Option<(f64, f64)> {
    let around = slices.iter().flat_map(|slice| {
        let near = slice.line.iter();
        near.filter(|(at, ..)| (at - slice.best).abs() <= WINDOW)
    });
    let ends =
        around.map(|(_, mean, deviation)| (mean - BAND * deviation, mean + BAND * deviation));
    let (low, high) = ends.reduce(|all, own| (all.0.min(own.0), all.1.max(own.1)))?;
    let margin = 0.05 * (high - low).max(f64::EPSILON);
    (low.is_finite() && high.is_finite()).then_some((low - margin, high + margin))
}

fn panel(slice: &Slice, y: &Axis) -> Panel {
    let places = || slice.line.iter().map(|(at, ..)| *at);
    let left = places().fold(f64::INFINITY, f64::min).floor();
    let right = places().fold(f64::NEG_INFINITY, f64::max).ceil();
    Panel {
        title: slice.name.clone(),
        x: Axis {
            label: String::new(),
            range: (left, right),
            step: ((right - left) / 4.0).ceil().max(1.0),
            tick: power_of_two,
        },
        y: y.clone(),
        layers: layers(slice, y.range, (left, right)),
        guide: Some(slice.best),
        band: None,
    }
}

fn layers(slice: &Slice, (low, high): (f64, f64), (left, right): (f64, f64)) -> Vec<Layer> {
    let inside = |value: f64| value.clamp(low, high);
    let line = slice.line.iter();
    let band = line.clone().map(|(at, mean, deviation)| {
        let reach = BAND * deviation;
        (*at, inside(mean - reach), inside(mean + reach))
    });
    let seen = line.filter(|(_, mean, _)| (low..=high).contains(mean));
    let runs = slice
        .runs
        .iter()
        .filter(|(at, loss)| (left..=right).contains(at) && (low..=high).contains(loss));
    vec![
        Layer::Area {
            points: band.collect(),
            color: COLOR.to_owned(),
        },
        Layer::Line {
            points: seen.map(|(at, mean, _)| (*at, *mean)).collect(),
            color: COLOR.to_owned(),
            dashed: false,
        },
        Layer::marks(
            runs.map(|(at, loss)| (*at, *loss, 0.0)).collect(),
            RUN_COLOR,
            Mark::Disc,
            3.0,
        ),
        Layer::marks(best(slice, inside), BEST_COLOR, Mark::Star, 7.0),
    ]
}

/// The recommended place, on the line.
fn best(slice: &Slice, inside: impl Fn(f64) -> f64) -> Vec<(f64, f64, f64)> {
    let away = |place: &(f64, f64, f64)| (place.0 - slice.best).abs();
    let nearest = slice
        .line
        .iter()
        .min_by(|one, other| away(one).total_cmp(&away(other)));
    let best = nearest.map(|(_, mean, _)| (slice.best, inside(*mean), 0.0));
    best.into_iter().collect()
}
