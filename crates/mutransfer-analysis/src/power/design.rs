//! A sweep as it is planned.

use serde::Serialize;

/// A sweep of the widest proxy and of the target under one rule, which is all that a verdict on the
/// transfer comes from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Design {
    /// Value of the axis at the widest proxy.
    pub proxy: f64,
    /// That at the target, which is larger.
    pub target: f64,
    /// Log2 of the values of the hyperparameter that are run at both, smallest first.
    pub grid: Vec<f64>,
    /// Seeds of each run.
    pub seeds: usize,
    /// Second derivative of the loss in ln of the hyperparameter at its best value, in nats.
    pub curvature: f64,
    /// How much steeper the valley is towards large values: the third derivative over the second.
    pub skew: f64,
    /// Standard deviation of the levels of seeds, in nats: what all runs of a size and seed share.
    pub level: f64,
    /// Standard deviation of what is left of a run, in nats.
    pub rest: f64,
    /// Regret in nats up to which a rule transfers.
    pub tolerance: f64,
}

impl Default for Design {
    /// Three seeds on a grid of seven octaves, with the valley and the noise of a small language
    /// model trained for a minute.
    fn default() -> Self {
        Self {
            proxy: 256.0,
            target: 512.0,
            grid: (-10..=-4).map(f64::from).collect(),
            seeds: 3,
            curvature: 0.08,
            skew: 0.5,
            level: 0.02,
            rest: 0.006,
            tolerance: 0.01,
        }
    }
}

/// How often tables of a design are judged in each way.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Power {
    /// The design.
    pub design: Design,
    /// Simulated tables behind each chance.
    pub tables: usize,
    /// One per true drift.
    pub chances: Vec<Chance>,
}

/// Chances of the verdicts where the optimum drifts by so much.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Chance {
    /// Octaves by which the best value of the hyperparameter moves when the axis doubles.
    pub drift: f64,
    /// What copying the proxy's best value then costs, in nats.
    pub regret: f64,
    /// Chance of `transfers`, from 0 to 1.
    pub transfers: f64,
    /// Chance of `undetermined`.
    pub undetermined: f64,
    /// Chance of `fails`.
    pub fails: f64,
}

impl std::fmt::Display for Power {
    /// A clause: what a rule without drift meets, and one whose drift costs too much.
    ///
    /// ```
    /// use mutransfer_analysis::{Design, power};
    ///
    /// let found = power(&Design::default(), &[0.0, -1.0], 20, &|| ());
    /// assert!(found.to_string().starts_with("of 20 simulated tables like this one, with 3"));
    /// ```
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Design { seeds, rest, .. } = &self.design;
        let noun = if *seeds == 1 { "seed" } else { "seeds" };
        write!(
            f,
            "of {} simulated tables like this one, with {seeds} {noun} and noise of {rest:.4} nats",
            self.tables
        )?;
        if let Some(still) = self.chances.iter().find(|chance| chance.drift == 0.0) {
            let transfers = percent(still.transfers);
            write!(
                f,
                ", {transfers} are judged to transfer where nothing drifts"
            )?;
        }
        let costly = |chance: &&Chance| chance.regret > self.design.tolerance;
        if let Some(Chance {
            drift,
            regret,
            fails,
            ..
        }) = self.chances.iter().find(costly)
        {
            let fails = percent(*fails);
            write!(
                f,
                ", and {fails} to fail where a drift of {drift} octaves per doubling costs \
                 {regret:.4} nats"
            )?;
        }
        Ok(())
    }
}

/// A share as a whole number of percent.
fn percent(share: f64) -> String {
    format!("{:.0}%", 100.0 * share)
}
