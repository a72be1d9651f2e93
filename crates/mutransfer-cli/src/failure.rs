//! How a command ends when it does not succeed.

mod analysis;
mod asking;
mod shapes;
mod store;

use crate::say::note;
use mutransfer_analysis::Along;
use mutransfer_study::command::{self, CommandError};
use mutransfer_study::curves::AlongError;
use mutransfer_study::error::{self, ReadError, RunError, What, is_full_of_files};
use mutransfer_study::limits::BadSize;
use mutransfer_study::rule::FindError;
use mutransfer_study::subject::Problem;

/// An exit code and what to say.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    error: anyhow::Error,
    hint: Option<String>,
}

/// It ran, and what it was to verify does not hold.
const FOUND: u8 = 1;
/// The request makes no sense, or names something that cannot be read or written.
const USAGE: u8 = 2;
/// Some trials ended without a result, or what was found does not settle the question.
const SOME_FAILED: u8 = 3;
/// A program that cannot be started, as shells report it.
const NOT_STARTED: u8 = 127;
/// Stopped by Ctrl-C or a termination signal, as shells report it.
const INTERRUPTED: u8 = 130;
/// Stopped before it was done, to be run again: `EX_TEMPFAIL` of `sysexits.h`, which a cluster can
/// be told to queue again (`RequeueExit` of Slurm).
const AGAIN: u8 = 75;

impl Failure {
    fn with(
        code: u8,
        error: impl std::error::Error + Send + Sync + 'static,
        hint: Option<&str>,
    ) -> Self {
        Self {
            code,
            error: error.into(),
            hint: hint.map(str::to_owned),
        }
    }

    /// The same, with another hint.
    pub(crate) fn with_hint(self, hint: &str) -> Self {
        Self {
            hint: Some(hint.to_owned()),
            ..self
        }
    }

    /// It was asked to stop, and whoever runs it is to run it again.
    pub(crate) fn again() -> Self {
        let error = RunError::Stopped;
        Self::with(AGAIN, error, None)
    }

    /// Something was found, and has been printed.
    pub(crate) fn findings(count: usize) -> Self {
        let noun = if count == 1 { "finding" } else { "findings" };
        let hint = Some("`mutransfer explain CODE` says why it matters and what to do".to_owned());
        Self {
            code: FOUND,
            error: anyhow::anyhow!("{count} {noun}"),
            hint,
        }
    }

    pub(crate) fn check_failed() -> Self {
        let hint = Some("the table says where a slope is not the expected one".to_owned());
        Self {
            code: FOUND,
            error: anyhow::anyhow!("the coordinate check fails"),
            hint,
        }
    }

    pub(crate) fn undetermined() -> Self {
        let hint = Some("more seeds or a wider range of widths narrow the intervals".to_owned());
        Self {
            code: SOME_FAILED,
            error: anyhow::anyhow!("the coordinate check is undetermined"),
            hint,
        }
    }

    pub(crate) fn larger_is_worse(along: Along) -> Self {
        let hint = Some(
            "a lower learning rate, or `mutransfer coord` to see which layer breaks".to_owned(),
        );
        Self {
            code: FOUND,
            error: anyhow::anyhow!("{} is not always better", along.larger()),
            hint,
        }
    }

    pub(crate) fn larger_undetermined(along: Along) -> Self {
        let hint = Some(format!(
            "more seeds narrow the intervals; the same seed must mean the same data at every \
             {along}"
        ));
        Self {
            code: SOME_FAILED,
            error: anyhow::anyhow!(
                "whether {} is always better is undetermined",
                along.larger()
            ),
            hint,
        }
    }

    pub(crate) fn not_monitored(error: AlongError) -> Self {
        let hint = match error {
            AlongError::Steps => "monitor studies over width or depth, at one batch and duration",
            _ => "give the curves that are to be compared as tables",
        };
        Self::usage(format!("curves cannot be compared: {error}"), Some(hint))
    }

