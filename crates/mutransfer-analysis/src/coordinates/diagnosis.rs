//! What a failing cell means.

use mutransfer::theory::{Layer, Quantity};

use crate::coordinates::cell::Cell;

/// Seeds beyond which wider models cost less.
const MOST_SEEDS: usize = 1000;

/// What a failing cell means, and what most likely causes it.
pub(crate) fn diagnose(cell: &Cell) -> String {
    let slope = cell.decisive().map_or(f64::NAN, |fit| fit.slope);
    let expected = cell.expected.unwrap_or_default();
    let cause = cause(cell, slope, slope > expected);
    format!(
        "{} of {} at t = {} goes as width^{slope:.2}, expected {expected:.2}: {cause}",
        cell.quantity, cell.module, cell.step
    )
}

/// What is still open, and what would settle it.
pub(crate) fn outlook(open: &[&Cell], judged: usize, seeds: Option<usize>) -> String {
    let are = if open.len() == 1 { "is" } else { "are" };
    let mut text = format!("{} of {judged} cells {are} open", open.len());
    if let Some(worst) = open
        .iter()
        .max_by(|a, b| a.distance().total_cmp(&b.distance()))
    {
        let slope = worst.decisive().map_or(f64::NAN, |fit| fit.slope);
        text += &format!(
            ", {} of {} at t = {} with slope {slope:.2} the furthest",
            worst.quantity, worst.module, worst.step
        );
    }
    text + &match seeds {
        Some(seeds) if seeds <= MOST_SEEDS => format!("; about {seeds} seeds would decide"),
        Some(_) => "; wider models would tell more than seeds".to_owned(),
        None => "; with two seeds or more the noise would be known".to_owned(),
    }
}

fn cause(cell: &Cell, slope: f64, grows: bool) -> &'static str {
    match (cell.quantity, cell.layer, grows) {
        _ if !slope.is_finite() => {
            "training diverged or came to a halt at some width: the learning rate is too large, \
             or something is not a number"
        }
        (Quantity::OwnUpdate, Layer::Input, true) => "its learning rate grows with width",
        (Quantity::OwnUpdate, Layer::Input, false) => {
            "its learning rate is divided by the width, and should not be"
        }
        (Quantity::OwnUpdate, Layer::Hidden | Layer::Attention | Layer::Router, true) => {
            "its learning rate is not divided by its fan-in"
        }
        (Quantity::OwnUpdate, Layer::Hidden | Layer::Attention | Layer::Router, false) => {
            "its learning rate is divided by too much"
        }
        (Quantity::OwnUpdate, Layer::Output, true) => "the readout lacks a multiplier of 1/fan-in",
        (Quantity::OwnUpdate, Layer::Output, false) => {
            "the readout is scaled twice: multiplier and learning rate, Tables 3 and 8 mixed"
        }
        (_, Layer::Attention, true) => {
            "attention is divided by the root of a head's size, and heads grow"
        }
        (_, Layer::Attention, false) => "attention is divided by too much",
        (Quantity::Activation, Layer::Output, true) if cell.step > 0 => {
            "what the readout learned grows with width: it lacks a multiplier of 1/fan-in"
        }
        (Quantity::Activation, Layer::Output, true) => {
            "the readout's init or multiplier is too large for its fan-in"
        }
        (Quantity::Activation, _, true) => "its init does not shrink as the root of its fan-in",
        (Quantity::Activation, _, false) => "its init or multiplier shrinks too fast",
        (Quantity::Change, _, true) => "some update before it is too large for the width",
        (Quantity::Change, _, false) => "updates before it shrink with width",
    }
}
