//! The coordinate check as a test: T8 of the specification, and what cannot be judged.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use mutransfer::theory::{Expectation, Layer, Quantity, Theory};
use mutransfer::{Optimizer, Rule};
use mutransfer_analysis::{Check, Coordinate, Verdict, coordinates_from_csv, judge};

const WIDTHS: [usize; 5] = [256, 512, 1024, 2048, 4096];

fn expectations(rule: &str) -> BTreeMap<String, Expectation> {
    let theory = Theory::of_rule(&rule.parse::<Rule>().unwrap().into(), Optimizer::AdamW).unwrap();
    BTreeMap::from([(rule.to_owned(), Expectation::of(&theory, false))])
}

/// A quantity that is `size(width, seed)` at the five widths, for two seeds.
fn rows(
    layer: Layer,
    quantity: Quantity,
    step: usize,
    size: impl Fn(f64, u64) -> f64,
) -> Vec<Coordinate> {
    let sizes = WIDTHS
        .into_iter()
        .flat_map(|width| [(width, 0), (width, 1)]);
    let row = |(width, seed)| {
        let l1 = size(width as f64, seed);
        let (rule, module) = ("mup".into(), "m".into());
        Coordinate {
            rule,
            width,
            seed,
            step,
            module,
            layer,
            quantity,
            l1,
            l2: l1,
            std: l1,
        }
    };
    sizes.map(row).collect()
}

fn check(rows: &[Coordinate]) -> Check {
    judge(rows, &expectations("mup")).unwrap().remove(0)
}

#[test]
fn a_power_law_is_fitted_exactly_and_judged_by_what_is_expected() {
    let falling = |width: f64, _| 3.0 * width.powf(-0.5);
    let logits = check(&rows(Layer::Output, Quantity::Activation, 0, falling));
    let fit = logits.cells[0].fit.unwrap();
    for line in [fit.all, fit.upper.unwrap()] {
        assert!(
            (line.slope + 0.5).abs() < 1e-12 && (line.interval.1 - line.interval.0).abs() < 1e-12,
            "{fit:?}"
        );
    }
    assert_eq!(
        (logits.cells[0].expected, logits.verdict),
        (Some(-0.5), Verdict::Pass)
    );
    let hidden = check(&rows(Layer::Hidden, Quantity::Activation, 0, falling));
    assert_eq!(
        (hidden.cells[0].expected, hidden.verdict),
        (Some(0.0), Verdict::Fail)
    );
    let constant = check(&rows(Layer::Hidden, Quantity::Activation, 0, |_, _| 2.5));
    assert_eq!(
        (constant.verdict, constant.diagnosis),
        (Verdict::Pass, None)
    );
}

#[test]
fn noise_is_undetermined_and_not_finite_fails() {
    let noisy = |width: f64, seed: u64| {
        if seed == 0 {
            width.powf(0.5)
        } else {
            width.powf(-0.5)
        }
    };
    assert_eq!(
        check(&rows(Layer::Hidden, Quantity::Change, 1, noisy)).verdict,
        Verdict::Undetermined
    );
    let diverged = check(&rows(Layer::Hidden, Quantity::Change, 1, |width, _| {
        if width > 3000.0 { f64::NAN } else { 1.0 }
    }));
    assert_eq!(diverged.verdict, Verdict::Fail);
    assert!(
        diverged
            .diagnosis
            .unwrap()
            .contains("training diverged or came to a halt")
    );
}

/// A seed is a batch that all widths share: it may make everything larger, and says nothing about
/// the slope by that.
#[test]
fn every_seed_has_a_height_of_its_own() {
    let shifted = |width: f64, seed: u64| (seed + 1) as f64 * width.powf(0.05);
    let cell = check(&rows(Layer::Hidden, Quantity::Change, 1, shifted))
        .cells
        .remove(0);
    let fit = cell.fit.unwrap();
    assert!(
        (fit.all.slope - 0.05).abs() < 1e-12
            && (fit.all.interval.1 - fit.all.interval.0).abs() < 1e-12,
        "{fit:?}"
    );
    // Where each width has its own seed nothing is shared.
    let mut alone = rows(Layer::Hidden, Quantity::Change, 1, shifted);
    alone.retain(|row| row.seed == 0);
    let pooled = check(&alone).cells[0].fit.unwrap();
    alone
        .iter_mut()
        .zip(0..)
        .for_each(|(row, seed)| row.seed = seed);
    assert_eq!(check(&alone).cells[0].fit.unwrap(), pooled);
}

/// What adds in squares to the limit and falls as width^-1/2, as the update's effect on other
/// inputs does.
#[test]
fn a_line_that_small_widths_bend_does_not_fail_and_one_that_is_wrong_everywhere_does() {
    let noise =
        |width: f64, seed: u64| (0.01 * (width.log2() * 7.0 + seed as f64 * 3.0).sin()).exp2();
    let bent = |by: f64| {
        let size = |width: f64, seed| noise(width, seed) * (1.0 + by / width).sqrt();
        check(&rows(Layer::Hidden, Quantity::OwnUpdate, 1, size))
            .cells
            .remove(0)
    };
    assert!(!bent(400.0).passes_overall());
    assert_eq!(bent(400.0).verdict, Some(Verdict::Pass));
    assert!(bent(900.0).fit.unwrap().all.interval.1 < -0.13);
    assert_eq!(bent(900.0).verdict, Some(Verdict::Undetermined));
    let wrong = |width: f64, seed| noise(width, seed) * width.powf(-0.25);
    assert_eq!(
        check(&rows(Layer::Hidden, Quantity::OwnUpdate, 1, wrong)).verdict,
        Verdict::Fail
    );
}

