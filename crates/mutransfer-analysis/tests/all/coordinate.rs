//! The coordinate check as a test: T8 of the specification, and what cannot be judged.

use std::collections::BTreeMap;

use mutransfer::PlanDocument;
use mutransfer::theory::{Expectation, Layer, Quantity, Theory};
use mutransfer::{Optimizer, Rule};
use mutransfer_analysis::{
    Cell, Check, Coordinate, CoordinateError, Fix, Layers, Looks, Measurements, Verdict,
    coordinates_from_csv, judge,
};

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
    judge(rows, &expectations("mup"), &Looks::default())
        .unwrap()
        .remove(0)
}

#[test]
fn a_power_law_is_fitted_exactly_and_judged_by_what_is_expected() {
    let falling = |width: f64, _| 3.0 * width.powf(-0.5);
    let logits = check(&rows(Layer::Output, Quantity::Activation, 0, falling));
    let fit = logits.cells[0].fit.unwrap();
    assert!((fit.slope + 0.5).abs() < 1e-12, "{fit:?}");
    assert!((fit.interval.1 - fit.interval.0).abs() < 1e-5, "{fit:?}");
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
        (fit.slope - 0.05).abs() < 1e-12 && (fit.interval.1 - fit.interval.0).abs() < 1e-5,
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
    let fit = check(&alone).cells[0].fit.unwrap();
    assert_eq!((fit.slope, fit.interval), (pooled.slope, pooled.interval));
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
    for by in [-100.0, 400.0, 900.0] {
        let fit = bent(by).fit.unwrap();
        assert!((fit.lag.unwrap() / by - 1.0).abs() < 0.1, "{fit:?}");
        assert!(fit.slope.abs() < 0.03, "{fit:?}");
        assert_eq!(bent(by).verdict, Some(Verdict::Pass), "{fit:?}");
    }
    assert!(bent(900.0).fit.unwrap().straight < -0.13);
    assert_eq!(bent(0.0).fit.unwrap().lag, None);
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
    let error = judge(&dead, &expectations("mup"), &Looks::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "rule mup: the size of m after 2 updates is zero at some width"
    );
    let some = |width: f64, _| if width < 300.0 { 0.0 } else { 1.0 };
    assert!(
        judge(
            &rows(Layer::Output, Quantity::Activation, 0, some),
            &expectations("mup"),
            &Looks::default()
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
        (&*rows[0].rule, rows[0].quantity),
        ("mup", Quantity::Activation)
    );
    let refused = |text: &str| coordinates_from_csv(text, "mup").unwrap_err().to_string();
    assert!(refused("width,step,l1\n64,0,1\n").contains("missing field `module`"));
    assert!(refused("width,step,module,l1\n64,0,m,big\n").contains("line: 2"));
    let error = |text: &str, rule: &str| {
        judge(
            &coordinates_from_csv(text, rule).unwrap(),
            &expectations("mup"),
            &Looks::default(),
        )
        .unwrap_err()
    };
    assert!(
        error("width,step,module,l1\n", "mup")
            .to_string()
            .contains("no rows")
    );
    assert!(
        error("width,step,module,l1\n64,0,lm_head,1\n", "mup")
            .to_string()
            .contains("measured at a single width")
    );
    assert!(
        error("width,step,module,l1\n64,0,lm_head,1\n", "mine")
            .to_string()
            .contains("rule `mine`")
    );
}

/// Tables of coordinate checks as the package mup writes them (`l1` by width, module and `t`): a
/// perceptron whose modules have names that say nothing, and one whose readout starts at zero and
/// lacks its 1/m. Copies of `cases/coord-readout-names/mlp-fc.csv` and of
/// `cases/coord-zero-readout-blowup/activations.csv` of the project's shared inputs.
const NAMELESS: &str = include_str!("tables/coordinates-fc.csv");
const BLOWN_UP: &str = include_str!("tables/coordinates-zero-readout.csv");

fn verdict_of(text: &str, layers: &Layers) -> Result<Check, CoordinateError> {
    let mut measurements = Measurements::default();
    measurements.add(text, "mup", None)?;
    let (rows, _) = measurements.placed(layers)?;
    let mut checks = judge(&rows, &expectations("mup"), &Looks::default())?;
    Ok(checks.remove(0))
}

#[test]
fn a_readout_is_not_known_by_its_name() {
    let error = verdict_of(NAMELESS, &Layers::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "nothing says which module is the readout, whose first output may shrink with width where \
         that of others may not: fc_1, fc_2, fc_3"
    );
    assert_eq!(error.fix(), Fix::NameReadout);
    let named = NAMELESS.replace("fc_1", "embed").replace("fc_3", "lm_head");
    let by_name = verdict_of(&named, &Layers::default()).unwrap();
    let said = Layers::default()
        .with_readout("fc_3")
        .with_embedding("fc_1");
    let said = verdict_of(NAMELESS, &said).unwrap();
    let params = [
        ("fc_1.weight", "input"),
        ("fc_2.weight", "hidden"),
        ("fc_3.weight", "output"),
    ];
    let planned = verdict_of(NAMELESS, &Layers::default().with_plan(&plan_of(&params))).unwrap();
    for check in [&by_name, &said, &planned] {
        assert_eq!(check.verdict, by_name.verdict);
        assert_eq!(check.cells.len(), by_name.cells.len());
    }
    let wrong = Layers::default().with_readout("fc_4");
    let error = verdict_of(NAMELESS, &wrong).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no module `fc_4` was measured; known: fc_1, fc_2, fc_3"
    );
    // GPT-NeoX calls its readout so.
    let odd = NAMELESS.replace("fc_3", "embed_out");
    assert_eq!(
        verdict_of(&odd, &Layers::default()).unwrap().verdict,
        by_name.verdict
    );
    // As many features at every width.
    let mut featured = "width,module,t,l1,features\n".to_owned();
    for line in NAMELESS.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').skip(1).collect();
        let features = if cells[1] == "fc_3" { "10" } else { cells[0] };
        featured += &format!("{},{features}\n", cells.join(","));
    }
    let check = verdict_of(&featured, &Layers::default()).unwrap();
    assert_eq!(check.verdict, by_name.verdict);
}

