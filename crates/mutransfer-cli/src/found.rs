//! What a search has found, as a table.

use mutransfer_study::search::{Report, Space};

use crate::table;

/// A row for each hyperparameter that was searched.
pub(crate) fn table(space: &Space, report: &Report) -> comfy_table::Table {
    let mut table = table::new(["hyperparameter", "best", "95 % interval", "matters"]);
    for row in report.rows(space) {
        table.add_row(row);
    }
    table
}
