//! `mutransfer recipe`: published demonstrations, repeated at the size that fits a small computer.

use std::borrow::Cow;
use std::path::Path;

use anyhow::Context;
use mutransfer::Rule;
use mutransfer_analysis::record::LossRow;
use mutransfer_analysis::{
    self, Analysis, Columns, LOSS_TOLERANCE, Measured, Request, analysis_json, analyze,
    read_tables, with_interval,
};
use mutransfer_study::curves::{self, Curve};
use mutransfer_study::recipe::{self, Expected, Finding, Loss, Needed, Recipe};
use mutransfer_study::study::{LearningRate, Study};
use mutransfer_study::trial::Data;
use serde_json::{Value, json};

use crate::args::{RecipeCommand, RecipeRunOptions};
use crate::failure::Failure;
use crate::say::{note, say, say_text};
use crate::transfer::{MAX_OCTAVES, Workbench};
use crate::{model, monitor, subject, table};

/// All that come with the program, by name.
const RECIPES: [(&str, &str); 5] = [
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
            recipe.title,
            data_kind(&recipe.data).to_owned(),
            recipe.time,
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
    let data = data(name, &recipe.data, options.data.as_deref())?;
    let bench = Workbench::new(recipe.study.clone(), data, &options.run)?;
    let judged = bench.complete()?;
    if !options.run.json {
        bench.print(&judged, false)?;
    }
    let analysis = analysis(&recipe, &bench)?;
    let gains = recipe
        .curves_at
        .map(|lr| gains(&recipe.study, &bench, lr))
        .transpose()?;
    let findings = write(name, &recipe, &bench, &analysis, gains, options.run.json)?;
    match findings.iter().filter(|finding| !finding.ok).count() {
        0 => Ok(()),
        missed => Err(Failure::not_as_expected(missed, findings.len())),
    }
}

/// What was given, if it is what the recipe needs.
fn data(name: &str, needed: &Needed, path: Option<&Path>) -> Result<Data, Failure> {
    let given = subject::data(path)?;
    match (needed, &given) {
        (Needed::None, Data::Synthetic)
        | (Needed::Text { .. }, Data::Text { .. })
        | (Needed::Images { .. }, Data::Images { .. }) => Ok(given),
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

/// The analysis of what the study has written.
fn analysis(recipe: &Recipe, bench: &Workbench) -> Result<Analysis, Failure> {
    let results = bench.store.path("results.csv");
    let file = (results.display().to_string(), model::text(&results)?);
    let target = Some(recipe.study.target_width as f64);
    let request = Request {
        target,
        max_octaves: MAX_OCTAVES,
        ..Request::default()
    };
    let [loss, other] = recipe.loss.columns().map(str::to_owned);
    let columns = Columns {
        loss,
        ignored: vec![other],
        ..Columns::default()
    };
    Ok(analyze(
        &read_tables(&[file], &columns)?,
        &columns.axis,
        &columns.sweep,
        &request,
    )?)
}

/// How much better wider models are along training at one learning rate, and the monitor's figure
/// of it.
fn gains(study: &Study, bench: &Workbench, lr: LearningRate) -> Result<Value, Failure> {
    let curves = curves::read(&bench.out)?;
    let rules = study.rules.iter().map(Rule::to_string);
    let rows = rules.flat_map(|rule| {
        curves::at(&curves, &rule, lr.log2.exp2())
            .flat_map(Curve::rows)
            .collect::<Vec<_>>()
    });
    let rows: Vec<LossRow> = rows.collect();
    let judged = mutransfer_analysis::monitor(&rows, LOSS_TOLERANCE)?;
    monitor::write(&bench.out.join("monitor"), &rows, &judged)?;
    Ok(recipe::gains(&judged))
}

/// Compares, writes and prints.
fn write(
    name: &str,
    recipe: &Recipe,
    bench: &Workbench,
    analysis: &Analysis,
    gains: Option<Value>,
    json: bool,
) -> Result<Vec<Finding>, Failure> {
    let mut numbers = analysis_json(analysis);
    if let Some(gains) = gains {
        numbers["gains"] = gains;
    }
    let findings: Vec<Finding> = recipe
        .expected
        .iter()
        .map(|expected| expected.judge(&numbers))
        .collect();
    let record = json!({
        "recipe": name,
        "title": recipe.title,
        "source": recipe.source,
        "differs": recipe.differs,
        "loss": recipe.loss,
        "ok": findings.iter().all(|finding| finding.ok),
        "expected": findings,
        "analysis": numbers,
    });
    let record = serde_json::to_string_pretty(&record).context("cannot write JSON")?;
    bench.store.write("recipe.json", record.as_bytes())?;
    let comparison = recipe
        .table
        .as_ref()
        .map(|table| (&table.file, table.markdown(analysis)));
    if let Some((file, markdown)) = &comparison {
        bench.store.write(file, markdown.as_bytes())?;
    }
    if json {
        say!("{record}");
    } else {
        print(
            recipe.loss,
            &findings,
            comparison.as_ref().map(|(_, markdown)| markdown.as_str()),
        );
    }
    note!("recipe: {}", bench.store.path("recipe.json").display());
    Ok(findings)
}

fn print(loss: Loss, findings: &[Finding], comparison: Option<&str>) {
    let mut table = table::new(["claim", "quantity", "expected", "measured", ""]);
    for finding in findings {
        let Finding {
            expected,
            value,
            interval,
            ok,
        } = finding;
        let measured = value.map(|value| {
            with_interval(
                &Measured {
                    value,
                    interval: *interval,
                    lost: 0.0,
                },
                DECIMALS,
            )
        });
        table.add_row([
            expected.claim.clone(),
            expected.quantities().collect::<Vec<_>>().join("\n- "),
            range(expected),
            measured.unwrap_or_else(|| "not found".into()),
            if *ok { "ok" } else { "missed" }.to_owned(),
        ]);
    }
    say!("{}", comparison.unwrap_or(""));
    say!("What the recipe expects, by the {}:\n{table}", loss.name());
}

/// Decimals of quantities: drifts in octaves and regrets in nats alike.
const DECIMALS: usize = 4;

fn range(expected: &Expected) -> String {
    match (expected.low, expected.high) {
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
