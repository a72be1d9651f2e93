//! What to do about a search by ask and tell.

use mutransfer_study::asking::AskError;
use mutransfer_study::search::SearchError;

use super::{Failure, USAGE};

impl From<AskError> for Failure {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Read(error) => error.into(),
            AskError::Store(error) => error.into(),
            AskError::Search(error) => {
                let hint = hint(&error);
                Self::with(USAGE, error, hint)
            }
            changed @ AskError::Changed { .. } => {
                let hint = "put the file back, or begin anew in another folder with --out";
                Self::with(USAGE, changed, Some(hint))
            }
            other => Self::with(USAGE, other, None),
        }
    }
}

fn hint(error: &SearchError) -> Option<&'static str> {
    match error {
        SearchError::Unasked { .. } => {
            Some("`mutransfer ask` prints the runs that wait for a loss")
        }
        SearchError::Told { .. } => Some("the first loss counts; told.jsonl in the folder has it"),
        SearchError::Seeds { .. } => {
            Some("give a loss for each seed, the same seeds for every run")
        }
        SearchError::Setting { .. } => Some("it is in the table [search] of the file"),
        _ => None,
    }
}
