//! Levenberg and Marquardt's descent to the least squares of a few parameters within bounds.
//!
//! Own code because the bounds are essential and the crate for it knows none, and because the
//! linear algebra crate it needs takes half a minute to compile, for one system of seven equations.

/// Steps at most.
const STEPS: usize = 100;

/// Relative improvement below which the fit is at its end.
const ENOUGH: f64 = 1e-12;

/// A model and its samples: what the model leaves of each, and the derivatives of that.
pub(crate) struct Problem<'a, S, const N: usize> {
    pub(crate) samples: &'a [S],
    pub(crate) residual: fn(&[f64; N], &S) -> (f64, [f64; N]),
}

impl<S, const N: usize> Problem<'_, S, N> {
    /// Squares of what the model leaves, summed.
    pub(crate) fn squares(&self, parameters: &[f64; N]) -> f64 {
        self.samples
            .iter()
            .map(|sample| (self.residual)(parameters, sample).0.powi(2))
            .sum()
    }

    /// The parameters of least squares near `start`, each step kept within bounds.
    pub(crate) fn descend(&self, start: [f64; N], bound: impl Fn(&mut [f64; N])) -> [f64; N] {
        let (mut at, mut height, mut damping) = (start, self.squares(&start), 1e-3);
        for _ in 0..STEPS {
            let Some(mut next) = self.step(&at, damping) else {
                break;
            };
            bound(&mut next);
            let reached = self.squares(&next);
            if reached < height {
                let is_enough = height - reached < ENOUGH * height;
                (at, height, damping) = (next, reached, damping * 0.2);
                if is_enough {
                    break;
                }
            } else if damping > 1e8 {
                break;
            } else {
                damping *= 5.0;
            }
        }
        at
    }

    /// Solves the damped normal equations.
    fn step(&self, at: &[f64; N], damping: f64) -> Option<[f64; N]> {
        let (mut matrix, mut right) = ([[0.0; N]; N], [0.0; N]);
        for sample in self.samples {
            let (residual, slopes) = (self.residual)(at, sample);
            for row in 0..N {
                for column in 0..N {
                    matrix[row][column] += slopes[row] * slopes[column];
                }
                right[row] -= slopes[row] * residual;
            }
        }
        for (index, row) in matrix.iter_mut().enumerate() {
            row[index] = row[index] * (1.0 + damping) + f64::MIN_POSITIVE;
        }
        let change = solve(matrix, right)?;
        Some(std::array::from_fn(|index| at[index] + change[index]))
    }
}

/// Gauss's elimination with pivots.
fn solve<const N: usize>(mut matrix: [[f64; N]; N], mut right: [f64; N]) -> Option<[f64; N]> {
    for column in 0..N {
        let pivot = (column..N).max_by(|a, b| {
            let [a, b] = [a, b].map(|row| matrix[*row][column].abs());
            a.total_cmp(&b)
        })?;
        matrix.swap(column, pivot);
        right.swap(column, pivot);
        let lead = matrix[column];
        for row in (0..N).filter(|row| *row != column) {
            let factor = matrix[row][column] / lead[column];
            for (entry, other) in matrix[row].iter_mut().zip(lead).skip(column) {
                *entry -= factor * other;
            }
            right[row] -= factor * right[column];
        }
    }
    let solution: [f64; N] = std::array::from_fn(|index| right[index] / matrix[index][index]);
    solution
        .iter()
        .all(|value| value.is_finite())
        .then_some(solution)
}
