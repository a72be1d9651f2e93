//! Cargo, asked to do something or asked what there is.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Makes the root of the repository the working folder.
pub(crate) fn enter_root() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let root = root.context("this crate lies in a folder of the repository")?;
    std::env::set_current_dir(root).with_context(|| format!("cannot enter {}", root.display()))
}

/// The folder of what is built. A workspace beside ours builds there too if it is told.
pub(crate) fn target() -> Result<PathBuf> {
    let root = std::env::current_dir().context("no working folder")?;
    Ok(root.join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or("target".into())))
}

/// Runs cargo, whose output is seen.
pub(crate) fn cargo(arguments: &[&str]) -> Result<()> {
    run(&mut command(arguments))
}

/// The cargo that runs this program.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    command.args(arguments);
    command
}

/// Runs a command, and fails where it fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status();
    let status = status.with_context(|| format!("cannot run {}", shown(command)))?;
    if !status.success() {
        bail!("{} failed ({status})", shown(command));
    }
    Ok(())
}

/// What a command prints on standard output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.output();
    let output = output.with_context(|| format!("cannot run {}", shown(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{} failed: {}", shown(command), said.trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("output of {}", shown(command)))
}

/// The packages of the workspace, as `cargo metadata` describes them.
pub(crate) fn packages() -> Result<Vec<Value>> {
    let metadata = ["metadata", "--no-deps", "--format-version", "1", "--locked"];
    let mut metadata: Value = serde_json::from_str(&output(&mut command(&metadata))?)?;
    serde_json::from_value(metadata["packages"].take()).context("cargo metadata without packages")
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name();
    let parts = program.into_iter().chain(command.get_args());
    let parts: Vec<_> = parts.map(|part| part.to_string_lossy()).collect();
    format!("`{}`", parts.join(" "))
}
