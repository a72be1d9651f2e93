//! A program that trains: its command, and where and how it is run.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::CommandError;
use super::files::fingerprint;
use super::metric::Metric;
use super::model::Model;
use super::run::Run;
use super::values::Values;

/// A program that trains, with what determines its results.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// The program and its arguments, with placeholders such as `{lr}`.
    pub command: Vec<String>,
    /// Fingerprint of the files that it is.
    pub fingerprint: String,
    /// Where its losses are; JSON lines if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<Metric>,
    /// Where it is run, of which its results are no function; none in what is hashed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// Where a program is run, and what its plans are made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The folder that it is run in, which relative paths are relative to.
    pub folder: PathBuf,
    /// Files that it is beside those that the command names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// What it trains.
    pub model: Model,
    /// Whether it measures coordinates when asked to.
    pub coordinates: bool,
}

impl Program {
    /// The program of a command, with its files as they are now.
    ///
    /// # Errors
    /// When there is no command, or a file of it cannot be read.
    pub fn new(
        command: Vec<String>,
        metric: Option<Metric>,
        place: Place,
    ) -> Result<Self, CommandError> {
        if command.first().is_none_or(String::is_empty) {
            return Err(CommandError::NoCommand);
        }
        Ok(Self {
            fingerprint: fingerprint(&place.folder, &command, &place.files)?,
            command,
            metric,
            place: Some(place),
        })
    }

    /// Checks that its files are what they were when the study began.
    pub(super) fn check_files(&self) -> Result<(), CommandError> {
        let place = self.place()?;
        let now = fingerprint(&place.folder, &self.command, &place.files)?;
        if now == self.fingerprint {
            return Ok(());
        }
        let command = self.command.join(" ");
        Err(CommandError::Changed { command })
    }

    /// The command of a run whose files are in `folder`, and its values.
    pub(super) fn fill(
        &self,
        run: &Run,
        folder: &Path,
    ) -> Result<(Vec<String>, Values), CommandError> {
        let heads = self.place()?.model.heads;
        let values = Values::of_run(run, heads).with_paths(folder);
        Ok((values.fill_all(&self.command)?, values))
    }

    /// All that determines what a command of it prints: its files, the command and its values.
    pub(super) fn question(
        &self,
        command: &[String],
        values: &Values,
    ) -> Result<String, CommandError> {
        let place = self.place()?;
        let own = fingerprint(&place.folder, command, &place.files)?;
        let environment: Vec<_> = values.environment().collect();
        let asked = format!("{} {own} {command:?} {environment:?}", self.fingerprint);
        Ok(blake3::hash(asked.as_bytes()).to_hex()[..16].to_owned())
    }

    pub(super) fn place(&self) -> Result<&Place, CommandError> {
        self.place.as_ref().ok_or(CommandError::NoCommand)
    }

    /// Where a file of it is.
    pub(super) fn path(&self, file: &str) -> Result<PathBuf, CommandError> {
        Ok(self.place()?.folder.join(Path::new(file)))
    }
}
