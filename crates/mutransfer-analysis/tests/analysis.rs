//! The optimum per width, its flags, the transfer and the sentences, against values worked out by
//! hand.

use mutransfer_analysis::record::{Row, Status};
use mutransfer_analysis::{
    AnalysisError, Flag, Optimum, Request, Summary, Sweeps, analyze, conclusion, doubts, optimum,
    summarize, transferred_lr,
};

const NAN: f64 = f64::NAN;

/// Loss one octave beside a vertex of loss 2 and curvature 0.2.
const ONE_OCTAVE_OFF: f64 = 2.0 + 0.1 * std::f64::consts::LN_2 * std::f64::consts::LN_2;

fn row(rule: &str, width: usize, log2_lr: f64, seed: u64, loss: f64) -> Row {
    let status = if loss.is_finite() {
        Status::Ok
    } else {
        Status::Diverged
    };
    let (rule, lr) = (rule.to_owned(), log2_lr.exp2());
    Row {
        rule,
        width,
        depth: 2,
        lr,
        seed,
        steps: 100,
        status,
        train_loss: loss,
        loss,
    }
}

/// One seed at consecutive octaves from 2^-9 upwards.
fn grid(losses: &[f64]) -> Vec<Row> {
    let rows = losses.iter().enumerate();
    rows.map(|(index, &loss)| row("mup", 64, -9.0 + index as f64, 0, loss))
        .collect()
}

fn judged(losses: &[f64]) -> Optimum {
    optimum(&grid(losses), "mup", 64, None).expect("rows")
}

#[track_caller]
fn close(actual: impl Into<Option<f64>>, expected: f64) {
    let actual = actual.into().expect("a value");
    assert!(
        (actual - expected).abs() < 1e-9,
        "{actual} is not {expected}"
    );
}

/// A valley with its bottom at `log2_best` and curvature 0.2, swept over nine octaves with three
/// seeds.
fn valley(rule: &str, width: usize, log2_best: f64, floor: f64) -> Vec<Row> {
    let octaves = (-12..=-4).map(f64::from);
    octaves
        .flat_map(|x| (0..3).map(move |seed| (x, seed)))
        .map(|(x, seed)| {
            let noise = 0.001 * (seed as f64 - 1.0);
            row(
                rule,
                width,
                x,
                seed,
                floor + noise + 0.1 * ((x - log2_best) * std::f64::consts::LN_2).powi(2),
            )
        })
        .collect()
}

/// SP drifts by one octave per doubling of the width, μP stays; three direct runs at the target
/// 128.
fn study() -> Vec<Row> {
    let mut rows = Vec::new();
    for (doublings, width) in [16, 32, 64, 128].into_iter().enumerate() {
        rows.extend(valley("sp", width, -7.3 - doublings as f64, 2.0));
        rows.extend(valley("mup", width, -8.2, 2.0));
    }
    for rule in ["sp", "mup"] {
        let transferred = transferred_lr(&rows, rule, &[16, 32, 64], None)
            .expect("an optimum")
            .log2();
        rows.extend((0..3).map(|seed| {
            row(
                rule,
                128,
                transferred,
                seed,
                if rule == "sp" { ONE_OCTAVE_OFF } else { 2.0 },
            )
        }));
    }
    rows
}

fn judged_study() -> Summary {
    summarize(&study(), &[64, 16, 32], Some(128), None).expect("rows")
}

#[test]
fn three_points_give_the_exact_parabola() {
    let found = judged(&[3.10, 3.00, 3.06]);
    close(found.log2_lr, -7.875);
    close(found.loss, 2.99875);
    close(
        found.parabola.unwrap().curvature,
        0.16 / std::f64::consts::LN_2.powi(2),
    );
    close(found.raw_log2_lr, -8.0);
    assert_eq!(found.flags, [Flag::FewSeeds]);
}

