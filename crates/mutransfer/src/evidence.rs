//! Which of the dimensions that differ are widths, and which are sizes of the data.
//!
//! A vocabulary padded to another multiple, a longer context or more mel bins grow as widths do,
//! and with a width's exponent the plan would be wrong without a word. What shows a width: a
//! declared role; a place in a block, where data has none; the factor by which widths grow,
//! together with a layer that writes it and one that reads it; from a delta model, that several
//! layers share it. Where nothing shows it, the size is refused.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::WidthsError;
use crate::growth::{Extent, Growth};
use crate::role::Role;
use crate::shape::{Axes, Layout, ParamName, Shape};

/// How many dimensions a convolution over images has.
const CONVOLUTION: usize = 4;

/// What the base was compared with to see what grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compared {
    /// Another width of the same model: what differs are widths, if its author kept to that.
    Delta,
    /// The target itself, which may differ in more than its widths.
    Target,
}

/// A parameter of the target with what is known of it.
#[derive(Clone, Copy)]
pub(crate) struct Known<'a> {
    pub(crate) name: &'a ParamName,
    pub(crate) growth: &'a Growth,
    pub(crate) shape: &'a Shape,
    pub(crate) in_block: bool,
}

/// A size of the base with that of the target: what has the same two sizes is taken for one thing.
type Class = (usize, usize);

/// What was found of every size.
pub(crate) struct Evidence {
    widths: BTreeSet<Class>,
    data: BTreeSet<Class>,
    layout: Option<Layout>,
    compared: Compared,
    has_blocks: bool,
}

impl Evidence {
    /// From all parameters of a model.
    pub(crate) fn of(known: &[Known], layout: Option<Layout>, compared: Compared) -> Self {
        let uses = Uses::of(known, layout);
        let mut evidence = Self {
            widths: uses.main(compared),
            data: BTreeSet::new(),
            layout,
            compared,
            has_blocks: known.iter().any(|one| one.in_block),
        };
        if uses.0.keys().all(|(base, target)| base == target) {
            evidence.widths = uses.0.into_keys().collect();
            return evidence;
        }
        loop {
            let before = (evidence.widths.len(), evidence.data.len());
            for one in known {
                evidence.declared(one);
            }
            for one in known {
                let found = evidence.shown_by(one, &uses);
                evidence.widths.extend(found);
            }
            if before == (evidence.widths.len(), evidence.data.len()) {
                return evidence;
            }
        }
    }

    /// What is known of a parameter, with only those dimensions growing that are widths.
    pub(crate) fn settle(&self, one: &Known) -> Result<Growth, WidthsError> {
        let mut growth = one.growth.clone();
        let data = self.data_axis(one);
        for (axis, class) in classes(one) {
            let [as_data, as_width] =
                [&self.data, &self.widths].map(|classes| classes.contains(&class));
            let is_open = data.is_none() && growth.declared.is_none();
            if data == Some(axis) || growth.declared == Some(Role::Fixed) || (as_data && !as_width)
            {
                growth.extents[axis] = Extent::Fixed(None);
            } else if is_open && (!as_width || (as_data && !one.in_block)) {
                return Err(self.no_width(one, axis, class));
            }
        }
        let is_open =
            growth.growing().nth(1).is_some() && growth.declared.is_none() && !one.in_block;
        let doubt = match is_open {
            true if is_named_as_an_end(one.name) => "is named as an embedding or a readout",
            // Convolutions are no tables of data.
            true if self.has_blocks
                && self.compared == Compared::Target
                && one.shape.dims.len() < CONVOLUTION =>
            {
                "lies outside of the blocks, where sizes of the data may grow as widths do"
            }
            _ => return Self::is_fixed(one).map(|()| growth),
        };
        Err(WidthsError::Unproven {
            name: one.name.clone(),
            base: one.growth.base_dims(),
            target: one.shape.dims.clone(),
            doubt,
        })
    }