#[test]
fn logits_may_be_zero_at_all_widths_and_hidden_activations_never() {
    let zero = check(&rows(Layer::Output, Quantity::Activation, 0, |_, _| 0.0));
    assert_eq!((zero.cells[0].fit, zero.verdict), (None, Verdict::Pass));
    let dead = rows(Layer::Hidden, Quantity::Activation, 2, |_, _| 0.0);
    let error = judge(&dead, &expectations("mup")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "rule mup: the size of m after 2 updates is zero at some width"
    );
    let some = |width: f64, _| if width < 300.0 { 0.0 } else { 1.0 };
    assert!(
        judge(
            &rows(Layer::Output, Quantity::Activation, 0, some),
            &expectations("mup")
        )
        .is_err()
    );
    let halted = check(&rows(Layer::Output, Quantity::Change, 2, some));
    assert_eq!(halted.verdict, Verdict::Fail);
    assert!(
        halted
            .diagnosis
            .unwrap()
            .contains("came to a halt at some width")
    );
}

/// 2308.01814 definition 2.8.5: what a rule promises is read off its table, not typed in twice.
#[test]
fn expectations_follow_the_theory_of_the_rule() {
    let slope = |rule: &str, layer, quantity| expectations(rule)[rule].slope(layer, quantity, 1);
    let cases = [
        ("mup", Layer::Hidden, Quantity::OwnUpdate, 0.0),
        ("ntk", Layer::Hidden, Quantity::Change, -0.5),
        ("ntk", Layer::Output, Quantity::OwnUpdate, 0.0),
        ("uniform:1/4", Layer::Input, Quantity::OwnUpdate, -0.25),
        // Under SP the update grows as the width; what is asked of it is that it did not.
        ("sp", Layer::Hidden, Quantity::OwnUpdate, 0.0),
    ];
    for (rule, layer, quantity, expected) in cases {
        assert_eq!(
            slope(rule, layer, quantity),
            Some(expected),
            "{rule} {layer:?} {quantity}"
        );
    }
    assert_eq!(
        slope("mup", Layer::Output, Quantity::Activation),
        None,
        "trained logits are a mixture"
    );
}

#[test]
fn the_diagnosis_names_module_quantity_slope_and_cause() {
    let own = rows(Layer::Hidden, Quantity::OwnUpdate, 1, |width, _| width);
    let change = rows(Layer::Hidden, Quantity::Change, 1, |width, _| width);
    let check = check(&[change, own].concat());
    assert_eq!(
        check.diagnosis.unwrap(),
        "own update of m at t = 1 goes as width^1.00, expected 0.00: its learning rate is not divided by its fan-in"
    );
}

#[test]
fn tables_of_other_programs() {
    let text = "t,module,width,l1,extra\n1,lm_head,64,0.5,x\n1,blocks.0.mlp,64,1.0,x\n2,lm_head,128,0.25,x\n";
    let rows = coordinates_from_csv(text, "mup").unwrap();
    assert_eq!(
        (rows[0].layer, rows[1].layer, rows[2].step),
        (Layer::Output, Layer::Hidden, 1)
    );
    assert_eq!(
        (rows[0].rule.as_str(), rows[0].quantity),
        ("mup", Quantity::Activation)
    );
    let refused = |text: &str| coordinates_from_csv(text, "mup").unwrap_err().to_string();
    assert!(refused("width,step,l1\n64,0,1\n").contains("missing field `module`"));
    assert!(refused("width,step,module,l1\n64,0,m,big\n").contains("line: 2"));
    let error = |text: &str, rule: &str| {
        judge(
            &coordinates_from_csv(text, rule).unwrap(),
            &expectations("mup"),
        )
        .unwrap_err()
    };
    assert!(
        error("width,step,module,l1\n", "mup")
            .to_string()
            .contains("no rows")
    );
    assert!(
        error("width,step,module,l1\n64,0,m,1\n", "mup")
            .to_string()
            .contains("measured at a single width")
    );
    assert!(
        error("width,step,module,l1\n64,0,m,1\n", "mine")
            .to_string()
            .contains("rule `mine`")
    );
}

/// The default check has 39 degrees of freedom: 10 seeds at 5 widths, a height each and a slope. The
/// normal quantile would make its intervals 3 % too short.
#[test]
fn intervals_are_those_of_student_beyond_30_degrees_of_freedom() {
    let mut rows = Vec::new();
    for seed in 0..10 {
        for row in rows_of_seed(seed) {
            rows.push(row);
        }
    }
    let trend = check(&rows).cells[0].fit.unwrap().all;
    // Residuals of each seed in log2: 0, 0.1, -0.2, 0.1, 0, which have no slope.
    let residual = 10.0 * (0.01 + 0.04 + 0.01);
    let spread = 10.0 * (4.0 + 1.0 + 1.0 + 4.0);
    let margin = 2.022_690_920 * f64::sqrt(residual / 39.0 / spread);
    assert!((trend.slope - 0.0).abs() < 1e-12, "{trend:?}");
    assert!(
        (trend.interval.1 - trend.slope - margin).abs() < 1e-9,
        "{trend:?}"
    );
}

/// Sizes that scatter about a level by an even function of the width.
fn rows_of_seed(seed: u64) -> Vec<Coordinate> {
    let scatter = [0.0_f64, 0.1, -0.2, 0.1, 0.0];
    let mut rows = rows(Layer::Hidden, Quantity::Change, 1, |width, _| {
        scatter[(width.log2() - 8.0) as usize].exp2()
    });
    rows.retain(|row| row.seed == 0);
    rows.iter_mut().for_each(|row| row.seed = seed);
    rows
}
