//! The program `mutransfer`: arguments in, one file per command.
//!
//! Without the feature `train` it has every command, and no model to train: what needs one is
//! refused with the next step. So the package for Python has it, without a tensor library.

#[cfg(feature = "train")]
mod along;
mod analyze;
mod args;
mod ask;
mod check;
mod coord;
mod executor;
mod explain;
mod export;
mod failure;
mod found;
mod horizon;
mod import;
#[cfg(feature = "train")]
mod kernel;
mod laws;
mod model;
mod monitor;
mod plan;
mod power;
mod progress;
mod recipe;
mod rules;
mod run_trial;
mod say;
mod signals;
mod status;
mod subject;
mod sweep;
mod table;
mod theory;
mod transfer;
mod tuned;
mod watch;
mod written;

use std::error::Error;
use std::ffi::OsString;

use clap::FromArgMatches;

use args::{Args, Command};
use failure::Failure;
use say::{note, say_text};

/// What the program is called.
const NAME: &str = "mutransfer";

/// Runs the program with its arguments, of which the first is its own name, and gives the code that
/// the process is to end with.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let args = args::command().try_get_matches_from(arguments);
    let args = args.and_then(|matches| Args::from_arg_matches(&matches));
    let code = match args {
        Ok(args) => code(execute(args)),
        Err(refusal) => refuse(&refusal),
    };
    match say::finish() {
        Ok(()) => code,
        Err(error) => code_of_lost_output(&error),
    }
}

fn execute(args: Args) -> Result<(), Failure> {
    let command = args.command.unwrap_or_default();
    // Workers train on one thread, and there may be many.
    if !matches!(command, Command::RunTrial(_) | Command::Guard(_)) {
        start_threads()?;
    }
    match command {
        Command::Demo(options) => transfer::demo(&options),
        Command::Transfer(options) => transfer::transfer(&options),
        Command::Sweep(options) => sweep::sweep(&options),
        Command::Status(options) => status::status(&options),
        Command::Ask(options) => ask::ask(&options),
        Command::Tell(options) => ask::tell(&options),
        Command::Import(options) => import::import(&options),
        Command::Watch(options) => watch::watch(&options),
        Command::Export(options) => export::export(&options),
        Command::Plan(options) => plan::plan(&options),
        Command::Check(options) => check::check(&options),
        Command::Rules(options) => rules::rules(&options),
        Command::Laws(options) => laws::laws(&options),
        Command::Theory(options) => theory::theory(&options),
        Command::Explain(options) => explain::explain(&options),
        Command::Coord(options) => coord::coord(&options),
        Command::Monitor(options) => monitor::monitor(&options),
        Command::Analyze(options) => analyze::analyze(&options),
        Command::Power(options) => power::power(&options),
        Command::Recipe(options) => recipe::recipe(&options.command),
        Command::RunTrial(options) => run_trial::run_trial(&options),
        Command::Guard(options) => run_trial::guard(&options),
    }
}

/// Starts the threads that commands share, unless there are some: a process may run several
/// commands.
fn start_threads() -> Result<(), Failure> {
    match rayon::ThreadPoolBuilder::new().build_global() {
        Err(error) if error.source().is_some() => Err(Failure::no_threads(error)),
        _ => Ok(()),
    }
}

fn code(done: Result<(), Failure>) -> u8 {
    match done {
        Ok(()) => 0,
        Err(failure) => failure.report(),
    }
}

/// What the parser of arguments has to say: help on standard output, or what it did not understand.
fn refuse(refusal: &clap::Error) -> u8 {
    if refusal.use_stderr() {
        note!("{}", refusal.render().to_string().trim_end());
    } else {
        say_text!("{}", refusal.render());
    }
    refusal.exit_code() as u8
}

fn code_of_lost_output(error: &std::io::Error) -> u8 {
    note!("error: cannot write the results to standard output: {error}");
    1
}