    fn no_width(&self, one: &Known, axis: usize, (base, target): Class) -> WidthsError {
        let mut factors: Vec<f64> = self.widths.iter().copied().map(factor).collect();
        factors.sort_by(f64::total_cmp);
        factors.dedup();
        let widths = match factors[..] {
            [] => "an unknown factor".to_owned(),
            _ => factors.iter().map(rounded).collect::<Vec<_>>().join(", "),
        };
        WidthsError::NoWidth {
            name: one.name.clone(),
            axis,
            base,
            target,
            rank: one.shape.dims.len(),
            widths,
        }
    }

    /// What base and delta agree on is fixed, whatever the target has; in a block, where sizes are
    /// widths, it may have been rounded to the same.
    fn is_fixed(one: &Known) -> Result<(), WidthsError> {
        if matches!(
            one.growth.declared,
            Some(Role::Input | Role::Output | Role::Router | Role::Fixed)
        ) {
            return Ok(());
        }
        for (axis, (extent, &target)) in one.growth.extents.iter().zip(&one.shape.dims).enumerate()
        {
            let Extent::Fixed(Some(base)) = *extent else {
                continue;
            };
            if base != target && one.in_block {
                return Err(WidthsError::SameInDelta {
                    name: one.name.clone(),
                    axis,
                    base,
                    target,
                });
            }
        }
        Ok(())
    }

    fn has_factor(&self, class: Class) -> bool {
        let mut widths = self.widths.iter();
        widths.any(|width| same_factor(*width, class))
    }

    /// Takes what a declared role says of the sizes.
    fn declared(&mut self, one: &Known) {
        if one.growth.declared.is_none() {
            return;
        }
        let data = self.data_axis(one);
        for (axis, class) in classes(one) {
            match one.growth.declared {
                Some(Role::Hidden | Role::ExpertIn | Role::ExpertOut | Role::Vector) => {
                    self.widths.insert(class);
                }
                Some(Role::Fixed) => {
                    self.data.insert(class);
                }
                Some(Role::Input | Role::Output | Role::Router) if data == Some(axis) => {
                    self.data.insert(class);
                }
                Some(Role::Input | Role::Output | Role::Router)
                    if data.is_some() || is_alone(one) =>
                {
                    self.widths.insert(class);
                }
                _ => {}
            }
        }
    }

    /// The axis of a declared embedding or readout that is of the data, where both differ.
    fn data_axis(&self, one: &Known) -> Option<usize> {
        let role = one.growth.declared?;
        let growing: Vec<(usize, Class)> = classes(one).collect();
        let [(first, left), (second, right)] = growing[..] else {
            return None;
        };
        let given = one.growth.axes.or(one.shape.axes);
        let stored = |layout: Layout| layout.axes(one.shape.dims.len());
        let end = |axes: Axes| match role {
            Role::Input => axes.fan_in,
            _ => axes.fan_out,
        };
        match (
            role,
            self.widths.contains(&left),
            self.widths.contains(&right),
        ) {
            (Role::Input | Role::Output | Role::Router, ..) if given.is_some() => {
                let axes = given?;
                end(axes).or_else(|| {
                    let known: Vec<usize> = axes.both().collect();
                    [first, second]
                        .into_iter()
                        .find(|axis| !known.contains(axis))
                })
            }
            (Role::Input | Role::Output | Role::Router, true, false) => Some(second),
            (Role::Input | Role::Output | Role::Router, false, true) => Some(first),
            (Role::Output | Role::Router, ..) => self.layout.and_then(|layout| end(stored(layout))),
            // A table to look rows up in is stored [entries, features] everywhere.
            (Role::Input, ..) if is_named_as_an_end(one.name) => Some(first),
            (Role::Input, ..) => self.layout.and_then(|layout| end(stored(layout))),
            _ => None,
        }
    }