fn plan_of(roles: &[(&str, &str)]) -> PlanDocument {
    let param = |role: &str| {
        serde_json::json!({
            "role": role, "lr": 1, "weight_decay": 1, "eps": 1, "init_std": 1, "init_scale": 1,
            "multiplier": 1
        })
    };
    let params: serde_json::Map<_, _> = roles
        .iter()
        .map(|(name, role)| ((*name).to_owned(), param(role)))
        .collect();
    serde_json::from_value(serde_json::json!({
        "rule": "mup", "form": "table8", "optimizer": "adam", "decay": "l2", "hash": "",
        "hyper": {}, "params": params, "forward": {}
    }))
    .unwrap()
}

#[test]
fn a_readout_that_starts_at_zero_may_not_blow_up() {
    let found = verdict_of(BLOWN_UP, &Layers::default()).unwrap();
    assert_eq!(found.verdict, Verdict::Fail);
    let logits = found
        .cells
        .iter()
        .filter(|cell| cell.layer == Layer::Output);
    let logits: Vec<&Cell> = logits.collect();
    assert_eq!(
        (logits[0].fit, logits[0].verdict),
        (None, Some(Verdict::Pass))
    );
    for cell in &logits[1..] {
        assert_eq!((cell.expected, cell.at_most), (Some(0.0), false));
        assert_eq!(cell.verdict, Some(Verdict::Fail));
    }
    let slope = logits[1].fit.unwrap().slope;
    assert!((slope - 1.03).abs() < 0.05, "{slope}");
    let others = found
        .cells
        .iter()
        .filter(|cell| cell.layer != Layer::Output);
    assert!(
        others
            .clone()
            .all(|cell| cell.verdict != Some(Verdict::Fail))
    );
    // One that starts at random is only bounded: what it had at first may still be seen.
    let shrinks = rows(Layer::Output, Quantity::Activation, 1, |width, _| {
        width.powf(-0.4)
    });
    let grows = rows(Layer::Output, Quantity::Activation, 1, |width, _| {
        width.powf(0.4)
    });
    let random = rows(Layer::Output, Quantity::Activation, 0, |width, _| {
        width.powf(-0.5)
    });
    for (after, expected) in [(shrinks, Verdict::Pass), (grows, Verdict::Fail)] {
        let both = [random.clone(), after].concat();
        assert_eq!(check(&both).verdict, expected);
    }
}

