//! The program `mutransfer`: arguments in, one file per command.

mod args;
mod coord;
mod failure;
mod progress;
mod run_trial;
mod subject;
mod table;
mod transfer;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match args.command.unwrap_or_default() {
        Command::Demo(options) => transfer::demo(&options),
        Command::Transfer(options) => transfer::transfer(&options),
        Command::Coord(options) => coord::coord(&options),
        Command::RunTrial(options) => run_trial::run_trial(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