    /// The sizes that a parameter shows to be widths.
    fn shown_by(&self, one: &Known, uses: &Uses) -> Vec<Class> {
        let own: Vec<Class> = classes(one).map(|(_, class)| class).collect();
        if one.growth.declared.is_some() || own.iter().all(|class| self.widths.contains(class)) {
            return Vec::new();
        }
        let is_linked = own.iter().any(|class| self.widths.contains(class));
        let is_shown = |class: &Class| {
            let has_factor = self.has_factor(*class);
            match (one.in_block, self.compared) {
                (true, Compared::Delta) => true,
                (true, Compared::Target) if own.len() > 1 => {
                    is_linked && !is_named_as_data(one.name)
                }
                (true, Compared::Target) => has_factor,
                (false, Compared::Delta) => has_factor || uses.is_shared(*class),
                (false, Compared::Target) => has_factor && uses.is_passed_on(*class),
            }
        };
        // Sizes of the data may happen to be those of a width, which blocks show all the same.
        let is_new =
            |class: &&Class| (one.in_block || !self.data.contains(*class)) && is_shown(class);
        own.iter().filter(is_new).copied().collect()
    }
}

/// Where a size is met.
#[derive(Default)]
struct Use {
    parameters: usize,
    matrices: usize,
    in_block: bool,
    /// The other sizes of the matrices that have it, which may be fixed.
    partners: BTreeSet<Class>,
    is_read: bool,
    /// Whether a matrix has it on both axes, which nothing but a width has.
    is_square: bool,
    /// Whether a parameter is named as an embedding or a readout that has it.
    at_an_end: bool,
}

struct Uses(BTreeMap<Class, Use>);

impl Uses {
    fn of(known: &[Known], layout: Option<Layout>) -> Self {
        let mut uses: BTreeMap<Class, Use> = BTreeMap::new();
        for one in known {
            let rank = one.shape.dims.len();
            let stored = layout.filter(|_| rank > 1).map(|layout| layout.axes(rank));
            let axes = one.growth.axes.or(one.shape.axes).or(stored);
            let is_end = is_named_as_an_end(one.name);
            for (first, class) in classes(one) {
                let has_it = |axis: usize| classes(one).any(|own| own == (axis, class));
                // Once for a class, however many axes have it.
                if (0..first).any(has_it) {
                    continue;
                }
                let entry = uses.entry(class).or_default();
                entry.parameters += 1;
                entry.matrices += usize::from(rank > 1);
                entry.in_block |= one.in_block;
                let others = (0..rank).filter(|axis| !has_it(*axis) && rank > 1);
                entry
                    .partners
                    .extend(others.filter_map(|axis| size(one, axis)));
                let fan_in = axes.and_then(|axes| axes.fan_in);
                entry.is_read |= fan_in.is_some_and(has_it);
                entry.is_square |= (first + 1..rank).any(has_it);
                entry.at_an_end |= is_end;
            }
        }
        Self(uses)
    }

    /// The sizes that most parameters have: that of the residual stream, or of the layers. Without
    /// blocks, and with the target alone to compare, they must be passed on from layer to layer,
    /// and where the sizes grow by several factors one of these may be the data's, but for that of
    /// a square matrix.
    fn main(&self, compared: Compared) -> BTreeSet<Class> {
        let in_block = self.0.values().any(|one| one.in_block);
        let is_candidate = |class: &Class, one: &Use| {
            one.in_block == in_block
                && (in_block
                    || compared == Compared::Delta
                    || self.0.len() == 1
                    || self.is_passed_on(*class))
        };
        let candidates = self
            .0
            .iter()
            .filter(|(class, one)| is_candidate(class, one));
        let most = candidates.clone().map(|(_, one)| one.parameters).max();
        let main = candidates.filter(|(_, one)| Some(one.parameters) == most);
        let main: BTreeSet<Class> = main.map(|(class, _)| *class).collect();
        let mut all = self.0.keys();
        let is_certain = in_block
            || compared == Compared::Delta
            || main.iter().all(|class| self.0[class].is_square)
            || all.all(|class| main.iter().any(|one| same_factor(*one, *class)));
        if is_certain { main } else { BTreeSet::new() }
    }

