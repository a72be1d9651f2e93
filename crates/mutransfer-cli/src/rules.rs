//! `mutransfer rules`: the tables, as text, markdown or JSON.

use std::collections::BTreeMap;

use anyhow::Context;
use mutransfer::{Family, Optimizer, Parametrization, Place, Power, Role, Rule, Table};
use serde_json::json;

use crate::args::{Print, RulesOptions};
use crate::failure::Failure;
use crate::model;
use crate::say::say;
use crate::table;

/// One optimizer for each family, whose table is shown.
const REPRESENTATIVES: [(Family, Optimizer, &str); 4] = [
    (
        Family::RawGradient,
        Optimizer::Sgd,
        "sgd, momentum, nesterov",
    ),
    (
        Family::Entrywise,
        Optimizer::AdamW,
        "adam, adamw, lion, rmsprop and all that step entry by entry",
    ),
    (
        Family::Frobenius,
        Optimizer::Lamb,
        "adafactor, lamb, lars and all with a trust ratio",
    ),
    (
        Family::Spectral,
        Optimizer::Muon,
        "muon on hidden matrices; the rest is left to adam",
    ),
];

pub(crate) fn rules(options: &RulesOptions) -> Result<(), Failure> {
    let print = if options.json {
        Print::Json
    } else {
        options.format
    };
    match &options.rule {
        None => list(print),
        Some(name) => show(
            &model::rule(name, &options.choices)?,
            options.optimizer,
            print,
        ),
    }
}

fn list(print: Print) -> Result<(), Failure> {
    let parametric = [
        (
            "uniform:S",
            "uniform family from μP (0) to neural tangent (1/2) (TP4 App. G)",
        ),
        (
            "sp+SWITCH",
            "SP with embedding, norm, attention, last of μP, as sp+embedding+last (2605.21486)",
        ),
        (
            "mup-SWITCH",
            "μP without some of them, as mup-embedding (2605.21486)",
        ),
        ("FILE.toml", "a table of your own"),
    ];
    let named = Rule::NAMED
        .iter()
        .map(|rule| (rule.to_string(), rule.summary()));
    let all: Vec<(String, &str)> = named
        .chain(parametric.map(|(name, what)| (name.to_owned(), what)))
        .collect();
    let optimizers: BTreeMap<String, Vec<String>> = Family::ALL
        .iter()
        .map(|family| {
            let members = Optimizer::ALL
                .iter()
                .filter(|optimizer| optimizer.family() == *family);
            (
                family.to_string(),
                members.map(Optimizer::to_string).collect(),
            )
        })
        .collect();
    if print == Print::Json {
        let rules: Vec<_> = all
            .iter()
            .map(|(name, what)| json!({"rule": name, "summary": what}))
            .collect();
        let text = serde_json::to_string_pretty(&json!({"rules": rules, "optimizers": optimizers}));
        say!("{}", text.context("cannot print JSON")?);
        return Ok(());
    }
    let rows = all
        .into_iter()
        .map(|(name, what)| vec![name, what.to_owned()])
        .collect();
    say!("{}", grid(print, &["rule", "what it is"], rows));
    let rows = optimizers
        .into_iter()
        .map(|(family, members)| vec![family, members.join(", ")])
        .collect();
    say!("\n{}", grid(print, &["family", "optimizers"], rows));
    Ok(())
}

fn show(rule: &Parametrization, optimizer: Option<Optimizer>, print: Print) -> Result<(), Failure> {
    let tables: Vec<(String, Optimizer, Table)> = match optimizer {
        Some(optimizer) => vec![(optimizer.to_string(), optimizer, rule.table(optimizer)?)],
        None => REPRESENTATIVES
            .into_iter()
            .filter_map(|(_, optimizer, who)| {
                Some((who.to_owned(), optimizer, rule.table(optimizer).ok()?))
            })
            .collect(),
    };
    if print == Print::Json {
        let all: Vec<_> = tables
            .iter()
            .map(|(who, optimizer, table)| table_json(rule, who, *optimizer, table))
            .collect();
        say!(
            "{}",
            serde_json::to_string_pretty(&all).context("cannot print JSON")?
        );
        return Ok(());
    }
    for (who, table) in merged(&tables) {
        let heading = format!(
            "{} in the form {}, for {}",
            rule.name(),
            rule.form(),
            who.join("; ")
        );
        let (start, item) = if print == Print::Markdown {
            ("### ", "- ")
        } else {
            ("", "")
        };
        let header = [
            "role",
            "multiplier",
            "init std",
            "lr",
            "weight decay",
            "eps",
        ];
        say!(
            "{start}{heading}\n\n{}\n",
            grid(print, &header, rows(table, Place::Outside))
        );
        match depth(table) {
            Some(depth) => say!("{item}in residual blocks: {depth}"),
            None => say!(
                "{item}in residual blocks:\n\n{}\n",
                grid(print, &header, rows(table, Place::Block))
            ),
        }
        say!(
            "{item}attention scale: 1/sqrt(head_dim) times {}",
            table.attention
        );
        say!("{item}residual branches times {}\n", table.residual);
    }
    Ok(())
}

