//! `mutransfer recipe`: published demonstrations, repeated at the size that fits a small computer.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use mutransfer_analysis::{self, Analysis, LOSS_TOLERANCE, LossRow, Measured, with_interval};
use mutransfer_study::curves;
use mutransfer_study::data::{Data, DataKind};
use mutransfer_study::grid::LearningRate;
use mutransfer_study::recipe::{
    self, Comparison, Expected, Finding, Gain, Needed, Quantity, Recipe,
};
use mutransfer_study::trial::Loss;
use mutransfer_study::workbench::Workbench;
use serde_json::{Value, json};

use crate::args::{RecipeCommand, RecipeRunOptions, RunOptions};
use crate::failure::Failure;
use crate::say::{note, say, say_text};
use crate::subject::open_typed;
use crate::transfer::{self, bench, complete, out};
use crate::{model, monitor, table};

/// All that come with the program, by name.
const RECIPES: [(&str, &str); 12] = [
    (
        "tiny-shakespeare",
        include_str!("../../../recipes/tiny-shakespeare.toml"),
    ),
    ("mnist-mlp", include_str!("../../../recipes/mnist-mlp.toml")),
    (
        "mup-widths-adam",
        include_str!("../../../recipes/mup-widths-adam.toml"),
    ),
    (
        "mup-widths-sgd",
        include_str!("../../../recipes/mup-widths-sgd.toml"),
    ),
    (
        "embedding-ablation",
        include_str!("../../../recipes/embedding-ablation.toml"),
    ),
    (
        "depth-tiny-shakespeare",
        include_str!("../../../recipes/depth-tiny-shakespeare.toml"),
    ),
    (
        "depth-no-norm",
        include_str!("../../../recipes/depth-no-norm.toml"),
    ),
    (
        "depth-qk-norm",
        include_str!("../../../recipes/depth-qk-norm.toml"),
    ),
    ("duration", include_str!("../../../recipes/duration.toml")),
    ("batch", include_str!("../../../recipes/batch.toml")),
    (
        "experts-tiny-shakespeare",
        include_str!("../../../recipes/experts-tiny-shakespeare.toml"),
    ),
    (
        "mnist-resnet",
        include_str!("../../../recipes/mnist-resnet.toml"),
    ),
];

pub(crate) fn recipe(command: &RecipeCommand) -> Result<(), Failure> {
    match command {
        RecipeCommand::List => list(),
        RecipeCommand::Show { recipe } => show(recipe),
        RecipeCommand::Run(options) => run(options),
    }
}

fn list() -> Result<(), Failure> {
    let mut table = table::new(["recipe", "what it shows", "data", "time"]);
    for (name, text) in RECIPES {
        let recipe = Recipe::parse(text, Path::new(name))?;
        table.add_row([
            name.to_owned(),
            recipe.title().to_owned(),
            data_kind(recipe.data()).to_owned(),
            recipe.time().to_owned(),
        ]);
    }
    say!("{table}");
    Ok(())
}

fn data_kind(needed: &Needed) -> &'static str {
    match needed {
        Needed::None => "none",
        Needed::Text { .. } => "text",
        Needed::Images { .. } => "images",
    }
}

/// The file itself, which is written to be read.
fn show(name: &str) -> Result<(), Failure> {
    let text = text(name)?;
    Recipe::parse(&text, Path::new(name))?;
    say_text!("{text}");
    Ok(())
}

/// The text of a recipe: of a file, or of one that comes with the program.
fn text(name: &str) -> Result<Cow<'static, str>, Failure> {
    if Path::new(name)
        .extension()
        .is_some_and(|ending| ending == "toml")
    {
        return Ok(model::text(Path::new(name))?.into());
    }
    let known = || RECIPES.map(|(known, _)| known).join(", ");
    let found = RECIPES.iter().find(|(known, _)| *known == name);
    let unknown = || {
        Failure::usage(
            format!("unknown recipe `{name}`; known: {}", known()),
            Some("or name a TOML file"),
        )
    };
    found.map(|(_, text)| Cow::from(*text)).ok_or_else(unknown)
}

fn run(options: &RecipeRunOptions) -> Result<(), Failure> {
    let name = &options.recipe;
    let recipe = Recipe::parse(&text(name)?, Path::new(name))?;
    let study = recipe.study().clone();
    let subject = open_typed(study.subject(), options.data.as_deref(), Arc::default())?;
    check_data(name, recipe.data(), subject.data())?;
    let out = out(&study, None, &options.run);
    let bench = bench(study, subject, &out, &options.run)?;
    let written = recipe.table().map(Comparison::file);
    bench
        .store()
        .check(written.into_iter().chain(["recipe.json"]))?;
    let judged = complete(&bench, &options.run)?;
    if !options.run.json {
        transfer::print(&bench, &judged, false)?;
    }
    let analysis = match recipe.loss() {
        Loss::Validation => judged.analysis,
        Loss::Training => bench.analysis(&judged.ended, Loss::Training)?,
    };
    let gains = match recipe.curves_at() {
        Some(lr) => gains(&bench, lr, &options.run)?,
        None => Vec::new(),
    };
    let findings = write(name, &recipe, &bench, &analysis, &gains, options.run.json)?;
    match findings.iter().filter(|finding| !finding.ok).count() {
        0 => Ok(()),
        missed => Err(Failure::not_as_expected(missed, findings.len())),
    }
}

