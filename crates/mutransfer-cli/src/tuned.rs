//! `mutransfer transfer` of a study with hyperparameters to be found.

use anyhow::Context;
use mutransfer_analysis::{Measured, display_name, with_interval};
use mutransfer_study::study::Searched;
use mutransfer_study::workbench::{
    AtTarget, Compared, Confirmed, Drift, Tuned, TunedRule, Workbench,
};

use crate::args::RunOptions;
use crate::executor::executor;
use crate::failure::Failure;
use crate::found;
use crate::progress::Progress;
use crate::say::{note, say};

/// Tunes, carries, writes, and prints.
pub(crate) fn tune(
    bench: &Workbench,
    searched: &Searched,
    compares: bool,
    options: &RunOptions,
) -> Result<(), Failure> {
    let (mut executor, manner) = executor(bench, options)?;
    let mut progress = Progress::new(bench, manner);
    let tuned = bench.tune(executor.as_mut(), compares, &mut |event| {
        progress.observe(event);
    })?;
    if options.json {
        say!(
            "{}",
            serde_json::to_string_pretty(&tuned).context("cannot print JSON")?
        );
    } else {
        print(&tuned, searched);
    }
    note!(
        "settings of the target, tensor by tensor: {}",
        bench.store().path("plan.json").display()
    );
    Ok(())
}

fn print(tuned: &Tuned, searched: &Searched) {
    for rule in &tuned.rules {
        let name = display_name(&rule.rule);
        say!("{name}, searched at {}:", rule.proxy);
        say!("{}", found::table(searched.space(), &rule.report));
        say!("{}", found::worth(&rule.report));
        say!("{}", confirmed(&rule.confirmed));
        say!("{}", at_target(rule));
    }
    let Some(first) = tuned.rules.first() else {
        return;
    };
    for compared in &tuned.compared {
        say!("{}", beside(first, compared));
    }
}

fn confirmed(confirmed: &Confirmed) -> String {
    let mut text = format!(
        "At {} its loss is {}",
        confirmed.at,
        loss(confirmed.loss.as_ref())
    );
    for neighbour in &confirmed.neighbours {
        let values = found::named(&neighbour.values.0[..1]);
        text += &match &neighbour.difference {
            None => format!("; {values} diverges"),
            Some(difference) => format!("; {values} has {} more", with_interval(difference, 4)),
        };
    }
    if let Some(shift) = &confirmed.shift {
        let octaves = with_interval(shift, 2);
        text += &format!(". The best learning rate lies {octaves} octaves from the one found");
    }
    text + "."
}

fn at_target(rule: &TunedRule) -> String {
    let AtTarget { at, loss: of, .. } = &rule.target;
    let values = found::named(&rule.values.0);
    let mut text = format!("Carried to {at}, {values}: loss {}", loss(of.as_ref()));
    let worth = (rule.target.expected_regret, rule.target.regret_bound);
    if let (Some(expected), Some(bound)) = worth {
        let Drift { mean, deviation } = rule.target.drift;
        text += &format!(
            ". It is expected to be {expected:.4} above the best there, and {bound:.4} at most \
             with 95 % probability, if the learning rate drifts by {mean:.2} \u{b1} {deviation:.2} \
             octaves a doubling and the rest stays"
        );
    }
    let trainings = rule.operations / rule.target.operations;
    text + &format!(". Tuning took as many operations as {trainings:.2} trainings of the target.")
}

fn beside(first: &TunedRule, compared: &Compared) -> String {
    let name = display_name(&compared.rule);
    let values = found::named(&compared.values.0);
    let (of, runs) = (loss(compared.loss.as_ref()), compared.report.runs);
    let difference = compared
        .difference
        .as_ref()
        .map_or(String::new(), |difference| {
            format!(
                "; what was carried has {} more",
                with_interval(difference, 4)
            )
        });
    let times = compared.operations / first.operations;
    format!(
        "{name} searched at the target itself, {runs} runs, {times:.1} times the operations of the \
         tuning: {values}, loss {of}{difference}."
    )
}

fn loss(of: Option<&Measured>) -> String {
    of.map_or("that of a run that diverged".to_owned(), |of| {
        with_interval(of, 4)
    })
}
