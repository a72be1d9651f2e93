//! How often the truth lies within the 95% intervals, on tables from known laws with normal noise.
#![allow(
    clippy::print_stderr,
    reason = "what was measured is shown where it fails"
)]

use crate::tables;

use std::collections::BTreeMap;

use mutransfer_analysis::{Measured, Number, Request, RuleAnalysis, Seeds};
use tables::{Law, analysis};

const TABLES: u64 = 300;

/// Enough for the ends of an interval to be off by a tenth of its length.
const REPLICATES: usize = 200;

fn covers(measured: &Measured, truth: f64) -> bool {
    measured
        .interval
        .is_some_and(|[low, high]| low <= truth && truth <= high)
}

/// Share of the tables whose intervals cover, by what was estimated.
fn coverage(judge: impl Fn(u64) -> Vec<(&'static str, bool)>) -> BTreeMap<&'static str, f64> {
    let mut covered: BTreeMap<&'static str, f64> = BTreeMap::new();
    for key in 0..TABLES {
        for (name, covers) in judge(key) {
            *covered.entry(name).or_default() += f64::from(u8::from(covers)) / TABLES as f64;
        }
    }
    eprintln!("{covered:.3?}");
    covered
}

fn found(text: &str, seeds: Seeds) -> RuleAnalysis {
    let request = Request {
        replicates: REPLICATES,
        seeds,
        ..Request::default()
    };
    analysis(text, &request).rules.into_values().next().unwrap()
}

/// Another law, other noise, four seeds and six widths; the prediction is for a sweep of the next
/// width.
#[test]
fn estimates_of_another_law_are_covered() {
    let law = Law {
        limit: 1.5,
        amplitude: 12.0,
        alpha: 0.4,
        curvature: 0.5,
        s: -0.2,
        best: 0.05,
        beta: 0.3,
    };
    let widths = [96.0, 192.0, 384.0, 768.0, 1536.0, 3072.0];
    let truth = |width: f64| law.best_at(width).log2();
    let regret =
        0.5 * law.curvature * 3072_f64.powf(law.s) * (0.3 * std::f64::consts::LN_2).powi(2);
    let covered = coverage(|key| {
        let text = law.table_at(&widths, "mine", 4, 0.012, 77_000 + key);
        let rule = found(&text, Seeds::Shared);
        let number = |number: Number, truth: f64| covers(&rule.numbers[&number], truth);
        let newest = rule.optima.last().unwrap();
        let prediction = rule.prediction.as_ref().unwrap();
        vec![
            ("alpha", number(Number::Alpha, 0.4)),
            ("beta", number(Number::Beta, 0.3)),
            ("s", number(Number::S, -0.2)),
            ("gamma", number(Number::Gamma, 0.4)),
            ("kappa", number(Number::Kappa, 0.2)),
            ("limit", number(Number::Limit, 1.5)),
            ("drift", number(Number::Drift, -1.5)),
            ("regret", number(Number::Regret, regret)),
            (
                "optimum",
                covers(&rule.optima[0].log2.unwrap(), truth(96.0)),
            ),
            (
                "loss",
                covers(
                    &rule.optima[0].loss.unwrap(),
                    law.loss(96.0, law.best_at(96.0)),
                ),
            ),
            (
                "curvature",
                covers(&rule.optima[0].curvature.unwrap(), 0.5 * 96_f64.powf(-0.2)),
            ),
            (
                "prediction",
                covers(&prediction.log2, newest.log2.unwrap().value),
            ),
        ]
    });
    for (name, share) in &covered {
        assert!((0.88..=0.98).contains(share), "{name}: {covered:?}");
    }
}

/// A third law on one grid of octaves for all widths, so that optima lie between its points, with
/// three seeds, whether they mean something or not, and with the residuals of a single one.
#[test]
fn estimates_on_a_common_grid_are_covered() {
    let law = Law {
        limit: 3.0,
        amplitude: 8.0,
        alpha: 0.7,
        curvature: 0.3,
        s: 0.1,
        best: 0.08,
        beta: 0.5,
    };
    let widths = [64.0, 128.0, 256.0, 512.0, 1024.0];
    let kinds = [
        (3, Seeds::Shared, 0.02),
        (3, Seeds::Independent, 0.02),
        (1, Seeds::Shared, 0.005),
    ];
    for (seeds, meaning, noise) in kinds {
        let covered = coverage(|key| {
            let rule = found(
                &law.swept(&widths, -13..=-3, seeds, noise, 500_000 + key),
                meaning,
            );
            let number = |number: Number, truth: f64| covers(&rule.numbers[&number], truth);
            let optimum = &rule.optima[2];
            vec![
                ("beta", number(Number::Beta, 0.5)),
                ("s", number(Number::S, 0.1)),
                ("gamma", number(Number::Gamma, 1.1)),
                ("drift", number(Number::Drift, -2.0)),
                (
                    "optimum",
                    covers(&optimum.log2.unwrap(), law.best_at(256.0).log2()),
                ),
                (
                    "loss",
                    covers(&optimum.loss.unwrap(), law.loss(256.0, law.best_at(256.0))),
                ),
                (
                    "prediction",
                    covers(
                        &rule.prediction.as_ref().unwrap().log2,
                        rule.optima[4].log2.unwrap().value,
                    ),
                ),
                ("alpha", number(Number::Alpha, 0.7)),
                ("limit", number(Number::Limit, 3.0)),
            ]
        });
        for (name, share) in &covered {
            assert!(
                (0.88..=0.98).contains(share),
                "{seeds} {meaning:?} seeds, {name}: {covered:?}"
            );
        }
    }
}

/// E scatters over tables of one law; its intervals should hold the root mean square of it over all
/// of them, whether it is all noise or comes from valleys that are no parabolas. Intervals are
/// rather too long in the first case: how noise differs between points is hardly known from three
/// seeds.
#[test]
fn the_error_of_the_joint_fit_is_covered() {
    let law = Law {
        limit: 2.0,
        amplitude: 30.0,
        alpha: 0.5,
        curvature: 0.2,
        s: 0.0,
        best: 3.0,
        beta: 1.0,
    };
    for (cubic, seeds, noise) in [(0.0, 4, 0.01), (0.03, 3, 0.01), (0.05, 3, 0.02)] {
        let errors: Vec<Measured> = (0..TABLES)
            .map(|key| {
                found(&law.skewed(cubic, seeds, noise, 9_000 + key), Seeds::Shared).numbers
                    [&Number::Error]
            })
            .collect();
        let truth =
            (errors.iter().map(|error| error.value.powi(2)).sum::<f64>() / TABLES as f64).sqrt();
        let share =
            errors.iter().filter(|error| covers(error, truth)).count() as f64 / TABLES as f64;
        eprintln!("cubic {cubic}: E {truth:.5} covered {share:.3}");
        assert!((0.88..=0.98).contains(&share), "{cubic}: {share}");
    }
}