/// What was given must be what the recipe needs.
fn check_data(name: &str, needed: &Needed, given: &Data) -> Result<(), Failure> {
    match (needed, given.kind) {
        (Needed::None, DataKind::Synthetic)
        | (Needed::Text { .. }, DataKind::Text)
        | (Needed::Images { .. }, DataKind::Images) => Ok(()),
        (Needed::None, _) => Err(Failure::usage(
            format!("recipe {name} makes its own data"),
            Some("leave out --data"),
        )),
        (Needed::Text { from } | Needed::Images { from }, _) => {
            let message = format!(
                "recipe {name} trains on {}: give it with --data PATH",
                data_kind(needed)
            );
            Err(Failure::usage(message, Some(&format!("get {from}"))))
        }
    }
}

/// How much better wider models are along training at one learning rate, and the monitor's figure
/// of it.
fn gains(bench: &Workbench, lr: LearningRate, options: &RunOptions) -> Result<Vec<Gain>, Failure> {
    let store = bench.store();
    let curves = curves::read(store.root())?;
    let along = curves::along(&curves).map_err(Failure::not_monitored)?;
    let mut rows: Vec<LossRow> = Vec::new();
    for rule in bench.study().rules() {
        rows.extend(
            curves::at(&curves, rule.name(), lr.log2.exp2()).flat_map(|curve| curve.rows(along)),
        );
    }
    let judged = mutransfer_analysis::monitor(&rows, along, LOSS_TOLERANCE)?;
    let folder = store.path("monitor");
    monitor::write(&folder, options.foreign.policy(), (&rows, along), &judged)?;
    Ok(recipe::gains(&judged))
}

/// Compares, writes and prints.
fn write(
    name: &str,
    recipe: &Recipe,
    bench: &Workbench,
    analysis: &Analysis,
    gains: &[Gain],
    json: bool,
) -> Result<Vec<Finding>, Failure> {
    let numbers = serde_json::to_value(analysis).context("cannot write JSON")?;
    let findings: Vec<Finding> = recipe
        .expected()
        .iter()
        .map(|expected| expected.judge(&numbers, gains))
        .collect();
    let record = record(name, recipe, &findings, &numbers, gains);
    let record = serde_json::to_string_pretty(&record).context("cannot write JSON")?;
    let store = bench.store();
    store.write("recipe.json", record.as_bytes())?;
    let table = recipe.table();
    let comparison = table.map(|table| (table.file(), table.markdown(analysis)));
    if let Some((file, markdown)) = &comparison {
        store.write(file, markdown.as_bytes())?;
    }
    if json {
        say!("{record}");
    } else {
        let comparison = comparison.as_ref().map(|(_, markdown)| markdown.as_str());
        print(recipe.loss(), &findings, comparison);
    }
    note!("recipe: {}", store.path("recipe.json").display());
    Ok(findings)
}

fn record(
    name: &str,
    recipe: &Recipe,
    findings: &[Finding],
    numbers: &Value,
    gains: &[Gain],
) -> Value {
    json!({
        "recipe": name,
        "title": recipe.title(),
        "source": recipe.source(),
        "differs": recipe.differs(),
        "loss": recipe.loss(),
        "ok": findings.iter().all(|finding| finding.ok),
        "expected": findings,
        "analysis": numbers,
        "gains": gains,
    })
}

fn print(loss: Loss, findings: &[Finding], comparison: Option<&str>) {
    let mut table = table::new(["claim", "quantity", "expected", "measured", ""]);
    for finding in findings {
        let expected = &finding.expected;
        let quantities: Vec<String> = expected.quantities().map(Quantity::to_string).collect();
        table.add_row([
            expected.claim().to_owned(),
            quantities.join("\n- "),
            range(expected),
            measured(finding),
            if finding.ok { "ok" } else { "missed" }.to_owned(),
        ]);
    }
    say!("{}", comparison.unwrap_or(""));
    say!("What the recipe expects, by the {}:\n{table}", loss.name());
}

fn measured(finding: &Finding) -> String {
    let Some(value) = finding.value else {
        return "not found".to_owned();
    };
    let measured = Measured {
        value,
        interval: finding.interval,
        lost: 0.0,
    };
    with_interval(&measured, DECIMALS)
}

/// Decimals of quantities: drifts in octaves and regrets in nats alike.
const DECIMALS: usize = 4;

fn range(expected: &Expected) -> String {
    match expected.bounds() {
        (Some(low), Some(high)) => format!("{} to {}", rounded(low), rounded(high)),
        (Some(low), None) => format!("at least {}", rounded(low)),
        (None, Some(high)) => format!("at most {}", rounded(high)),
        (None, None) => String::new(),
    }
}

/// Without the digits that adding a tolerance leaves.
fn rounded(bound: f64) -> f64 {
    let scale = 10_f64.powi(DECIMALS as i32 + 2);
    (bound * scale).round() / scale
}
