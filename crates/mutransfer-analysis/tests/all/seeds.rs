//! How often the truth lies within the 95% intervals where runs of one seed share their noise, and
//! how often the verdict is right.
//!
//! Four kinds of noise, as measured on trained networks and as they are not: all of it independent,
//! a level for each width and seed, a level for each seed, a level and a tilt for each width and
//! seed.

#![allow(
    clippy::print_stderr,
    reason = "what was measured is shown where it fails"
)]

use crate::tables;

use std::collections::BTreeMap;

use mutransfer_analysis::{
    Best, End, Flag, Measured, Number, Request, RuleAnalysis, Run, Sweeps, Transfers, analyze,
};
use rayon::prelude::*;
use tables::{Law, Normal};

const WIDTHS: [f64; 4] = [128.0, 256.0, 512.0, 1024.0];

/// Octaves about 2^-7 that are swept.
const GRID: std::ops::RangeInclusive<i32> = -3..=3;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Independent,
    LevelOfWidthAndSeed,
    LevelOfSeed,
    TiltOfWidthAndSeed,
}

const KINDS: [Kind; 4] = [
    Kind::Independent,
    Kind::LevelOfWidthAndSeed,
    Kind::LevelOfSeed,
    Kind::TiltOfWidthAndSeed,
];

/// Deviations in nats: of levels, of tilts per octave, and of what is left of a run.
struct Noise {
    kind: Kind,
    level: f64,
    tilt: f64,
    rest: f64,
}

impl Noise {
    fn of(kind: Kind) -> Self {
        let (level, tilt, rest) = match kind {
            Kind::Independent => (0.0, 0.0, 0.01),
            Kind::TiltOfWidthAndSeed => (0.02, 0.004, 0.004),
            _ => (0.02, 0.0, 0.004),
        };
        Self {
            kind,
            level,
            tilt,
            rest,
        }
    }
}

/// A law whose optimum lies at 2^-7 at the narrowest width and drifts by `-beta` octaves a doubling.
fn law(beta: f64) -> Law {
    Law {
        limit: 2.0,
        amplitude: 20.0,
        alpha: 0.5,
        curvature: 0.0812,
        s: 0.1,
        best: 2_f64.powf(-7.0 + 7.0 * beta + 0.3),
        beta,
    }
}

fn runs(law: &Law, noise: &Noise, seeds: u64, key: u64) -> Vec<Run> {
    let mut normal = Normal::new(key);
    let mut common: Vec<f64> = (0..seeds).map(|_| normal.draw()).collect();
    let mut runs = Vec::new();
    for at in WIDTHS {
        if noise.kind != Kind::LevelOfSeed {
            common = (0..seeds).map(|_| normal.draw()).collect();
        }
        let tilts: Vec<f64> = (0..seeds).map(|_| noise.tilt * normal.draw()).collect();
        for octave in GRID {
            let value = (f64::from(octave) - 7.0).exp2();
            for seed in 0..seeds {
                let shared =
                    noise.level * common[seed as usize] + tilts[seed as usize] * f64::from(octave);
                let loss = law.loss(at, value) + shared + noise.rest * normal.draw();
                runs.push(Run {
                    rule: "mup".to_owned(),
                    at,
                    value,
                    seed,
                    end: End::Loss(loss),
                });
            }
        }
    }
    runs
}

fn judged(runs: Vec<Run>) -> RuleAnalysis {
    let request = Request {
        replicates: 200,
        ..Request::default()
    };
    let sweeps = Sweeps::of_runs(runs).unwrap();
    let found = analyze(&sweeps, "width", "lr", &request).unwrap();
    found.rules.into_values().next().unwrap()
}

/// What is estimated, by name, and the truth.
fn estimates(rule: &RuleAnalysis, law: &Law) -> Vec<(&'static str, Option<Measured>, f64)> {
    let number = |number: Number| rule.numbers.get(&number).copied();
    let last = &rule.optima[3];
    let doublings = 3.0;
    let curvature = law.curvature * 1024_f64.powf(law.s);
    let regret = 0.5 * curvature * (law.beta * std::f64::consts::LN_2).powi(2);
    vec![
        ("loss", last.loss, law.loss(1024.0, law.best_at(1024.0))),
        ("optimum", last.log2, law.best_at(1024.0).log2()),
        ("drift", number(Number::Drift), -doublings * law.beta),
        ("shift", number(Number::Shift), -law.beta),
        ("regret", number(Number::Regret), regret),
        ("alpha", number(Number::Alpha), law.alpha),
        ("beta", number(Number::Beta), law.beta),
        ("s", number(Number::S), law.s),
        ("L_inf", number(Number::Limit), law.limit),
    ]
}

/// Sums over tables of one estimate.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    covered: f64,
    length: f64,
    value: f64,
    squares: f64,
    count: f64,
}

impl Sum {
    fn add(&mut self, found: Option<Measured>, truth: f64) {
        let Some((value, [low, high])) = found.and_then(|it| Some((it.value, it.interval?))) else {
            return;
        };
        self.covered += f64::from(u8::from(low <= truth && truth <= high));
        self.length += high - low;
        self.value += value;
        self.squares += value * value;
        self.count += 1.0;
    }

    /// Mean length over that of an interval with known noise.
    fn length(&self) -> f64 {
        let mean = self.value / self.count;
        let deviation = (self.squares / self.count - mean * mean).sqrt();
        self.length / self.count / (2.0 * 1.96 * deviation)
    }
}