    pub(crate) fn not_as_expected(missed: usize, of: usize) -> Self {
        let hint = Some(
            "`mutransfer recipe show` says what the original found and in what the recipe differs"
                .to_owned(),
        );
        Self {
            code: FOUND,
            error: anyhow::anyhow!("{missed} of {of} quantities are not as expected"),
            hint,
        }
    }

    pub(crate) fn usage(message: impl Into<String>, hint: Option<&str>) -> Self {
        Self {
            code: USAGE,
            error: anyhow::anyhow!(message.into()),
            hint: hint.map(str::to_owned),
        }
    }

    pub(crate) fn no_threads(error: rayon::ThreadPoolBuildError) -> Self {
        let error = anyhow::Error::from(error).context("cannot start threads");
        Self {
            code: USAGE,
            error,
            hint: Some("allow more processes (`ulimit -u`)".to_owned()),
        }
    }

    pub(crate) fn unreadable(path: &std::path::Path, error: std::io::Error) -> Self {
        let error = anyhow::Error::from(error).context(format!("cannot read {}", path.display()));
        Self {
            code: USAGE,
            error,
            hint: None,
        }
    }

    pub(crate) fn not_started(name: &str, error: std::io::Error) -> Self {
        let error = anyhow::Error::from(error).context(format!("cannot start `{name}`"));
        Self {
            code: NOT_STARTED,
            error,
            hint: None,
        }
    }

    /// The same, with the file that it is about.
    pub(crate) fn in_file(self, path: &std::path::Path) -> Self {
        Self {
            error: anyhow::anyhow!("{}: {}", path.display(), self.error),
            ..self
        }
    }

    /// Says what went wrong, on stderr, and gives the exit code.
    pub(crate) fn report(&self) -> u8 {
        note!("error: {}", self.error);
        let mut last = String::new();
        for cause in self.error.chain().skip(1) {
            let cause = cause.to_string().trim_end().to_owned();
            // Some say once more what the one before said.
            if last.is_empty() || !cause.ends_with(&last) {
                note!("  because {cause}");
            }
            last = cause;
        }
        if let Some(hint) = &self.hint {
            note!("hint: {hint}");
        }
        self.code
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        let hint = match &error {
            ReadError::Toml {
                what: What::Study, ..
            } => Some("`mutransfer transfer --help` lists the keys of a study"),
            ReadError::Toml {
                what: What::Recipe, ..
            } => Some("`mutransfer recipe show mnist-mlp` prints one to start from"),
            ReadError::Toml {
                what: What::Search, ..
            }
            | ReadError::Search { .. } => Some("`mutransfer ask --help` shows how one is written"),
            _ => None,
        };
        Self::with(USAGE, error, hint)
    }
}

impl From<FindError> for Failure {
    fn from(error: FindError) -> Self {
        match error {
            FindError::Unknown(error) | FindError::Table(error) => error.into(),
            FindError::Namesake { .. } => {
                let hint = "rename the file, or give the table a `name` of its own";
                Self::with(USAGE, error, Some(hint))
            }
            _ => Self::with(USAGE, error, None),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Subject(problem) => problem.into(),
            RunError::Store(error) => error.into(),
            RunError::Rule(error) => error.into(),
            RunError::Table(error) => error.into(),
            RunError::Coordinates(error) => error.into(),
            RunError::Failed { .. } => {
                let hint = "the same command runs the failed trials again";
                Self::with(SOME_FAILED, error, Some(hint))
            }
            RunError::Interrupted { .. } | RunError::Stopped => {
                let hint = "the same command continues from there";
                let is_job = std::env::var_os("SLURM_JOB_ID").is_some();
                let code = if is_job { AGAIN } else { INTERRUPTED };
                Self::with(code, error, Some(hint))
            }
            RunError::Spawn(ref source) if is_full_of_files(source) => {
                Self::with(USAGE, error, Some(store::hint(error::Fix::AllowFiles)))
            }
            // The folder of the trial, which the worker would have run in.
            RunError::Spawn(ref source) if source.kind() == std::io::ErrorKind::NotFound => {
                Self::with(USAGE, error, Some(store::hint(error::Fix::PutBack)))
            }
            other => {
                let hint = next_step(&other);
                Self::with(USAGE, other, hint)
            }
        }
    }
}