#[test]
fn an_optimum_without_a_valley_is_flagged_and_keeps_the_raw_value() {
    let cases: [(&[f64], Flag, f64); 7] = [
        (&[3.2, 3.1, 3.0], Flag::EdgeOptimum, -7.0),
        (&[3.1, 3.0], Flag::TooFew, -8.0),
        (&[3.0, 3.1, 3.0], Flag::EdgeOptimum, -9.0),
        (&[3.1, 3.0, NAN], Flag::Cliff, -8.0),
        (&[9.0, 3.0, 9.0], Flag::TooFew, -8.0),
        (&[3.0, 2.9, 3.5, 3.5, 3.5], Flag::NotConvex, -8.0),
        (&[NAN, 3.0, 3.1, 3.2], Flag::TooFew, -8.0),
    ];
    for (losses, flag, raw) in cases {
        let found = judged(losses);
        assert_eq!(found.flag, Some(flag), "{losses:?}");
        assert_eq!(found.parabola, None, "{losses:?}");
        assert_eq!(found.log2_lr, Some(raw), "{losses:?}");
    }
}

#[test]
fn divergence_beyond_a_stable_neighbour_does_no_harm() {
    let found = judged(&[3.10, 3.00, 3.06, NAN]);
    close(found.log2_lr, -7.875);
    assert_eq!((found.flag, found.diverged), (Some(Flag::FewSeeds), 1));
}

#[test]
fn a_width_where_everything_diverged_has_no_optimum() {
    let found = judged(&[NAN, NAN, NAN]);
    assert_eq!(
        (found.flag, found.log2_lr, found.loss),
        (Some(Flag::Diverged), None, None)
    );
    assert_eq!(
        transferred_lr(&grid(&[NAN, NAN, NAN]), "mup", &[64], None),
        None
    );
}

#[test]
fn one_diverged_seed_takes_the_learning_rate_out_of_the_fit() {
    let mut rows = grid(&[3.10, 3.00, 3.06, 3.0]);
    rows.extend(
        [3.10, 3.00, 3.06, NAN]
            .iter()
            .zip(0..)
            .map(|(&loss, i)| row("mup", 64, -9.0 + f64::from(i), 1, loss)),
    );
    close(optimum(&rows, "mup", 64, None).unwrap().log2_lr, -7.875);
}

#[test]
fn a_valley_shallower_than_the_noise_is_flagged() {
    let mut rows = grid(&[3.03, 3.00, 3.02]);
    rows.extend(
        [3.13, 3.12, 3.15]
            .iter()
            .zip(0..)
            .map(|(&loss, i)| row("mup", 64, -9.0 + f64::from(i), 1, loss)),
    );
    assert_eq!(
        optimum(&rows, "mup", 64, None).unwrap().flags,
        [Flag::NoiseLimited]
    );
}

#[test]
fn regret_of_one_octave_at_curvature_a_fifth() {
    let summary = judged_study();
    let sp = summary.rules["sp"].target.as_ref().unwrap();
    close(sp.log2_lr, -9.3);
    close(sp.loss, ONE_OCTAVE_OFF);
    close(sp.regret, ONE_OCTAVE_OFF - 2.0);
    assert!(
        summary.rules["mup"]
            .target
            .as_ref()
            .unwrap()
            .regret
            .unwrap()
            < 1e-12
    );
}

#[test]
fn the_excess_of_a_parabola_is_exact() {
    let parabola = |curvature| mutransfer_analysis::Parabola {
        log2_lr: -8.0,
        loss: 2.0,
        curvature,
        kept: [-9.0, -7.0],
    };
    assert!((parabola(0.2).excess(-9.0) - 0.0480453).abs() < 1e-7);
    assert_eq!(parabola(0.2).excess(-8.0), 0.0);
}

#[test]
fn drift_runs_from_the_narrowest_to_the_widest_proxy() {
    let summary = judged_study();
    close(summary.rules["sp"].drift_octaves, -2.0);
    close(summary.rules["mup"].drift_octaves, 0.0);
    let widths: Vec<usize> = summary.rules["sp"]
        .optima
        .iter()
        .map(|optimum| optimum.width)
        .collect();
    assert_eq!(widths, [16, 32, 64]);
}

#[test]
fn the_order_of_rows_never_matters() {
    let mut rows = study();
    let expected = serde_json::to_string(&judged_study()).unwrap();
    for rotation in 0..rows.len() {
        rows.rotate_left(7);
        rows.swap(0, rotation);
        let summary = summarize(&rows, &[16, 32, 64], Some(128), None).unwrap();
        assert_eq!(serde_json::to_string(&summary).unwrap(), expected);
    }
}

