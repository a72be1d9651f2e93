//! Known misspellings, by the program `typos` (its exceptions are in `typos.toml`).

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::cargo;

/// Where `.ci/run` puts it.
const INSTALLED: &str = "target/tools/bin/typos";

pub(crate) fn check() -> Result<()> {
    let program = if Path::new(INSTALLED).exists() {
        INSTALLED
    } else {
        "typos"
    };
    if Command::new(program).arg("--version").output().is_err() {
        eprintln!("    skipped: no `typos` here; `pip install typos` has it");
        return Ok(());
    }
    cargo::run(&mut Command::new(program))
}
