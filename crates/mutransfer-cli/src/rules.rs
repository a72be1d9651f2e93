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

/// One optimizer for each table that rules have: the heading's word for those who share it, and
/// their names.
const REPRESENTATIVES: [(&str, Optimizer, &str); 6] = [
    ("raw-gradient", Optimizer::Sgd, "sgd, momentum, nesterov"),
    (
        "entrywise",
        Optimizer::AdamW,
        "adam, adamw, lion, rmsprop and all that step entry by entry",
    ),
    ("adafactor", Optimizer::Adafactor, "adafactor"),
    ("lamb", Optimizer::Lamb, "lamb"),
    ("lars", Optimizer::Lars, "lars, layca, fromage"),
    (
        "spectral",
        Optimizer::Muon,
        "muon on hidden matrices; the rest is left to adam",
    ),
];

/// Rules that take parameters, and how they are written.
const PARAMETRIC: [(&str, &str); 4] = [
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

const COLUMNS: [&str; 6] = [
    "role",
    "multiplier",
    "init std",
    "lr",
    "weight decay",
    "eps",
];

/// A rule's table for an optimizer, and whom else it is for.
struct Shown {
    /// The family, or the optimizer that was asked for.
    short: String,
    optimizers: String,
    optimizer: Optimizer,
    table: Table,
}

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
    let named = Rule::NAMED.iter();
    let named = named.map(|rule| (rule.to_string(), rule.summary()));
    let parametric = PARAMETRIC.map(|(name, what)| (name.to_owned(), what.to_owned()));
    let rules: Vec<(String, String)> = named.chain(parametric).collect();
    let families: BTreeMap<String, Vec<String>> = Family::ALL
        .iter()
        .map(|family| (family.to_string(), members(*family)))
        .collect();
    if print == Print::Json {
        return list_json(&rules, &families);
    }
    let rules = rules.into_iter().map(|(name, what)| vec![name, what]);
    say!("{}", grid(print, &["rule", "what it is"], rules.collect()));
    let families = families
        .into_iter()
        .map(|(family, members)| vec![family, members.join(", ")]);
    let families = grid(print, &["family", "optimizers"], families.collect());
    say!("\n{families}");
    Ok(())
}

/// The names of the optimizers of a family.
fn members(family: Family) -> Vec<String> {
    let all = Optimizer::ALL.iter();
    all.filter(|optimizer| optimizer.family() == family)
        .map(Optimizer::to_string)
        .collect()
}

fn list_json(
    rules: &[(String, String)],
    families: &BTreeMap<String, Vec<String>>,
) -> Result<(), Failure> {
    let rules: Vec<_> = rules
        .iter()
        .map(|(name, what)| json!({"rule": name, "summary": what}))
        .collect();
    say_json(&json!({"rules": rules, "optimizers": families}))
}

fn say_json(value: &serde_json::Value) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).context("cannot print JSON")?;
    say!("{text}");
    Ok(())
}

fn show(rule: &Parametrization, optimizer: Option<Optimizer>, print: Print) -> Result<(), Failure> {
    let tables = match optimizer {
        Some(optimizer) => vec![Shown {
            short: optimizer.to_string(),
            optimizers: optimizer.to_string(),
            optimizer,
            table: rule.table(optimizer)?,
        }],
        None => of_families(rule),
    };
    if print == Print::Json {
        let tables = tables.iter().map(|shown| table_json(rule, shown));
        return say_json(&tables.collect());
    }
    for same in merged(&tables) {
        say!("{}", table_text(rule, &same, print));
    }
    Ok(())
}

/// The tables of the families that the rule covers.
fn of_families(rule: &Parametrization) -> Vec<Shown> {
    let all = REPRESENTATIVES.into_iter();
    let shown = all.filter_map(|(short, optimizer, optimizers)| {
        Some(Shown {
            short: short.to_owned(),
            optimizers: optimizers.to_owned(),
            optimizer,
            table: rule.table(optimizer).ok()?,
        })
    });
    shown.collect()
}

/// Tables that are equal but for the kind of decay, together.
fn merged(tables: &[Shown]) -> Vec<Vec<&Shown>> {
    let mut merged: Vec<Vec<&Shown>> = Vec::new();
    for shown in tables {
        let known = merged
            .iter_mut()
            .find(|known| is_same(&known[0].table, &shown.table));
        match known {
            Some(known) => known.push(shown),
            None => merged.push(vec![shown]),
        }
    }
    merged
}

fn is_same(one: &Table, other: &Table) -> bool {
    let mut one = *one;
    one.decay = other.decay;
    one == *other
}

/// Whom a table is for, in a word or two.
fn short(same: &[&Shown]) -> String {
    if same.len() == REPRESENTATIVES.len() {
        return "all optimizers".to_owned();
    }
    let short: Vec<&str> = same.iter().map(|shown| shown.short.as_str()).collect();
    short.join(" and ")
}

