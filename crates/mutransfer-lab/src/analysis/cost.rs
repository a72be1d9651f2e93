//! What tuning a proxy costs, as a share of training the target.

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
/// use mutransfer_lab::analysis::{Runs, tuning_share};
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
