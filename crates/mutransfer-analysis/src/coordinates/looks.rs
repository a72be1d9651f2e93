//! After how many seeds measurements are judged, and with what chance of an error.
//!
//! A check that is made again with more seeds until it decides errs more often than one that is
//! made once. So the chance of an error is shared out among all looks that were planned, whether
//! they are taken or not (Bonferroni), and the result depends on the seeds alone.

/// Chance of an error, of a rule as a whole where it fails and of a cell where it passes: a rule
/// passes only if all its cells do.
const LEVEL: f64 = 0.05;

/// Seeds of the first look; fewer know too little of the noise.
const FIRST: usize = 8;

/// The numbers of seeds after which measurements are judged. By default there is one look, at all
/// seeds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looks(Vec<usize>);

/// Chances of an error in one look, of an interval's both sides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Chances {
    /// Of taking a cell for right.
    pub(crate) pass: f64,
    /// Of taking a cell for wrong.
    pub(crate) fail: f64,
}

impl Looks {
    /// After `most` seeds, and before that after half of them, a quarter and so on, but not after
    /// fewer than eight.
    pub fn up_to(most: usize) -> Self {
        let halves = std::iter::successors(Some(most), |seeds| Some(seeds / 2));
        let mut looks: Vec<usize> = halves.take_while(|seeds| *seeds >= FIRST).collect();
        if looks.is_empty() {
            looks.push(most);
        }
        looks.reverse();
        Self(looks)
    }

    /// The numbers of seeds, fewest first.
    pub fn seeds(&self) -> &[usize] {
        &self.0
    }

    /// Those that so many seeds allow: at least one, at all seeds.
    pub(crate) fn taken(&self, seeds: usize) -> Vec<usize> {
        let mut taken: Vec<usize> = self
            .0
            .iter()
            .copied()
            .filter(|look| *look <= seeds)
            .collect();
        if taken.is_empty() {
            taken.push(seeds);
        }
        taken
    }

    /// In each look, where so many things could fail.
    pub(crate) fn chances(&self, things: usize) -> Chances {
        let pass = LEVEL / self.0.len().max(1) as f64;
        Chances {
            pass,
            fail: pass / things.max(1) as f64,
        }
    }
}
