//! The program `mutransfer`, which is the library of this crate.

use std::process::ExitCode;

fn main() -> ExitCode {
    mutransfer_cli::run(std::env::args_os()).into()
}
