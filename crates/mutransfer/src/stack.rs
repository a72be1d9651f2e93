//! Stacks of blocks: which number in a name counts them, and how many there are.
//!
//! A number in a name may count blocks, stages, experts, or the steps of a sequence inside a block.
//! Which it is follows from what the models have and not from how the name looks.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::Serialize;

use crate::error::WidthsError;
use crate::growth::Growth;
use crate::shape::ParamName;
use crate::sizes::Base;

/// Blocks of one kind in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stack {
    /// What their names have in common before their number, such as `stages.2.blocks`.
    pub name: String,
    /// How many the base has.
    pub base: usize,
    /// How many the target has.
    pub target: usize,
}

/// What stands before a number, with `*` for the numbers of outer stacks, and the stack.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stacks(BTreeMap<String, Stack>);

/// How many blocks base and target are said to have, in all stacks or in the one of this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Declared {
    pub(crate) name: Option<String>,
    pub(crate) base: usize,
    pub(crate) target: usize,
}

/// What tensors are called that hold those of all blocks.
const STACKED: &str = "the stacked tensors";

/// A block has more tensors than a layer, which has a weight and a bias.
const BLOCK: usize = 3;

/// A name of the base, with its growth, or of the target, from one of its numbers on.
#[derive(Clone, Copy)]
struct Entry<'a> {
    number: &'a str,
    rest: &'a str,
    growth: Option<&'a Growth>,
}

impl Entry<'_> {
    /// Whether both have the same tensor under their numbers.
    fn is_like(&self, other: &Self) -> bool {
        (self.rest, self.growth) == (other.rest, other.growth)
    }
}

/// What stands below every index of something numbered.
type Contents<'a> = BTreeMap<usize, Vec<Entry<'a>>>;

/// Something numbered, in both models.
#[derive(Default)]
struct Numbered<'a> {
    base: Contents<'a>,
    target: Contents<'a>,
}

/// What stands before the numbers that are still to be decided, and what has them.
type Undecided<'a> = BTreeMap<String, Numbered<'a>>;

impl Stacks {
    /// The stacks of two models: what is declared, what differs in number, whatever else repeats
    /// the same tensors, and what is stacked in one tensor.
    pub(crate) fn find<'a>(
        base: &'a BTreeMap<ParamName, Growth>,
        target: impl Iterator<Item = &'a ParamName>,
        stacked: BTreeSet<(usize, usize)>,
        declared: &[Declared],
    ) -> Result<Self, WidthsError> {
        let mut stacks = Self::default();
        for (base, target) in stacked {
            let name = STACKED.to_owned();
            let key = format!("{name}, {base} and {target}");
            stacks.0.insert(key, Stack { name, base, target });
        }
        // Number by number: what one counts says which numbers stand beside each other behind it.
        let (mut unsaid, mut is_at_target) = (Vec::new(), false);
        let mut open = Undecided::new();
        for (name, growth) in base {
            add(&mut open, "", name.as_str(), Some(growth));
        }
        for name in target {
            add(&mut open, "", name.as_str(), None);
        }
        while !open.is_empty() {
            let mut next = Undecided::new();
            for (before, numbered) in open {
                let is_stack = numbered.is_stack(&before, declared)?;
                unsaid.extend(numbered.unsaid(&before, is_stack, declared));
                for entry in numbered.entries() {
                    let number = if is_stack { "*" } else { entry.number };
                    let before = format!("{before}{number}");
                    add(&mut next, &before, entry.rest, entry.growth);
                }
                if is_stack {
                    let stack = numbered.stack(shown(&before), declared);
                    is_at_target |= stack.base != numbered.base.len();
                    stacks.0.insert(before, stack);
                }
            }
            open = next;
        }
        stacks.are_as_declared(declared)?;
        match unsaid.into_iter().next() {
            Some((name, blocks)) if is_at_target => Err(WidthsError::UnsaidDepth { name, blocks }),
            _ => Ok(stacks),
        }
    }

    /// Those that differ in number.
    pub(crate) fn growing(&self) -> impl Iterator<Item = &Stack> {
        self.0.values().filter(|stack| stack.base != stack.target)
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Stack> {
        self.0.values()
    }

    /// The name with `*` for the number of every stack that it is in: the same for all blocks.
    pub(crate) fn template(&self, name: &ParamName) -> String {
        let mut template = String::new();
        let rest = self.walk(name, &mut template, |_| ());
        template + rest
    }

    /// Blocks over blocks of the base, of the stacks that the parameter is in; none outside of all.
    pub(crate) fn ratio(&self, name: &ParamName, base: Base) -> Option<f64> {
        let mut product = None;
        self.walk(name, &mut String::new(), |stack| {
            let ratio = stack.target as f64 / base.of(stack.base) as f64;
            product = Some(product.unwrap_or(1.0) * ratio);
        });
        product
    }

    /// Goes through the stacks that a name is in, and gives what stands after its last number.
    fn walk<'a>(
        &self,
        name: &'a ParamName,
        template: &mut String,
        mut within: impl FnMut(&Stack),
    ) -> &'a str {
        let (text, mut at) = (name.as_str(), 0);
        for number in numbers(text) {
            template.push_str(&text[at..number.start]);
            at = number.end;
            match self.0.get(template.as_str()) {
                Some(stack) => {
                    within(stack);
                    template.push('*');
                }
                None => template.push_str(&text[number]),
            }
        }
        &text[at..]
    }

    /// Whether every declaration is about a stack, and counts as the names do.
    fn are_as_declared(&self, declared: &[Declared]) -> Result<(), WidthsError> {
        for declaration in declared {
            let counts = |stack: &&Stack| {
                (stack.base, stack.target) == (declaration.base, declaration.target)
            };
            let is_right = match &declaration.name {
                Some(name) => self
                    .0
                    .values()
                    .filter(counts)
                    .any(|stack| stack.name == *name),
                None if declaration.base == declaration.target => self.growing().next().is_none(),
                None => self.growing().next().is_some() && self.growing().all(|s| counts(&s)),
            };
            if !is_right {
                return Err(WidthsError::OtherDepth {
                    name: declaration.name.clone(),
                    base: declaration.base,
                    target: declaration.target,
                    found: self.0.values().cloned().collect(),
                });
            }
        }
        Ok(())
    }
}