fn sums(kind: Kind, seeds: u64, tables: u64) -> BTreeMap<&'static str, Sum> {
    let law = law(0.2);
    let noise = Noise::of(kind);
    let all: Vec<_> = (0..tables)
        .into_par_iter()
        .map(|key| {
            let runs = runs(&law, &noise, seeds, 1000 * seeds + key);
            estimates(&judged(runs), &law)
        })
        .collect();
    let mut sums: BTreeMap<&'static str, Sum> = BTreeMap::new();
    for (name, found, truth) in all.into_iter().flatten() {
        sums.entry(name).or_default().add(found, truth);
    }
    sums
}

/// What is off in the intervals of tables of all kinds: coverage outside of the bounds, or drifts
/// more than half longer than with known noise.
fn off(seeds: &[u64], tables: u64, bounds: [f64; 2]) -> Vec<String> {
    let mut off = Vec::new();
    for (kind, &seeds) in KINDS
        .iter()
        .flat_map(|kind| seeds.iter().map(move |seeds| (kind, seeds)))
    {
        for (name, sum) in sums(*kind, seeds, tables) {
            // In whole per cent, as the bounds.
            let covered = (100.0 * sum.covered / tables as f64).round() / 100.0;
            let length = sum.length();
            let cell = format!("{kind:?}, {seeds} seeds, {name}: {covered:.2}, {length:.2}");
            eprintln!("{cell}");
            let is_long = name == "drift" && length > 1.5;
            if !(bounds[0]..=bounds[1]).contains(&covered) || is_long {
                off.push(cell);
            }
        }
    }
    off
}

/// Chance alone takes 100 tables to 0.87 in one of a hundred cells.
#[test]
fn intervals_cover_whatever_seeds_share() {
    let off = off(&[3], 100, [0.86, 1.0]);
    assert!(off.is_empty(), "{off:#?}");
}

/// `cargo test --release -p mutransfer-analysis --test all seeds -- --ignored --nocapture`
#[test]
#[ignore = "two minutes"]
fn intervals_cover_whatever_seeds_share_in_full() {
    let off = off(&[2, 3, 5], 300, [0.9, 0.99]);
    assert!(off.is_empty(), "{off:#?}");
}

/// A valley with a kink, at which no smooth function has its bottom, is a misfit however much seeds
/// share, and what they share makes none of a valley that is fitted.
#[test]
fn a_misfit_is_told_from_what_seeds_share() {
    let flagged = |kind: Kind, kink: f64| {
        let noise = Noise::of(kind);
        let optima = (0..60).into_par_iter().flat_map(|key| {
            let mut runs = runs(&law(0.0), &noise, 3, 5_000 + key);
            for run in &mut runs {
                if let End::Loss(loss) = &mut run.end {
                    *loss += kink * (run.value.log2() + 6.7).abs();
                }
            }
            judged(runs).optima
        });
        let is_misfit = |best: &Best| best.flags.contains(&Flag::Misfit);
        let flags: Vec<bool> = optima.map(|best| is_misfit(&best)).collect();
        flags.iter().filter(|flag| **flag).count() as f64 / flags.len() as f64
    };
    for kind in KINDS {
        let share = flagged(kind, 0.0);
        assert!(share < 0.1, "{kind:?}: {share}");
    }
    for kind in [Kind::LevelOfWidthAndSeed, Kind::TiltOfWidthAndSeed] {
        let share = flagged(kind, 0.1);
        assert!(share > 0.9, "{kind:?}: {share}");
    }
}

/// How often a drift is judged to transfer, undetermined, and to fail: with a level for each width
/// and seed as large as measured, or with independent noise.
fn verdicts(kind: Kind, seeds: u64, drift: f64, tables: u64) -> [u64; 3] {
    let (level, rest) = match kind {
        Kind::Independent => (0.0, 0.01),
        _ => (0.02, 0.006),
    };
    let (law, tilt) = (law(-drift), 0.0);
    let noise = Noise {
        kind,
        level,
        tilt,
        rest,
    };
    let all: Vec<Transfers> = (0..tables)
        .into_par_iter()
        .map(|key| judged(runs(&law, &noise, seeds, 77_000 + key)).verdict)
        .collect();
    let kinds = [
        Transfers::Transfers,
        Transfers::Undetermined,
        Transfers::Fails,
    ];
    kinds.map(|kind| all.iter().filter(|verdict| **verdict == kind).count() as u64)
}

#[test]
fn rules_without_drift_transfer() {
    let [transfers, _, fails] = verdicts(Kind::LevelOfWidthAndSeed, 3, 0.0, 80);
    assert!(transfers >= 70 && fails == 0, "{transfers} {fails}");
}

/// `cargo test --release -p mutransfer-analysis --test all seeds -- --ignored --nocapture`
#[test]
#[ignore = "two minutes"]
fn verdicts_are_right_in_full() {
    for kind in [Kind::Independent, Kind::LevelOfWidthAndSeed] {
        for seeds in [2, 3, 5] {
            // The copied rate costs 0, 0.005 and 0.02 nats, of which 0.01 are tolerated.
            for drift in [0.0, -0.358, -0.716] {
                let found = verdicts(kind, seeds, drift, 400);
                let [transfers, _, fails] = found;
                eprintln!("{kind:?}, {seeds} seeds, drift {drift}: {found:?}");
                let wrong = if drift > -0.5 { fails } else { transfers };
                assert!(wrong <= 4, "{kind:?} {seeds} {drift}: {found:?}");
                if kind == Kind::LevelOfWidthAndSeed && seeds == 3 && drift == 0.0 {
                    assert!(transfers >= 350, "{found:?}");
                }
            }
        }
    }
}