/// A table under its heading, with whom it is for.
fn table_text(rule: &Parametrization, same: &[&Shown], print: Print) -> String {
    let is_markdown = print == Print::Markdown;
    let (start, item) = if is_markdown {
        ("### ", "- ")
    } else {
        ("", "")
    };
    let (name, form, short) = (rule.name(), rule.form(), short(same));
    let whom = same.iter().map(|shown| {
        let Shown { optimizers, .. } = shown;
        format!("{item}for {optimizers}, with {} decay\n", shown.table.decay)
    });
    let table = &same[0].table;
    let outside = laws(print, table, Place::Outside);
    let block = match depth(table, Place::Block, Place::Outside) {
        Some(depth) => format!(" {depth}\n"),
        None => format!("\n\n{}\n\n", laws(print, table, Place::Block)),
    };
    let end = branch_end(print, table, item);
    format!(
        "{start}{name} in the form {form}, {short}\n\n{outside}\n\n{}\
         {item}in residual blocks:{block}{end}\
         {item}attention scale: 1/sqrt(head_dim) times {}\n\
         {item}residual branches times {}\n",
        whom.collect::<String>(),
        table.attention,
        table.residual,
    )
}

/// The laws of all roles at a place.
fn laws(print: Print, table: &Table, place: Place) -> String {
    let rho = table.rho_at(Role::Fixed, place).map(|_| "rho");
    let header: Vec<&str> = COLUMNS.into_iter().chain(rho).collect();
    let roles = table.roles();
    let rows = roles.iter().map(|role| {
        let columns = columns(table, *role, place).into_iter();
        let powers = columns.map(|(_, power)| power.to_string());
        std::iter::once(role.to_string()).chain(powers).collect()
    });
    grid(print, &header, rows.collect())
}

/// The powers of a law with their names; Sophia's `rho` is one more.
fn columns(table: &Table, role: Role, place: Place) -> Vec<(&'static str, Power)> {
    let mut columns = table.law_at(role, place).columns().to_vec();
    columns.extend(table.rho_at(role, place).map(|rho| ("rho", rho)));
    columns
}

/// What differs where residual branches end; nothing in most forms.
fn branch_end(print: Print, table: &Table, item: &str) -> String {
    let [end, block] = [Place::BranchEnd, Place::Block];
    let is_same = |role: &Role| table.law_at(*role, end) == table.law_at(*role, block);
    if table.roles().iter().all(is_same) {
        return String::new();
    }
    format!(
        "{item}at the ends of branches:\n\n{}\n\n",
        laws(print, table, end)
    )
}

/// What laws are multiplied with at a place beside those at another, where that is the same for
/// all roles.
fn depth(table: &Table, at: Place, beside: Place) -> Option<String> {
    let factors = |role| factors(table, role, at, beside);
    let hidden = factors(Role::Hidden);
    if table
        .roles()
        .into_iter()
        .any(|role| factors(role) != hidden)
    {
        return None;
    }
    let shown: Vec<String> = hidden
        .iter()
        .filter(|(_, factor)| *factor != Power::ONE)
        .map(|(name, factor)| format!("{name} times {factor}"))
        .collect();
    if shown.is_empty() {
        return Some("the same".to_owned());
    }
    Some(shown.join(", "))
}

/// By what each column of a role's law differs at a place from another.
fn factors(table: &Table, role: Role, at: Place, beside: Place) -> Vec<(&'static str, Power)> {
    columns(table, role, at)
        .into_iter()
        .zip(columns(table, role, beside))
        .map(|((name, own), (_, other))| (name, own / other))
        .collect()
}

fn table_json(rule: &Parametrization, shown: &Shown) -> serde_json::Value {
    let table = &shown.table;
    let laws: BTreeMap<String, _> = table
        .roles()
        .iter()
        .map(|role| {
            let outside = law_json(table, *role, Place::Outside);
            let block = law_json(table, *role, Place::Block);
            let end = law_json(table, *role, Place::BranchEnd);
            (
                role.to_string(),
                json!({"outside": outside, "block": block, "branch-end": end}),
            )
        })
        .collect();
    json!({
        "rule": rule.name(),
        "form": rule.form(),
        "optimizer": shown.optimizer,
        "optimizers": shown.optimizers,
        "decay": table.decay,
        "laws": laws,
        "attention": table.attention.to_string(),
        "residual": table.residual.to_string(),
    })
}

fn law_json(table: &Table, role: Role, place: Place) -> BTreeMap<&'static str, String> {
    columns(table, role, place)
        .into_iter()
        .map(|(name, power)| (name, power.to_string()))
        .collect()
}

/// Rows under a header, as text or markdown.
pub(crate) fn grid(print: Print, header: &[&str], rows: Vec<Vec<String>>) -> String {
    if print == Print::Markdown {
        let head: Vec<String> = header.iter().map(|cell| (*cell).to_owned()).collect();
        let rule = format!("|{}", "---|".repeat(header.len()));
        let body = rows.iter().map(|row| markdown_line(row));
        let lines: Vec<String> = [markdown_line(&head), rule]
            .into_iter()
            .chain(body)
            .collect();
        return lines.join("\n");
    }
    let mut grid = table::new(header.iter().copied());
    for row in rows {
        grid.add_row(row);
    }
    grid.to_string()
}

fn markdown_line(cells: &[String]) -> String {
    format!("| {} |", cells.join(" | "))
}
