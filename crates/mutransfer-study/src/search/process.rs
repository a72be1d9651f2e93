//! A Gaussian process on a few runs: a constant and a squared exponential.

use nalgebra::{Cholesky, DMatrix, DVector, Dyn};

use super::random::Draws;

/// Standard deviation of the constant, over the amplitude.
const LEVEL: f64 = 10.0;

/// What is added to the diagonal, over the variance, so that rounding leaves it positive.
const JITTER: f64 = 1e-9;

/// Scales of the functions that it draws.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shape {
    /// How far losses stay alike along each axis, in octaves.
    pub(super) lengths: Vec<f64>,
    /// How far they are apart beyond that, in units of the loss.
    pub(super) amplitude: f64,
    /// Standard deviation of the noise of a run, in units of the loss.
    pub(super) noise: f64,
}

impl Shape {
    fn kernel(&self, a: &[f64], b: &[f64]) -> f64 {
        let square: f64 = a
            .iter()
            .zip(b)
            .zip(&self.lengths)
            .map(|((a, b), length)| ((a - b) / length).powi(2))
            .sum();
        self.amplitude.powi(2) * ((-0.5 * square).exp() + LEVEL * LEVEL)
    }

    fn covariance(&self, rows: &[Vec<f64>], columns: &[Vec<f64>]) -> DMatrix<f64> {
        DMatrix::from_fn(rows.len(), columns.len(), |row, column| {
            self.kernel(&rows[row], &columns[column])
        })
    }

    fn variance(&self) -> f64 {
        self.amplitude.powi(2) * (1.0 + LEVEL * LEVEL)
    }
}

/// The process that is left after some runs.
pub(super) struct Process<'a> {
    shape: Shape,
    points: &'a [Vec<f64>],
    factor: Cholesky<f64, Dyn>,
    weights: DVector<f64>,
    center: f64,
    evidence: f64,
}

impl<'a> Process<'a> {
    /// The process of a shape after runs at `points` gave `losses`, each with the variance beside
    /// that of the noise in `vague`; none where rounding makes its covariance singular.
    pub(super) fn of(
        shape: Shape,
        points: &'a [Vec<f64>],
        losses: &[f64],
        vague: &[f64],
    ) -> Option<Self> {
        let mut covariance = shape.covariance(points, points);
        let own = shape.noise.powi(2) + JITTER * shape.variance();
        for (index, vague) in vague.iter().enumerate() {
            covariance[(index, index)] += own + vague;
        }
        let factor = Cholesky::new(covariance)?;
        let center = losses.iter().sum::<f64>() / losses.len() as f64;
        let losses = DVector::from_iterator(losses.len(), losses.iter().map(|loss| loss - center));
        let weights = factor.solve(&losses);
        let diagonal = factor.l_dirty().diagonal();
        let evidence = -0.5 * losses.dot(&weights) - diagonal.map(f64::ln).sum();
        Some(Self {
            shape,
            points,
            factor,
            weights,
            center,
            evidence,
        })
    }

    /// Logarithm of the density of the losses, but for a constant.
    pub(super) fn evidence(&self) -> f64 {
        self.evidence
    }

    pub(super) fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Means of the functions at `at`, and their covariance with those at the runs.
    pub(super) fn means(&self, at: &[Vec<f64>]) -> (DVector<f64>, DMatrix<f64>) {
        let cross = self.shape.covariance(self.points, at);
        let mean = cross.tr_mul(&self.weights).add_scalar(self.center);
        (mean, cross)
    }

    /// Means of the functions at `at`, and what their covariance there is.
    pub(super) fn posterior(&self, at: &[Vec<f64>]) -> (DVector<f64>, DMatrix<f64>) {
        let (mean, mut explained) = self.means(at);
        self.factor
            .l_dirty()
            .solve_lower_triangular_mut(&mut explained);
        let covariance = self.shape.covariance(at, at) - explained.tr_mul(&explained);
        (mean, covariance)
    }
}

/// Functions drawn from a posterior, a column each.
pub(super) fn functions(
    mean: &DVector<f64>,
    covariance: &DMatrix<f64>,
    count: usize,
    draws: &mut Draws,
) -> DMatrix<f64> {
    let size = mean.len();
    let normals = DMatrix::from_fn(size, count, |_, _| draws.normal());
    let root = root(covariance);
    let mut functions = root * normals;
    for mut column in functions.column_iter_mut() {
        column += mean;
    }
    functions
}

/// A lower triangle whose square a covariance is; what rounding made negative in it is zero.
fn root(covariance: &DMatrix<f64>) -> DMatrix<f64> {
    let size = covariance.nrows();
    let scale = covariance.diagonal().max().max(f64::MIN_POSITIVE);
    for exponent in 0..9 {
        let jitter = JITTER * 10.0_f64.powi(exponent) * scale;
        let padded = covariance + DMatrix::from_diagonal_element(size, size, jitter);
        if let Some(factor) = Cholesky::new(padded) {
            return factor.unpack();
        }
    }
    DMatrix::zeros(size, size)
}
