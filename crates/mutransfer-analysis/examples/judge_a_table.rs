//! Judges runs of another program: which learning rate to carry to a larger model, and whether
//! copying it works.
//!
//! `cargo run -p mutransfer-analysis --example judge_a_table`
#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use mutransfer_analysis::{
    End, Number, Request, Run, Sweeps, TableError, analyze, carried, findings, with_interval,
};

fn main() -> Result<(), TableError> {
    let sweeps = Sweeps::of_runs(runs())?;
    for rule in sweeps.rules.keys() {
        if let Some(lr) = carried(&sweeps, rule, 1024.0, None) {
            println!("{rule}: train width 1024 at {lr:.2e}");
        }
    }
    let request = Request {
        target: Some(1024.0),
        ..Request::default()
    };
    let analysis = analyze(&sweeps, "width", "lr", &request)?;
    for (name, rule) in analysis.ordered_rules() {
        if let Some(beta) = rule.numbers.get(&Number::Beta) {
            let beta = with_interval(beta, 2);
            println!("{name}: the best learning rate goes as width^-beta, beta = {beta}");
        }
    }
    for sentence in findings(&analysis) {
        println!("{sentence}");
    }
    Ok(())
}

/// A made-up sweep: under `sp` the valley of the loss moves left by an octave per doubling of the
/// width, under `mup` it stays.
fn runs() -> Vec<Run> {
    let mut runs = Vec::new();
    for (doublings, width) in [64.0, 128.0, 256.0, 512.0].into_iter().enumerate() {
        for (rule, best) in [("sp", -7.0 - doublings as f64), ("mup", -8.0)] {
            for octave in -12..=-4 {
                for seed in 0..3 {
                    runs.push(run(rule, width, best, octave, seed));
                }
            }
        }
    }
    runs
}

fn run(rule: &str, width: f64, best: f64, octave: i32, seed: u64) -> Run {
    let off = f64::from(octave) - best;
    let noise = 0.002 * f64::sin(seed as f64 * 7.0 + f64::from(octave) + width);
    // Far above the valley training diverges, which is a result too.
    let end = if off > 3.5 {
        End::Diverged
    } else {
        End::Loss(2.0 + 8.0 / width.sqrt() + 0.05 * off * off + noise)
    };
    Run {
        rule: rule.to_owned(),
        at: width,
        value: f64::from(octave).exp2(),
        seed,
        end,
    }
}
