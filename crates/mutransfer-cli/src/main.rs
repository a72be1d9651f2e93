//! The program `mutransfer`: arguments in, one file per command.

mod analyze;
mod args;
mod check;
mod coord;
mod cost;
mod explain;
mod failure;
mod kernel;
mod model;
mod monitor;
mod plan;
mod progress;
mod recipe;
mod rules;
mod run_trial;
mod subject;
mod table;
mod theory;
mod transfer;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match args.command.unwrap_or_default() {
        Command::Demo(options) => transfer::demo(&options),
        Command::Transfer(options) => transfer::transfer(&options),
        Command::Plan(options) => plan::plan(&options),
        Command::Check(options) => check::check(&options),
        Command::Rules(options) => rules::rules(&options),
        Command::Theory(options) => theory::theory(&options),
        Command::Explain(options) => explain::explain(&options),
        Command::Coord(options) => coord::coord(&options),
        Command::Monitor(options) => monitor::monitor(&options),
        Command::Analyze(options) => analyze::analyze(&options),
        Command::Recipe(options) => recipe::recipe(&options.command),
        Command::RunTrial(options) => run_trial::run_trial(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
