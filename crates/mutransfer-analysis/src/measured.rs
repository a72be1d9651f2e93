//! Numbers with intervals, and their names.

use serde::Serialize;

use super::slope::{NORMAL, student};

/// Shares of replicates at the ends of a 95% interval.
const ENDS: [f64; 2] = [0.025, 0.975];

/// Share of lost replicates above which an interval is unreliable.
const MOST_LOST: f64 = 0.1;

/// Replicates that an interval needs.
const FEWEST: usize = 20;

/// A number estimated from a table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The estimate.
    pub value: f64,
    /// Its 95% interval; absent where nothing says how noisy it is.
    pub interval: Option<[f64; 2]>,
    /// Share of the resampled tables that had no such number.
    pub lost: f64,
}

impl Measured {
    /// A number without an interval.
    pub(super) fn plain(value: f64) -> Self {
        Self {
            value,
            interval: None,
            lost: 0.0,
        }
    }

    /// A number with the percentile interval of its replicates.
    pub(super) fn of(value: f64, replicates: impl IntoIterator<Item = Option<f64>>) -> Self {
        let all: Vec<Option<f64>> = replicates.into_iter().collect();
        let mut found: Vec<f64> = all.iter().filter_map(|value| *value).collect();
        found.sort_unstable_by(f64::total_cmp);
        if found.len() < FEWEST {
            return Self::plain(value);
        }
        let lost = 1.0 - found.len() as f64 / all.len() as f64;
        Self {
            value,
            interval: Some(ENDS.map(|share| quantile(&found, share))),
            lost,
        }
    }

    /// The interval widened about the value as Student's t is wider than a normal number:
    /// percentiles know nothing of how few seeds their noise was estimated from. `freedom` are the
    /// runs to spare.
    pub(super) fn widened(self, freedom: usize) -> Self {
        let factor = if freedom == 0 {
            1.0
        } else {
            student(freedom) / NORMAL
        };
        let interval = self
            .interval
            .map(|ends| ends.map(|end| self.value + factor * (end - self.value)));
        Self { interval, ..self }
    }

    /// Whether too many replicates were lost to trust the interval.
    pub fn is_unreliable(&self) -> bool {
        self.lost > MOST_LOST
    }
}

/// `-1.00 (-1.20 to -0.80)`.
pub fn with_interval(measured: &Measured, decimals: usize) -> String {
    with_unit(measured, decimals, "")
}

/// `-1.00 octaves (-1.20 to -0.80)`; the unit comes with its space.
pub(super) fn with_unit(measured: &Measured, decimals: usize, unit: &str) -> String {
    let number = |value: f64| {
        // Neither a sign without a digit nor a zero for what is only small.
        let rounded = format!("{value:.decimals$}");
        if rounded.parse() == Ok(0.0) {
            rounded.replace('-', "")
        } else {
            rounded
        }
    };
    let mark = if measured.is_unreliable() {
        ", unreliable"
    } else {
        ""
    };
    match measured.interval {
        None => number(measured.value) + unit,
        Some([low, high]) => format!(
            "{}{unit} ({} to {}{mark})",
            number(measured.value),
            number(low),
            number(high)
        ),
    }
}

fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (
        sorted[place.floor() as usize],
        sorted[place.ceil() as usize],
    );
    below + (above - below) * place.fract()
}

/// What is estimated for every rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Number {
    /// Log2 of the best hyperparameter at the widest minus at the narrowest width with an optimum.
    Drift,
    /// Its slope against log2 of the width: -beta.
    DriftRate,
    /// Exponent of the loss: `loss = L_inf + A width^-alpha`.
    Alpha,
    /// Exponent of the best hyperparameter: `best = B width^-beta`.
    Beta,
    /// Exponent of the curvature in ln of the hyperparameter: `S = S0 width^s`.
    S,
    /// Exponent of the curvature in the hyperparameter itself: s + 2 beta.
    Gamma,
    /// Exponent of what an error of the hyperparameter costs, relative to the reducible loss: alpha
    /// + s.
    Kappa,
    /// The same with alpha from the lowest losses of the grids.
    KappaOfGrid,
    /// Error of one joint fit over all widths and values, in nats.
    Error,
    /// That of the rule divided by that of the reference.
    ErrorRatio,
    /// The loss at infinite width, in nats.
    Limit,
    /// That of the rule minus that of the reference, in nats.
    LimitGap,
    /// Exponent of the distance of the best hyperparameter from its limit.
    GapExponent,
    /// That minus alpha/2: positive where transfer is fast.
    GapMargin,
    /// Log2 of the best hyperparameter at the target minus at the proxy.
    Shift,
    /// Loss at the target with the proxy's best hyperparameter, minus with its own, in nats.
    Regret,
    /// Loss at the target with its own best hyperparameter, in nats.
    TargetLoss,
    /// The regret as a share of what growing from proxy to target gains.
    RelativeRegret,
}

impl Number {
    /// All, with their names in JSON and in tables.
    pub const ALL: [(Self, &'static str, &'static str); 18] = [
        (Self::Drift, "drift_octaves", "drift in octaves"),
        (Self::DriftRate, "drift_rate", "drift per doubling"),
        (Self::Alpha, "alpha", "alpha: exponent of the loss"),
        (Self::Beta, "beta", "beta: exponent of the optimum"),
        (Self::S, "s", "s: exponent of the curvature"),
        (Self::Gamma, "gamma", "gamma: s + 2 beta"),
        (Self::Kappa, "kappa", "kappa: alpha + s"),
        (Self::KappaOfGrid, "kappa_code", "kappa from lowest losses"),
        (Self::Error, "E", "E: error of the joint fit"),
        (Self::ErrorRatio, "E_ratio", "E over that of the reference"),
        (Self::Limit, "L_inf", "L_inf: loss at infinite width"),
        (Self::LimitGap, "R_inf", "R_inf: L_inf minus reference"),
        (
            Self::GapExponent,
            "gap_exponent",
            "b: exponent of the optimum's gap",
        ),
        (Self::GapMargin, "gap_margin", "b - alpha/2"),
        (Self::Shift, "shift_octaves", "shift from proxy to target"),
        (Self::Regret, "regret", "regret in nats"),
        (
            Self::TargetLoss,
            "target_loss",
            "loss at the target, tuned there",
        ),
        (Self::RelativeRegret, "relative_regret", "regret over gain"),
    ];

    /// The number of a name in JSON.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|(_, known, _)| *known == name)
            .map(|(number, ..)| number)
    }

    /// Decimals worth showing: errors and regrets in nats are small.
    pub fn decimals(self) -> usize {
        if matches!(self, Self::Error | Self::Regret) {
            5
        } else {
            3
        }
    }
}
