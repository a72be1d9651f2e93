//! Wrong tables found in the wild, written as a user would: each must be caught where it is wrong
//! and nowhere else.

use crate::common;

use common::{Layout, close, fraction, mlp, plan, scales, widths};
use mutransfer::theory::Theory;
use mutransfer::{Check, Optimizer, Parametrization, Role, Rule};

fn mutant(name: &str) -> Parametrization {
    let path = format!(
        "{}/../../counterexamples/{name}.toml",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    Parametrization::from_toml(name, &text).unwrap()
}

/// How the update of a layer's output grows with width: hidden as lr·m, embedding as lr, readout as
/// multiplier·lr·m.
struct Expected {
    name: &'static str,
    optimizer: Optimizer,
    /// Biases and gains, embedding, hidden, readout.
    slopes: [&'static str; 4],
    lints: &'static [&'static str],
}

const fn caught(
    name: &'static str,
    slopes: [&'static str; 4],
    lints: &'static [&'static str],
) -> Expected {
    Expected {
        name,
        optimizer: Optimizer::AdamW,
        slopes,
        lints,
    }
}

const MUTANTS: [Expected; 15] = [
    caught("none", ["0", "0", "0", "0"], &[]),
    caught("r1", ["0", "-1", "1", "1"], &["MU013"]),
    caught("r2", ["0", "-1", "1/2", "0"], &["MU013"]),
    caught("r3", ["-1/2", "-1/2", "1/2", "1/2"], &["MU013"]),
    caught("r4", ["-1", "-1", "0", "-1"], &["MU004"]),
    Expected {
        optimizer: Optimizer::Muon,
        ..caught("r4", ["-1", "-1", "-1", "-1"], &["MU004"])
    },
    caught("r5", ["0", "-1/2", "1/2", "1/2"], &["MU013"]),
    caught("g1", ["0", "0", "0", "-1"], &["MU004"]),
    caught("sgd-rule-under-adam", ["1", "1", "1", "0"], &["MU013"]),
    caught(
        "scheduler-overwrites-groups",
        ["0", "0", "1", "0"],
        &["MU013"],
    ),
    caught("flag-set-late", ["0", "0", "0", "1"], &["MU013"]),
    caught("tied-rescaled", ["0", "0", "0", "0"], &["MU013"]),
    Expected {
        optimizer: Optimizer::Muon,
        ..caught("muon-scaled-twice", ["0", "0", "-1", "0"], &["MU004"])
    },
    Expected {
        optimizer: Optimizer::MuonKellerJordan,
        ..caught("muon-scaled-twice", ["0", "0", "-1", "0"], &["MU004"])
    },
    caught("eps-on-every-group", ["0", "0", "0", "0"], &["MU014"]),
];

#[test]
fn updates_grow_where_the_mutant_is_wrong() {
    for Expected {
        name,
        optimizer,
        slopes,
        ..
    } in MUTANTS
    {
        let theory = Theory::of_rule(&mutant(name), optimizer).unwrap();
        let updates = theory.updates;
        let found = [
            theory.vector_update,
            updates.input,
            updates.hidden,
            updates.output,
        ]
        .map(|r| -r);
        assert_eq!(found, slopes.map(fraction), "{name} with {optimizer}");
    }
}

#[test]
fn check_names_the_mistake() {
    let target = mlp(256, Layout::InOut);
    let widths = widths(64, Layout::InOut)
        .declare("readout.weight", Role::Output)
        .unwrap();
    for Expected {
        name,
        optimizer,
        lints,
        ..
    } in MUTANTS
    {
        let rule = mutant(name);
        let zero_init = &[];
        let check = Check {
            widths: &widths,
            target: &target,
            rule: &rule,
            optimizer,
            decays: true,
            clips: false,
            zero_init,
        };
        let codes: Vec<_> = check
            .findings()
            .unwrap()
            .iter()
            .map(|finding| finding.lint.code)
            .collect();
        assert_eq!(codes, lints, "{name} with {optimizer}");
    }
}

/// The same slopes in the numbers of a plan, at a width ratio of 4.
#[test]
fn plans_grow_as_theory_says() {
    for Expected { name, slopes, .. } in MUTANTS
        .iter()
        .filter(|mutant| mutant.optimizer == Optimizer::AdamW)
    {
        let plan = plan(mutant(name), Optimizer::AdamW, 64, 256, Layout::InOut);
        let update = |name: &str, sums_over: f64| {
            let [multiplier, _, learning_rate, ..] = scales(&plan, name);
            multiplier * learning_rate * sums_over
        };
        let found = [
            update("norm.gain", 1.0),
            update("embedding.weight", 1.0),
            update("hidden.weight", 4.0),
            update("readout.weight", 4.0),
        ];
        for (found, slope) in found.into_iter().zip(slopes) {
            let slope = fraction(slope);
            close(
                found,
                4f64.powf(f64::from(*slope.numer()) / f64::from(*slope.denom())),
            );
        }
    }
}

fn broken(name: &str) -> Vec<String> {
    let theory = Theory::of_rule(&mutant(name), Optimizer::AdamW).unwrap();
    theory
        .broken()
        .map(|condition| format!("{}: {}", condition.layer, condition.statement))
        .collect()
}

/// mup's defect is in the init alone: the embedding's activations grow.
#[test]
fn a_rescaled_tied_tensor_breaks_the_embeddings_init() {
    assert_eq!(broken("tied-rescaled"), ["input: a + b = 0"]);
    assert_eq!(broken("none"), [""; 0]);
}

/// Rates and init come from two parametrizations: logits learn too fast, and nothing else is wrong.
#[test]
fn a_flag_set_late_breaks_the_readout() {
    assert_eq!(
        broken("flag-set-late"),
        [
            "output: r >= 0",
            "output: a + b + r >= 1",
            "output: c - b >= 0"
        ]
    );
}

#[test]
fn epsilon_on_every_group_is_unfaithful_in_the_readout() {
    let unfaithful = |name| {
        let conditions = Theory::of_rule(&mutant(name), Optimizer::AdamW)
            .unwrap()
            .faithfulness;
        conditions
            .into_iter()
            .filter(|condition| !condition.holds)
            .map(|c| (c.layer.to_string(), c.value))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        unfaithful("eps-on-every-group"),
        [("output".to_owned(), fraction("1"))]
    );
    assert_eq!(unfaithful("none"), []);
}

/// R2 leaves attention logits as they are in SP, growing as √d once aligned.
#[test]
fn attention_of_r2_is_that_of_sp() {
    let attention = |name| {
        Theory::of_rule(&mutant(name), Optimizer::AdamW)
            .unwrap()
            .attention
    };
    assert_eq!(attention("r2"), fraction("1/2"));
    assert_eq!(attention("r1"), fraction("0"));
}

/// R2 also refuses a target narrower than its base, where the rule holds as well.
#[test]
fn a_target_may_be_narrower_than_its_base() {
    let plan = plan(Rule::Mup, Optimizer::AdamW, 64, 32, Layout::InOut);
    close(scales(&plan, "hidden.weight")[2], 2.0);
    close(scales(&plan, "readout.weight")[0], 2.0);
}