#[test]
fn scaling_every_learning_rate_moves_only_the_optimum() {
    for octaves in [-3.0, -0.5, 0.25, 4.0] {
        let mut rows = valley("mup", 32, -8.2, 2.0);
        let before = optimum(&rows, "mup", 32, None).unwrap();
        rows.iter_mut().for_each(|row| row.lr *= f64::exp2(octaves));
        let after = optimum(&rows, "mup", 32, None).unwrap();
        close(after.log2_lr, before.log2_lr.unwrap() + octaves);
        close(after.loss, before.loss.unwrap());
        close(
            after.parabola.unwrap().curvature,
            before.parabola.unwrap().curvature,
        );
    }
}

#[test]
fn the_transferred_learning_rate_ignores_the_target_and_falls_back_to_the_grid() {
    let rows = study();
    let proxies_only: Vec<Row> = rows.iter().filter(|row| row.width < 128).cloned().collect();
    assert_eq!(
        transferred_lr(&rows, "sp", &[64, 16], None),
        transferred_lr(&proxies_only, "sp", &[16, 64], None)
    );
    assert_eq!(
        transferred_lr(&grid(&[3.2, 3.1, 3.0]), "mup", &[64], None),
        Some(f64::exp2(-7.0))
    );
}

#[test]
fn a_diverged_transfer_has_a_flag_and_no_regret() {
    let mut rows = study();
    rows.iter_mut()
        .filter(|row| row.rule == "sp" && row.width == 128 && row.loss == ONE_OCTAVE_OFF)
        .for_each(|row| {
            row.status = Status::Diverged;
            row.loss = NAN;
        });
    let summary = summarize(&rows, &[16, 32, 64], Some(128), None).unwrap();
    let target = summary.rules["sp"].target.as_ref().unwrap();
    assert_eq!(
        (target.flag, target.loss, target.regret),
        (Some(Flag::Diverged), None, None)
    );
    assert!(said(&rows, 128)[0].starts_with(
        "SP, the baseline, fails: copying the best learning rate from width 64 to 128 makes training diverge."
    ));
}

#[test]
fn without_a_sweep_at_the_target_there_is_a_loss_but_no_regret() {
    let mut rows = valley("mup", 64, -8.2, 2.0);
    let transferred = transferred_lr(&rows, "mup", &[64], None).unwrap();
    rows.push(row("mup", 128, transferred.log2(), 0, 1.9));
    let summary = summarize(&rows, &[64], Some(128), None).unwrap();
    let target = summary.rules["mup"].target.as_ref().unwrap();
    assert_eq!(
        (target.loss, target.best_loss, target.regret),
        (Some(1.9), None, None)
    );
    assert!(said(&rows, 128)[0].contains("from width 64 to 128 costs what this table cannot tell"));
}

#[test]
fn the_json_has_the_documented_keys_and_no_number_that_json_lacks() {
    let mut rows = study();
    rows.extend(grid(&[NAN, NAN, NAN]).into_iter().map(|row| Row {
        rule: "broken".into(),
        ..row
    }));
    let json =
        serde_json::to_value(summarize(&rows, &[16, 32, 64], Some(128), None).unwrap()).unwrap();
    let sp = &json["rules"]["sp"];
    for key in ["width", "log2_lr", "loss", "flag"] {
        assert!(sp["optima"][0].get(key).is_some(), "{key}");
    }
    for key in [
        "width",
        "log2_lr",
        "loss",
        "best_log2_lr",
        "best_loss",
        "regret",
    ] {
        assert!(sp["target"][key].is_number(), "{key}");
    }
    assert_eq!(json["rules"]["broken"]["optima"][0]["flag"], "DIVERGED");
    assert!(json["rules"]["broken"]["drift_octaves"].is_null());
}

#[test]
fn rows_that_cannot_be_judged_are_errors_that_name_them() {
    let message = |rows: &[Row]| summarize(rows, &[64], None, None).unwrap_err().to_string();
    assert_eq!(summarize(&[], &[64], None, None), Err(AnalysisError::Empty));
    let mut rows = grid(&[3.1, 3.0, 3.2]);
    rows.push(Row {
        loss: 3.3,
        ..rows[1].clone()
    });
    assert!(message(&rows).contains(
        "width 64, learning rate 0.00390625, seed 0 is listed twice, with losses 3 and 3.3"
    ));
    rows[3] = Row {
        lr: 0.0,
        seed: 9,
        ..rows[0].clone()
    };
    assert!(message(&rows).contains("seed 9: the learning rate is 0"));
}

