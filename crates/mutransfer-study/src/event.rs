//! What a study tells of itself while it runs.

use std::path::Path;

use crate::trial::{Outcome, Trial};

/// Something that has happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// The sweeps begin, of all these trials, finished ones included.
    Sweep(&'a [Trial]),
    /// What was found on the proxies is run at the target, in these trials.
    Transfer(&'a [Trial]),
    /// Runs that a search asks for, or that follow from it.
    Round {
        /// What they are for.
        what: &'a str,
        /// Those that were not run for another purpose before.
        trials: &'a [Trial],
    },
    /// The coordinate check begins.
    Coordinates {
        /// How many updates are looked at.
        steps: usize,
        /// At which widths.
        widths: &'a [usize],
    },
    /// Trials have results of another build of the program.
    OtherBuild {
        /// How many.
        count: usize,
        /// Whether they are taken as they are, or run again.
        is_accepted: bool,
    },
    /// Trials have records that cannot be believed, and are run again.
    Damaged {
        /// How many.
        count: usize,
        /// Where the first of the records was put aside.
        first: &'a Path,
    },
    /// Something that the executor has to say.
    Notice(&'a str),
    /// Nothing has happened for a moment.
    Waiting,
    /// A worker took up a trial.
    Started(&'a Trial),
    /// A trial has ended, or had before.
    Ended(&'a Trial, &'a Outcome),
    /// Some trials were run, to the end or not.
    Done,
}
