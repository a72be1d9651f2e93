//! The further columns of a table: whether its runs differ in anything that is not looked at.

use std::collections::{BTreeSet, HashMap};

/// Index of a file and a line in it.
pub(crate) type Place = (u32, u32);

/// A value and where it was first seen.
type Seen = (String, Place);

/// The values of every further column, per rule and value of the axis.
#[derive(Default)]
pub(crate) struct Settings {
    names: Vec<String>,
    name_index: HashMap<String, usize>,
    /// Per column, per group.
    seen: Vec<Vec<Option<Seen>>>,
    groups: Vec<(u32, f64)>,
    group_index: HashMap<(u32, u64), usize>,
}

/// A column with two values where one is needed.
pub(crate) struct Clash {
    pub(crate) column: String,
    pub(crate) rule: u32,
    pub(crate) first: String,
    pub(crate) second: String,
    /// Where the second one is.
    pub(crate) place: Place,
}

/// Whether two cells say the same: `2` and `2.0` do.
pub(crate) fn same(one: &str, other: &str) -> bool {
    one == other
        || matches!(
            (one.parse::<f64>(), other.parse::<f64>()),
            (Ok(one), Ok(other)) if one == other
        )
}

impl Settings {
    /// How many columns are known.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    /// Index of a column.
    pub(crate) fn column(&mut self, name: &str) -> usize {
        if let Some(known) = self.name_index.get(name) {
            return *known;
        }
        let column = self.names.len();
        self.names.push(name.to_owned());
        self.name_index.insert(name.to_owned(), column);
        self.seen.push(Vec::new());
        column
    }

    /// Index of the runs of one rule at one value of the axis.
    pub(crate) fn group(&mut self, rule: u32, at: f64) -> usize {
        let groups = &mut self.groups;
        *self
            .group_index
            .entry((rule, at.to_bits()))
            .or_insert_with(|| {
                groups.push((rule, at));
                groups.len() - 1
            })
    }

    /// Takes note of a cell. Fails if its group has another value already.
    pub(crate) fn add(
        &mut self,
        column: usize,
        group: usize,
        value: &str,
        place: Place,
    ) -> Result<(), Clash> {
        if self.seen[column].len() <= group {
            self.seen[column].resize(group + 1, None);
        }
        let seen = &self.seen[column];
        match &seen[group] {
            Some((first, _)) if same(first, value) => Ok(()),
            Some((first, _)) => Err(self.clash(column, self.groups[group].0, first, value, place)),
            None => {
                self.seen[column][group] = Some((value.to_owned(), place));
                Ok(())
            }
        }
    }

    fn clash(&self, column: usize, rule: u32, first: &str, second: &str, place: Place) -> Clash {
        let (first, second) = (first.to_owned(), second.to_owned());
        Clash {
            column: self.names[column].clone(),
            rule,
            first,
            second,
            place,
        }
    }

    /// The columns that change along with the axis. Fails on one that changes otherwise within a
    /// rule: two values of the axis that share a value, or values that go up and down, are no
    /// ladder but different experiments.
    pub(crate) fn along(&self) -> Result<Vec<String>, Clash> {
        let rules: BTreeSet<u32> = self.groups.iter().map(|group| group.0).collect();
        let mut along = BTreeSet::new();
        for column in 0..self.names.len() {
            for &rule in &rules {
                let ladder = self.ladder(column, rule);
                let Some([first, second]) = first_change(&ladder) else {
                    continue;
                };
                if !climbs(&ladder) {
                    return Err(self.clash(column, rule, &first.0, &second.0, second.1));
                }
                along.insert(self.names[column].clone());
            }
        }
        Ok(along.into_iter().collect())
    }

    /// The values of a column for one rule, in the order of the axis.
    fn ladder(&self, column: usize, rule: u32) -> Vec<&Seen> {
        let mut steps: Vec<(f64, &Seen)> = (self.groups.iter().zip(&self.seen[column]))
            .filter(|((owner, _), _)| *owner == rule)
            .filter_map(|((_, at), seen)| Some((*at, seen.as_ref()?)))
            .collect();
        steps.sort_by(|a, b| a.0.total_cmp(&b.0));
        steps.into_iter().map(|(_, seen)| seen).collect()
    }
}

/// The first two neighbours that differ.
fn first_change<'a>(ladder: &[&'a Seen]) -> Option<[&'a Seen; 2]> {
    ladder
        .windows(2)
        .find(|pair| !same(&pair[0].0, &pair[1].0))
        .map(|pair| [pair[0], pair[1]])
}

/// Whether every step of the ladder has a value of its own, numbers in rising or falling order.
fn climbs(ladder: &[&Seen]) -> bool {
    let numbers: Option<Vec<f64>> = ladder.iter().map(|(value, _)| value.parse().ok()).collect();
    if let Some(numbers) = numbers {
        return numbers.is_sorted_by(|a, b| a < b) || numbers.is_sorted_by(|a, b| a > b);
    }
    let texts: BTreeSet<&String> = ladder.iter().map(|(value, _)| value).collect();
    texts.len() == ladder.len()
}
