//! What must hold of this repository, as one command and as single steps.
//!
//! `cargo xtask ci` is what people run and what `.ci/run` calls. Every step can fail, but for the
//! budgets, which warn. Nothing is fetched but crates: a step that lacks its tool says so.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this program talks to whoever runs it"
)]

mod budgets;
mod cargo;
mod ci;
mod deny;
mod faults;
mod features;
mod python;
mod source;
mod toolchain;
mod typos;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::cargo::cargo;

/// Something that must hold, or something to do.
struct Step {
    name: &'static str,
    what: &'static str,
    run: fn() -> Result<()>,
}

/// The steps of `ci`; `ci.rs` has their order.
const STEPS: [Step; 13] = [
    Step {
        name: "fmt",
        what: "the format is rustfmt's",
        run: fmt,
    },
    Step {
        name: "toolchain",
        what: "the pinned toolchain is the oldest that is promised",
        run: toolchain::check,
    },
    Step {
        name: "typos",
        what: "no known misspelling",
        run: typos::check,
    },
    Step {
        name: "deny",
        what: "licences, banned crates and sources of dependencies, by deny.toml",
        run: deny::check,
    },
    Step {
        name: "budgets",
        what: "sizes of files and functions, as warnings",
        run: budgets::check,
    },
    Step {
        name: "build",
        what: "the program, as a user builds it",
        run: build,
    },
    Step {
        name: "lint",
        what: "clippy without a warning, of the Python package too",
        run: lint,
    },
    Step {
        name: "doc",
        what: "the documentation without a warning",
        run: doc,
    },
    Step {
        name: "features",
        what: "every crate with features builds without them",
        run: features::check,
    },
    Step {
        name: "wheel",
        what: "the Python package, built into an environment of its own",
        run: python::build,
    },
    Step {
        name: "python",
        what: "the lints, types and tests of the Python package as built",
        run: python::check,
    },
    Step {
        name: "tests",
        what: "the tests, built",
        run: tests,
    },
    Step {
        name: "test",
        what: "all tests",
        run: test,
    },
];

/// Parts of the tests by name, and what renews the generated pages.
const MORE: [Step; 5] = [
    Step {
        name: "arrows",
        what: "the arrows between the crates (a part of the tests)",
        run: arrows,
    },
    Step {
        name: "generated",
        what: "generated pages are what generates them (a part of the tests)",
        run: generated,
    },
    Step {
        name: "generate",
        what: "write the generated pages and snapshots anew",
        run: generate,
    },
    Step {
        name: "kills",
        what: "a thousand kills of sweeps, which end as if there had been none",
        run: faults::kills,
    },
    Step {
        name: "power-cuts",
        what: "the disk of a sweep, as it is at twelve moments (as root)",
        run: faults::power_cuts,
    },
];

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Vec<String>) -> Result<()> {
    cargo::enter_root()?;
    if arguments.is_empty() {
        print!("{}", usage());
        return Ok(());
    }
    for name in arguments {
        if name == "ci" {
            ci::check()?;
        } else {
            take(&name)?;
        }
    }
    Ok(())
}

fn take(name: &str) -> Result<()> {
    let step = STEPS.iter().chain(&MORE).find(|step| step.name == name);
    let step = step.with_context(|| format!("no step `{name}`\n\n{}", usage()))?;
    eprintln!("==> {}: {}", step.name, step.what);
    let begun = Instant::now();
    (step.run)().with_context(|| format!("step `{}`", step.name))?;
    eprintln!("    {}: {} s", step.name, begun.elapsed().as_secs());
    Ok(())
}

fn usage() -> String {
    let [ci, more] = [listed(&STEPS), listed(&MORE)];
    format!("cargo xtask ci, or any of its steps:\n{ci}\nand:\n{more}\n")
}

fn listed(steps: &[Step]) -> String {
    let lines = steps
        .iter()
        .map(|step| format!("  {:10} {}", step.name, step.what));
    lines.collect::<Vec<_>>().join("\n")
}

fn fmt() -> Result<()> {
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&["fmt", "--check", python::MANIFEST])
}

fn build() -> Result<()> {
    cargo(&["build", "--release", "--locked"])
}

fn lint() -> Result<()> {
    let clippy = ["clippy", "--release", "--locked"];
    let deny = ["--", "-D", "warnings"];
    cargo(&[&clippy, &["--workspace", "--all-targets"][..], &deny].concat())?;
    let python = [&clippy, &[python::MANIFEST][..], &deny].concat();
    cargo::run(cargo::command(&python).env("CARGO_TARGET_DIR", cargo::target()?))
}

fn doc() -> Result<()> {
    let doc = ["doc", "--workspace", "--no-deps", "--release", "--locked"];
    cargo::run(cargo::command(&doc).env("RUSTDOCFLAGS", "-D warnings"))
}

const TEST: [&str; 4] = ["test", "--workspace", "--release", "--locked"];

fn tests() -> Result<()> {
    cargo(&[&TEST[..], &["--no-run"]].concat())
}

fn test() -> Result<()> {
    // Some tests wait for processes, of which the processors know nothing.
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    cargo::run(cargo::command(&TEST).env("RUST_TEST_THREADS", (2 * processors).to_string()))
}

fn arrows() -> Result<()> {
    cargo(&[&TEST[..], &["--test", "architecture"]].concat())
}

/// A test that compares something with what generates it has this word in its name, and writes it
/// anew where `UPDATE` is set.
const GENERATED: [&str; 2] = ["--", "generated"];

fn generated() -> Result<()> {
    cargo(&[&TEST[..], &GENERATED].concat())
}

fn generate() -> Result<()> {
    cargo::run(cargo::command(&[&TEST[..], &GENERATED].concat()).env("UPDATE", "1"))
}
