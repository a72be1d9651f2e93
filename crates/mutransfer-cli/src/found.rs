//! What a search has found, in words.

use std::fmt::Write;

use mutransfer_study::search::{Flag, Report, Space};

use crate::table;

/// What flags say, and what to do about them.
const FLAGS: [(Flag, &str); 4] = [
    (
        Flag::Edge,
        "the best value is at the end of its range: there may be better ones beyond it",
    ),
    (
        Flag::Censored,
        "more than half of the runs diverged or were far from the best: start elsewhere, or give \
         ranges",
    ),
    (
        Flag::Noise,
        "runs scatter by more than what is to be told apart: tell several seeds for each run",
    ),
    (
        Flag::Budget,
        "more is to be gained than the tolerance: a larger `budget` goes on from here",
    ),
];

/// A row for each hyperparameter that was searched.
pub(crate) fn table(space: &Space, report: &Report) -> comfy_table::Table {
    let mut table = table::new(["hyperparameter", "best", "95 % interval", "matters"]);
    let point = report.point();
    for (axis, finding) in report.findings.iter().enumerate() {
        let at = |coordinate: f64| {
            let mut moved = point.clone();
            moved[axis] = coordinate;
            number(space.values(&moved)[axis])
        };
        // One minus a mean falls where the mean rises.
        let mut ends = [at(finding.interval.0), at(finding.interval.1)];
        let value = |text: &String| text.parse::<f64>().unwrap_or_default();
        if value(&ends[0]) > value(&ends[1]) {
            ends.swap(0, 1);
        }
        table.add_row([
            finding.name.clone(),
            at(finding.at),
            ends.join(" to "),
            format!("{:.0} %", 100.0 * finding.share),
        ]);
    }
    table
}

/// What it is worth, and what should be known about it.
pub(crate) fn worth(report: &Report) -> String {
    let mut text = format!(
        "loss {:.4} after {} runs ({} diverged), where an octave grid has {} points\n\
         expected regret {:.4}, at most {:.4} with 95 % probability",
        report.loss,
        report.runs,
        report.diverged,
        report.octave_grid,
        report.expected_regret,
        report.regret_bound
    );
    for (flag, words) in FLAGS {
        if report.flags.contains(&flag) {
            let _ = write!(text, "\n{words}");
        }
    }
    text
}

/// Values by their names: `lr 0.00400, output.multiplier 1.41`.
pub(crate) fn named(values: &[(String, f64)]) -> String {
    let named = values
        .iter()
        .map(|(name, value)| format!("{name} {}", number(*value)));
    named.collect::<Vec<_>>().join(", ")
}

/// Three digits, as they are read best.
pub(crate) fn number(value: f64) -> String {
    if (0.01..1000.0).contains(&value) {
        let digits = (2 - value.log10().floor() as i32).max(0) as usize;
        format!("{value:.digits$}")
    } else {
        format!("{value:.2e}")
    }
}
