//! What the regret shows, and how many seeds would show it.

use crate::statistics::distribution::student;
use crate::statistics::measured::Measured;
use crate::statistics::needed::Needed;
use crate::transfer::analysis::Transfers;

/// A regret and what its verdict depends on.
pub(crate) struct Regret {
    /// In nats, with an interval that may reach below zero.
    pub(crate) regret: Measured,
    /// How far the optimum moved.
    pub(crate) shift: Measured,
    /// Nats up to which a rule transfers.
    pub(crate) tolerance: f64,
}

impl Regret {
    /// Noise of either sign makes a regret positive. Where the optimum may have moved either way,
    /// there may be none at all, so that it fails only where the optimum has surely moved.
    pub(crate) fn verdict(&self) -> Transfers {
        let (Some([low, high]), false) = (self.regret.interval, self.regret.is_unreliable()) else {
            return Transfers::Undetermined;
        };
        if high <= self.tolerance {
            Transfers::Transfers
        } else if low > self.tolerance && !self.shift.reaches_zero() {
            Transfers::Fails
        } else {
            Transfers::Undetermined
        }
    }

    /// How many seeds in place of so many would decide, if the estimates stayed: intervals shrink
    /// as Student's t over the root of the seeds. `freedom` are the runs to spare, and `widths` how
    /// many widths the regret comes from. None where it is decided, or nothing says how surely it
    /// is known.
    pub(crate) fn needed(&self, seeds: usize, freedom: usize, widths: usize) -> Option<Needed> {
        let is_open = self.verdict() == Transfers::Undetermined;
        let is_known = self.regret.interval.is_some() && !self.regret.is_unreliable();
        if !is_open || !is_known || freedom == 0 {
            return None;
        }
        let length = |seeds: usize, freedom: usize| student(freedom) / (seeds as f64).sqrt();
        // With a single seed the noise is that of the fits, with two that of all widths.
        let spare = if seeds > 2 {
            freedom as f64 / (seeds - 1) as f64
        } else {
            widths as f64
        };
        let now = length(seeds, freedom);
        Some(Needed::above(seeds, |more| {
            let factor = length(more, (spare * (more - 1) as f64) as usize) / now;
            let then = Self {
                regret: self.regret.stretched(factor),
                shift: self.shift.stretched(factor),
                ..*self
            };
            then.verdict() != Transfers::Undetermined
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: f64, interval: [f64; 2], lost: f64) -> Measured {
        Measured {
            value,
            interval: Some(interval),
            lost,
        }
    }

    fn regret(value: f64, interval: [f64; 2], shift: [f64; 2]) -> Regret {
        Regret {
            regret: of(value, interval, 0.0),
            shift: of(f64::midpoint(shift[0], shift[1]), shift, 0.0),
            tolerance: 0.01,
        }
    }

    #[test]
    fn verdicts_need_an_interval_on_one_side_and_a_shift_to_fail() {
        let moved = [0.5, 1.5];
        let cases = [
            (regret(0.002, [-0.001, 0.01], moved), Transfers::Transfers),
            (
                regret(0.002, [-0.001, 0.011], moved),
                Transfers::Undetermined,
            ),
            (regret(0.03, [0.011, 0.05], moved), Transfers::Fails),
            (
                regret(0.03, [0.011, 0.05], [-0.1, 1.5]),
                Transfers::Undetermined,
            ),
        ];
        for (regret, expected) in cases {
            assert_eq!(regret.verdict(), expected);
        }
    }

    #[test]
    fn an_unreliable_interval_gives_no_verdict() {
        for (interval, lost, expected) in [
            ([0.02, 0.04], 0.1, Transfers::Fails),
            ([0.02, 0.04], 0.11, Transfers::Undetermined),
            ([0.0, 0.001], 0.63, Transfers::Undetermined),
        ] {
            let mut found = regret(0.03, interval, [0.5, 1.5]);
            found.regret.lost = lost;
            assert_eq!(found.verdict(), expected);
            assert_eq!(found.needed(2, 2, 2), None);
        }
    }

    /// Half the length with three seeds is 0.012, of which 0.008 are left to the tolerance: with
    /// t(4) = 2.776 over the root of 3 now, t(6) = 2.447 over 2 leaves 0.0092, and t(8) = 2.306
    /// over the root of 5 leaves 0.0077.
    #[test]
    fn the_seeds_that_would_decide_are_counted() {
        let near = regret(0.002, [-0.01, 0.014], [-0.5, 0.9]);
        assert_eq!(near.needed(3, 4, 2), Some(Needed::Seeds(5)));
        // It fails once its shift has a sign as well.
        let far = regret(0.03, [0.005, 0.06], [0.1, 2.0]);
        assert_eq!(far.needed(3, 4, 2), Some(Needed::Seeds(4)));
        let unsure = regret(0.03, [0.005, 0.06], [-0.5, 2.0]);
        assert_eq!(unsure.needed(3, 4, 2), Some(Needed::Seeds(6)));
        let level = regret(0.01, [-0.01, 0.03], [0.1, 2.0]);
        assert_eq!(level.needed(3, 4, 2), Some(Needed::MoreThan(100)));
    }
}
