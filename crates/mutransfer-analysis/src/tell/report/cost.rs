//! What tuning cost, in operations and in measured time.

use minijinja::{Value, context};

use crate::tell::report::text::ABSENT;
use crate::transfer::cost::{Cost, Group};

pub(crate) fn cost(cost: &Cost) -> Value {
    let sweeps = cost
        .proxies
        .iter()
        .map(|group| row(format!("tuning at {}", group.size), group, cost));
    let size = &cost.target.size;
    let rest = [
        row(
            format!("tuning at {size} instead, same grid"),
            &cost.direct,
            cost,
        ),
        row(format!("one training run at {size}"), &cost.target, cost),
    ];
    let count: f64 = cost.proxies.iter().map(|group| group.runs.count).sum();
    let operations: f64 = cost
        .proxies
        .iter()
        .map(|group| group.runs.operations())
        .sum();
    let total = context! {
        name => "tuning at all proxies",
        runs => count,
        operations => scientific(operations),
        share => times(cost.share_of_target()),
        seconds => cost.seconds().map_or(ABSENT.to_owned(), duration),
        is_total => true,
    };
    context! {
        sentences => sentences(cost),
        rows => sweeps.chain([total]).chain(rest).collect::<Vec<Value>>(),
        examples => cost.examples,
        timed => cost.seconds().is_some(),
    }
}

fn row(name: String, group: &Group, cost: &Cost) -> Value {
    context! {
        name,
        runs => group.runs.count,
        operations => scientific(group.runs.operations()),
        share => times(group.runs.operations() / cost.target.runs.operations()),
        seconds => group.seconds.map_or(ABSENT.to_owned(), duration),
    }
}

fn sentences(cost: &Cost) -> Vec<String> {
    let size = &cost.target.size;
    let share = two_digits(cost.share_of_target());
    let saving = 100.0 * cost.saving();
    let against = if saving >= 0.0 {
        format!("{saving:.0}% less than")
    } else {
        format!("{:.0}% more than", -saving)
    };
    let operations = format!(
        "Tuning all proxies under one rule took {share} times the operations of one training run \
         at {size}, {against} tuning there with the same grid."
    );
    let mut sentences = vec![operations];
    if let Some(seconds) = cost.seconds() {
        let took = format!(
            "It took {} of worker time on this machine",
            duration(seconds)
        );
        sentences.push(match cost.direct.seconds.map(duration) {
            None => format!("{took}."),
            Some(direct) => format!("{took}; the sweep at {size} took {direct}."),
        });
    }
    sentences
}

fn times(ratio: f64) -> String {
    format!("{} ×", two_digits(ratio))
}

/// Two significant digits.
fn two_digits(ratio: f64) -> String {
    let decimals = (1.0 - ratio.log10().floor()).clamp(0.0, 9.0) as usize;
    format!("{ratio:.decimals$}")
}

/// Mantissa and exponent of ten, for the page to set.
fn scientific(value: f64) -> Value {
    let written = format!("{value:.1e}");
    let (mantissa, exponent) = written.split_once('e').unwrap_or((&written, "0"));
    context! { mantissa, exponent }
}

fn duration(seconds: f64) -> String {
    match seconds {
        short if short < 60.0 => format!("{short:.1} s"),
        medium if medium < 3600.0 => format!("{:.1} min", medium / 60.0),
        long => format!("{:.1} h", long / 3600.0),
    }
}
