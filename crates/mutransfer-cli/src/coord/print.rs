//! A coordinate check as a table.

use std::collections::{BTreeMap, BTreeSet};

use mutransfer_analysis::{Cell, Check, TOLERANCE, Verdict, display_name};

use crate::say::say;
use crate::table;

pub(super) fn print(checks: &[Check]) {
    say!("{}", slopes(checks));
    say!(
        "Slopes of log2 of the root mean square against log2 width with 95% intervals over seeds; \
         t counts updates. Tolerance {TOLERANCE}.\n\
         !: fails; ?: open; *: judged with all blocks and later updates of its kind; ∞: narrow \
         widths bend the line, and this is the slope of its limit."
    );
    for check in checks {
        say!("{check}");
    }
}

/// A row for every module and quantity: what is expected, and the slope after each number of
/// updates.
fn slopes(checks: &[Check]) -> String {
    let steps: BTreeSet<usize> = checks
        .iter()
        .flat_map(|check| &check.cells)
        .map(|cell| cell.step)
        .collect();
    let columns = steps.iter().map(|step| format!("t = {step}"));
    let header = ["rule", "module", "quantity"]
        .map(str::to_owned)
        .into_iter()
        .chain(columns);
    let mut table = table::new(header.chain(["verdict".to_owned()]));
    for check in checks {
        for cells in by_module(check) {
            table.add_row(row(check, &cells, &steps));
        }
    }
    table.to_string()
}

/// Cells of each module and quantity, in the order first seen.
fn by_module(check: &Check) -> Vec<Vec<&Cell>> {
    let mut places = BTreeMap::new();
    let mut modules: Vec<Vec<&Cell>> = Vec::new();
    for cell in &check.cells {
        let place = *places
            .entry((&cell.module, cell.quantity))
            .or_insert_with(|| {
                modules.push(Vec::new());
                modules.len() - 1
            });
        modules[place].push(cell);
    }
    modules
}

fn row(check: &Check, cells: &[&Cell], steps: &BTreeSet<usize>) -> Vec<String> {
    let mut row = vec![
        display_name(&check.rule).to_owned(),
        cells[0].module.clone(),
        cells[0].quantity.to_string(),
    ];
    for step in steps {
        let cell = cells.iter().find(|cell| cell.step == *step);
        row.push(cell.map_or(String::new(), |cell| slope(cell)));
    }
    let verdict = cells.iter().filter_map(|cell| cell.verdict).max();
    row.push(verdict.map_or("not judged".to_owned(), |verdict| verdict.to_string()));
    row
}

/// `0.02 ± 0.05`, with what was expected where that is not 0, and marks of how it was decided.
fn slope(cell: &Cell) -> String {
    let Some(fit) = cell.decisive() else {
        return "0, as it must".to_owned();
    };
    let mark = match cell.verdict {
        Some(Verdict::Fail) => " !",
        Some(Verdict::Undetermined) => " ?",
        _ => "",
    };
    let limit = if fit.lag.is_some() { " ∞" } else { "" };
    let pooled = if cell.pooled.is_some() { " *" } else { "" };
    let margin = (fit.interval.1 - fit.interval.0) / 2.0;
    let expected = match cell.expected {
        Some(_) if cell.at_most => " (≤ 0)".to_owned(),
        Some(expected) if expected != 0.0 => format!(" ({expected:.1})"),
        _ => String::new(),
    };
    format!(
        "{:.2} ± {margin:.2}{expected}{limit}{pooled}{mark}",
        fit.slope
    )
}
