//! `mutransfer export`: the trials of a study for other programs.

use mutransfer_study::export::jsonl;
use mutransfer_study::store::{csv, read};

use crate::args::{ExportFormat, ExportOptions};
use crate::failure::Failure;
use crate::say::{say, say_text};

pub(crate) fn export(options: &ExportOptions) -> Result<(), Failure> {
    match options.format {
        ExportFormat::Csv => {
            let table = csv(&read(&options.folder)?);
            say_text!("{}", String::from_utf8_lossy(&table));
            Ok(())
        }
        ExportFormat::Jsonl => jsonl(&options.folder, |line| {
            say!("{line}");
            Ok(())
        }),
    }
}
