//! What tuning a proxy costs, as a share of training the target, and of tuning the target itself.

/// Training runs of one size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Runs {
    /// Parameters of the model.
    pub parameters: f64,
    /// Tokens that one run sees.
    pub tokens: f64,
    /// How many runs.
    pub count: f64,
}

impl Runs {
    /// Floating-point operations of all runs: six per parameter and token, forward and backward.
    pub fn operations(&self) -> f64 {
        6.0 * self.parameters * self.tokens * self.count
    }
}

/// Operations of the tuning runs over those of the target (TP5 section 7.4).
///
/// ```
/// use mutransfer_analysis::{Runs, tuning_share};
///
/// // GPT-3 6.7B, tuned on a proxy of 40 million parameters: "about 7 %".
/// let proxy = |tokens, count| Runs { parameters: 40e6, tokens, count };
/// let target = Runs { parameters: 6.7e9, tokens: 300e9, count: 1.0 };
/// let share = tuning_share(&[proxy(4e9, 350.0), proxy(16e9, 117.0)], target);
/// assert!((share - 0.0651).abs() < 5e-5);
/// ```
pub fn tuning_share(tuning: &[Runs], target: Runs) -> f64 {
    tuning.iter().map(Runs::operations).sum::<f64>() / target.operations()
}

/// Runs of one size with the time they took.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Their size in words, such as `width 64`.
    pub size: String,
    /// What was run.
    pub runs: Runs,
    /// Measured seconds of their workers by the clock, summed, where it is known.
    pub seconds: Option<f64>,
}

/// What tuning under one rule costs.
#[derive(Clone, Debug, PartialEq)]
pub struct Cost {
    /// The sweeps at the proxies, smallest first.
    pub proxies: Vec<Group>,
    /// One training run of the target.
    pub target: Group,
    /// A sweep of the same grid at the target.
    pub direct: Group,
    /// What a model sees: `tokens` or `images`.
    pub examples: &'static str,
}

impl Cost {
    /// Operations of the proxies' sweeps over those of one training run of the target.
    pub fn share_of_target(&self) -> f64 {
        self.share_of(&self.target)
    }

    /// Part of the operations of a sweep at the target that the proxies save; negative where they
    /// cost more.
    pub fn saving(&self) -> f64 {
        1.0 - self.share_of(&self.direct)
    }

    /// Worker time of all proxies' sweeps in seconds, where all of it is known.
    pub fn seconds(&self) -> Option<f64> {
        self.proxies.iter().map(|group| group.seconds).sum()
    }

    fn share_of(&self, group: &Group) -> f64 {
        let proxies: Vec<Runs> = self.proxies.iter().map(|group| group.runs).collect();
        tuning_share(&proxies, group.runs)
    }
}
