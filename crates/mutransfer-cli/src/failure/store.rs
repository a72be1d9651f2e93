//! What to do about an output folder.

use mutransfer_study::error::{Fix, StoreError};

use super::{Failure, USAGE};

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let hint = error.fix().map(hint);
        Self::with(USAGE, error, hint)
    }
}

/// What does it, in the words of the command line.
pub(super) fn hint(fix: Fix) -> &'static str {
    match fix {
        Fix::MakeRoom => "make room on this disk; the same command then continues",
        Fix::PutBack => {
            "if the folder was moved or removed, put it back; the same command then continues, or \
             begins anew"
        }
        Fix::ChooseFolder => "choose a folder you may write to with --out",
        Fix::AllowFiles => "allow more open files (`ulimit -n`), or run fewer trials with --jobs",
        Fix::Overwrite => "choose another folder, or let --overwrite replace it",
        Fix::RunAgain => "`mutransfer transfer` with the same study and --out runs its trial again",
        Fix::Salvage => {
            "the same `mutransfer sweep` or `transfer` with --salvage keeps all results that are \
             whole, and runs the others again"
        }
        Fix::Wait => {
            "wait until it ends, or choose another folder with --out; if its machine is gone for \
             good, remove the file .lease there"
        }
        Fix::GiveStudy => "give the folder that `mutransfer transfer` wrote to (its --out)",
        Fix::Continue => {
            "`mutransfer sweep` with its study and --out takes in what older versions left there; \
             `mutransfer analyze` judges its results.csv as it is"
        }
    }
}
