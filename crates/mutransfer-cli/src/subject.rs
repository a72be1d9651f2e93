//! What can be trained: the built-in models, and programs of the user.

use std::path::Path;
use std::sync::Arc;

use mutransfer_study::command::Known;
use mutransfer_study::subject::{Description, Problem, Subject};

use crate::failure::Failure;

#[cfg(feature = "train")]
use training::open_knowing;
#[cfg(not(feature = "train"))]
pub(crate) use untrained::Untrained;
#[cfg(not(feature = "train"))]
use untrained::open_knowing;

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
    if let Some(data) = data.filter(|data| data.to_str().is_none()) {
        let message = format!("the path {} is no text in UTF-8", data.display());
        let hint = "rename the data, or give a link to it with another name";
        return Err(Failure::usage(message, Some(hint)));
    }
    Ok(open_knowing(description, data, known)?)
}

#[cfg(feature = "train")]
mod training {
    use std::path::Path;
    use std::process;
    use std::sync::Arc;

    use mutransfer_study::build;
    use mutransfer_study::command::{Command, Known};
    use mutransfer_study::subject::{Description, Problem, Subject};

    pub(super) fn open_knowing(
        description: &Description,
        data: Option<&Path>,
        known: Arc<Known>,
    ) -> Result<Box<dyn Subject>, Problem> {
        match &description.program {
            None => mutransfer_models::open(description, data),
            Some(program) => Ok(Box::new(Command::new((**program).clone(), guard, known))),
        }
    }

    /// This program as a guard of another.
    fn guard() -> process::Command {
        let own = build::own_image().map_or_else(std::env::current_exe, |own| Ok(own.to_owned()));
        let own = own.unwrap_or_else(|_| crate::NAME.into());
        let mut command = process::Command::new(own);
        command.args(["guard", "--"]);
        command
    }
}

/// In the package for Python: no model is built in, and there is no program that a study could
/// start again as its worker or as a guard.
#[cfg(not(feature = "train"))]
mod untrained {
    use std::fmt;
    use std::path::Path;
    use std::sync::Arc;

    use mutransfer_study::command::Known;

    use mutransfer_study::subject::{Description, Problem, Subject};

    /// Why nothing can be trained.
    #[derive(Debug)]
    pub(crate) struct Untrained;

    impl fmt::Display for Untrained {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("this build of mutransfer has no training")
        }
    }

    impl std::error::Error for Untrained {}

    pub(super) fn open_knowing(
        _: &Description,
        _: Option<&Path>,
        _: Arc<Known>,
    ) -> Result<Box<dyn Subject>, Problem> {
        Err(Untrained.into())
    }
}