/// `t` counts forward passes from 1, `step` updates made: a table of later ones is not untrained.
#[test]
fn a_table_that_starts_later_is_not_untrained() {
    let steps = |text: &str| -> Vec<usize> {
        let rows = coordinates_from_csv(text, "mup").unwrap();
        rows.iter().map(|row| row.step).collect()
    };
    assert_eq!(
        steps("t,module,width,l1\n1,lm_head,64,1\n2,lm_head,64,1\n"),
        [0, 1]
    );
    assert_eq!(
        steps("t,module,width,l1\n0,lm_head,64,1\n1,lm_head,64,1\n"),
        [0, 1]
    );
    assert_eq!(steps("t,module,width,l1\n4,lm_head,64,1\n"), [3]);
    assert_eq!(steps("step,module,width,l1\n5,lm_head,64,1\n"), [5]);
}

#[test]
fn a_column_for_each_module_and_a_file_for_each_width() {
    let mut measurements = Measurements::default();
    for (width, text) in [
        (
            64,
            "\u{feff};step;embed;mid;lm_head;host\r\n0;0;1.5;2;0.5;a\r\n",
        ),
        (128, "step,embed,mid,lm_head\n0,1.5,2,0.35\n"),
    ] {
        measurements.add(text, "mup", Some(width)).unwrap();
    }
    let (rows, ends) = measurements.placed(&Layers::default()).unwrap();
    let seen: Vec<_> = rows
        .iter()
        .map(|row| (row.width, &*row.module, row.l1))
        .collect();
    let expected = [
        (64, "embed", 1.5),
        (64, "mid", 2.0),
        (64, "lm_head", 0.5),
        (128, "embed", 1.5),
        (128, "mid", 2.0),
        (128, "lm_head", 0.35),
    ];
    assert_eq!(seen, expected);
    let ends: Vec<_> = ends
        .iter()
        .map(|(name, layer, _)| (name.as_str(), *layer))
        .collect();
    assert_eq!(ends, [("embed", Layer::Input), ("lm_head", Layer::Output)]);
    let mut nothing = Measurements::default();
    let error = nothing.add("width,step\n64,0\n", "mup", None).unwrap_err();
    assert!(error.to_string().contains("no column `module`"), "{error}");
}

/// What seeds' slopes scatter by is the noise, with one less than there are degrees of freedom.
#[test]
fn intervals_are_those_of_student_over_the_slopes_of_seeds() {
    let mut all = Vec::new();
    for seed in 0..40_u64 {
        let slope = if seed % 2 == 0 { 0.1 } else { -0.1 };
        let mut rows = rows(Layer::Hidden, Quantity::Change, 1, |width, _| {
            width.powf(slope)
        });
        rows.retain(|row| row.seed == 0);
        rows.iter_mut().for_each(|row| row.seed = seed);
        all.extend(rows);
    }
    let fit = check(&all).cells[0].fit.unwrap();
    let margin = 2.022_690_920 * f64::sqrt(0.01 * 40.0 / 39.0 / 40.0);
    assert!(fit.slope.abs() < 1e-12, "{fit:?}");
    assert!((fit.interval.1 - margin).abs() < 1e-9, "{fit:?}");
}
