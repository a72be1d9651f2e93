//! What can be wrong with a search.

use thiserror::Error;

/// Why a search cannot be made, or does not take what it is told.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum SearchError {
    /// There is nothing to search for.
    #[error("there is no hyperparameter to search for")]
    NoAxis,
    /// More of them than a process on some hundred runs can tell apart.
    #[error("{count} hyperparameters are more than the {most} that can be searched for at once")]
    TooMany {
        /// How many there are.
        count: usize,
        /// How many there may be.
        most: usize,
    },
    /// Two hyperparameters of the same name.
    #[error("there are two hyperparameters `{name}`")]
    Twice {
        /// The name.
        name: String,
    },
    /// A start that is no number or outside of its range, or a range that is empty.
    #[error("`{name}` starts at {start}, which is not between {low} and {high}")]
    Range {
        /// Which.
        name: String,
        /// Where it starts.
        start: f64,
        /// The lower end of its range.
        low: f64,
        /// The upper end of its range.
        high: f64,
    },
    /// Some are grids and others are to be searched for.
    #[error("`{grid}` is a grid and `{auto}` is \"auto\": give both as the one or as the other")]
    Mixed {
        /// A grid.
        grid: String,
        /// One to be searched for.
        auto: String,
    },
    /// A grid of more points than a process can be laid through.
    #[error("the grid has {count} points, more than {most}: raise a `step`, or give \"auto\"")]
    Points {
        /// How many there are.
        count: usize,
        /// How many there may be.
        most: usize,
    },
    /// A number of the settings that makes no sense.
    #[error("`{key}` is {value}; it must be {wanted}")]
    Setting {
        /// Which.
        key: &'static str,
        /// Its value.
        value: f64,
        /// What it must be.
        wanted: &'static str,
    },
    /// A loss for a run that nobody asked for.
    #[error("run {number} was not asked for; {asked} were")]
    Unasked {
        /// The run.
        number: usize,
        /// How many were asked for.
        asked: usize,
    },
    /// Another loss for a run that has one.
    #[error("run {number} has already been told, with another loss")]
    Told {
        /// The run.
        number: usize,
    },
    /// Not as many losses as there are seeds.
    #[error("run {number} has {count} losses, those before it had {before}")]
    Seeds {
        /// The run.
        number: usize,
        /// How many it has.
        count: usize,
        /// How many the others have.
        before: usize,
    },
}
