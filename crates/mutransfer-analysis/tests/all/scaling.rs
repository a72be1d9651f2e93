//! The analysis of tables: known answers.

use crate::tables;

use mutransfer_analysis::{Flag, Line, Number, Request, RuleAnalysis, Speed, Transfers, analyze};
use tables::{Law, analysis, header, rule, swept};

const LN_2: f64 = std::f64::consts::LN_2;

/// T3: everything a power law, without noise.
const T3: Law = Law {
    limit: 2.0,
    amplitude: 30.0,
    alpha: 0.5,
    curvature: 0.2,
    s: 0.0,
    best: 3.0,
    beta: 1.0,
};

#[track_caller]
fn near(rule: &RuleAnalysis, number: Number, expected: f64) {
    close(rule.numbers[&number].value, expected, 1e-6);
}

#[track_caller]
fn close(actual: f64, expected: f64, tolerance: f64) {
    assert!(
        (actual - expected).abs() <= tolerance,
        "{actual} is not {expected}"
    );
}

#[test]
fn power_laws_without_noise_are_found_exactly() {
    let found = rule(&T3.table("mup", 1, 0.0, 0));
    let expected = [
        (Number::Alpha, 0.5),
        (Number::Limit, 2.0),
        (Number::Beta, 1.0),
        (Number::S, 0.0),
        (Number::Gamma, 2.0),
        (Number::Kappa, 0.5),
        (Number::KappaOfGrid, 0.5),
        (Number::Drift, -4.0),
        (Number::DriftRate, -1.0),
    ];
    for (number, expected) in expected {
        near(&found, number, expected);
    }
    close(found.numbers[&Number::Error].value, 0.0, 1e-9);
    assert_eq!(found.optima.len(), 5);
    for best in &found.optima {
        let ln_best = best.log2.unwrap().value * LN_2;
        close(ln_best, (3.0 / best.at).ln(), 1e-9);
        close(best.curvature.unwrap().value, 0.2, 1e-9);
        close(best.loss.unwrap().value, 2.0 + 30.0 / best.at.sqrt(), 1e-9);
    }
    // A steady drift never converges.
    near(&found, Number::GapExponent, 0.0);
    assert_eq!(found.fast, Speed::Slow);
}

#[test]
fn a_curvature_that_shrinks_changes_s_gamma_and_kappa() {
    let found = rule(&Law { s: -1.0, ..T3 }.table("mup", 1, 0.0, 0));
    for (number, expected) in [
        (Number::S, -1.0),
        (Number::Gamma, 1.0),
        (Number::Kappa, -0.5),
        (Number::Beta, 1.0),
    ] {
        near(&found, number, expected);
    }
}

#[test]
fn the_fitted_loss_has_its_amplitude() {
    let points: Vec<(f64, f64)> = [64.0_f64, 128.0, 256.0, 512.0, 1024.0]
        .map(|n| (n.ln(), 2.0 + 30.0 / n.sqrt()))
        .into();
    let decay = mutransfer_analysis::Decay::through(&points).unwrap();
    close(decay.amplitude, 30.0, 1e-5);
    assert!(!decay.pinned);
    assert!(mutransfer_analysis::Decay::through(&points[1..4]).is_none());
}

/// T6.
#[test]
fn a_straight_line_has_its_intervals() {
    let widths = [128.0_f64, 256.0, 512.0, 1024.0];
    let optima = [-8.0, -8.1, -7.9, -8.05].map(|log2| log2 * LN_2);
    let points: Vec<(f64, f64)> = widths.map(f64::ln).into_iter().zip(optima).collect();
    let line = Line::through(&points).unwrap();
    close(line.slope(), 0.005, 1e-12);
    close(line.standard_error().unwrap(), 0.0466369, 1e-7);
    let margin = line.margin().unwrap();
    close(line.slope() - margin, -0.1956624, 1e-6);
    close(line.slope() + margin, 0.2056624, 1e-6);
    let x = 8192_f64.ln();
    close(line.at(x) / LN_2, -7.99, 1e-12);
    close(line.variance_at(x).unwrap(), 0.0276921, 1e-7);
    close(line.margin_at(x).unwrap() / LN_2, 1.0329727, 1e-6);
    close(0.5 * 0.2 * line.variance_at(x).unwrap(), 0.00276921, 1e-8);
}

