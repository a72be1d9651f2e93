//! Optuna's TPE on the same valleys, where Python has it.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::valleys::{Valley, random};

/// What a diverged run is told as: above all losses, as TPE knows no divergence.
const DIVERGED: f64 = 1.0;

/// A Python with Optuna: that of the project's tools, or that of the system.
pub(crate) fn python() -> Option<PathBuf> {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/bin/python");
    let found = [tools, "python3".into()].into_iter().find(|python| {
        let imports = Command::new(python).args(["-c", "import optuna"]).output();
        imports.is_ok_and(|output| output.status.success())
    });
    if found.is_none() {
        eprintln!("skipped: no Python with the module optuna; `pip install optuna`");
    }
    found
}

/// Mean regret of the best of so many runs of TPE, over the valleys of the first seeds.
pub(crate) fn regret(
    python: &Path,
    seeds: u64,
    runs: usize,
    valley: impl Fn(u64) -> Valley,
) -> f64 {
    let axes = valley(0).optimum.len();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/search/tpe.py");
    let mut child = Command::new(python)
        .arg(script)
        .args([seeds.to_string(), axes.to_string(), runs.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = child.stdin.take().unwrap();
    let mut asked = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut sum = 0.0;
    for seed in 0..seeds {
        let valley = valley(seed);
        let noise = &mut random(!seed);
        let mut best = (f64::INFINITY, f64::NAN);
        for _ in 0..runs {
            let line = asked.next().unwrap().unwrap();
            let point: Vec<f64> = line.split(' ').map(|word| word.parse().unwrap()).collect();
            let loss = valley.measure(&point, 1, noise)[0].min(DIVERGED);
            writeln!(told, "{loss}").unwrap();
            if loss < best.0 {
                best = (loss, valley.loss(&point) - valley.lowest());
            }
        }
        sum += best.1;
    }
    drop(told);
    assert!(child.wait().unwrap().success());
    sum / seeds as f64
}
