//! `mutransfer power`: how often a sweep of a design would be judged in each way.

use anyhow::Context;
use mutransfer_analysis::{
    Chance, DRIFTS, Design, Power, Request, Sweeps, display_name, power as simulate, read_tables,
};

use crate::analyze::columns;
use crate::args::PowerOptions;
use crate::failure::Failure;
use crate::model;
use crate::progress::Count;
use crate::say::say;
use crate::table;

pub(crate) fn power(options: &PowerOptions) -> Result<(), Failure> {
    let design = design(options)?;
    let drifts = match &options.drift[..] {
        [] => &DRIFTS,
        drifts => drifts,
    };
    let tables = options.tables as usize;
    let count = Count::new(tables * drifts.len(), "tables");
    let power = simulate(&design, drifts, tables, &|| count.step());
    drop(count);
    if options.json {
        let json = serde_json::to_string_pretty(&power).context("cannot print JSON")?;
        say!("{json}");
    } else {
        print(&power);
    }
    Ok(())
}

/// What was typed, else what a table has, else the usual.
fn design(options: &PowerOptions) -> Result<Design, Failure> {
    check(options)?;
    let known = match &options.from[..] {
        [] => Design::default(),
        _ => measured(options)?,
    };
    let design = Design {
        proxy: options.proxy_width.unwrap_or(known.proxy),
        target: options.target_width.unwrap_or(known.target),
        grid: grid(options, &known.grid),
        seeds: options.seeds.map_or(known.seeds, usize::from),
        curvature: options.curvature.unwrap_or(known.curvature),
        skew: options.skew.unwrap_or(known.skew),
        level: options.level.unwrap_or(known.level),
        rest: options.noise.unwrap_or(known.rest),
        tolerance: options.tolerance,
    };
    if design.target <= design.proxy {
        return Err(Failure::usage(
            format!(
                "the target's width {} is not above the proxy's, {}",
                design.target, design.proxy
            ),
            Some("--proxy-width and --target-width set them"),
        ));
    }
    Ok(design)
}

fn check(options: &PowerOptions) -> Result<(), Failure> {
    let positive = [
        ("--proxy-width", options.proxy_width),
        ("--target-width", options.target_width),
        ("--step", options.step),
        ("--curvature", options.curvature),
        ("--tolerance", Some(options.tolerance)),
    ];
    let not_negative = [("--noise", options.noise), ("--level", options.level)];
    let finite = options.drift.iter().map(|drift| ("--drift", Some(*drift)));
    let finite: Vec<_> = finite.chain([("--skew", options.skew)]).collect();
    refuse(&positive, "a positive number", |value| value > 0.0)?;
    refuse(&not_negative, "zero or a positive number", |value| {
        value >= 0.0
    })?;
    refuse(&finite, "a finite number", |_| true)
}

fn refuse(
    flags: &[(&str, Option<f64>)],
    right: &str,
    is_right: fn(f64) -> bool,
) -> Result<(), Failure> {
    for (flag, value) in flags {
        if let Some(value) = value.filter(|value| !(value.is_finite() && is_right(*value))) {
            return Err(Failure::usage(
                format!("{flag} is {value}"),
                Some(&format!("it must be {right}")),
            ));
        }
    }
    Ok(())
}

/// Values about zero: only their distances matter.
fn grid(options: &PowerOptions, known: &[f64]) -> Vec<f64> {
    if options.values.is_none() && options.step.is_none() {
        return known.to_vec();
    }
    let between = known.len().max(2) - 1;
    let usual = (known[known.len() - 1] - known[0]) / between as f64;
    let (values, step) = (
        options.values.map_or(known.len(), usize::from),
        options.step.unwrap_or(usual),
    );
    let middle = (values - 1) as f64 / 2.0;
    let steps = (0..values).map(|index| step * (index as f64 - middle));
    steps.collect()
}

/// The design of a rule of a table.
fn measured(options: &PowerOptions) -> Result<Design, Failure> {
    let mut files = Vec::new();
    for path in &options.from {
        files.push((path.display().to_string(), model::text(path)?));
    }
    let sweeps = read_tables(&files, &columns(&options.columns)?)?;
    let rule = rule(options, &sweeps)?;
    let request = Request {
        tolerance: options.tolerance,
        ..Request::default()
    };
    Design::of(&sweeps, &rule, &request).ok_or_else(|| {
        Failure::usage(
            format!(
                "the table does not tell how noisy {} is, or has no valley at its widest proxy or \
                 its target",
                display_name(&rule)
            ),
            Some("`mutransfer analyze` says what is missing; or give the design by flags"),
        )
    })
}

fn rule(options: &PowerOptions, sweeps: &Sweeps) -> Result<String, Failure> {
    let names: Vec<&String> = sweeps.rules.keys().collect();
    let listed = || {
        names
            .iter()
            .map(|name| name.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    match (&options.of, &names[..]) {
        (Some(name), _) if sweeps.rules.contains_key(name) => Ok(name.clone()),
        (Some(name), _) => Err(Failure::usage(
            format!("--of {name} is not in the table"),
            Some(&format!("it has {}", listed())),
        )),
        (None, [only]) => Ok((*only).clone()),
        (None, _) => Err(Failure::usage(
            format!("the table has several rules: {}", listed()),
            Some("choose one with --of RULE"),
        )),
    }
}

fn print(power: &Power) {
    let mut table = table::new([
        "drift per doubling",
        "copying costs, nats",
        "transfers",
        "undetermined",
        "fails",
    ]);
    for chance in &power.chances {
        table.add_row(row(chance));
    }
    let Design {
        proxy,
        target,
        grid,
        seeds,
        curvature,
        skew,
        level,
        rest,
        tolerance,
    } = &power.design;
    let noun = if *seeds == 1 { "seed" } else { "seeds" };
    say!(
        "{seeds} {noun} at widths {proxy} and {target}, {} values over {:.2} octaves, curvature \
         {curvature:.4}, skew {skew:.2},\nnoise {rest:.4} nats beside levels of {level:.4}, \
         tolerance {tolerance}: chance of each verdict over {} tables",
        grid.len(),
        grid[grid.len() - 1] - grid[0],
        power.tables
    );
    say!("{table}");
}

fn row(chance: &Chance) -> [String; 5] {
    let percent = |share: f64| format!("{:.1}%", 100.0 * share);
    [
        format!("{:+.2}", chance.drift),
        format!("{:.4}", chance.regret),
        percent(chance.transfers),
        percent(chance.undetermined),
        percent(chance.fails),
    ]
}
