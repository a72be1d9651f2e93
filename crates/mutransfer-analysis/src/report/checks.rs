//! The coordinate check in the report.

use minijinja::{Value, context};

use super::{ABSENT, Coordinates, number, picture};
use crate::{Cell, Check, TOLERANCE, UNSETTLED, display_name};

/// Slopes shown of each rule.
const WORST_SLOPES: usize = 5;

pub(super) fn coordinates(coordinates: &Coordinates) -> Value {
    context! {
        figure => coordinates.figure.as_ref().map(picture),
        checks => coordinates.checks.iter().flatten().map(check).collect::<Vec<Value>>(),
        unchecked => coordinates.checks.as_ref().err(),
        tolerance => TOLERANCE,
        unsettled => UNSETTLED.replace('`', ""),
    }
}

fn check(check: &Check) -> Value {
    context! {
        sentence => check.to_string(),
        rule => display_name(&check.rule),
        slopes => check.worst(WORST_SLOPES).into_iter().map(slope).collect::<Vec<Value>>(),
    }
}

fn slope(cell: &Cell) -> Value {
    let ends = cell
        .fit
        .map(|fit| fit.all.interval)
        .filter(|ends| ends.0.is_finite());
    let between =
        |ends: (f64, f64)| format!("{} to {}", number(Some(ends.0), 2), number(Some(ends.1), 2));
    context! {
        module => cell.module.as_str(),
        quantity => cell.quantity.to_string(),
        step => cell.step,
        slope => number(cell.fit.map(|fit| fit.all.slope), 2),
        interval => ends.map_or(ABSENT.to_owned(), between),
        expected => number(cell.expected, 1),
        verdict => cell.verdict.map(|verdict| verdict.to_string()),
    }
}
