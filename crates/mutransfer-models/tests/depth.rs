//! Along depth: SP and plain μP change the last residual as the depth, rules over depth do not, and
//! alpha = 1/2 is told from alpha = 1 by how far weights move.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use mutransfer::{Alpha, Hyper, Optimizer, Options, Parametrization, Rule};
use mutransfer_models::data::{Corpus, Dataset, Images, Language};
use mutransfer_models::updates::{DepthChange, Updates, depth_change};
use mutransfer_models::{Architecture, Batches, Kind, trainer};

fn change(rule: &Parametrization, kind: Kind, depth: usize) -> Result<DepthChange, String> {
    let dataset = match kind {
        Kind::ResNet => Dataset::Images(Images::synthetic(0)),
        _ => Dataset::Text(Corpus::Synthetic(Language::new(0))),
    };
    let hyper = Hyper {
        learning_rate: 0.0078125,
        ..Hyper::default()
    };
    let run = Updates {
        architecture: Architecture {
            depth,
            base_depth: if kind == Kind::Gpt { 4 } else { depth },
            context: 8,
            ..Architecture::new(kind, dataset.format())
        },
        width: 32,
        rule,
        optimizer: Optimizer::AdamW,
        hyper: &hyper,
        batches: Batches {
            size: 1,
            seed: 3,
            is_fixed: true,
        },
        steps: 4,
    };
    depth_change(&run, &dataset).map_err(|error| error.to_string())
}

/// Slopes between 4 and 32 blocks: of the residual, of weights inside, of weights at the ends.
fn slopes(rule: &Parametrization) -> [f64; 3] {
    let [shallow, deep] = [4, 32].map(|depth| change(rule, Kind::Gpt, depth).unwrap());
    [
        deep.residual / shallow.residual,
        deep.inside / shallow.inside,
        deep.ends / shallow.ends,
    ]
    .map(|times: f64| times.log2() / 3.0)
}

#[test]
fn rules_over_depth_keep_the_change_of_the_last_residual() {
    let without = Options {
        depth: Alpha::None,
        ..Options::default()
    };
    let plain = Parametrization::from(Rule::Mup).with_options(without);
    let cases = [
        (Rule::Sp.into(), true, 0.0, 0.0),
        (plain, true, 0.0, 0.0),
        (Rule::SpDepthInit.into(), true, 0.0, 0.5),
        (Rule::DepthMup.into(), false, -0.5, -0.5),
        (Rule::CompleteP.into(), false, 0.0, 0.0),
    ];
    for (rule, grows, inside, ends) in cases {
        let found = slopes(&rule);
        let what = format!("{}: {found:?}", rule.name());
        // One seed, from 4 to 32: short of the limit, but on its own side.
        assert_eq!(found[0] > 0.35, grows, "residual of {what}");
        assert!(grows || found[0].abs() < 0.25, "residual of {what}");
        assert!((found[1] - inside).abs() < 0.1, "inside of {what}");
        assert!((found[2] - ends).abs() < 0.1, "ends of {what}");
    }
}

#[test]
fn what_has_no_residual_stream_has_no_slope() {
    let error = change(&Rule::CompleteP.into(), Kind::ResNet, 2).unwrap_err();
    assert_eq!(
        error,
        "updates along depth are measured of transformers, and resnet is none"
    );
}

/// The multiplier is in the product that ends a branch: a step takes as long with it as without.
/// Steps by turns, so that both see the same machine; the quickest of each is compared, which other
/// programs disturb least.
#[test]
#[ignore = "it measures time"]
fn multiplied_branches_take_no_time() {
    let dataset = Dataset::Text(Corpus::Synthetic(Language::new(0)));
    let architecture = |base_depth| Architecture {
        depth: 8,
        base_depth,
        ..Architecture::new(Kind::Gpt, dataset.format())
    };
    let hyper = Hyper::default();
    let batches = Batches {
        size: 8,
        seed: 0,
        is_fixed: false,
    };
    let mut trainers = [8, 2].map(|base_depth| {
        let architecture = architecture(base_depth);
        let plan = architecture.plan(128, 128, Rule::CompleteP, Optimizer::AdamW);
        let (plan, hyper) = (plan.unwrap(), &hyper);
        trainer(&architecture, 128, &plan, hyper, &dataset, batches).unwrap()
    });
    let mut quickest = [f64::INFINITY; 2];
    for _ in 0..150 {
        for (trainer, quickest) in trainers.iter_mut().zip(&mut quickest) {
            let start = std::time::Instant::now();
            trainer.step(1.0);
            *quickest = quickest.min(start.elapsed().as_secs_f64());
        }
    }
    let [without, with] = quickest;
    println!(
        "without {without:.6} s, with {with:.6} s, ratio {:.4}",
        with / without
    );
    assert!(with < 1.02 * without, "{with} s with, {without} s without");
}
