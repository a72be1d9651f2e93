//! The keys of a study whose trials are trained by a program.

use std::path::Path;

use super::file::{MODEL, StudyFile};
use super::ladder::Ladder;
use crate::allowance::Allowance;
use crate::command::{CommandError, Model, Place, Program};
use crate::error::ReadError;
use crate::subject::Heads;

/// Name of the family of all programs.
pub(super) const PROGRAM: &str = "program";

/// The program, where there is one in place of a model.
pub(super) fn program(
    file: &StudyFile,
    ladder: &Ladder,
    path: &Path,
) -> Result<Option<Program>, ReadError> {
    let Some(command) = &file.command else {
        return keys_of_programs(file, path).map(|()| None);
    };
    keys_of_models(file, path)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let folder = std::path::absolute(folder.join(".")).map_err(|source| ReadError::File {
        path: path.to_owned(),
        source,
    })?;
    let place = Place {
        folder,
        files: file.files.clone().unwrap_or_default(),
        model: model(file, ladder, path)?,
        coordinates: file.coordinates.unwrap_or(false),
    };
    let program = Program::new(command.clone(), file.metric.clone(), place);
    match program {
        Ok(program) => Ok(Some(program)),
        Err(CommandError::File { path, source }) => Err(ReadError::File { path, source }),
        Err(error) => Err(ReadError::value(path, "command", error.to_string())),
    }
}

fn model(file: &StudyFile, ladder: &Ladder, path: &Path) -> Result<Model, ReadError> {
    let Some(shapes) = file.shapes.clone() else {
        let problem = "is missing; `command` needs the shapes of its model, such as \
                       \"shapes/{width}.json\"";
        return Err(ReadError::value(path, "shapes", problem));
    };
    let base = ladder.target.sizes.base_width;
    let widths = ladder.all().into_iter().map(|rung| rung.sizes.width);
    let other = widths.filter(|width| *width != base).min();
    Ok(Model {
        shapes,
        layout: file.layout,
        declare: file.declare.clone().unwrap_or_default(),
        tie: file.tie.clone().unwrap_or_default(),
        zero_init: file.zero_init.clone().unwrap_or_default(),
        heads: (file.head_dim.map(Heads::Dim)).or(file.heads.map(Heads::Count)),
        delta_width: other.unwrap_or(2 * base),
    })
}

/// Keys of built-in models have no meaning for a program.
fn keys_of_models(file: &StudyFile, path: &Path) -> Result<(), ReadError> {
    let keys = [
        ("model", file.model != MODEL),
        ("variants", !file.variants.is_empty()),
        ("experts", file.has_experts()),
        ("base_experts", file.own_experts().is_some()),
        ("zero_readout", file.zero_readout),
        ("zero_query", file.zero_query),
        ("crop", file.crop > 0),
        ("flip", file.flip),
    ];
    match keys.iter().find(|(_, is_given)| *is_given) {
        None => Ok(()),
        Some((key, _)) => {
            let problem = "is of built-in models, and `command` is given; one of them trains";
            Err(ReadError::value(path, key, problem))
        }
    }
}

/// Keys of programs have no meaning for a built-in model.
fn keys_of_programs(file: &StudyFile, path: &Path) -> Result<(), ReadError> {
    let keys = [
        ("shapes", file.shapes.is_some()),
        ("files", file.files.is_some()),
        ("layout", file.layout.is_some()),
        ("declare", file.declare.is_some()),
        ("tie", file.tie.is_some()),
        ("zero_init", file.zero_init.is_some()),
        ("metric", file.metric.is_some()),
        ("coordinates", file.coordinates.is_some()),
        ("memory_limit", file.memory_limit.is_some()),
        ("retries", file.retries.is_some()),
        ("gpus", file.gpus.is_some()),
    ];
    match keys.iter().find(|(_, is_given)| *is_given) {
        None => Ok(()),
        Some((key, _)) => {
            let problem = "is for a program, and there is no `command`";
            Err(ReadError::value(path, key, problem))
        }
    }
}

/// What every trial may use.
pub(super) fn allowance(file: &StudyFile, path: &Path) -> Result<Allowance, ReadError> {
    if file.memory_limit.is_some() && !cfg!(target_os = "linux") {
        let problem = "is for Linux, where the memory of a program is known";
        return Err(ReadError::value(path, "memory_limit", problem));
    }
    Ok(Allowance {
        time: file.time_limit.map(|limit| limit.0),
        memory: file.memory_limit.map(|limit| limit.0),
        retries: file.retries.unwrap_or(0),
        gpus: file.gpus.unwrap_or(0),
    })
}
