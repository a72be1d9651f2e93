//! The chances of verdicts are those of simulated tables.

use std::sync::atomic::{AtomicUsize, Ordering};

use mutransfer_analysis::{Chance, Design, power};

fn chances(design: &Design, drifts: &[f64]) -> Vec<Chance> {
    power(design, drifts, 60, &|| ()).chances
}

#[test]
fn costs_are_those_of_the_valley() {
    let design = Design {
        curvature: 0.2,
        skew: 0.0,
        ..Design::default()
    };
    for (target, octaves) in [(512.0, 1.0), (1024.0, 2.0)] {
        let found = chances(
            &Design {
                target,
                ..design.clone()
            },
            &[-1.0],
        )[0];
        let expected = 0.1 * (octaves * std::f64::consts::LN_2).powi(2);
        assert!((found.regret - expected).abs() < 1e-12, "{found:?}");
    }
    // The proxy's best rate lies on the steep side of the target's valley if the optimum falls.
    let skewed = chances(
        &Design {
            skew: 1.0,
            ..design
        },
        &[-1.0, 1.0],
    );
    assert!(
        skewed[0].regret > 0.0480453 && skewed[1].regret < 0.0480453,
        "{skewed:?}"
    );
}

#[test]
fn without_noise_every_verdict_is_right() {
    let design = Design {
        level: 0.02,
        rest: 1e-5,
        ..Design::default()
    };
    let found = chances(&design, &[0.0, -0.25, -1.0]);
    let shares = found.iter().map(|chance| (chance.transfers, chance.fails));
    assert_eq!(
        shares.collect::<Vec<_>>(),
        [(1.0, 0.0), (1.0, 0.0), (0.0, 1.0)]
    );
}

/// More noise decides less, more seeds decide more, and levels do not matter.
#[test]
fn chances_follow_noise_and_seeds() {
    let still = |rest: f64, seeds: usize, level: f64| {
        let design = Design {
            rest,
            seeds,
            level,
            ..Design::default()
        };
        let found = chances(&design, &[0.0])[0];
        assert!((found.transfers + found.undetermined + found.fails - 1.0).abs() < 1e-12);
        found.transfers
    };
    assert!(still(0.006, 3, 0.02) > still(0.02, 3, 0.02) + 0.2);
    assert!(still(0.012, 5, 0.02) > still(0.012, 2, 0.02) + 0.2);
    assert!((still(0.012, 3, 0.0) - still(0.012, 3, 1.0)).abs() < 1e-9);
}

#[test]
fn every_table_is_counted_and_chances_repeat() {
    let count = AtomicUsize::new(0);
    let done = || {
        count.fetch_add(1, Ordering::Relaxed);
    };
    let one = power(&Design::default(), &[0.0, -1.0], 10, &done);
    assert_eq!(count.into_inner(), 20);
    assert_eq!(one, power(&Design::default(), &[0.0, -1.0], 10, &|| ()));
}
