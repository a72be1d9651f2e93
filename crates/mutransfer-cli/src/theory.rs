//! `mutransfer theory`: what a parametrization does in the limit of infinite width, and why.

use anyhow::Context;
use mutransfer::theory::{Condition, Exponents, Theory, shift};
use mutransfer::{Optimizer, Parametrization, Rational32, Role, Rule};
use serde_json::{Value, json};

use crate::args::{Print, TheoryOptions};
use crate::failure::Failure;
use crate::kernel;
use crate::model;
use crate::rules::grid;
use crate::say::{note, say};

pub(crate) fn theory(options: &TheoryOptions) -> Result<(), Failure> {
    if options.measure {
        return kernel::measure(options);
    }
    let optimizers = options
        .optimizer
        .map_or(vec![Optimizer::Sgd, Optimizer::Adam], |optimizer| {
            vec![optimizer]
        });
    let rules: Vec<Parametrization> = match &options.rule {
        Some(name) => vec![model::rule(name, &options.choices)?],
        None => Rule::NAMED.into_iter().map(Parametrization::from).collect(),
    };
    let mut classified = Vec::new();
    for rule in &rules {
        for &optimizer in &optimizers {
            match Theory::of_rule(rule, optimizer) {
                Ok(theory) => classified.push((rule.name(), optimizer, theory)),
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
    if options.json {
        let all: Vec<Value> = classified
            .iter()
            .map(|(rule, optimizer, theory)| to_json(rule, *optimizer, theory))
            .collect();
        say!(
            "{}",
            serde_json::to_string_pretty(&all).context("cannot print JSON")?
        );
    } else if options.rule.is_some() {
        for (rule, optimizer, theory) in &classified {
            explain(rule, *optimizer, theory);
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

fn overview(classified: &[(String, Optimizer, Theory)]) -> String {
    let row = |(rule, optimizer, theory): &(String, Optimizer, Theory)| {
        let broken: Vec<Role> = theory.broken().map(|condition| condition.layer).collect();
        let regime = if broken.is_empty() {
            theory.regime.to_string()
        } else {
            format!("{} ({})", theory.regime, dedup(&broken).join(", "))
        };
        vec![
            rule.clone(),
            optimizer.to_string(),
            regime,
            theory.r.to_string(),
            maximal(theory),
        ]
    };
    let rows = classified.iter().map(row).collect();
    grid(
        Print::Text,
        &["rule", "optimizer", "regime", "r", "updated maximally"],
        rows,
    )
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
    let named = theory
        .is_maximal
        .named()
        .into_iter()
        .filter(|(_, maximal)| *maximal);
    let layers: Vec<String> = named.map(|(layer, _)| layer.to_string()).collect();
    if layers.is_empty() {
        "none".to_owned()
    } else {
        layers.join(", ")
    }
}

fn explain(rule: &str, optimizer: Optimizer, theory: &Theory) {
    say!("{rule} under {optimizer}: {}", theory.regime);
    let rows = theory
        .exponents
        .layers
        .named()
        .into_iter()
        .zip(theory.updates.named());
    let rows = rows.map(|((layer, own), (_, r))| {
        let maximal = if r == Rational32::from(0) {
            "yes"
        } else {
            "no"
        };
        vec![
            layer.to_string(),
            own.a.to_string(),
            own.b.to_string(),
            own.c.to_string(),
            own.d.to_string(),
            r.to_string(),
            maximal.to_owned(),
        ]
    });
    say!(
        "{}",
        grid(
            Print::Text,
            &["layer", "a", "b", "c", "d", "r", "updated maximally"],
            rows.collect()
        )
    );
    say!(
        "r = {}; a + b + r of the readout = {}; {}; readout initialised maximally: {}",
        theory.r,
        theory.propagated,
        if theory.is_nontrivial {
            "nontrivial"
        } else {
            "trivial"
        },
        if theory.is_maximal_init { "yes" } else { "no" }
    );
    for Condition {
        layer,
        statement,
        value,
        otherwise,
        ..
    } in theory.broken()
    {
        say!("  {layer}: {statement} does not hold, the left side is {value}: {otherwise}");
    }
    for Condition {
        layer, otherwise, ..
    } in theory
        .faithfulness
        .iter()
        .filter(|condition| !condition.holds)
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
    say!("");
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

fn to_json(rule: &str, optimizer: Optimizer, theory: &Theory) -> Value {
    let condition = |condition: &Condition| {
        json!({
            "layer": condition.layer,
            "statement": condition.statement,
            "value": condition.value.to_string(),
            "holds": condition.holds,
        })
    };
    let layers: serde_json::Map<String, Value> = theory
        .exponents
        .layers
        .named()
        .into_iter()
        .zip(theory.updates.named())
        .zip(theory.is_maximal.named())
        .map(|(((layer, own), (_, r)), (_, maximal))| {
            let exponents = json!({
                "a": own.a.to_string(), "b": own.b.to_string(), "c": own.c.to_string(), "d": own.d.to_string(),
                "r": r.to_string(), "updated_maximally": maximal,
            });
            (layer.to_string(), exponents)
        })
        .collect();
    json!({
        "rule": rule,
        "optimizer": optimizer,
        "regime": theory.regime,
        "stable": theory.broken().next().is_none(),
        "nontrivial": theory.is_nontrivial,
        "maximal_update": theory.is_mup(),
        "r": theory.r.to_string(),
        "layers": layers,
        "stability": theory.stability.iter().map(condition).collect::<Vec<_>>(),
        "faithfulness": theory.faithfulness.iter().map(condition).collect::<Vec<_>>(),
        "attention_growth": theory.attention.to_string(),
    })
}