/// What to do about a wrong request.
fn next_step(error: &RunError) -> Option<&'static str> {
    Some(match error {
        RunError::Searched => "`mutransfer transfer` searches, confirms and carries",
        RunError::Given => "write lr = \"auto\", or another; see `mutransfer transfer --help`",
        RunError::Useless { .. } => "leave it out, or give it a number",
        RunError::AllDiverged { .. } => "begin lower: lr = { auto = true, start = 0.0001 }",
        RunError::NoTrial { .. } => {
            "`mutransfer transfer --help` lists the keys of a study; --where keeps some rows of a \
             table only"
        }
        RunError::Spawn(_) => "allow more processes (`ulimit -u`), or run fewer trials with --jobs",
        RunError::OtherBuild => "start the study again, with this program or with that one",
        _ => return None,
    })
}

impl From<BadSize> for Failure {
    fn from(error: BadSize) -> Self {
        Self::with(USAGE, error, None)
    }
}

/// A subject may be of any kind; those that are built in are known.
impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        #[cfg(feature = "train")]
        let problem = match problem.downcast::<mutransfer_models::Error>() {
            Ok(error) => return (*error).into(),
            Err(problem) => problem,
        };
        #[cfg(not(feature = "train"))]
        let problem = match problem.downcast::<crate::subject::Untrained>() {
            Ok(error) => {
                let hint = "in a clone, `cargo install --path crates/mutransfer-cli` makes the \
                            program that trains";
                return Self::with(USAGE, *error, Some(hint));
            }
            Err(problem) => problem,
        };
        let problem = match problem.downcast::<mutransfer::Error>() {
            Ok(error) => return (*error).into(),
            Err(problem) => problem,
        };
        match problem.downcast::<CommandError>() {
            Ok(error) => (*error).into(),
            Err(problem) => Self {
                code: USAGE,
                error: anyhow::Error::from_boxed(problem),
                hint: None,
            },
        }
    }
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        let hint = error.fix().map(|fix| match fix {
            command::Fix::TellLoss => {
                "let it print {\"final\": true, \"loss\": 2.9} at its end, or say where its loss \
                 is by `metric`; docs/trainers.md shows both"
            }
            command::Fix::TellCoordinates => {
                "let it print coordinates when trial.json asks for them, or leave `coordinates` out"
            }
            command::Fix::TellLayer => {
                "call it as its weight in `shapes`, or add \"layer\": \"hidden\" to what it prints"
            }
            command::Fix::RaiseLimit => "raise the limit in the study, or make the trial smaller",
            command::Fix::BeginAgain => "start the study again; its trials are run anew",
        });
        match error {
            CommandError::Shapes(error) => error.into(),
            error => Self::with(USAGE, error, hint),
        }
    }
}

#[cfg(feature = "train")]
impl From<mutransfer_models::Error> for Failure {
    fn from(error: mutransfer_models::Error) -> Self {
        use mutransfer_models::Error;
        let hint = match &error {
            Error::NotDivisible { divisor, what, .. } => Some(match *what {
                "active" | "groups" => format!("take a number of {what} that divides it"),
                _ => format!("choose widths that are multiples of {divisor}"),
            }),
            Error::Unreadable { .. } | Error::Empty { .. } => {
                Some("--data takes a text file or a folder of text files".into())
            }
            Error::TooShort { .. } => Some("give more text, or lower `batch` or `context`".into()),
            Error::Plan(error) => error.fix().map(|fix| shapes::advice(fix).to_owned()),
            _ => None,
        };
        Self {
            code: USAGE,
            error: error.into(),
            hint,
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self {
            code: 1,
            error,
            hint: None,
        }
    }
}
