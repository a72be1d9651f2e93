//! Quantiles and tail probabilities behind intervals and tests.

use statrs::distribution::{ContinuousCDF, FisherSnedecor, StudentsT};

/// The quantile of the normal distribution at 97.5 %, the upper end of a 95% interval.
pub(crate) const NORMAL: f64 = 1.959_963_984_540_054;

const UPPER: f64 = 0.975;

/// Degrees of freedom above which the normal quantile stands in: it is within 0.013 %, while the
/// crate's series no longer converges from 100,000 on.
const MOST: usize = 10_000;

/// The quantile of Student's t at 97.5 %, for one degree of freedom or more.
pub(crate) fn student(freedom: usize) -> f64 {
    if freedom > MOST {
        return NORMAL;
    }
    of_freedom(freedom as f64).map_or(f64::NAN, |student| student.inverse_cdf(UPPER))
}

/// The quantile of Student's t that |t| exceeds with this chance, for one degree of freedom or
/// more.
pub(crate) fn two_sided(chance: f64, freedom: usize) -> f64 {
    of_freedom(freedom.min(MOST) as f64)
        .map_or(f64::NAN, |student| student.inverse_cdf(1.0 - chance / 2.0))
}

/// Probability that |t| is at least this large by chance.
pub(crate) fn two_sided_p(t: f64, freedom: f64) -> f64 {
    of_freedom(freedom).map_or(f64::NAN, |student| 2.0 * student.sf(t.abs()))
}

/// Whether a ratio of two variances with these degrees of freedom is so large that two equal ones
/// give as much with less than this chance. Two variances of zero are equal.
pub(crate) fn exceeds(ratio: f64, above: usize, below: usize, chance: f64) -> bool {
    let fisher = FisherSnedecor::new(above as f64, below as f64);
    let is_rare = |fisher: FisherSnedecor| fisher.sf(ratio) < chance;
    !ratio.is_nan() && (ratio.is_infinite() || fisher.is_ok_and(is_rare))
}

/// None without a degree of freedom.
fn of_freedom(freedom: f64) -> Option<StudentsT> {
    StudentsT::new(0.0, 1.0, freedom).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Quantiles of printed tables, some of them beyond 30 degrees of freedom, where the normal one
    /// is up to 4.1 % too small.
    #[test]
    fn quantiles_are_those_of_student_for_any_number_of_runs() {
        let table = [
            (1, 12.706_204_736),
            (4, 2.776_445_105),
            (30, 2.042_272_456),
            (31, 2.039_513_446),
            (39, 2.022_690_920),
            (99, 1.984_216_952),
            (1000, 1.962_339_081),
        ];
        for (freedom, quantile) in table {
            let found = student(freedom);
            assert!((found - quantile).abs() < 1e-8, "{freedom}: {found}");
        }
        assert!((student(MOST) / student(MOST + 1) - 1.0).abs() < 1.3e-4);
        assert!(student(0).is_nan());
    }

    /// Closed forms for 1 and 2 degrees of freedom; the others are quantiles of printed tables.
    #[test]
    fn probabilities_are_those_of_student() {
        let one = |t: f64| 1.0 - 2.0 / std::f64::consts::PI * t.atan();
        let two = |t: f64| 1.0 - t / (2.0 + t * t).sqrt();
        for t in [0.0, 0.1, 1.0, 3.0, 12.706_204_736, 1000.0] {
            assert!((two_sided_p(t, 1.0) - one(t)).abs() < 1e-13, "{t}");
            assert!((two_sided_p(t, 2.0) - two(t)).abs() < 1e-13, "{t}");
            assert_eq!(two_sided_p(t, 2.0), two_sided_p(-t, 2.0));
        }
        let table = [
            (2.776_445_105, 4.0, 0.05),
            (3.169_272_673, 10.0, 0.01),
            (8.610_301_582, 4.0, 0.001),
            (2.042_272_456, 30.0, 0.05),
            (1.959_963_985, 1e7, 0.05),
        ];
        for (t, freedom, p) in table {
            let found = two_sided_p(t, freedom);
            assert!((found - p).abs() < 1e-7, "{t} {freedom}: {found}");
        }
        assert_eq!(two_sided_p(f64::NEG_INFINITY, 3.0), 0.0);
    }
}
