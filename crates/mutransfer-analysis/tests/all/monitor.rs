//! Wider is always better: synthetic curves with a known answer, and what cannot be compared.

#[cfg(feature = "report")]
use mutransfer_analysis::figures;
use mutransfer_analysis::{Along, Apart, LossRow, curves_to_csv};
use mutransfer_analysis::{
    Diverged, LOSS_TOLERANCE, Monitor, MonitorError, Needed, Verdict, curves_from_csv, monitor,
};

const WIDTHS: [usize; 3] = [64, 128, 256];
const STEPS: usize = 200;

/// Normal numbers that depend on their keys only: SplitMix64, then Box and Muller.
fn normal(keys: [u64; 4]) -> f64 {
    let mut state = keys
        .iter()
        .fold(0_u64, |state, key| mix(state ^ mix(key.wrapping_add(1))));
    let mut uniform = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        ((mix(state) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    };
    (-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos()
}

fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// Curves of a loss that falls from 5 towards 2 plus `more(width, fraction of training)`, with the
/// noise of batches, which all widths of a seed share, that of initial weights, which stays, and
/// some of every step.
fn curves(table: u64, seeds: u64, more: impl Fn(usize, f64) -> f64) -> Vec<LossRow> {
    let mut rows = Vec::new();
    for (width, seed) in WIDTHS
        .into_iter()
        .flat_map(|width| (0..seeds).map(move |seed| (width, seed)))
    {
        let weights = 0.01 * normal([table, seed, width as u64, u64::MAX]);
        for step in 0..STEPS {
            let fraction = step as f64 / STEPS as f64;
            let batch = 0.2 * normal([table, seed, 0, step as u64]);
            let own = 0.03 * normal([table, seed, width as u64, step as u64]);
            let loss =
                2.0 + 3.0 * (-6.0 * fraction).exp() + more(width, fraction) + batch + weights + own;
            rows.push(LossRow {
                rule: "mup".into(),
                at: width,
                seed,
                step,
                loss,
            });
        }
    }
    rows
}

/// The loss that a wider model saves.
fn saved(width: usize) -> f64 {
    -0.1 * (width as f64 / 64.0).log2()
}

fn judge(rows: &[LossRow]) -> Monitor {
    monitor(rows, Along::Width, LOSS_TOLERANCE)
        .unwrap()
        .remove(0)
}

#[test]
fn wider_and_better_passes() {
    let judged = judge(&curves(0, 5, |width, _| saved(width)));
    assert_eq!((judged.verdict, judged.diagnosis), (Verdict::Pass, None));
    assert_eq!(
        judged
            .pairs
            .iter()
            .map(|pair| (pair.narrow, pair.wide))
            .collect::<Vec<_>>(),
        [(64, 128), (128, 256)]
    );
    for pair in &judged.pairs {
        assert_eq!(
            (
                pair.windows.len(),
                pair.windows[0].verdict,
                pair.crossings.len()
            ),
            (10, None, 0)
        );
        let gain = pair.windows[9].gain;
        assert!(
            (gain.mean - 0.1).abs() < 0.03 && gain.margin.unwrap() < 0.05,
            "{gain:?}"
        );
    }
}

#[test]
fn a_wider_model_that_falls_back_fails_at_the_crossing() {
    let crossing = |width, fraction| {
        if width == 256 && fraction >= 0.5 {
            0.2
        } else {
            saved(width)
        }
    };
    let judged = judge(&curves(0, 5, crossing));
    assert_eq!(judged.verdict, Verdict::Fail);
    assert_eq!(
        (judged.pairs[0].verdict, judged.pairs[1].verdict),
        (Verdict::Pass, Verdict::Fail)
    );
    assert_eq!(judged.pairs[1].crossings, [100]);
    let said = judged.to_string();
    assert!(
        said.starts_with("μP: fail; width 256 is worse than 128 at steps 100 to 119, by 0.29"),
        "{said}"
    );
}

/// Two hundred batches a table, of equal models: whatever the seed, at most one table in forty may
/// be called a failure.
#[test]
fn noise_raises_no_false_alarm() {
    for (seeds, tolerance) in [(2, 0.0), (3, 0.0), (5, 0.0), (5, LOSS_TOLERANCE)] {
        let verdict = |table| {
            monitor(&curves(table, seeds, |_, _| 0.0), Along::Width, tolerance).unwrap()[0].verdict
        };
        let failed = (0..100)
            .filter(|table| verdict(*table) == Verdict::Fail)
            .count();
        assert!(
            failed <= 5,
            "{failed} of 100 with {seeds} seeds and tolerance {tolerance}"
        );
    }
}

/// A gain that drowns in the noise of two seeds is found with as many as are said, the noise of whose
/// windows is another draw from the same.
#[test]
fn an_open_window_says_how_many_seeds_would_decide() {
    let judged = judge(&curves(0, 2, |width, _| saved(width)));
    assert_eq!(judged.verdict, Verdict::Undetermined);
    let windows = || judged.pairs.iter().flat_map(|pair| &pair.windows);
    for window in windows() {
        let is_open = window.verdict == Some(Verdict::Undetermined);
        assert_eq!(window.seeds_to_decide.is_some(), is_open, "{window:?}");
    }
    let most = windows().filter_map(|window| window.seeds_to_decide).max();
    let Some(Needed::Seeds(needed)) = most else {
        panic!("{judged:?}")
    };
    let said = format!("; {needed} seeds would decide all windows if the numbers stay");
    assert!(judged.diagnosis.unwrap().ends_with(&said));
    let enough = judge(&curves(0, needed as u64, |width, _| saved(width)));
    assert_eq!(enough.verdict, Verdict::Pass);
}

#[test]
fn one_seed_settles_nothing_but_a_divergence() {
    let judged = judge(&curves(0, 1, |width, _| saved(width)));
    assert_eq!(judged.verdict, Verdict::Undetermined);
    assert!(judged.diagnosis.unwrap().contains("share one seed only"));
    for lost in [f64::NAN, f64::INFINITY] {
        let mut rows = curves(0, 1, |width, _| saved(width));
        let at = rows
            .iter()
            .position(|row| (row.at, row.step) == (128, 60))
            .unwrap();
        rows[at].loss = lost;
        let judged = judge(&rows);
        assert_eq!((judged.verdict, judged.pairs.len()), (Verdict::Fail, 2));
        assert_eq!(
            judged.diverged,
            [Diverged {
                at: 128,
                seed: 0,
                step: 60
            }]
        );
        assert_eq!(
            judged.diagnosis.unwrap(),
            "width 128, seed 0 diverged: its loss at step 60 is not finite"
        );
        assert_eq!(judged.pairs[0].windows.last().unwrap().steps.1, 59);
    }
}

#[test]
fn steps_need_not_be_the_same_but_some_must() {
    let kept = |every: [usize; 3]| {
        let rows = curves(0, 5, |width, _| saved(width)).into_iter();
        rows.filter(|row| row.step % every[WIDTHS.iter().position(|w| *w == row.at).unwrap()] == 0)
            .collect()
    };
    let sparse: Vec<LossRow> = kept([2, 3, 4]);
    let judged = judge(&sparse);
    assert_eq!(judged.verdict, Verdict::Pass);
    assert_eq!(
        judged.pairs[0].windows[1].steps,
        (24, 36),
        "multiples of six"
    );
    let mut apart = sparse;
    apart.retain(|row| row.at != 256);
    apart
        .iter_mut()
        .filter(|row| row.at == 64)
        .for_each(|row| row.step = 2 * row.step + 1);
    apart
        .iter_mut()
        .filter(|row| row.at == 128)
        .for_each(|row| row.step *= 2);
    let error = monitor(&apart, Along::Width, LOSS_TOLERANCE).unwrap_err();
    assert_eq!(
        error,
        MonitorError::NoCommonStep(Apart {
            rule: "mup".into(),
            along: Along::Width,
            narrow: 64,
            wide: 128
        })
    );
}

#[test]
fn a_run_that_stopped_early_does_not_pass() {
    let mut rows = curves(0, 5, |width, _| saved(width));
    rows.retain(|row| row.at != 256 || row.step < 100);
    let judged = judge(&rows);
    assert_eq!(
        (judged.verdict, judged.pairs[0].verdict),
        (Verdict::Undetermined, Verdict::Pass)
    );
    assert!(
        judged
            .diagnosis
            .unwrap()
            .contains("no common step after 99")
    );
}

#[test]
fn duplicates_and_single_widths_are_refused() {
    let rows = curves(0, 2, |width, _| saved(width));
    let twice = [rows.clone(), rows.clone()].concat();
    assert_eq!(
        monitor(&twice, Along::Width, LOSS_TOLERANCE),
        monitor(&rows, Along::Width, LOSS_TOLERANCE),
        "the same row twice is one row"
    );
    let mut changed = rows.clone();
    changed[7].loss += 1.0;
    let refused = |rows: &[LossRow]| {
        monitor(rows, Along::Width, LOSS_TOLERANCE)
            .unwrap_err()
            .to_string()
    };
    assert!(
        refused(&[rows.clone(), changed].concat())
            .contains("width 64, seed 0: step 7 is listed twice")
    );
    let only: Vec<LossRow> = rows.iter().filter(|row| row.at == 64).cloned().collect();
    assert_eq!(
        refused(&only),
        "rule mup: all curves have width 64, so there is nothing to compare"
    );
    let mut unpaired = rows;
    unpaired
        .iter_mut()
        .filter(|row| row.at == 64)
        .for_each(|row| row.seed += 10);
    assert_eq!(
        refused(&unpaired),
        "rule mup: widths 64 and 128 have no seed in common"
    );
    assert_eq!(refused(&[]), "no losses to compare");
}

/// The judgement is a function of the set of rows.
#[test]
fn the_order_of_the_rows_does_not_matter() {
    let rows = curves(3, 3, |width, fraction| saved(width) * fraction);
    let reversed: Vec<LossRow> = rows.iter().rev().cloned().collect();
    assert_eq!(
        monitor(&rows, Along::Width, LOSS_TOLERANCE),
        monitor(&reversed, Along::Width, LOSS_TOLERANCE)
    );
}

#[test]
fn tables_of_other_programs() {
    let text = "note,T,width,loss\nx,0,64,3.5\nx,1,64,\nx,2,64,NaN\n";
    let rows = curves_from_csv(text, "mine", None, Along::Width).unwrap();
    assert_eq!(
        (
            rows.len(),
            rows[0].rule.as_str(),
            rows[0].seed,
            rows[1].step
        ),
        (2, "mine", 0, 2)
    );
    assert!(rows[1].loss.is_nan());
    let refused = |text: &str| {
        let error = curves_from_csv(text, "mine", None, Along::Width).unwrap_err();
        error.to_string()
    };
    assert_eq!(refused(""), "no losses to compare");
    assert!(refused("width,step\n64,0\n").contains("no column `loss`"));
    assert!(refused("width,loss\n64,0\n").contains("missing field `step`"));
    assert!(refused("width,step,loss\n64,0,1\n64,one,1\n").contains("line: 3"));
    assert!(refused("width,step,loss\n64,-1,1\n").contains("line: 2"));
    assert!(refused("width,step,loss\n64,0,1\n,1,1\n").contains("line 3"));
    assert_eq!(
        curves_from_csv("width,step,loss\n", "mine", None, Along::Width).unwrap(),
        []
    );
}

/// Width, seed, step and loss of every row.
fn read(text: &str, width: Option<usize>) -> Vec<(usize, u64, usize, f64)> {
    let rows = curves_from_csv(text, "mine", width, Along::Width).unwrap();
    let row = |row: &LossRow| (row.at, row.seed, row.step, row.loss);
    rows.iter().map(row).collect()
}

#[test]
fn every_run_may_have_a_column() {
    let pivot = "\u{feff},step,64,width=128\r\n0,0,3.5,3.25\r\n1,1,,NaN\r\n";
    let rows = read(pivot, None);
    assert_eq!(rows[..2], [(64, 0, 0, 3.5), (128, 0, 0, 3.25)]);
    assert!(rows.len() == 3 && rows[2].3.is_nan(), "{rows:?}");
    let exported = "\"Step\",\"width=64 seed=1 - loss\",\"width=64 seed=1 - loss__MIN\",\
                    \"width=64 seed=2 - loss\"\n5,3,2,4\n";
    assert_eq!(read(exported, None), [(64, 1, 5, 3.0), (64, 2, 5, 4.0)]);
    let by_seed = "seed;t;64;128\n7;5;3;2\n";
    assert_eq!(read(by_seed, None), [(64, 7, 5, 3.0), (128, 7, 5, 2.0)]);
    let error = curves_from_csv("step,64\n0,1\n1,high\n", "mine", None, Along::Width).unwrap_err();
    assert!(error.to_string().contains("line: 3"), "{error}");
    let error = curves_from_csv("64,128\n0,1\n", "mine", None, Along::Width).unwrap_err();
    assert!(error.to_string().contains("`step`"), "{error}");
}

#[test]
fn a_file_may_be_of_one_width() {
    let text = "step,loss\n0,3\n";
    assert_eq!(read(text, Some(64)), [(64, 0, 0, 3.0)]);
    let refused =
        |text: &str, width| curves_from_csv(text, "mine", width, Along::Width).unwrap_err();
    assert_eq!(
        refused(text, None),
        MonitorError::NoWidth {
            along: Along::Width
        }
    );
    for own in ["width,step,loss\n64,0,3\n", "step,64\n0,3\n"] {
        let error = refused(own, Some(64));
        assert_eq!(
            error,
            MonitorError::OwnWidths {
                along: Along::Width,
                width: 64
            }
        );
    }
}

#[test]
fn extremes_neither_panic_nor_pass() {
    let row = |width, step, loss| LossRow {
        rule: String::new(),
        at: width,
        seed: 0,
        step,
        loss,
    };
    let steps = [0, usize::MAX];
    let far: Vec<LossRow> = steps
        .iter()
        .flat_map(|step| [row(0, *step, f64::MAX), row(9, *step, -f64::MAX)])
        .collect();
    assert_eq!(judge(&far).verdict, Verdict::Undetermined);
    let single = [row(1, 5, 1.0), row(2, 5, 1.0)];
    assert!(judge(&single).diagnosis.is_some());
    let lost = [row(1, 5, f64::NAN), row(2, 5, f64::NAN)];
    assert_eq!(
        (judge(&lost).verdict, judge(&lost).pairs[0].windows.len()),
        (Verdict::Fail, 0)
    );
    #[cfg(feature = "report")]
    {
        assert!(figures::curves(&lost, &monitor(&lost, Along::Width, 0.0).unwrap()).is_err());
        figures::curves(&far, &monitor(&far, Along::Width, 0.0).unwrap()).unwrap();
        figures::curves(&single, &monitor(&single, Along::Width, 0.0).unwrap()).unwrap();
    }
}

#[cfg(feature = "report")]
#[test]
fn the_figure_names_rules_widths_and_crossings() {
    let crossing = |width, fraction| {
        if width == 256 && fraction >= 0.5 {
            0.2
        } else {
            saved(width)
        }
    };
    let mut rows = curves(0, 5, crossing);
    rows.extend(
        curves(0, 5, |width, _| saved(width))
            .into_iter()
            .map(|row| LossRow {
                rule: "sp".into(),
                ..row
            }),
    );
    let judged = monitor(&rows, Along::Width, LOSS_TOLERANCE).unwrap();
    let figure = figures::curves(&rows, &judged).unwrap();
    for text in [
        "SP: pass<",
        "μP: fail<",
        "width 64<",
        "width 256<",
        "wider becomes worse<",
    ] {
        assert!(figure.svg.contains(&format!(">{text}")), "{text}");
    }
    assert_eq!(figure, figures::curves(&rows, &judged).unwrap());
    if let Some(folder) = std::env::var_os("FIGURES") {
        std::fs::write(
            std::path::Path::new(&folder).join("curves.png"),
            &figure.png,
        )
        .unwrap();
    }
}

/// What is written is read again, and every word is of what grows.
#[test]
fn deeper_is_judged_as_wider_is() {
    let crossing = |width, fraction| {
        if width == 256 && fraction >= 0.5 {
            0.3
        } else {
            saved(width)
        }
    };
    let depths: Vec<LossRow> = curves(0, 5, crossing)
        .into_iter()
        .map(|row| LossRow {
            at: row.at / 32,
            ..row
        })
        .collect();
    let text = curves_to_csv(&depths, Along::Depth);
    assert!(
        text.starts_with("rule,depth,seed,step,loss\nmup,2,0,0,"),
        "{text}"
    );
    assert_eq!(
        curves_from_csv(&text, "mine", None, Along::Depth).unwrap(),
        depths
    );
    let error = curves_from_csv(&text, "mine", None, Along::Width).unwrap_err();
    assert!(error.to_string().contains("no column `width`"), "{error}");
    let judged = monitor(&depths, Along::Depth, LOSS_TOLERANCE).unwrap();
    assert!(
        judged[0]
            .to_string()
            .contains("; depth 8 is worse than 4 at "),
        "{}",
        judged[0]
    );
    let figure = figures::curves(&depths, &judged).unwrap().svg;
    assert!(figure.contains("depth 8<") && figure.contains("deeper becomes worse<"));
}
