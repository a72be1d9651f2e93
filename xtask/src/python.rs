//! The Python package: built and tested in an environment of its own under `target/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Context, Result};

use crate::cargo::{self, run};

const PACKAGE: &str = "bindings/python";
const REQUIREMENTS: &str = "requirements-test.txt";
/// It unpacks torch in a third of the time that pip takes.
const INSTALLER: &str = "uv==0.13.8";
/// What the drop-in is compared with, without the frameworks that it asks for.
const PEER: &str = "mup==1.0.0";
pub(crate) const MANIFEST: &str = "--manifest-path=bindings/python/Cargo.toml";

/// Makes the environment ahead of the step; what goes wrong the step finds again, and says.
pub(crate) fn prepare() {
    drop(Environment::ready());
}

pub(crate) fn build() -> Result<()> {
    let build = ["develop", "--uv", "--release", "--locked"];
    python(&[&["-m", "maturin"][..], &build].concat())
}

pub(crate) fn check() -> Result<()> {
    for arguments in [
        &["-m", "ruff", "check", "--no-cache", "."][..],
        &["-m", "ruff", "format", "--no-cache", "--check", "."],
        &["-m", "mypy"],
        &["-m", "mypy.stubtest", "mutransfer._core"],
        &["-m", "pytest"],
    ] {
        python(arguments)?;
    }
    Ok(())
}

fn python(arguments: &[&str]) -> Result<()> {
    let environment = Environment::ready()?;
    let mut python = Command::new(environment.python());
    run(environment.around(python.args(arguments).current_dir(PACKAGE)))
}

/// A virtual environment with what the tests need.
struct Environment {
    target: PathBuf,
}

impl Environment {
    /// Makes it if it is not there, and installs what it lacks.
    fn ready() -> Result<Self> {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _guard = ONE_AT_A_TIME.lock();
        let target = cargo::target()?;
        let found = Self { target };
        let requirements = Path::new(PACKAGE).join(REQUIREMENTS);
        let wanted = fs::read(&requirements).context(REQUIREMENTS)?;
        let installed = found.folder().join(REQUIREMENTS);
        if fs::read(&installed).is_ok_and(|held| held == wanted) {
            return Ok(found);
        }
        run(Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(found.folder()))?;
        let python = found.python();
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", INSTALLER]))?;
        let install = ["-m", "uv", "pip", "install", "--quiet", "--no-cache"];
        for what in [
            ["-r".as_ref(), requirements.as_os_str()],
            ["--no-deps".as_ref(), PEER.as_ref()],
        ] {
            run(found.around(Command::new(&python).args(install).args(what)))?;
        }
        fs::write(installed, wanted).context(REQUIREMENTS)?;
        Ok(found)
    }

    fn folder(&self) -> PathBuf {
        self.target.join("python")
    }

    fn python(&self) -> PathBuf {
        self.folder().join("bin/python")
    }

    /// Crates that the program is built of are not built again, and the tests find the program.
    fn around<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("VIRTUAL_ENV", self.folder())
            .env("PYO3_PYTHON", self.python())
            .env("CARGO_TARGET_DIR", &self.target)
            .env("MUTRANSFER_PROGRAM", self.target.join("release/mutransfer"))
    }
}
