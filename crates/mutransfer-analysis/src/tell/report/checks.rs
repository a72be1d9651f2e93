//! The coordinate check in the report.

use minijinja::{Value, context};

use crate::coordinates::cell::Cell;
use crate::coordinates::fit::TOLERANCE;
use crate::coordinates::judge::Check;
use crate::names::display_name;
use crate::tell::report::parts::Coordinates;
use crate::tell::report::text::{ABSENT, number, picture};

/// What to know of a check made in passing, at the widths of a study.
const UNSETTLED: &str =
    "Slopes at small widths bend whatever the rule; a check of its own tests at larger ones.";

/// Slopes shown of each rule.
const WORST_SLOPES: usize = 5;

pub(crate) fn coordinates(coordinates: &Coordinates) -> Value {
    context! {
        figure => coordinates.figure.as_ref().map(picture),
        checks => coordinates.checks.iter().flatten().map(check).collect::<Vec<Value>>(),
        unchecked => coordinates.checks.as_ref().err(),
        tolerance => TOLERANCE,
        unsettled => UNSETTLED,
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
        .decisive()
        .map(|fit| fit.interval)
        .filter(|ends| ends.0.is_finite());
    context! {
        module => cell.module.as_str(),
        quantity => cell.quantity.to_string(),
        step => cell.step,
        slope => number(cell.decisive().map(|fit| fit.slope), 2),
        interval => ends.map_or(ABSENT.to_owned(), |(low, high)| {
            format!("{} to {}", number(Some(low), 2), number(Some(high), 2))
        }),
        expected => number(cell.expected, 1),
        verdict => cell.verdict.map(|verdict| verdict.to_string()),
    }
}
