//! Where the optimum lies at each width, how it moves, and what carrying it over costs.

pub(crate) mod analysis;
pub(crate) mod analyze;
pub(crate) mod cost;
pub(crate) mod draw;
pub(crate) mod flag;
pub(crate) mod gap;
pub(crate) mod intervals;
pub(crate) mod joint;
pub(crate) mod noise;
pub(crate) mod number;
pub(crate) mod optimum;
pub(crate) mod point;
pub(crate) mod prediction;
pub(crate) mod regret;
pub(crate) mod resample;
pub(crate) mod rule;
pub(crate) mod scaling;
pub(crate) mod sharing;
pub(crate) mod tables;
pub(crate) mod valley;
pub(crate) mod verdict;
pub(crate) mod window;
