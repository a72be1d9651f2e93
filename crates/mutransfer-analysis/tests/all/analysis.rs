//! The optimum per width, its flags, the transfer and the sentences, against values worked out by
//! hand.

use mutransfer_analysis::{
    Analysis, End, Flag, Measured, Needed, Number, Optimum, Request, Run, Seeds, Sweeps,
    TableError, Transfers, Valley, analyze, carried, conclusion, doubts, optimum,
};

const NAN: f64 = f64::NAN;

/// Loss one octave beside a vertex of loss 2 and curvature 0.2.
const ONE_OCTAVE_OFF: f64 = 2.0 + 0.1 * std::f64::consts::LN_2 * std::f64::consts::LN_2;

fn row(rule: &str, width: usize, log2: f64, seed: u64, loss: f64) -> Run {
    Run {
        rule: rule.to_owned(),
        at: width as f64,
        value: log2.exp2(),
        seed,
        end: End::Loss(loss),
    }
}

/// One seed at consecutive octaves from 2^-9 upwards.
fn grid(losses: &[f64]) -> Vec<Run> {
    let rows = losses.iter().enumerate();
    rows.map(|(index, &loss)| row("mup", 64, -9.0 + index as f64, 0, loss))
        .collect()
}

fn sweeps(rows: &[Run]) -> Sweeps {
    Sweeps::of_runs(rows.to_vec()).expect("runs")
}

/// The optimum on the only curve of the rows.
fn best(rows: &[Run], max_octaves: Option<f64>) -> Optimum {
    optimum(&sweeps(rows).rules["mup"][0], max_octaves)
}

fn judged(losses: &[f64]) -> Optimum {
    best(&grid(losses), None)
}