/// Takes the first number of the rest of a name for undecided, if there is one.
fn add<'a>(open: &mut Undecided<'a>, before: &str, text: &'a str, growth: Option<&'a Growth>) {
    let Some(at) = numbers(text).next() else {
        return;
    };
    let Ok(index) = text[at.clone()].parse() else {
        return;
    };
    let entry = Entry {
        number: &text[at.clone()],
        rest: &text[at.end..],
        growth,
    };
    let before = format!("{before}{}", &text[..at.start]);
    let numbered = open.entry(before).or_default();
    let contents = match growth {
        Some(_) => &mut numbered.base,
        None => &mut numbered.target,
    };
    contents.entry(index).or_default().push(entry);
}

impl<'a> Numbered<'a> {
    fn entries(&self) -> impl Iterator<Item = Entry<'a>> {
        let all = self.base.values().chain(self.target.values());
        all.flatten().copied()
    }

    fn is_stack(&self, before: &str, declared: &[Declared]) -> Result<bool, WidthsError> {
        let name = shown(before);
        let (base, target) = (self.base.len(), self.target.len());
        let is_named = |one: &Declared| one.name.as_deref() == Some(name);
        let is_declared = declared.iter().any(is_named);
        if base == target {
            let is_counted = |one: &Declared| one.name.is_none() && one.target == target;
            let enough = if declared.iter().any(is_counted) {
                1
            } else {
                BLOCK
            };
            // What a block has as many of as any other is a part of it.
            let is_within = before.contains('*');
            return Ok(is_declared || (!is_within && self.repeats(enough)));
        }
        if base == 0 || target == 0 {
            return Ok(false);
        }
        if !is_declared && counts_no_blocks(name) {
            let name = name.to_owned();
            return Err(WidthsError::OtherNumber { name, base, target });
        }
        Ok(true)
    }

    /// As it counts, or as it is declared of a base whose shapes are given at the target's number
    /// of blocks.
    fn stack(&self, name: &str, declared: &[Declared]) -> Stack {
        let (counted, target) = (self.base.len(), self.target.len());
        let at_target = |one: &&Declared| {
            one.name.as_deref() == Some(name) && (one.target, counted) == (target, target)
        };
        let own = declared.iter().find(at_target);
        Stack {
            name: name.to_owned(),
            base: own.map_or(counted, |one| one.base),
            target,
        }
    }

    /// The name and number of blocks that nothing is said of. Where shapes of the base are given at
    /// the target's number of blocks, that of the base is then not known.
    fn unsaid(
        &self,
        before: &str,
        is_stack: bool,
        declared: &[Declared],
    ) -> Option<(String, usize)> {
        let (name, blocks) = (shown(before), self.base.len());
        let is_named = |one: &Declared| one.name.as_deref() == Some(name);
        let is_like =
            |one: &Declared| one.name.as_deref().map(unnumbered) == Some(unnumbered(name));
        let is_block = |entries: &Vec<Entry>| {
            entries.len() >= BLOCK && !entries.iter().all(|one| numbers(one.rest).next().is_some())
        };
        let is_known = before.contains('*') || declared.iter().any(is_named);
        let counts = blocks > 1 && blocks == self.target.len();
        let is_stage = is_stack || declared.iter().any(is_like) || self.base.values().all(is_block);
        (!is_known && counts && is_stage).then(|| (name.to_owned(), blocks))
    }

    /// Whether each index has the same tensors of the same sizes, so many at least, and the indices
    /// are the same in both models.
    fn repeats(&self, enough: usize) -> bool {
        let mut all = self.base.values();
        let first = all.next();
        self.base.keys().eq(self.target.keys())
            && self
                .base
                .keys()
                .zip(self.base.keys().skip(1))
                .all(|(a, b)| a + 1 == *b)
            && first.is_some_and(|first| {
                let is_like = |other: &Vec<Entry>| {
                    other.len() == first.len()
                        && other.iter().zip(first).all(|(one, own)| one.is_like(own))
                };
                first.len() >= enough && all.all(is_like)
            })
    }
}

