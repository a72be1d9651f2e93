//! A recipe that makes sense.

use serde::{Deserialize, Serialize};

use super::comparison::Comparison;
use super::expected::Expected;
use crate::grid::LearningRate;
use crate::study::Study;
use crate::trial::Loss;

/// A recipe that makes sense.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    pub(super) title: String,
    pub(super) source: String,
    pub(super) differs: Vec<String>,
    pub(super) time: String,
    pub(super) data: Needed,
    pub(super) study: Study,
    pub(super) loss: Loss,
    pub(super) curves_at: Option<LearningRate>,
    pub(super) table: Option<Comparison>,
    pub(super) expected: Vec<Expected>,
}

/// What a recipe trains on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Needed {
    /// What is built in.
    None,
    /// A text.
    Text {
        /// Which one, and where to get it.
        from: String,
    },
    /// Images.
    Images {
        /// Which ones, and where to get them.
        from: String,
    },
}

impl Recipe {
    /// What is demonstrated, in a line.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Who demonstrated it, how, and with which result.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// In what this differs from it.
    pub fn differs(&self) -> &[String] {
        &self.differs
    }

    /// How long it takes, and on what.
    pub fn time(&self) -> &str {
        &self.time
    }

    /// What it trains on.
    pub fn data(&self) -> &Needed {
        &self.data
    }

    /// What is run; its name is that of the output folder.
    pub fn study(&self) -> &Study {
        &self.study
    }

    /// Which loss is analysed.
    pub fn loss(&self) -> Loss {
        self.loss
    }

    /// The learning rate at which training curves of neighbouring widths are compared, where they
    /// are; see [`gains`](super::gain::gains).
    pub fn curves_at(&self) -> Option<LearningRate> {
        self.curves_at
    }

    /// A table of the rules to write, where there is one.
    pub fn table(&self) -> Option<&Comparison> {
        self.table.as_ref()
    }

    /// What is expected of the results.
    pub fn expected(&self) -> &[Expected] {
        &self.expected
    }
}
