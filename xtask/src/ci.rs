//! The steps in an order that keeps the processors busy.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command};

use anyhow::{Context, Result, bail};

use crate::{cargo, python, take};

const QUICK: [&str; 5] = ["fmt", "toolchain", "typos", "deny", "budgets"];
/// What asks the compiler and runs nothing.
const ASKED: [&str; 3] = ["lint", "doc", "features"];

/// Quick steps first and the tests last, so that their summary is the end of the output. The
/// program is built alone: what lints and tests build then must not differ from what a user built.
pub(crate) fn check() -> Result<()> {
    // What the network brings comes while the processors build.
    std::thread::spawn(python::prepare);
    QUICK.into_iter().try_for_each(take)?;
    // Cargo holds its folder while it builds, and builds our crates one after the other.
    let asked = Beside::start(&ASKED, Some(cargo::target()?.join("asked")))?;
    ["build", "wheel"].into_iter().try_for_each(take)?;
    let python = Beside::start(&["python"], None)?;
    take("tests")?;
    asked.end()?;
    python.end()?;
    take("test")
}

/// Steps that run beside those of this process.
struct Beside {
    steps: String,
    child: Child,
    said: PathBuf,
}

impl Beside {
    fn start(steps: &[&str], target: Option<PathBuf>) -> Result<Self> {
        let said = cargo::target()?.join(format!("{}.txt", steps.join("-")));
        let written = File::create(&said).with_context(|| said.display().to_string())?;
        let mut command = Command::new(std::env::current_exe().context("this program")?);
        command
            .args(steps)
            .stdout(written.try_clone()?)
            .stderr(written);
        command.envs(target.map(|folder| ("CARGO_TARGET_DIR", folder)));
        let child = command.spawn().context("steps beside others")?;
        let steps = steps.join(", ");
        eprintln!("==> beside the next: {steps}");
        Ok(Self { steps, child, said })
    }

    /// Waits, and shows what they said.
    fn end(mut self) -> Result<()> {
        let status = self.child.wait().context("steps beside others")?;
        let said = fs::read_to_string(&self.said).context("what steps said")?;
        eprint!("==> beside: {}\n{said}", self.steps);
        if !status.success() {
            bail!("{} failed ({status})", self.steps);
        }
        Ok(())
    }
}

impl Drop for Beside {
    /// Where another step has failed, these are of no use.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
