//! What a report is made of.

use std::collections::BTreeMap;

use crate::coordinates::judge::Check;
use crate::power::design::Power;
use crate::tell::figures::figure::Figure;
use crate::tell::figures::pictures::Pictures;
use crate::transfer::analysis::Analysis;
use crate::transfer::cost::Cost;

/// Everything the report shows. What is absent is left out of the page without a trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Heading of the page.
    pub title: String,
    /// What was run, as pairs of name and value, in the order in which they are shown.
    pub settings: Vec<(String, String)>,
    /// What the runs say.
    pub analysis: Analysis,
    /// The pictures of that.
    pub pictures: Pictures,
    /// The models, where they are known.
    pub models: Option<Models>,
    /// Entropy of the data in nats, the loss that no model can beat, where it is known.
    pub floor: Option<f64>,
    /// What tuning costs, where it is known.
    pub cost: Option<Cost>,
    /// What tables like this one can be expected to show, by rule, where the verdict is open.
    pub power: BTreeMap<String, Power>,
    /// The coordinate check, where one was made.
    pub coordinates: Option<Coordinates>,
}

/// What a table of runs does not tell about its smallest models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Models {
    /// Width.
    pub width: usize,
    /// Width at which every rule is the standard one.
    pub base_width: usize,
    /// Number of blocks.
    pub depth: usize,
    /// Sequences or images in a batch.
    pub batch: usize,
    /// Tokens in a sequence, where there are sequences.
    pub context: Option<usize>,
    /// Steps of training.
    pub steps: usize,
}

/// A coordinate check.
#[derive(Clone, Debug, PartialEq)]
pub struct Coordinates {
    /// Activations against width; absent where none is finite.
    pub figure: Option<Figure>,
    /// The judgement of them, or why there is none.
    pub checks: Result<Vec<Check>, String>,
}
