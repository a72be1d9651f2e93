//! Experts: whether their layer starts, and learns, as a dense one, however many there are and are
//! active and however wide they are.

use std::collections::BTreeSet;

use mutransfer::{Family, Optimizer};
use mutransfer_models::data::Dataset;
use mutransfer_models::updates::{ExpertChange, Updates, expert_change};
use mutransfer_models::{Architecture, Error, Experts};
use mutransfer_study::rule::NamedRule;

use super::{Ladder, Measured, Usual, WIDTH, check};
use crate::args::CoordOptions;
use crate::coord::ADAM_RATE;
use crate::failure::Failure;

/// A quantity of the layer.
type Quantity = (&'static str, fn(&ExpertChange) -> f64);

/// None of them may follow the experts: a dense layer has none of these to follow.
const QUANTITIES: [Quantity; 5] = [
    ("router's scores at the start", |seen| seen.router),
    ("output of the layer at the start", |seen| seen.output),
    ("change of the output", |seen| seen.change),
    ("own update of what reads", |seen| seen.reading),
    ("own update of what writes, together", |seen| seen.writing),
];

/// A size by its name, with its values and how it is set.
type Axis<'a> = (&'static str, &'a [usize], fn(&mut Experts, usize));

/// Sizes of experts of which one has several values, at the width of the model.
pub(super) struct Mixtures {
    name: &'static str,
    values: BTreeSet<usize>,
    /// The others, and the first of its values.
    first: Experts,
    set: fn(&mut Experts, usize),
}

pub(super) fn along(options: &CoordOptions) -> Result<(), Failure> {
    let width = options.widths.first().copied().unwrap_or(WIDTH);
    let first = options.experts.at(width).ok_or_else(none)?;
    let given = &options.experts;
    let axes: [Axis; 3] = [
        ("active", &given.active, |experts, value| {
            experts.active = value;
        }),
        ("experts", &given.count, |experts, value| {
            experts.count = value;
        }),
        ("expert_width", &given.expert_width, |experts, value| {
            experts.width = Some(value);
        }),
    ];
    let mut several = axes.into_iter().filter(|(_, values, _)| values.len() > 1);
    let (name, values, set) = several.next().ok_or_else(none)?;
    if several.next().is_some() {
        let message = "--active, --experts and --expert-width have several values at once";
        let hint = "give one of them several, and the others one";
        return Err(Failure::usage(message, Some(hint)));
    }
    let values = values.iter().copied().collect();
    check(
        options,
        &Mixtures {
            name,
            values,
            first,
            set,
        },
    )
}

fn none() -> Failure {
    let hint = "give them, as in --experts 16 --active 2,4,8";
    Failure::usage("there are no experts to compare", Some(hint))
}

impl Ladder for Mixtures {
    fn name(&self) -> &'static str {
        self.name
    }

    fn axis(&self) -> &'static str {
        match self.name {
            "active" => "active experts",
            "experts" => "number of experts",
            _ => "width of an expert",
        }
    }

    /// An expert sees a share of the tokens, and what it does to each follows their number where
    /// they are few. A large step leaves the start, where all of this is promised.
    fn usual(&self) -> Usual {
        Usual {
            batch: 32,
            context: 64,
            learning_rate: ADAM_RATE / 4.0,
        }
    }

    fn values(&self) -> &BTreeSet<usize> {
        &self.values
    }

    fn at(&self, usual: &Architecture, value: usize) -> Architecture {
        let mut experts = self.first;
        (self.set)(&mut experts, value);
        let dense = Experts {
            count: 1,
            active: 1,
            width: None,
            shared: 0,
            groups: 1,
            auxiliary: None,
            at: experts.at,
        };
        Architecture {
            experts: Some(experts),
            base_experts: Some(dense),
            ..usual.clone()
        }
    }

    fn promise(&self, _: &NamedRule, optimizer: Optimizer) -> Result<Measured, Failure> {
        if optimizer.family() != Family::Entrywise {
            let message = format!("nothing is known of slopes along experts under {optimizer}");
            return Err(Failure::usage(message, Some("take adam or adamw")));
        }
        Ok(QUANTITIES.iter().map(|(name, _)| (*name, 0.0)).collect())
    }

    fn measure(&self, updates: &Updates, dataset: &Dataset) -> Result<Measured, Error> {
        let change = expert_change(updates, dataset)?;
        let sizes = QUANTITIES.iter().map(|(name, size)| (*name, size(&change)));
        Ok(sizes.collect())
    }
}
