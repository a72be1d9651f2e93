//! A recipe as it is written, and its way to one that makes sense.

use std::path::Path;

use mutransfer_analysis::is_same;
use serde::Deserialize;

use super::checked::{Needed, Recipe};
use super::comparison::{Comparison, ComparisonFile};
use super::expected::{Expected, ExpectedFile};

use crate::error::{ReadError, What};
use crate::grid::LearningRate;
use crate::study::{Study, StudyFile};
use crate::trial::Loss;
use crate::workbench::is_own;

/// The keys of a recipe. Unknown ones are refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecipeFile {
    title: String,
    source: String,
    differs: Vec<String>,
    time: String,
    data: Needed,
    study: StudyFile,
    #[serde(default)]
    loss: Loss,
    curves_at: Option<LearningRate>,
    table: Option<ComparisonFile>,
    expected: Vec<ExpectedFile>,
}

impl Recipe {
    /// Reads and checks the text of a recipe; `path` is for messages, and for where rules lie.
    ///
    /// # Errors
    /// When the text is no TOML, has unknown keys or senseless values, or expects what its study
    /// does not measure.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ReadError> {
        let file: RecipeFile = toml::from_str(text).map_err(|source| ReadError::Toml {
            what: What::Recipe,
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        let study = Study::check(&file.study, path)?;
        check_curves(&study, file.curves_at, path)?;
        let table = file.table.map(|table| check_table(table, path));
        let expected = file.expected.into_iter().map(|expected| {
            Expected::of(expected, &study, file.curves_at.is_some())
                .map_err(|problem| ReadError::value(path, "expected", problem))
        });
        Ok(Self {
            title: file.title,
            source: file.source,
            differs: file.differs,
            time: file.time,
            data: file.data,
            loss: file.loss,
            curves_at: file.curves_at,
            table: table.transpose()?,
            expected: expected.collect::<Result<_, _>>()?,
            study,
        })
    }
}

fn check_curves(study: &Study, at: Option<LearningRate>, path: &Path) -> Result<(), ReadError> {
    let Some(at) = at else { return Ok(()) };
    let tried = study.grid().learning_rates();
    let is_tried = |lr: &f64| is_same(lr.log2(), at.log2);
    if tried.iter().any(is_tried) {
        return Ok(());
    }
    let problem = format!("is {}, which the study does not try", String::from(at));
    Err(ReadError::value(path, "curves_at", problem))
}

/// A recipe may come from anywhere, so it names a file in the output folder and none else, and none
/// that has a meaning there.
fn check_table(table: ComparisonFile, path: &Path) -> Result<Comparison, ReadError> {
    let file = &table.file;
    let is_odd = |c: char| c.is_control() || "/\\:".contains(c);
    let problem = if file.is_empty() || file.contains(is_odd) || file.starts_with('.') {
        "is no name of a file in the output folder"
    } else if is_own(file) {
        "is a file that the study writes itself"
    } else {
        return Ok(Comparison::of(table));
    };
    let problem = format!("is {file:?}, which {problem}");
    Err(ReadError::value(path, "table.file", problem))
}
