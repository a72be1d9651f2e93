//! The chances of verdicts, by judging simulated tables.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal, StandardUniform};
use rayon::prelude::*;

use crate::power::design::{Chance, Design, Power};
use crate::table::sweep::{Curve, Sweeps, Trials};
use crate::transfer::analysis::{Request, Transfers};
use crate::transfer::analyze::analyze;
use crate::transfer::valley::Valley;

/// Drifts that are tried where none is named: octaves per doubling.
pub const DRIFTS: [f64; 4] = [0.0, -0.25, -0.5, -1.0];

/// Resampled tables behind the intervals of a simulated one: ends of intervals are off by a tenth
/// of their length.
const REPLICATES: usize = 200;

/// Judges so many simulated tables of a design for each true drift, in octaves per doubling of the
/// axis, by [`analyze`]. Optima fall anywhere between the values of the grid, whose middle they lie
/// about. `done` is called after every table, from any thread.
pub fn power(design: &Design, drifts: &[f64], tables: usize, done: &(dyn Fn() + Sync)) -> Power {
    let chance = |&drift: &f64| {
        let keys = (0..tables as u64).into_par_iter();
        let verdicts: Vec<Transfers> = keys
            .map(|key| {
                let verdict = design.verdict(drift, key);
                done();
                verdict
            })
            .collect();
        let share = |kind: Transfers| {
            let count = verdicts.iter().filter(|verdict| **verdict == kind).count();
            count as f64 / tables.max(1) as f64
        };
        Chance {
            drift,
            regret: design.valley(0.0).excess(-design.shift(drift)),
            transfers: share(Transfers::Transfers),
            undetermined: share(Transfers::Undetermined),
            fails: share(Transfers::Fails),
        }
    };
    Power {
        design: design.clone(),
        tables,
        chances: drifts.iter().map(chance).collect(),
    }
}

impl Design {
    /// Octaves from the best value of the proxy to that of the target.
    fn shift(&self, drift: f64) -> f64 {
        drift * (self.target / self.proxy).log2()
    }

    /// The valley about a best value, given as log2, with loss 0 at its bottom.
    fn valley(&self, log2: f64) -> Valley {
        Valley {
            log2,
            loss: 0.0,
            curvature: self.curvature,
            skew: self.skew,
            kept: [f64::NEG_INFINITY, f64::INFINITY],
        }
    }

    /// The verdict on one simulated table. The same key has the same noise for every drift.
    fn verdict(&self, drift: f64, key: u64) -> Transfers {
        let request = Request {
            replicates: REPLICATES,
            tolerance: self.tolerance,
            ..Request::default()
        };
        let analysis = analyze(&self.table(drift, key), "width", "lr", &request);
        analysis.map_or(Transfers::Undetermined, |analysis| {
            let mut rules = analysis.rules.values();
            rules
                .next()
                .map_or(Transfers::Undetermined, |rule| rule.verdict)
        })
    }

    fn table(&self, drift: f64, key: u64) -> Sweeps {
        let mut random = ChaCha8Rng::seed_from_u64(key);
        let ends = self.grid.first().zip(self.grid.last());
        let (low, high) = ends.map_or((0.0, 0.0), |(low, high)| (*low, *high));
        let step = (high - low) / (self.grid.len().max(2) - 1) as f64;
        let off: f64 = StandardUniform.sample(&mut random);
        let middle = f64::midpoint(low, high) + step * (off - 0.5);
        let half = self.shift(drift) / 2.0;
        let curves = [(self.proxy, middle - half), (self.target, middle + half)]
            .map(|(at, log2)| self.curve(at, log2, &mut random));
        Sweeps {
            rules: BTreeMap::from([("rule".to_owned(), curves.to_vec())]),
            ..Sweeps::default()
        }
    }

    fn curve(&self, at: f64, log2: f64, random: &mut ChaCha8Rng) -> Curve {
        let valley = self.valley(log2);
        let mut normal = |deviation: f64| {
            let normal: f64 = StandardNormal.sample(random);
            deviation * normal
        };
        let levels: Vec<f64> = (0..self.seeds).map(|_| normal(self.level)).collect();
        let trials = self.grid.iter().map(|log2| {
            let losses = levels
                .iter()
                .map(|level| valley.at(*log2) + level + normal(self.rest));
            Trials {
                value: log2.exp2(),
                losses: losses.collect(),
                seeds: (0..self.seeds as u64).collect(),
                diverged: 0,
            }
        });
        Curve {
            at,
            trials: trials.collect(),
        }
    }
}
