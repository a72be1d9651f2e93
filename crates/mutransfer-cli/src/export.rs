//! `mutransfer export`: the trials of a study for other programs.

use mutransfer_study::store::{Part, csv, read, visit};
use serde_json::{Value, json};

use crate::args::{ExportFormat, ExportOptions};
use crate::failure::Failure;
use crate::say::say_text;

pub(crate) fn export(options: &ExportOptions) -> Result<(), Failure> {
    match options.format {
        ExportFormat::Csv => {
            let table = csv(&read(&options.folder)?);
            say_text!("{}", String::from_utf8_lossy(&table));
            Ok(())
        }
        ExportFormat::Jsonl => visit(&options.folder, Part::Curve, |recorded| {
            if let Some(record) = &recorded.record {
                let curve: Vec<Value> = recorded
                    .curve
                    .lines()
                    .filter_map(|line| serde_json::from_str(line).ok())
                    .collect();
                let id = recorded.trial.id();
                let line = json!({
                    "id": id, "trial": recorded.trial, "record": record, "curve": curve,
                });
                say_text!("{line}\n");
            }
            Ok(())
        }),
    }
}
