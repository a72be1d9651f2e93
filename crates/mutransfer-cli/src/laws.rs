//! `mutransfer laws`: published laws of learning rate and batch, side by side.

use anyhow::Context;
use mutransfer::{PublishedLaw, RELATIVE_LAWS, published_laws};
use serde_json::{Value, json};

use crate::args::LawsOptions;
use crate::failure::Failure;
use crate::plan::number;
use crate::say::say;
use crate::table;

pub(crate) fn laws(options: &LawsOptions) -> Result<(), Failure> {
    let laws = published_laws();
    if options.json {
        let laws: Vec<Value> = laws.iter().map(|law| law_json(law, options)).collect();
        let text = serde_json::to_string_pretty(&laws).context("cannot print JSON")?;
        say!("{text}");
        return Ok(());
    }
    say!("{}", grid(&laws, options));
    print_spread(&laws, options);
    for (name, what, source) in RELATIVE_LAWS {
        say!("{name} ({source}) has ratios only: {what}");
    }
    for law in laws.iter().filter(|law| !law.note.is_empty()) {
        say!("{}: {}", law.name, law.note);
    }
    Ok(())
}

/// The numbers of a law at the sizes asked for: learning rate, batch, learning rate at the batch
/// given.
fn numbers(law: &PublishedLaw, options: &LawsOptions) -> [Option<f64>; 3] {
    let LawsOptions { params, tokens, .. } = *options;
    let at_batch = |batch| law.rate_at_batch(params, tokens, batch);
    [
        law.learning_rate.map(|rate| rate.at(params, tokens)),
        law.batch.map(|batch| batch.at(params, tokens)),
        options.batch.and_then(at_batch),
    ]
}

fn grid(laws: &[PublishedLaw], options: &LawsOptions) -> String {
    let at_batch = options
        .batch
        .map(|batch| format!("lr at batch {}", number(batch)));
    let header = ["law", "lr", "batch in tokens"].map(str::to_owned);
    let last = ["fitted on", "source"].map(str::to_owned);
    let columns: Vec<String> = header.into_iter().chain(at_batch).chain(last).collect();
    let mut grid = table::new(columns);
    for law in laws {
        let [rate, batch, at_batch] =
            numbers(law, options).map(|own| own.map_or("-".into(), number));
        let at_batch = options.batch.map(|_| at_batch);
        let ends = [fitted(law, options), law.source.to_owned()];
        let row = [law.name.to_owned(), rate, batch];
        grid.add_row(row.into_iter().chain(at_batch).chain(ends));
    }
    grid.to_string()
}

/// What a law was fitted on, and whether that covers what is asked.
fn fitted(law: &PublishedLaw, options: &LawsOptions) -> String {
    let ranges = [
        ("params", law.params),
        ("tokens", law.tokens),
        ("FLOPs", law.compute),
    ];
    let known = ranges.into_iter().filter_map(|(what, range)| {
        range.map(|[least, most]| format!("{} to {} {what}", number(least), number(most)))
    });
    let known = known.collect::<Vec<_>>().join(", ");
    match law.covers(options.params, options.tokens) {
        None => "not known here".to_owned(),
        Some(true) => known,
        Some(false) => format!("{known}: out of range"),
    }
}

/// How far apart the learning rates are.
fn print_spread(laws: &[PublishedLaw], options: &LawsOptions) {
    let rates = laws.iter().filter_map(|law| numbers(law, options)[0]);
    let [least, most] = rates.fold([f64::INFINITY, 0.0f64], |[least, most], rate| {
        [least.min(rate), most.max(rate)]
    });
    say!(
        "learning rates from {} to {}: a factor of {}",
        number(least),
        number(most),
        number((most / least * 10.0).round() / 10.0)
    );
}

fn law_json(law: &PublishedLaw, options: &LawsOptions) -> Value {
    let [rate, batch, at_batch] = numbers(law, options);
    json!({
        "name": law.name,
        "source": law.source,
        "lr": rate,
        "batch": batch,
        "lr_at_batch": at_batch,
        "params": law.params,
        "tokens": law.tokens,
        "compute": law.compute,
        "in_range": law.covers(options.params, options.tokens),
        "note": law.note,
    })
}
