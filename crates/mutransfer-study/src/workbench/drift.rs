//! How far the best learning rate moves between sizes, and what that costs.

use mutransfer_analysis::Measured;
use serde::Serialize;

/// Standard deviation of the drift of an optimum, in octaves a doubling of the axis, before
/// anything is measured: under μP the recipes of `docs/transfer.md` have -0.1, 0.0 and 0.2.
const USUAL: f64 = 0.15;
/// Under the standard parametrization they have -1.0 and -0.6.
const OF_BASELINE: f64 = 1.0;
const BASELINE: &str = "sp";

/// Half the length of a 95% interval in standard deviations.
const HALF: f64 = 1.96;

/// A drift in octaves a doubling.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Drift {
    /// Its mean.
    pub mean: f64,
    /// Its standard deviation.
    pub deviation: f64,
}

impl Drift {
    /// What is known of it once an optimum was found off by `shift` octaves after so many
    /// doublings.
    pub(super) fn of(rule: &str, doublings: f64, shift: Option<Measured>) -> Self {
        let prior = if rule == BASELINE { OF_BASELINE } else { USUAL };
        let (mut mean, mut precision) = (0.0, prior.powi(-2));
        if let Some(shift) = shift
            && let Some([low, high]) = shift.interval
            && doublings > 0.0
        {
            let deviation = ((high - low) / (2.0 * HALF) / doublings).max(f64::EPSILON);
            let told = deviation.powi(-2);
            mean = told * shift.value / doublings / (precision + told);
            precision += told;
        }
        let deviation = precision.powf(-0.5);
        Self { mean, deviation }
    }

    /// Expected regret after so many doublings, where it is `before` without them.
    pub(super) fn regret(self, before: f64, curvature: Option<f64>, doublings: f64) -> Option<f64> {
        let square = self.mean.powi(2) + self.deviation.powi(2);
        cost(before, curvature, doublings, square)
    }

    /// The same at most, with 95 % probability.
    pub(super) fn bound(self, before: f64, curvature: Option<f64>, doublings: f64) -> Option<f64> {
        let square = (self.mean.abs() + HALF * self.deviation).powi(2);
        cost(before, curvature, doublings, square)
    }
}

/// Half the curvature times the square of the way; without a curvature nothing is known.
fn cost(before: f64, curvature: Option<f64>, doublings: f64, square: f64) -> Option<f64> {
    let curvature = curvature.filter(|curvature| *curvature > 0.0)?;
    Some(before + curvature / 2.0 * doublings.powi(2) * square)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shift(value: f64, margin: f64) -> Measured {
        Measured::of_seeds(&[value - margin, value, value + margin])
    }

    #[test]
    fn without_a_measurement_it_is_the_usual_one() {
        let drift = Drift::of("mup", 1.0, None);
        assert_eq!((drift.mean, drift.deviation), (0.0, USUAL));
        assert_eq!(Drift::of("mup", 0.0, Some(shift(1.0, 0.1))), drift);
        assert_eq!(Drift::of("sp", 1.0, None).deviation, OF_BASELINE);
    }

    #[test]
    fn a_sharp_measurement_is_believed_and_a_blunt_one_is_not() {
        let sharp = Drift::of("mup", 2.0, Some(shift(0.4, 1e-4)));
        assert!((sharp.mean - 0.2).abs() < 1e-4 && sharp.deviation < 1e-3);
        let blunt = Drift::of("mup", 2.0, Some(shift(0.4, 10.0)));
        assert!(blunt.mean.abs() < 1e-3 && (blunt.deviation - USUAL).abs() < 1e-3);
    }

    /// Curvature 0.2 an octave squared, two doublings of 0.15 octaves: 0.1 x 0.3^2.
    #[test]
    fn regret_is_half_the_curvature_times_the_square_of_the_way() {
        let drift = Drift::of("mup", 1.0, None);
        let regret = drift.regret(0.001, Some(0.2), 2.0).unwrap();
        assert!((regret - 0.010).abs() < 1e-12, "{regret}");
        let bound = drift.bound(0.001, Some(0.2), 2.0).unwrap();
        assert!(
            (bound - 0.001 - 0.1 * 0.588_f64.powi(2)).abs() < 1e-12,
            "{bound}"
        );
        assert_eq!(drift.regret(0.001, Some(-0.1), 2.0), None);
        assert_eq!(drift.regret(0.001, None, 2.0), None);
    }
}