fn analysis(rows: &[Run], target: Option<f64>) -> Analysis {
    let request = Request {
        target,
        replicates: 200,
        ..Request::default()
    };
    analyze(&sweeps(rows), "width", "lr", &request).expect("an analysis")
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
fn valley(rule: &str, width: usize, log2_best: f64, floor: f64) -> Vec<Run> {
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
fn study() -> Vec<Run> {
    let mut rows = Vec::new();
    for (doublings, width) in [16, 32, 64, 128].into_iter().enumerate() {
        rows.extend(valley("sp", width, -7.3 - doublings as f64, 2.0));
        rows.extend(valley("mup", width, -8.2, 2.0));
    }
    for rule in ["sp", "mup"] {
        let copied = carried(&sweeps(&rows), rule, 128.0, None)
            .expect("an optimum")
            .log2();
        let loss = if rule == "sp" { ONE_OCTAVE_OFF } else { 2.0 };
        rows.extend((0..3).map(|seed| row(rule, 128, copied, seed, loss)));
    }
    rows
}

fn judged_study() -> Analysis {
    analysis(&study(), Some(128.0))
}

#[test]
fn three_points_give_the_exact_parabola() {
    let found = judged(&[3.10, 3.00, 3.06]);
    close(found.log2, -7.875);
    close(found.loss, 2.99875);
    close(
        found.valley.unwrap().curvature,
        0.16 / std::f64::consts::LN_2.powi(2),
    );
    close(found.raw_log2, -8.0);
    assert_eq!(found.flags, [Flag::FewSeeds]);
}

#[test]
fn an_optimum_without_a_valley_is_flagged_and_keeps_the_raw_value() {
    let cases: [(&[f64], Flag, f64); 6] = [
        (&[3.2, 3.1, 3.0], Flag::EdgeOptimum, -7.0),
        (&[3.1, 3.0], Flag::TooFew, -8.0),
        (&[3.0, 3.1, 3.0], Flag::EdgeOptimum, -9.0),
        (&[3.1, 3.0, NAN], Flag::Cliff, -8.0),
        (&[3.1, 3.0, 9.0], Flag::TooFew, -8.0),
        (&[NAN, 3.0, 3.1, 3.2], Flag::TooFew, -8.0),
    ];
    for (losses, flag, raw) in cases {
        let found = judged(losses);
        assert_eq!(found.flags[0], flag, "{losses:?}");
        assert_eq!(found.valley, None, "{losses:?}");
        assert_eq!(found.log2, Some(raw), "{losses:?}");
    }
}

#[test]
fn losses_that_bulge_are_no_valley() {
    let rows: Vec<Run> = [3.0, 3.05, 2.99, 3.05, 3.0]
        .iter()
        .zip(0..)
        .map(|(&loss, step)| row("mup", 64, -9.0 + 0.5 * f64::from(step), 0, loss))
        .collect();
    let found = best(&rows, None);
    assert_eq!((found.flags[0], found.log2), (Flag::NotConvex, Some(-8.0)));
}

/// Losses of densities are below zero, and squared errors tiny; neither changes which runs count.
#[test]
fn the_level_and_the_scale_of_the_loss_do_not_matter() {
    let rows = valley("mup", 32, -8.2, 2.0);
    let expected = best(&rows, None);
    for (level, scale) in [(-5.0, 1.0), (-2.1, 1.0), (0.0, 1e-6), (-2.0, 1e-6)] {
        let moved: Vec<Run> = rows
            .iter()
            .map(|run| match run.end {
                End::Loss(loss) => Run {
                    end: End::Loss((loss + level) * scale),
                    ..run.clone()
                },
                _ => unreachable!("a valley of losses"),
            })
            .collect();
        let found = best(&moved, None);
        let log2 = found.log2.unwrap();
        assert!(
            (log2 - expected.log2.unwrap()).abs() < 1e-6,
            "{level} {scale}: {log2}"
        );
        assert_eq!(found.flags, expected.flags);
    }
}

/// A run that blew up without a word, as many do, lies outside of the valley: it costs nothing.
#[test]
fn a_run_beyond_a_cliff_does_no_harm() {
    let rows = grid(&[3.023, 3.007, 3.0, 3.012, 9.0]);
    let without = grid(&[3.023, 3.007, 3.0, 3.012]);
    assert_eq!(best(&rows, None).valley, best(&without, None).valley);
}

/// Seven octaves are a common grid: five of them are near the best run. With fewer near it, the
/// parabola through the nearest is left.
#[test]
fn a_coarse_grid_falls_back_to_the_parabola() {
    let off = |x: f64| 3.0 + 0.05 * ((0.9 * x).exp() - 1.0 - 0.9 * x);
    let losses: Vec<f64> = (-3..=3).map(|x| off(f64::from(x) - 0.2)).collect();
    let seven = best(&grid(&losses), None);
    assert!((seven.log2.unwrap() + 5.8).abs() < 1e-6, "{seven:?}");
    assert!((seven.valley.unwrap().skew - 0.9 / std::f64::consts::LN_2).abs() < 1e-4);
    let four = best(&grid(&losses[1..5]), None);
    let three = best(&grid(&losses[2..5]), None);
    let [four, three] = [four, three].map(|found| found.valley.unwrap());
    assert_eq!((four.skew, four.kept), (0.0, [-8.0, -6.0]));
    close(four.log2 + 1.0, three.log2 + 2.0);
}

#[test]
fn divergence_beyond_a_stable_neighbour_does_no_harm() {
    let found = judged(&[3.10, 3.00, 3.06, NAN]);
    close(found.log2, -7.875);
    assert_eq!((found.flags, found.diverged), (vec![Flag::FewSeeds], 1));
}

#[test]
fn a_width_where_everything_diverged_has_no_optimum() {
    let found = judged(&[NAN, NAN, NAN]);
    assert_eq!(
        (found.flags, found.log2, found.loss),
        (vec![Flag::Diverged], None, None)
    );
    let sweeps = sweeps(&grid(&[NAN, NAN, NAN]));
    assert_eq!(carried(&sweeps, "mup", 128.0, None), None);
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
    close(best(&rows, None).log2, -7.875);
}

#[test]
fn a_valley_shallower_than_the_noise_is_flagged() {
    let mut rows = grid(&[3.03, 3.00, 3.02]);
    rows.extend(
        [3.13, 3.16, 3.12]
            .iter()
            .zip(0..)
            .map(|(&loss, i)| row("mup", 64, -9.0 + f64::from(i), 1, loss)),
    );
    assert!(best(&rows, None).flags.contains(&Flag::NoiseLimited));
}

/// A seed that is worse by 0.1 nats at every learning rate does not hide a valley of 0.03, and does
/// hide how deep it lies.
#[test]
fn the_level_of_a_seed_hides_no_valley() {
    let mut rows = Vec::new();
    for (width, floor) in [(64, 3.0), (128, 2.9), (256, 2.85)] {
        for (seed, level) in [0.1, 0.0, -0.1].into_iter().enumerate() {
            for (index, loss) in [0.13, 0.0325, 0.0, 0.0325, 0.13].into_iter().enumerate() {
                // Whatever else a seed does is small.
                let rest = 1e-4 * ((index * 7 + seed * 5) % 3) as f64;
                let log2 = -9.0 + index as f64;
                rows.push(row(
                    "mup",
                    width,
                    log2,
                    seed as u64,
                    floor + level + loss + rest,
                ));
            }
        }
    }
    let found = &analysis(&rows, None).rules["mup"];
    let half = |measured: &Measured| {
        let [low, high] = measured.interval.expect("an interval");
        (high - low) / 2.0
    };
    assert!(
        found.optima.iter().all(|best| best.flags.is_empty()),
        "{found:?}"
    );
    assert!(half(&found.numbers[&Number::Shift]) < 0.02, "{found:?}");
    // Student's t with two to spare: 4.30 times 0.1 over the root of three, and a few percent for
    // the replicates.
    let target = half(&found.numbers[&Number::TargetLoss]);
    assert!((target / 0.248 - 1.0).abs() < 0.2, "{target}");
    assert_eq!(found.verdict, Transfers::Transfers);
    for correlation in [found.sharing.values, found.sharing.sizes] {
        assert!(correlation.expect("enough seeds") > 0.99, "{found:?}");
    }
    let request = Request {
        seeds: Seeds::Independent,
        ..Request::default()
    };
    let apart = analyze(&sweeps(&rows), "width", "lr", &request).expect("an analysis");
    let doubts = &doubts(&apart)[0].1;
    assert!(
        doubts
            .iter()
            .any(|doubt| doubt.contains("correlate by 1.00 over seeds, so that")),
        "{doubts:?}"
    );
    let apart = &apart.rules["mup"].numbers;
    assert!(half(&apart[&Number::Shift]) > 0.3, "{apart:?}");
    assert!(
        half(&apart[&Number::TargetLoss]) < 0.7 * target,
        "{apart:?}"
    );
}

/// Four octaves from the best rate it matters to nothing; at the best one it takes the noise of the
/// others and says so.
#[test]
fn a_value_with_one_seed_has_the_noise_of_the_others() {
    let rows = study();
    let expected = &analysis(&rows, None).rules["mup"];
    let without = |log2: f64| {
        let is_kept = |run: &Run| {
            run.rule != "mup" || run.at < 128.0 || run.value.log2() != log2 || run.seed == 0
        };
        let kept: Vec<Run> = rows.iter().filter(|run| is_kept(run)).cloned().collect();
        analysis(&kept, None).rules["mup"].clone()
    };
    let far = without(-12.0);
    assert_eq!(far.optima, expected.optima);
    assert_eq!(
        (far.verdict, &far.flags),
        (Transfers::Transfers, &expected.flags)
    );
    let near = without(-8.0);
    assert_eq!(near.optima[3].flags, [Flag::PooledNoise]);
    assert_eq!(near.verdict, Transfers::Transfers);
    assert!(near.numbers[&Number::Regret].interval.is_some());
}

/// Two rules whose runs are the same differ by nothing, however noisy they are.
#[test]
fn rules_that_share_seeds_are_compared_seed_by_seed() {
    let mut rows = Vec::new();
    for (doublings, width) in [16, 32, 64, 128].into_iter().enumerate() {
        let floor = 2.0 + 8.0 / f64::from(width);
        rows.extend(valley("sp", width as usize, -7.3 - doublings as f64, floor));
    }
    for (index, run) in rows.iter_mut().enumerate() {
        if let End::Loss(loss) = &mut run.end {
            *loss += 0.001 * ((index * index * 31 + index * 7) % 17) as f64;
        }
    }
    let same = rows.clone().into_iter().map(|run| Run {
        rule: "mup".into(),
        ..run
    });
    rows.extend(same.collect::<Vec<_>>());
    let found = analysis(&rows, None);
    let numbers = &found.rules["mup"].numbers;
    assert_eq!(numbers[&Number::LimitGap].interval, Some([0.0, 0.0]));
    assert_eq!(numbers[&Number::ErrorRatio].interval, Some([1.0, 1.0]));
    assert!(
        numbers[&Number::Limit]
            .interval
            .is_some_and(|[low, high]| low < high)
    );
}

#[test]
fn regret_of_one_octave_at_curvature_a_fifth() {
    let analysis = judged_study();
    let (sp, mup) = (&analysis.rules["sp"], &analysis.rules["mup"]);
    let copied = sp.carried.as_ref().unwrap();
    close(copied.log2, -9.3);
    close(copied.loss, ONE_OCTAVE_OFF);
    assert_eq!(copied.seeds, 3);
    close(sp.numbers[&Number::Regret].value, ONE_OCTAVE_OFF - 2.0);
    assert!(mup.numbers[&Number::Regret].value < 1e-12);
}

#[test]
fn the_excess_of_a_parabola_is_exact() {
    let parabola = |curvature| Valley {
        log2: -8.0,
        loss: 2.0,
        curvature,
        skew: 0.0,
        kept: [-9.0, -7.0],
    };
    assert!((parabola(0.2).excess(-9.0) - 0.0480453).abs() < 1e-7);
    assert_eq!(parabola(0.2).excess(-8.0), 0.0);
}

#[test]
fn drift_runs_from_the_narrowest_to_the_widest() {
    let proxies: Vec<Run> = study().into_iter().filter(|run| run.at < 128.0).collect();
    for (rows, drift) in [(proxies, -2.0), (study(), -3.0)] {
        let analysis = analysis(&rows, None);
        let drift_of = |rule: &str| analysis.rules[rule].numbers[&Number::Drift].value;
        close(drift_of("sp"), drift);
        close(drift_of("mup"), 0.0);
        let widths: Vec<f64> = analysis.rules["sp"]
            .optima
            .iter()
            .map(|best| best.at)
            .collect();
        assert_eq!(widths[..3], [16.0, 32.0, 64.0]);
    }
}

#[test]
fn the_order_of_rows_never_matters() {
    let mut rows = study();
    let expected = serde_json::to_string(&judged_study()).unwrap();
    for rotation in (0..rows.len()).step_by(17) {
        rows.rotate_left(7);
        rows.swap(0, rotation);
        let analysis = analysis(&rows, Some(128.0));
        assert_eq!(serde_json::to_string(&analysis).unwrap(), expected);
    }
}

#[test]
fn scaling_every_learning_rate_moves_only_the_optimum() {
    for octaves in [-3.0, -0.5, 0.25, 4.0] {
        let mut rows = valley("mup", 32, -8.2, 2.0);
        let before = best(&rows, None);
        rows.iter_mut()
            .for_each(|row| row.value *= f64::exp2(octaves));
        let after = best(&rows, None);
        close(after.log2, before.log2.unwrap() + octaves);
        close(after.loss, before.loss.unwrap());
        close(
            after.valley.unwrap().curvature,
            before.valley.unwrap().curvature,
        );
    }
}

#[test]
fn the_transferred_learning_rate_ignores_the_target_and_falls_back_to_the_grid() {
    let rows = study();
    let proxies_only: Vec<Run> = rows.iter().filter(|row| row.at < 128.0).cloned().collect();
    assert_eq!(
        carried(&sweeps(&rows), "sp", 128.0, None),
        carried(&sweeps(&proxies_only), "sp", 128.0, None)
    );
    assert_eq!(
        carried(&sweeps(&grid(&[3.2, 3.1, 3.0])), "mup", 128.0, None),
        Some(f64::exp2(-7.0))
    );
}

#[test]
fn a_diverged_transfer_has_no_regret_and_fails() {
    let mut rows = study();
    rows.iter_mut()
        .filter(|row| row.rule == "sp" && row.at == 128.0 && row.end == End::Loss(ONE_OCTAVE_OFF))
        .for_each(|row| row.end = End::Diverged);
    let analysis = analysis(&rows, Some(128.0));
    let sp = &analysis.rules["sp"];
    let copied = sp.carried.as_ref().unwrap();
    assert_eq!(
        (copied.loss, copied.seeds, copied.diverged),
        (None, 3, true)
    );
    assert!(!sp.numbers.contains_key(&Number::Regret));
    assert_eq!(sp.verdict, Transfers::Fails);
    assert!(conclusion(&analysis)[0].starts_with(
        "SP, the baseline, fails: copying the best learning rate from width 64 to 128 makes training diverge."
    ));
}

#[test]
fn without_a_sweep_at_the_target_there_is_a_loss_but_no_regret() {
    let mut rows = valley("mup", 64, -8.2, 2.0);
    let copied = carried(&sweeps(&rows), "mup", 128.0, None).unwrap();
    rows.push(row("mup", 128, copied.log2(), 0, 1.9));
    let analysis = analysis(&rows, Some(128.0));
    let mup = &analysis.rules["mup"];
    let copied = mup.carried.as_ref().unwrap();
    assert_eq!((copied.loss, copied.seeds), (Some(1.9), 1));
    assert_eq!(mup.at(128.0).unwrap().tried, 1);
    assert!(!mup.numbers.contains_key(&Number::Regret));
    assert!(
        conclusion(&analysis)[0].contains("from width 64 to 128 costs what this table cannot tell")
    );
}

#[test]
fn the_json_has_fixed_keys_and_is_read_back() {
    let mut rows = study();
    rows.extend(grid(&[NAN, NAN, NAN]).into_iter().map(|row| Run {
        rule: "broken".into(),
        ..row
    }));
    // Names of columns that are keys too must not get in their way.
    let request = Request {
        target: Some(128.0),
        replicates: 200,
        ..Request::default()
    };
    let analysis = analyze(&sweeps(&rows), "loss", "flags", &request).unwrap();
    let text = serde_json::to_string(&analysis).unwrap();
    assert_eq!(serde_json::from_str::<Analysis>(&text).unwrap(), analysis);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&json["axis"], &json["sweep"]),
        (&"loss".into(), &"flags".into())
    );
    let sp = &json["rules"]["sp"];
    assert_eq!(sp["optima"][0]["at"], 16.0);
    for number in [
        &sp["optima"][0]["log2"],
        &sp["optima"][0]["loss"],
        &sp["regret"],
    ] {
        assert!(
            number["value"].is_f64() && number["interval"].is_array(),
            "{number}"
        );
        assert!(number["lost"].is_f64(), "{number}");
    }
    for key in ["from", "to", "value", "log2", "loss"] {
        assert!(sp["transfer"][key].is_number(), "{key}");
    }
    let broken = &json["rules"]["broken"];
    assert_eq!(broken["optima"][0]["flags"][0], "DIVERGED");
    for (_, name, _) in Number::ALL {
        assert!(broken.as_object().unwrap().contains_key(name), "{name}");
    }
    assert!(broken["drift_octaves"].is_null());
}

