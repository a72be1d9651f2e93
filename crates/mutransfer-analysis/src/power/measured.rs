//! The design of a sweep that was run.

use std::collections::BTreeMap;

use crate::power::design::{Design, Power};
use crate::power::simulate::{DRIFTS, power};
use crate::table::sweep::Sweeps;
use crate::transfer::analysis::{Analysis, Request, Transfers};
use crate::transfer::noise::Noise;
use crate::transfer::rule::Rule;

/// Simulated tables behind a chance that a report quotes: off by up to 7 of 100.
const TABLES: usize = 200;

/// Seeds above which chances are not worth the time: what so many leave open is not for want of
/// seeds.
const MOST_SEEDS: usize = 50;

impl Design {
    /// The design of a rule of a table: its widest proxy and its target, the target's values and
    /// valley, and the noise around all optima. None where proxy or target have no valley, or
    /// nothing is known about the noise.
    pub fn of(sweeps: &Sweeps, rule: &str, request: &Request) -> Option<Self> {
        let rule = Rule::new(rule, sweeps.rules.get(rule)?, request);
        let route = rule.route?;
        let target = route.target?;
        let valley = rule.optima[target].valley.as_ref()?;
        let [level, rest] = match Noise::pooled(&rule.noises()) {
            Some(noise) => [noise.level(), noise.rest.value],
            None => [0.0, rule.residual()?.value],
        };
        Some(Self {
            proxy: rule.curves[route.proxy].at,
            target: route.to,
            grid: rule.points[target].iter().map(|point| point.log2).collect(),
            seeds: rule.seeds(route.proxy).min(rule.seeds(target)),
            curvature: valley.curvature,
            skew: valley.skew,
            level: level.sqrt(),
            rest: rest.sqrt(),
            tolerance: request.tolerance,
        })
    }
}

/// What tables like this one can be expected to show, by rule, where the verdict is undetermined.
pub fn power_of_open(
    sweeps: &Sweeps,
    analysis: &Analysis,
    request: &Request,
) -> BTreeMap<String, Power> {
    let open = analysis
        .rules
        .iter()
        .filter(|(_, rule)| rule.verdict == Transfers::Undetermined);
    let designs = open.filter_map(|(name, _)| Some((name, Design::of(sweeps, name, request)?)));
    let few = designs.filter(|(_, design)| design.seeds <= MOST_SEEDS);
    few.map(|(name, design)| (name.clone(), power(&design, &DRIFTS, TABLES, &|| ())))
        .collect()
}