/// Words for what is numbered and not repeated with depth.
fn counts_no_blocks(name: &str) -> bool {
    const OTHERS: [&str; 4] = ["expert", "head", "codebook", "embed"];
    let last = name.rsplit(['.', '/']).next().unwrap_or(name);
    let lower = last.to_ascii_lowercase();
    OTHERS.iter().any(|word| lower.contains(word))
}

/// What stands before a number, as it is said and declared: `stages.2.blocks.` is
/// `stages.2.blocks`.
fn shown(before: &str) -> &str {
    before.trim_end_matches(['.', '/', '_', '['])
}

/// A name without its digits: the same for all stages of a model.
fn unnumbered(name: &str) -> String {
    name.chars().filter(|one| !one.is_ascii_digit()).collect()
}

/// The numbers in a name that end a part of it.
fn numbers(text: &str) -> impl Iterator<Item = Range<usize>> {
    let bytes = text.as_bytes();
    let is_end = move |at: usize| matches!(bytes.get(at), None | Some(b'.' | b'/' | b']'));
    let ends = (1..=bytes.len()).filter(move |&at| bytes[at - 1].is_ascii_digit() && is_end(at));
    ends.map(move |end| {
        let digits = bytes[..end]
            .iter()
            .rev()
            .take_while(|byte| byte.is_ascii_digit());
        end - digits.count()..end
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::{Shape, Shapes};
    use crate::width::Widths;

    fn found(base: &[&str], target: &[&str]) -> Vec<(String, usize, usize)> {
        let shapes = |names: &[&str], width| {
            Shapes::from_iter(names.iter().map(|name| (*name, Shape::new([width, width]))))
        };
        let widths = Widths::between(&shapes(base, 4), &shapes(base, 8)).expect("it grows");
        let target = shapes(target, 16);
        let stacks = Stacks::find(
            &widths.params,
            target.iter().map(|(name, _)| name),
            BTreeSet::new(),
            &[],
        );
        let all = stacks.expect("counts agree").0;
        all.into_values()
            .map(|one| (one.name, one.base, one.target))
            .collect()
    }

    #[test]
    fn numbers_end_a_part() {
        let of = |text| numbers(text).map(|at| &text[at]).collect::<Vec<_>>();
        assert_eq!(of("h_0/conv2d.blocks[12].mlp.2.weight"), ["0", "12", "2"]);
        assert_eq!(of("fc1.weight"), ["1"]);
    }

    #[test]
    fn what_differs_in_number_counts_blocks() {
        let base = ["stem.0", "h_0/mlp.0", "h_0/mlp.2", "h_1/mlp.0", "h_1/mlp.2"];
        let more = ["h_2/mlp.0", "h_2/mlp.2"];
        let target = [&base[..], &more].concat();
        assert_eq!(found(&base, &target), [("h".to_owned(), 2, 3)]);
    }

    #[test]
    fn what_repeats_the_same_tensors_counts_blocks() {
        let block = ["q", "k", "v"].map(|part| [format!("b.0.{part}"), format!("b.1.{part}")]);
        let names: Vec<&str> = block.iter().flatten().map(String::as_str).collect();
        let all = [&names[..], &["t.mlp.0.weight", "t.mlp.2.weight"]].concat();
        assert_eq!(found(&all, &all), [("b".to_owned(), 2, 2)]);
    }
}
