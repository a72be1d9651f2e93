//! What a search believes of the loss over the two hyperparameters that hang together most.

use crate::tell::figures::canvas::{
    Axis, Key, Layer, Mark, Panel, Sheet, Symbol, draw, ordered_color, power_of_two,
};
use crate::tell::figures::figure::{Figure, FigureError};

const NAME: &str = "surface";
const RUN_COLOR: &str = "#555555";
const BEST_COLOR: &str = "#d1382b";

/// Steps above the lowest loss that are told apart, in units of what is as good as the best.
const STEPS: [f64; 6] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0];
/// Width and height of the panel, in pixels.
const SIZE: (f64, f64) = (300.0, 300.0);

/// The loss over two hyperparameters, the others as recommended.
#[derive(Clone, Debug, PartialEq)]
pub struct Surface {
    /// What is on the axes, in octaves: across and up.
    pub names: [String; 2],
    /// Evenly spread places on each, ascending.
    pub places: [Vec<f64>; 2],
    /// The loss there, a row for each place on the axis that goes up.
    pub losses: Vec<Vec<f64>>,
    /// Runs, whatever their other hyperparameters are.
    pub runs: Vec<(f64, f64)>,
    /// The recommended place.
    pub best: (f64, f64),
    /// What is as good as the best.
    pub tolerance: f64,
}

/// Draws how far the loss is above its lowest in steps, the runs, and the recommended place.
///
/// # Errors
/// When there is nothing to draw, or the PNG cannot be made.
pub fn surface(surface: &Surface) -> Result<Figure, FigureError> {
    let empty = || FigureError::Empty { figure: NAME };
    let lowest = surface.losses.iter().flatten().copied().reduce(f64::min);
    let lowest = lowest.filter(|loss| loss.is_finite()).ok_or_else(empty)?;
    let [x, y] = [0, 1].map(|axis| octaves(&surface.names[axis], &surface.places[axis]));
    let (x, y) = x.zip(y).ok_or_else(empty)?;
    let mut layers = cells(surface, lowest);
    let is_inside = |(across, up): &&(f64, f64)| {
        let within = |axis: &Axis, at: f64| axis.range.0 <= at && at <= axis.range.1;
        within(&x, *across) && within(&y, *up)
    };
    let runs = surface.runs.iter().filter(is_inside);
    layers.push(Layer::marks(
        runs.map(|(across, up)| (*across, *up, 0.0)).collect(),
        RUN_COLOR,
        Mark::Disc,
        3.0,
    ));
    let best = (surface.best.0, surface.best.1, 0.0);
    layers.push(Layer::marks(vec![best], BEST_COLOR, Mark::Star, 7.0));
    let title = format!("{} and {}", surface.names[0], surface.names[1]);
    draw(&Sheet {
        name: NAME,
        panels: vec![Panel {
            title,
            x,
            y,
            layers,
            guide: None,
            band: None,
        }],
        keys: keys(surface.tolerance),
        columns: 1,
        narrow_columns: 1,
        panel_size: SIZE,
    })
}

fn octaves(name: &str, places: &[f64]) -> Option<Axis> {
    let (first, last) = (places.first()?, places.last()?);
    let half = (last - first) / (2.0 * places.len() as f64);
    Some(Axis {
        label: name.to_owned(),
        range: (first - half, last + half),
        step: ((last - first) / 4.0).ceil().max(1.0),
        tick: power_of_two,
    })
}

/// A square for every place, one layer for each step.
fn cells(surface: &Surface, lowest: f64) -> Vec<Layer> {
    let mut steps: Vec<Vec<(f64, f64, f64)>> = vec![Vec::new(); STEPS.len()];
    for (up, row) in surface.places[1].iter().zip(&surface.losses) {
        for (across, loss) in surface.places[0].iter().zip(row) {
            let above = (loss - lowest) / surface.tolerance;
            if let Some(step) = STEPS.iter().position(|step| above <= *step) {
                steps[step].push((*across, *up, 0.0));
            }
        }
    }
    // A little larger than their place, so that nothing shines through.
    let half = 0.52 * SIZE.0 / surface.places[0].len().max(1) as f64;
    let layers = steps.into_iter().enumerate();
    layers
        .map(|(step, cells)| Layer::marks(cells, &shade(step), Mark::Square, half))
        .collect()
}

fn shade(step: usize) -> String {
    ordered_color(STEPS.len() - 1 - step, STEPS.len())
}

fn keys(tolerance: f64) -> Vec<Key> {
    let mut keys: Vec<Key> = (0..STEPS.len())
        .map(|step| Key {
            label: format!("up to {:.3} above", STEPS[step] * tolerance),
            color: shade(step),
            symbol: Symbol::Mark(Mark::Square),
        })
        .collect();
    let marks = [
        ("runs", RUN_COLOR, Mark::Disc),
        ("recommended", BEST_COLOR, Mark::Star),
    ];
    keys.extend(marks.map(|(label, color, mark)| Key {
        label: label.to_owned(),
        color: color.to_owned(),
        symbol: Symbol::Mark(mark),
    }));
    keys
}
