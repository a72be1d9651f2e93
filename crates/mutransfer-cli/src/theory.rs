//! `mutransfer theory`: what a parametrization does in the limit of infinite width, and why.

use anyhow::Context;
use mutransfer::theory::{Condition, Exponents, Theory, shift};
use mutransfer::{Optimizer, Parametrization, Rational32, Role, Rule};
#[cfg(not(feature = "train"))]
use mutransfer_study::subject::Problem;
use serde_json::Value;

use crate::args::{Print, TheoryOptions};
use crate::failure::Failure;
use crate::model;
use crate::rules::grid;
use crate::say::{note, say};
#[cfg(not(feature = "train"))]
use crate::subject::Untrained;

/// A rule under an optimizer, classified.
struct Classified {
    rule: String,
    optimizer: Optimizer,
    theory: Theory,
}

pub(crate) fn theory(options: &TheoryOptions) -> Result<(), Failure> {
    if options.measure {
        return measure(options);
    }
    let optimizers = match options.optimizer {
        Some(optimizer) => vec![optimizer],
        None => vec![Optimizer::Sgd, Optimizer::Adam],
    };
    let rules: Vec<Parametrization> = match &options.rule {
        Some(name) => vec![model::rule(name, &options.choices)?],
        None => Rule::NAMED.into_iter().map(Parametrization::from).collect(),
    };
    let classified = classify(options, &rules, &optimizers)?;
    if options.json {
        let all: Vec<Value> = classified
            .iter()
            .map(|one| one.theory.to_json(&one.rule, one.optimizer))
            .collect();
        let text = serde_json::to_string_pretty(&all).context("cannot print JSON")?;
        say!("{text}");
    } else if options.rule.is_some() {
        for one in &classified {
            explain(one);
        }
    } else {
        say!("{}", overview(&classified));
        say!("r: features change as n^-r; `mutransfer theory RULE` gives the reasons");
    }
    match (&options.same_as, rules.first()) {
        (Some(other), Some(rule)) => compare(rule, other, options, &optimizers),
        _ => Ok(()),
    }
}

#[cfg(feature = "train")]
use crate::kernel::measure;

/// It trains a perceptron.
#[cfg(not(feature = "train"))]
fn measure(_: &TheoryOptions) -> Result<(), Failure> {
    let refused: Problem = Untrained.into();
    Err(refused.into())
}

fn classify(
    options: &TheoryOptions,
    rules: &[Parametrization],
    optimizers: &[Optimizer],
) -> Result<Vec<Classified>, Failure> {
    let mut classified = Vec::new();
    for rule in rules {
        for &optimizer in optimizers {
            match Theory::of_rule(rule, optimizer) {
                Ok(theory) => classified.push(Classified {
                    rule: rule.name(),
                    optimizer,
                    theory,
                }),
                Err(error) if options.optimizer.is_some() && options.rule.is_some() => {
                    return Err(error.into());
                }
                // A table of one family is silent about the others, unless the user asked for just
                // that.
                Err(error) if options.rule.is_some() => note!("note: {error}"),
                Err(_) => {}
            }
        }
    }
    Ok(classified)
}

fn overview(classified: &[Classified]) -> String {
    grid(
        Print::Text,
        &["rule", "optimizer", "regime", "r", "updated maximally"],
        classified.iter().map(overview_row).collect(),
    )
}

fn overview_row(classified: &Classified) -> Vec<String> {
    let theory = &classified.theory;
    let broken: Vec<Role> = theory.broken().map(|condition| condition.layer).collect();
    let regime = if broken.is_empty() {
        theory.regime.to_string()
    } else {
        format!("{} ({})", theory.regime, dedup(&broken).join(", "))
    };
    vec![
        classified.rule.clone(),
        classified.optimizer.to_string(),
        regime,
        theory.r.to_string(),
        maximal(theory),
    ]
}

/// Each once, in the order of roles.
fn dedup(layers: &[Role]) -> Vec<String> {
    Role::ALL
        .into_iter()
        .filter(|role| layers.contains(role))
        .map(|role| role.to_string())
        .collect()
}

fn maximal(theory: &Theory) -> String {
    let updates = theory.named_updates().into_iter();
    let maximal = updates.filter(|(_, r)| *r == Rational32::from(0));
    let layers: Vec<String> = maximal.map(|(layer, _)| layer.to_string()).collect();
    if layers.is_empty() {
        "none".to_owned()
    } else {
        layers.join(", ")
    }
}

fn explain(classified: &Classified) {
    let Classified {
        rule,
        optimizer,
        theory,
    } = classified;
    say!("{rule} under {optimizer}: {}", theory.regime);
    say!("{}", exponents(theory));
    let trivial = if theory.is_nontrivial {
        "nontrivial"
    } else {
        "trivial"
    };
    say!(
        "r = {}; a + b + r of the readout = {}; {trivial}; readout initialised maximally: {}",
        theory.r,
        theory.propagated,
        yes_or_no(theory.is_maximal_init)
    );
    reasons(theory);
    say!("");
}

/// The table of exponents, with what the updates of each layer do.
fn exponents(theory: &Theory) -> String {
    let layers = theory.exponents.named().into_iter();
    let rows = layers
        .zip(theory.named_updates())
        .map(|((layer, own), (_, r))| {
            let maximal = yes_or_no(r == Rational32::from(0));
            let numbers = [own.a, own.b, own.c, own.d, r].map(|number| number.to_string());
            let mut row = vec![layer.to_string()];
            row.extend(numbers);
            row.push(maximal.to_owned());
            row
        });
    grid(
        Print::Text,
        &["layer", "a", "b", "c", "d", "r", "updated maximally"],
        rows.collect(),
    )
}

fn yes_or_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

/// What does not hold, and what comes of it.
fn reasons(theory: &Theory) {
    for broken in theory.broken() {
        let (layer, statement) = (broken.layer, &broken.statement);
        let (value, otherwise) = (broken.value, &broken.otherwise);
        say!("  {layer}: {statement} does not hold, the left side is {value}: {otherwise}");
    }
    let unfaithful = theory.faithfulness.iter().filter(|own| !own.holds);
    for Condition {
        layer, otherwise, ..
    } in unfaithful
    {
        say!("  {layer}: epsilon does not follow the gradient: {otherwise}");
    }
    if theory.attention > Rational32::from(0) {
        say!(
            "  attention: logits grow as head_dim^{} once queries and keys align, if heads grow",
            theory.attention
        );
    }
    if theory.is_mup() {
        say!("  this is the maximal update parametrization, up to the symmetry");
    }
}

fn compare(
    rule: &Parametrization,
    other: &str,
    options: &TheoryOptions,
    optimizers: &[Optimizer],
) -> Result<(), Failure> {
    let second = model::rule(other, &options.choices)?;
    for &optimizer in optimizers {
        let exponents = |rule: &Parametrization| {
            Ok::<_, Failure>(Exponents::of(&rule.table(optimizer)?, optimizer))
        };
        let (from, to) = (exponents(rule)?, exponents(&second)?);
        match shift(&from, &to) {
            Some(layers) => {
                let turned: Vec<String> = layers
                    .named()
                    .map(|(layer, t)| format!("{layer} {t}"))
                    .into();
                say!(
                    "under {optimizer} {} and {other} train the same network; rotation: {}",
                    rule.name(),
                    turned.join(", ")
                );
            }
            None => say!(
                "under {optimizer} {} and {other} train different networks",
                rule.name()
            ),
        }
    }
    Ok(())
}