    /// Whether it leads from one size to another, as a width does: data is met at the two ends, and
    /// both have the same width. What is fused is so many times a width in several matrices; what
    /// is flattened, in the layer that reads a width which no other reads.
    fn is_passed_on(&self, class: Class) -> bool {
        let Some(own) = self.0.get(&class) else {
            return false;
        };
        let is_fused = |(width, _): (&Class, &Use)| {
            own.matrices > 1 && !own.at_an_end && FUSED.contains(&times(*width, class))
        };
        let is_flattened = |(width, other): (&Class, &Use)| {
            !other.is_read && own.is_read && times(*width, class) > 1
        };
        own.is_square
            || own.partners.len() > 1
            || self.0.iter().any(|one| is_fused(one) || is_flattened(one))
    }

    /// Whether several layers have it, and none of them is an end.
    fn is_shared(&self, class: Class) -> bool {
        let found = self.0.get(&class);
        found.is_some_and(|one| one.matrices > 1 && !one.at_an_end)
    }
}

/// As how many times a width a size is stored: queries with keys and values, gates.
const FUSED: [usize; 4] = [2, 3, 4, 6];

/// How many times another size it is in both models; 0 where it is none.
fn times(width: Class, class: Class) -> usize {
    let times = class.0 / width.0;
    let all = width.0.checked_mul(times).zip(width.1.checked_mul(times));
    if all == Some(class) { times } else { 0 }
}

fn same_factor(one: Class, other: Class) -> bool {
    let [base, target, own, grown] = [one.0, one.1, other.0, other.1].map(|size| size as u128);
    base * grown == target * own
}

fn factor((base, target): Class) -> f64 {
    target as f64 / base as f64
}

/// The sizes of an axis, whether it differs or not.
fn size(one: &Known, axis: usize) -> Option<Class> {
    let target = *one.shape.dims.get(axis)?;
    match *one.growth.extents.get(axis)? {
        Extent::Grows(base) => Some((base, target)),
        Extent::Fixed(base) => Some((base.unwrap_or(target), target)),
    }
}

/// The axes that differ, with their sizes.
fn classes<'a>(one: &Known<'a>) -> impl Iterator<Item = (usize, Class)> + use<'a> {
    let extents = one.growth.extents.iter().zip(&one.shape.dims).enumerate();
    extents.filter_map(|(axis, (extent, &target))| match *extent {
        Extent::Grows(base) => Some((axis, (base, target))),
        Extent::Fixed(_) => None,
    })
}

/// Whether one axis differs, and no other does.
fn is_alone(one: &Known) -> bool {
    classes(one).count() == 1
}

/// Words for embeddings and readouts. They make a doubt and never settle one.
const ENDS: [&str; 13] = [
    "embed",
    "wte",
    "wpe",
    "token",
    "tok",
    "pos",
    "position",
    "vocab",
    "head",
    "logits",
    "readout",
    "classifier",
    "score",
];
/// Words for tables of data within blocks.
const DATA: [&str; 5] = ["embed", "position", "vocab", "token", "class"];

/// A factor with at most four places.
fn rounded(factor: &f64) -> String {
    ((factor * 1e4).round() / 1e4).to_string()
}

/// Whether the module that has the parameter is called as an embedding or a readout.
fn is_named_as_an_end(name: &ParamName) -> bool {
    let module = name.module();
    let mut words = module.split(['_', '-']);
    words.any(|word| ENDS.iter().any(|end| word.eq_ignore_ascii_case(end)))
        || contains(module, "embed")
}

fn is_named_as_data(name: &ParamName) -> bool {
    DATA.iter().any(|word| contains(name.as_str(), word))
}

/// Whether a text has a word in it, in letters of any case.
fn contains(text: &str, word: &str) -> bool {
    let mut parts = text.as_bytes().windows(word.len());
    parts.any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
}