/// Tables with the optimizers that they are for and their decay, equal ones together.
fn merged(tables: &[(String, Optimizer, Table)]) -> Vec<(Vec<String>, &Table)> {
    let mut merged: Vec<(Vec<String>, &Table)> = Vec::new();
    for (who, _, table) in tables {
        let who = format!("{who} ({} decay)", table.decay);
        let equal = |(_, known): &&mut (Vec<String>, &Table)| {
            let mut known = **known;
            known.decay = table.decay;
            known == *table
        };
        match merged.iter_mut().find(equal) {
            Some((all, _)) => all.push(who),
            None => merged.push((vec![who], table)),
        }
    }
    merged
}

fn rows(table: &Table, place: Place) -> Vec<Vec<String>> {
    let cells = |role: &Role| {
        table
            .law_at(*role, place)
            .columns()
            .map(|(_, power)| power.to_string())
    };
    Role::ALL
        .iter()
        .map(|role| {
            std::iter::once(role.to_string())
                .chain(cells(role))
                .collect()
        })
        .collect()
}

/// What laws are multiplied with in residual blocks, where that is the same for all roles.
fn depth(table: &Table) -> Option<String> {
    let factors = |role: Role| {
        let (block, outside) = (
            table.law_at(role, Place::Block).columns(),
            table.law(role).columns(),
        );
        block
            .into_iter()
            .zip(outside)
            .map(|((name, inside), (_, outside))| (name, inside / outside))
            .collect::<Vec<_>>()
    };
    let hidden = factors(Role::Hidden);
    let same = Role::ALL.into_iter().all(|role| factors(role) == hidden);
    let shown: Vec<String> = hidden
        .iter()
        .filter(|(_, factor)| *factor != Power::ONE)
        .map(|(name, factor)| format!("{name} times {factor}"))
        .collect();
    same.then(|| {
        if shown.is_empty() {
            "the same".to_owned()
        } else {
            shown.join(", ")
        }
    })
}

fn table_json(
    rule: &Parametrization,
    who: &str,
    optimizer: Optimizer,
    table: &Table,
) -> serde_json::Value {
    let law = |role: Role, place: Place| -> BTreeMap<&str, String> {
        table
            .law_at(role, place)
            .columns()
            .into_iter()
            .map(|(name, power)| (name, Power::to_string(&power)))
            .collect()
    };
    let laws: BTreeMap<String, _> = Role::ALL
        .iter()
        .map(|role| {
            (
                role.to_string(),
                json!({"outside": law(*role, Place::Outside), "block": law(*role, Place::Block)}),
            )
        })
        .collect();
    json!({
        "rule": rule.name(),
        "form": rule.form(),
        "optimizer": optimizer,
        "optimizers": who,
        "decay": table.decay,
        "laws": laws,
        "attention": table.attention.to_string(),
        "residual": table.residual.to_string(),
    })
}

pub(crate) fn grid(print: Print, header: &[&str], rows: Vec<Vec<String>>) -> String {
    if print == Print::Markdown {
        let line = |cells: &[String]| format!("| {} |", cells.join(" | "));
        let head = line(
            &header
                .iter()
                .map(|cell| (*cell).to_owned())
                .collect::<Vec<_>>(),
        );
        let rule = format!("|{}", "---|".repeat(header.len()));
        let body = rows.iter().map(|row| line(row));
        return [head, rule]
            .into_iter()
            .chain(body)
            .collect::<Vec<_>>()
            .join("\n");
    }
    let mut grid = table::new(header.iter().copied());
    rows.into_iter().for_each(|row| {
        grid.add_row(row);
    });
    grid.to_string()
}