#[test]
fn rows_that_cannot_be_judged_are_errors_that_name_them() {
    let message = |rows: &[Run]| Sweeps::of_runs(rows.to_vec()).unwrap_err().to_string();
    assert_eq!(Sweeps::of_runs([]), Err(TableError::NoRuns));
    let mut rows = grid(&[3.1, 3.0, 3.2]);
    rows.push(Run {
        end: End::Loss(3.3),
        ..rows[1].clone()
    });
    assert_eq!(
        message(&rows),
        "rule mup at 64, value 0.00390625, seed 0 is listed twice, with 3 and 3.3"
    );
    rows[3] = Run {
        value: 0.0,
        seed: 9,
        ..rows[0].clone()
    };
    assert!(message(&rows).contains("seed 9: the value of the swept hyperparameter is 0"));
}

#[test]
fn the_same_trial_listed_twice_with_one_result_counts_once() {
    let mut rows = grid(&[3.10, 3.00, 3.06, NAN]);
    rows.extend(rows.clone());
    assert_eq!(best(&rows, None), judged(&[3.10, 3.00, 3.06, NAN]));
}

#[test]
fn the_conclusion_says_what_was_measured() {
    let sentences = conclusion(&judged_study());
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

/// Two seeds of independent noise, in which the regret drowns; with as many as are said, the same
/// noise decides.
#[test]
fn an_open_verdict_says_how_many_seeds_would_decide() {
    let of = |seeds: u64| {
        let mut rows = Vec::new();
        for width in [64, 128] {
            for (index, loss) in [0.13, 0.0325, 0.0, 0.0325, 0.13].into_iter().enumerate() {
                for seed in 0..seeds {
                    let sign = [1.0, -1.0][(seed as usize + index / 2) % 2];
                    let loss = 3.0 + loss + 0.02 * sign;
                    rows.push(row("mup", width, -9.0 + index as f64, seed, loss));
                }
            }
        }
        analysis(&rows, None)
    };
    let few = of(2);
    assert_eq!(few.rules["mup"].verdict, Transfers::Undetermined);
    let Some(Needed::Seeds(needed)) = few.rules["mup"].seeds_to_decide else {
        panic!("{few:?}")
    };
    let said =
        format!("the tolerance is 0.01, and {needed} seeds would decide if the numbers stay.");
    assert!(
        conclusion(&few)[0].contains(&said),
        "{:?}",
        conclusion(&few)
    );
    let enough = of(needed as u64 + needed as u64 % 2);
    let rule = &enough.rules["mup"];
    assert_eq!(
        (rule.verdict, rule.seeds_to_decide),
        (Transfers::Transfers, None)
    );
}

#[test]
fn the_conclusion_stays_true_when_the_standard_parametrization_wins() {
    let rename = |row: Run| Run {
        rule: if row.rule == "sp" {
            "mup".into()
        } else {
            "sp".into()
        },
        ..row
    };
    let renamed: Vec<Run> = study().into_iter().map(rename).collect();
    let sentences = conclusion(&analysis(&renamed, Some(128.0)));
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
    rows.extend(rows.clone().into_iter().map(|row| Run { at: 128.0, ..row }));
    let analysis = analysis(&rows, None);
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

/// A valley with a steep wall: a fit that takes in more of the wall misses the bottom by more.
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
    let rows: Vec<Run> = (-24..=-8)
        .map(|step| 0.5 * f64::from(step))
        .map(|x| row("mup", 64, x, 0, loss(x)))
        .collect();
    let off = |octaves| (best(&rows, octaves).log2.unwrap() + 7.0).abs();
    let (usual, wide) = (off(None), off(Some(3.0)));
    assert!(usual < 0.15 && wide > 2.0 * usual, "{usual} {wide}");
}

/// Three seeds without noise in a valley with a kink, which no smooth function follows.
#[test]
fn a_misfit_beyond_the_noise_is_flagged() {
    let loss = |x: f64| 3.0 + if x < 0.0 { 0.01 * x * x } else { 0.1 * x };
    let rows: Vec<Run> = (-8..=8)
        .flat_map(|step| (0..3).map(move |seed| (0.5 * f64::from(step), seed)))
        .map(|(x, seed)| row("mup", 64, x - 7.2, seed, loss(x) + 1e-4 * seed as f64))
        .collect();
    let found = best(&rows, None);
    assert!(found.flags.contains(&Flag::Misfit), "{found:?}");
    let smooth = best(&valley("mup", 64, -7.2, 3.0), None);
    assert_eq!(smooth.flags, []);
}
