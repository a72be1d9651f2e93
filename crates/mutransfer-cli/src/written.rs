//! The study that is asked for: its file, or the output folder of one that was begun, which keeps
//! what the file said and where it was.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use mutransfer_study::command::Known;
use mutransfer_study::study::Study;
use mutransfer_study::workbench::Workbench;
use serde::{Deserialize, Serialize};

use crate::args::RunOptions;
use crate::failure::Failure;
use crate::model;
use crate::subject::open_typed;
use crate::transfer::{bench, out};

/// What the study says, in its output folder.
const TEXT: &str = "study.toml";
/// Where it was read, in its output folder.
const ORIGIN: &str = "study.origin.json";
/// What a command has printed of the study's model, in its output folder.
const SHAPES: &str = "study.shapes.json";

/// A study that was asked for.
pub(crate) struct Written {
    study: Study,
    text: String,
    data: Option<PathBuf>,
    /// None where a path is no text.
    origin: Option<Origin>,
    /// The folder that it was found in, where it was begun.
    begun: Option<PathBuf>,
}

/// Where a study was read, and what it was given.
#[derive(Serialize, Deserialize)]
pub(crate) struct Origin {
    /// Its file, which the files that it names lie beside.
    pub(crate) study: String,
    /// The data of a built-in model, from wherever it is run.
    data: Option<String>,
}

impl Origin {
    fn of(study: &Path, data: Option<&Path>) -> Option<Self> {
        let text = |path: &Path| {
            std::path::absolute(path)
                .ok()?
                .into_os_string()
                .into_string()
                .ok()
        };
        let data = match data {
            None => None,
            Some(data) => Some(text(data)?),
        };
        let study = text(study)?;
        Some(Self { study, data })
    }
}

impl Written {
    /// The study in a file, or in its output folder; what is typed as its data goes before what it
    /// was begun with.
    ///
    /// # Errors
    /// When there is none, or it makes no sense.
    pub(crate) fn read(typed: &Path, data: Option<&Path>) -> Result<Self, Failure> {
        if !typed.is_dir() {
            return Self::of(model::text(typed)?, typed, data);
        }
        let Some(origin) = origin(typed) else {
            let message = format!("{} does not say which study it holds", typed.display());
            let hint = "give the study, a TOML file, and this folder with --out";
            return Err(Failure::usage(message, Some(hint)));
        };
        let text = model::text(&typed.join(TEXT))?;
        let data = data.or(origin.data.as_deref().map(Path::new));
        let begun = Some(typed.to_owned());
        Ok(Self {
            begun,
            ..Self::of(text, Path::new(&origin.study), data)?
        })
    }

    /// The study of a text, as if it were in a file.
    ///
    /// # Errors
    /// When it makes no sense.
    pub(crate) fn of(text: String, path: &Path, data: Option<&Path>) -> Result<Self, Failure> {
        Ok(Self {
            study: Study::parse(&text, path)?,
            text,
            data: data.map(Path::to_owned),
            origin: Origin::of(path, data),
            begun: None,
        })
    }

    /// The study, ready to be run in its output folder, which then says what it holds.
    ///
    /// # Errors
    /// When it cannot be run, or another process runs a study there.
    pub(crate) fn open(self, options: &RunOptions) -> Result<Workbench, Failure> {
        let out = out(&self.study, self.begun.as_deref(), options);
        let known = Arc::new(Known::read(&out.join(SHAPES)));
        let (subject, data) = (self.study.subject(), self.data.as_deref());
        let subject = open_typed(subject, data, Arc::clone(&known))?;
        let bench = bench(self.study, subject, &out, options)?;
        let store = bench.store();
        if let Some(shapes) = known.file() {
            store.write(SHAPES, &shapes)?;
        }
        let Some(origin) = self.origin else {
            return Ok(bench);
        };
        // The file itself may lie there.
        let there = std::fs::read(store.path(TEXT)).ok();
        if there.as_deref() != Some(self.text.as_bytes()) {
            store.write(TEXT, self.text.as_bytes())?;
        }
        let origin = serde_json::to_vec_pretty(&origin).context("cannot write JSON")?;
        store.write(ORIGIN, &origin)?;
        Ok(bench)
    }
}

/// Where the study of an output folder was read; none where the folder does not say it.
pub(crate) fn origin(folder: &Path) -> Option<Origin> {
    let text = std::fs::read(folder.join(ORIGIN)).ok()?;
    serde_json::from_slice(&text).ok()
}