/// T6 through a table, with the curvature that makes the expected excess.
#[test]
fn a_prediction_is_the_line_continued() {
    let mut text = header();
    for (width, log2_best) in [(128, -8.0), (256, -8.1), (512, -7.9), (1024, -8.05)] {
        for octave in -12..=-4 {
            let off = (f64::from(octave) - log2_best) * LN_2;
            text += &format!(
                "mup,{width},{},0,{}\n",
                f64::from(octave).exp2(),
                3.0 + 0.1 * off * off
            );
        }
    }
    let request = Request {
        target: Some(8192.0),
        ..Request::default()
    };
    let found = analysis(&text, &request).rules["mup"].clone();
    let prediction = found.prediction.unwrap();
    close(prediction.log2.value, -7.99, 1e-9);
    let [low, high] = prediction.log2.interval.unwrap();
    close(high - low, 2.0 * 1.0329727, 1e-6);
    close(prediction.expected_excess_loss.unwrap(), 0.00276921, 1e-8);
    close(prediction.extrapolation, 8.0, 1e-9);
    assert_eq!(prediction.widths, 4);
    close(found.numbers[&Number::Beta].value, -0.005, 1e-9);
}

/// T7: the proxy's optimum is one octave off the target's, at curvature 0.2; and one that stays
/// costs nothing.
#[test]
fn regret_of_an_octave_and_of_nothing() {
    let drifting = T3.table("sp", 3, 0.0, 0);
    let steady = Law {
        beta: 0.0,
        best: 0.01,
        ..T3
    }
    .table("mup", 3, 0.0, 0);
    let found = analysis(
        &format!("{drifting}{}", steady.replace(&header(), "")),
        &Request::default(),
    );
    let sp = &found.rules["sp"];
    near(sp, Number::Regret, 0.0480453);
    assert_eq!(
        (sp.verdict, sp.carried.as_ref().unwrap().from),
        (Transfers::Fails, 512.0)
    );
    let mup = &found.rules["mup"];
    assert!(mup.numbers[&Number::Regret].value < 1e-15);
    assert_eq!(
        (mup.verdict, mup.fast),
        (Transfers::Transfers, Speed::Converged)
    );
    close(mup.numbers[&Number::LimitGap].value, 0.0, 1e-6);
    assert_eq!(found.reference.as_deref(), Some("sp"));
    assert!(!sp.numbers.contains_key(&Number::LimitGap));
}

/// At a target that is not in the table the regret is what the fitted laws foretell.
#[test]
fn regret_at_a_width_that_was_not_swept() {
    let request = Request {
        target: Some(2048.0),
        ..Request::default()
    };
    let found = analysis(&T3.table("sp", 3, 0.0, 0), &request);
    let sp = &found.rules["sp"];
    near(sp, Number::Regret, 0.0480453);
    assert!(!sp.carried.as_ref().unwrap().measured);
    close(
        sp.prediction.as_ref().unwrap().log2.value,
        (3.0_f64 / 2048.0).log2(),
        1e-9,
    );
}

#[test]
fn a_transfer_into_divergence_fails() {
    let mut text = header();
    for (width, highest) in [(64, -5), (128, -8)] {
        for octave in -12..=-4 {
            let off = f64::from(octave - highest + 1);
            let loss = if octave > highest {
                "nan".to_owned()
            } else {
                format!("{}", 3.0 + 0.01 * off * off)
            };
            text += &format!("sp,{width},{},0,{loss}\n", f64::from(octave).exp2());
        }
    }
    let found = rule(&text);
    assert!(found.carried.unwrap().diverged);
    assert_eq!(found.verdict, Transfers::Fails);
}

/// The published threshold of E is a share of the loss, which keeps nothing where that is near zero:
/// there the values that the optima were fitted to remain.
#[test]
fn losses_near_zero_have_a_joint_fit() {
    let law = Law {
        limit: -0.9375,
        ..T3
    };
    let found = rule(&law.table("mup", 1, 0.0, 0));
    assert!(found.optima[4].loss.unwrap().value.abs() < 1e-9);
    let joint = found.joint.unwrap();
    assert!(joint.points >= 25, "{joint:?}");
    assert!(found.numbers.contains_key(&Number::Error));
}