#[test]
fn the_same_trial_listed_twice_with_one_result_counts_once() {
    let mut rows = grid(&[3.10, 3.00, 3.06, NAN]);
    rows.extend(rows.clone());
    assert_eq!(
        optimum(&rows, "mup", 64, None).unwrap(),
        judged(&[3.10, 3.00, 3.06, NAN])
    );
}

fn said(rows: &[Row], target: usize) -> Vec<String> {
    let request = Request {
        target: Some(target as f64),
        replicates: 200,
        ..Request::default()
    };
    let sweeps = Sweeps::of_rows(rows).expect("a table");
    conclusion(&analyze(&sweeps, "width", "lr", &request).expect("an analysis"))
}

#[test]
fn the_conclusion_says_what_was_measured() {
    let sentences = said(&study(), 128);
    assert_eq!(sentences.len(), 2, "{sentences:?}");
    let costs = "SP, the baseline, fails: copying the best learning rate from width 64 to 128 costs 0.0480 nats (0.04";
    assert!(sentences[0].starts_with(costs), "{}", sentences[0]);
    assert!(sentences[0].contains(
        "Under SP the best learning rate fell from width 16 to 128: -3.00 octaves (-3.0"
    ));
    assert!(
        sentences[1].starts_with("μP transfers: ") && sentences[1].contains("costs 0.0000 nats"),
        "{}",
        sentences[1]
    );
}

#[test]
fn the_conclusion_stays_true_when_the_standard_parametrization_wins() {
    let rename = |row: Row| Row {
        rule: if row.rule == "sp" {
            "mup".into()
        } else {
            "sp".into()
        },
        ..row
    };
    let sentences = said(&study().into_iter().map(rename).collect::<Vec<_>>(), 128);
    assert!(
        sentences[0].starts_with("SP, the baseline, transfers: "),
        "{}",
        sentences[0]
    );
    assert!(sentences[1].starts_with("μP fails: "), "{}", sentences[1]);
}

#[test]
fn doubts_name_what_makes_it_unsafe() {
    let mut rows = grid(&[3.2, 3.1, 3.0]);
    rows.extend(
        rows.clone()
            .into_iter()
            .map(|row| Row { width: 128, ..row }),
    );
    let analysis = analyze(
        &Sweeps::of_rows(&rows).unwrap(),
        "width",
        "lr",
        &Request::default(),
    )
    .unwrap();
    let [(rule, doubts)] = &doubts(&analysis)[..] else {
        panic!("one rule")
    };
    assert_eq!(rule, "μP");
    assert!(doubts[0].starts_with("width 64, 128: "), "{doubts:?}");
    assert!(
        doubts
            .iter()
            .any(|doubt| doubt.contains("the best learning rate is at the edge of the grid")),
        "{doubts:?}"
    );
}

/// A valley with a steep wall: only the fit to its bottom finds the bottom, and both vertices are
/// reported.
#[test]
fn a_window_keeps_the_wall_out_of_the_fit() {
    let loss = |x: f64| {
        3.0 + 0.02 * (x + 7.0).powi(2)
            + if x > -7.0 {
                0.05 * (x + 7.0).powi(4)
            } else {
                0.0
            }
    };
    let rows: Vec<Row> = (-12..=-5)
        .map(f64::from)
        .map(|x| Row {
            lr: x.exp2(),
            loss: loss(x),
            ..grid(&[3.0])[0].clone()
        })
        .collect();
    let whole = optimum(&rows, "mup", 64, None).unwrap();
    let bottom = optimum(&rows, "mup", 64, Some(1.5)).unwrap();
    assert_eq!(whole.whole_valley_log2_lr, whole.log2_lr);
    assert_eq!(bottom.whole_valley_log2_lr, whole.log2_lr);
    let off = |optimum: &Optimum| (optimum.log2_lr.unwrap() + 7.0).abs();
    assert!(
        off(&bottom) < 0.3 && off(&whole) > 0.5,
        "{} {}",
        off(&bottom),
        off(&whole)
    );
}
