//! Searches to their end, and what they are worth on average.

use mutransfer_study::search::{Axis, Flag, Report, Search, Settings};

use crate::valleys::{Valley, random};

/// One thousandth of a nat.
pub(crate) const MNAT: f64 = 0.001;

/// A search from 0 on every axis to its end.
pub(crate) fn search(valley: &Valley, settings: Settings, seeds: usize) -> Option<Report> {
    let limits = |axis: usize| valley.limits.filter(|_| axis == 0);
    let axis = |number: usize| Axis {
        low: limits(number).map(|limits| limits.0),
        high: limits(number).map(|limits| limits.1),
        ..Axis::new(format!("axis {number}"), 0.0)
    };
    let axes = (0..valley.optimum.len()).map(axis).collect();
    let mut search = Search::new(axes, settings).unwrap();
    let noise = &mut random(!settings.seed);
    loop {
        let asked: Vec<(usize, Vec<f64>)> = search
            .ask()
            .into_iter()
            .map(|run| (run.number, run.point.clone()))
            .collect();
        if asked.is_empty() {
            return search.report();
        }
        for (number, point) in asked {
            let losses = valley.measure(&point, seeds, noise);
            search.tell(number, &losses).unwrap();
        }
    }
}

/// Averages over many searches.
#[derive(Debug, Default)]
pub(crate) struct Score {
    /// Runs that they took.
    pub(crate) runs: f64,
    /// In thousandths of a nat.
    pub(crate) regret: f64,
    /// Part of them with a regret of at most five thousandths.
    pub(crate) within_five: f64,
    /// Part of them whose bound holds.
    pub(crate) bound: f64,
    /// Part of them that raise a flag.
    pub(crate) flagged: f64,
}

/// Searches on random valleys.
pub(crate) struct Trial {
    pub(crate) count: u64,
    pub(crate) settings: Settings,
    /// Seeds of each run.
    pub(crate) seeds: usize,
    /// The flag that is counted.
    pub(crate) flag: Flag,
}

impl Trial {
    /// One search for each of so many valleys, of one seed, with at most so many runs.
    pub(crate) fn of(count: u64, budget: usize) -> Self {
        let settings = Settings {
            budget,
            ..Settings::default()
        };
        Self {
            count,
            settings,
            seeds: 1,
            flag: Flag::Budget,
        }
    }

    /// The averages over the valleys of all seeds.
    pub(crate) fn score(&self, valley: impl Fn(u64) -> Valley) -> Score {
        let mut score = Score::default();
        let part = |holds: bool| f64::from(u8::from(holds));
        for seed in 0..self.count {
            let valley = valley(seed);
            let settings = Settings {
                seed,
                ..self.settings
            };
            let report = search(&valley, settings, self.seeds).unwrap();
            let regret = valley.loss(&report.point()) - valley.lowest();
            score.runs += report.runs as f64;
            score.regret += regret / MNAT;
            score.within_five += part(regret <= 5.0 * MNAT);
            score.bound += part(regret <= report.regret_bound);
            score.flagged += part(report.flags.contains(&self.flag));
        }
        let count = self.count as f64;
        Score {
            runs: score.runs / count,
            regret: score.regret / count,
            within_five: score.within_five / count,
            bound: score.bound / count,
            flagged: score.flagged / count,
        }
    }
}