/// One optimum alone has no slope, and one learning rate has no optimum.
#[test]
fn one_width_or_one_learning_rate_is_undetermined() {
    let one_width = rule(&swept(&[64.0], &[0.001, 0.002, 0.004], |_, lr| {
        3.0 + (lr / 0.0021_f64).ln().powi(2)
    }));
    assert_eq!(one_width.verdict, Transfers::Undetermined);
    assert!(
        one_width.flags.contains(&Flag::TooFewWidths)
            && !one_width.numbers.contains_key(&Number::Beta)
    );
    assert!(one_width.optima[0].fitted);
    let one_rate = rule(&swept(
        &[64.0, 128.0, 256.0, 512.0],
        &[0.001],
        |width, _| 3.0 + 1.0 / width,
    ));
    assert_eq!(one_rate.verdict, Transfers::Undetermined);
    assert!(
        one_rate.flags.contains(&Flag::TooFew) && one_rate.optima.iter().all(|best| !best.fitted)
    );
}

/// A loss that does not depend on the width has no exponent.
#[test]
fn a_loss_without_a_slope_is_pinned() {
    let found = rule(
        &Law {
            amplitude: 0.0,
            ..T3
        }
        .table("mup", 3, 0.0, 0),
    );
    assert!(found.flags.contains(&Flag::Pinned));
}

#[test]
fn three_widths_have_beta_but_no_alpha() {
    let widths = [64.0, 128.0, 256.0];
    let rates: Vec<f64> = (-14..=-2).map(|octave| f64::from(octave).exp2()).collect();
    let found = rule(&swept(&widths, &rates, |width, lr| {
        2.0 + 1.0 / width + 0.1 * (lr * width / 3.0).ln().powi(2)
    }));
    near(&found, Number::Beta, 1.0);
    for absent in [Number::Alpha, Number::Kappa, Number::Limit, Number::Error] {
        assert!(!found.numbers.contains_key(&absent), "{absent:?}");
    }
}

/// The gap to the limit shrinks as the width: faster than the root of the loss gap.
#[test]
fn an_optimum_that_settles_is_fast() {
    let rates: Vec<f64> = (-14..=-2).map(|octave| f64::from(octave).exp2()).collect();
    let widths = [64.0, 128.0, 256.0, 512.0, 1024.0];
    let best = |width: f64| 0.01_f64.ln() + 40.0 / width;
    let table = swept(&widths, &rates, |width, lr| {
        2.0 + 30.0 / width.sqrt() + 0.1 * (lr.ln() - best(width)).powi(2)
    });
    let found = rule(&table);
    near(&found, Number::GapExponent, 1.0);
    assert_eq!(found.fast, Speed::Fast);
}

#[test]
fn neither_order_of_rows_nor_other_rules_change_a_digit() {
    let table = T3.table("mup", 3, 0.01, 7);
    let expected = analysis(&table, &Request::default());
    let mut lines: Vec<&str> = table.lines().skip(1).collect();
    lines.reverse();
    lines.swap(3, 50);
    let turned = analysis(
        &format!("{}{}\n", header(), lines.join("\n")),
        &Request::default(),
    );
    assert_eq!(turned, expected);
    let others = T3.table("other", 2, 0.02, 3).replace(&header(), "");
    let beside = analysis(&format!("{table}{others}"), &Request::default());
    assert_eq!(beside.rules["mup"], expected.rules["mup"]);
}

#[test]
fn the_axis_and_the_swept_hyperparameter_are_only_names() {
    let table = T3
        .table("mup", 1, 0.0, 0)
        .replace("width,lr", "tokens,weight_decay");
    let columns = mutransfer_analysis::Columns {
        axis: "tokens".into(),
        sweep: "weight_decay".into(),
        ..Default::default()
    };
    let sweeps = mutransfer_analysis::read_tables(&[("runs.csv".into(), table)], &columns).unwrap();
    let found = analyze(&sweeps, "tokens", "weight_decay", &Request::default()).unwrap();
    near(&found.rules["mup"], Number::Beta, 1.0);
}
