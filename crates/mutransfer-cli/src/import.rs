//! `mutransfer import`: runs made elsewhere become finished trials of a study.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use mutransfer_analysis::{Columns, read_runs};
use mutransfer_study::axis::{Axis, Rung};
use mutransfer_study::study::Study;
use mutransfer_study::workbench::{Imported, Workbench};

use crate::args::ImportOptions;
use crate::failure::Failure;
use crate::model;
use crate::say::say;
use crate::written::Written;

pub(crate) fn import(options: &ImportOptions) -> Result<(), Failure> {
    let written = Written::read(&options.study, options.data.as_deref())?;
    let bench = written.open(&options.run)?;
    let is_lines = |path: &&PathBuf| path.extension().is_some_and(|ending| ending == "jsonl");
    let (lines, tables): (Vec<_>, Vec<_>) = options.files.iter().partition(is_lines);
    let mut imported = Imported::default();
    for path in lines {
        let text = model::text(path)?;
        let found = bench
            .import_lines(&text)
            .map_err(|error| in_file(error, path))?;
        imported = sum(imported, found);
    }
    if !tables.is_empty() {
        imported = sum(imported, table(&bench, &tables, options)?);
    }
    let Imported { taken, known } = imported;
    let folder = bench.store().root().display().to_string();
    if options.run.json {
        let line = serde_json::json!({ "imported": taken, "known": known, "folder": folder });
        say!("{line}");
    } else {
        say!("{taken} trials were imported into {folder}, {known} had ended before.");
    }
    Ok(())
}

fn in_file(error: mutransfer_study::error::RunError, path: &Path) -> Failure {
    Failure::from(error).in_file(path)
}

fn sum(one: Imported, other: Imported) -> Imported {
    Imported {
        taken: one.taken + other.taken,
        known: one.known + other.known,
    }
}

fn table(
    bench: &Workbench,
    paths: &[&PathBuf],
    options: &ImportOptions,
) -> Result<Imported, Failure> {
    let mut files = Vec::new();
    for path in paths {
        files.push((path.display().to_string(), model::text(path)?));
    }
    let mut columns = crate::analyze::columns(&options.columns)?;
    if columns.axis == Axis::Width.name() {
        bench.study().axis().name().clone_into(&mut columns.axis);
    }
    for (_, text) in &files {
        keep_own(&mut columns, bench.study(), text);
    }
    let runs = read_runs(&files, &columns)?;
    Ok(bench.import(&runs)?)
}

/// Leaves out the rows of other sizes and lengths, where a table says them.
fn keep_own(columns: &mut Columns, study: &Study, text: &str) {
    let axis = study.axis().name();
    let values =
        |of: fn(&Rung) -> usize| -> BTreeSet<usize> { study.all_sizes().iter().map(of).collect() };
    let own = [
        ("width", values(|rung| rung.sizes.width)),
        ("depth", values(|rung| rung.sizes.depth)),
        ("context", values(|rung| rung.sizes.context)),
        ("steps", values(|rung| rung.budget.steps)),
        ("batch", values(|rung| rung.budget.batch)),
    ];
    // What differs within the study is told apart by its axis.
    let same = own.into_iter().filter_map(|(name, values)| {
        let only = values
            .first()
            .filter(|_| values.len() == 1 && name != axis)?;
        Some((name, *only))
    });
    let header = text.lines().next().unwrap_or_default();
    let names: Vec<&str> = header
        .split([',', ';', '\t'])
        .map(|name| name.trim_matches('"'))
        .collect();
    for (name, value) in same {
        let is_asked = columns.filters.iter().any(|(column, _)| column == name);
        if names.contains(&name) && !is_asked {
            columns.filters.push((name.to_owned(), value.to_string()));
        }
    }
}
