//! What can be trained: the built-in models, and programs of the user.

use std::path::Path;
use std::process;
use std::sync::Arc;

use mutransfer_study::build;
use mutransfer_study::command::{Command, Known};
use mutransfer_study::subject::{Description, Problem, Subject};

use crate::failure::Failure;

/// The subject of a description, on the text or images at a path, or on what is built in.
///
/// # Errors
/// When there is no such model, no such data, or a program is given data.
pub(crate) fn open(
    description: &Description,
    data: Option<&Path>,
) -> Result<Box<dyn Subject>, Problem> {
    open_knowing(description, data, Arc::default())
}

fn open_knowing(
    description: &Description,
    data: Option<&Path>,
    known: Arc<Known>,
) -> Result<Box<dyn Subject>, Problem> {
    match &description.program {
        None => mutransfer_models::open(description, data),
        Some(program) => Ok(Box::new(Command::new((**program).clone(), guard, known))),
    }
}

/// The same for what was typed: a program reads its own data, and some of its shapes are known.
pub(crate) fn open_typed(
    description: &Description,
    data: Option<&Path>,
    known: Arc<Known>,
) -> Result<Box<dyn Subject>, Failure> {
    if description.program.is_some() && data.is_some() {
        let message = "--data is for built-in models, and the study has a `command`";
        let hint = "name the data in the command, as in \"--data=text.txt\"";
        return Err(Failure::usage(message, Some(hint)));
    }
    Ok(open_knowing(description, data, known)?)
}

/// This program as a guard of another.
fn guard() -> process::Command {
    let own = build::own_image().map_or_else(std::env::current_exe, |own| Ok(own.to_owned()));
    let own = own.unwrap_or_else(|_| env!("CARGO_BIN_NAME").into());
    let mut command = process::Command::new(own);
    command.args(["guard", "--"]);
    command
}
