//! Least squares of a height, a slope and perhaps a bend, at fixed widths.

/// What a line at some widths is made of. All seeds share it, so it is worked out once.
pub(crate) struct Design {
    /// What the sizes are multiplied with to give the slope.
    slope: Vec<f64>,
    /// Orthonormal directions that the line takes up.
    basis: Vec<Vec<f64>>,
}

impl Design {
    /// A straight line in log2 of the width.
    pub(crate) fn straight(widths: &[f64]) -> Self {
        Self::of(widths, None)
    }

    /// A line with a bend of this shape in it.
    pub(crate) fn bent(widths: &[f64], bend: &[f64]) -> Self {
        Self::of(widths, Some(bend))
    }

    fn of(widths: &[f64], bend: Option<&[f64]>) -> Self {
        let mut basis = vec![unit(vec![1.0; widths.len()])];
        basis.extend(bend.map(|bend| unit(without(bend, &basis))));
        // What is left of the widths once height and bend are out sees the slope alone.
        let tilt = without(widths, &basis);
        let length = dot(&tilt, &tilt);
        basis.push(unit(tilt.clone()));
        Self {
            slope: tilt.iter().map(|part| part / length).collect(),
            basis,
        }
    }

    /// The slope of sizes at these widths.
    pub(crate) fn slope(&self, sizes: &[f64]) -> f64 {
        dot(&self.slope, sizes)
    }

    /// Standard error of the slope of sizes with this variance.
    pub(crate) fn error(&self, variance: f64) -> f64 {
        (dot(&self.slope, &self.slope) * variance).sqrt()
    }

    /// What the line leaves of them.
    pub(crate) fn left(&self, sizes: &[f64]) -> Vec<f64> {
        without(sizes, &self.basis)
    }

    /// Widths to spare.
    pub(crate) fn spare(&self) -> usize {
        self.slope.len().saturating_sub(self.basis.len())
    }
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

fn unit(vector: Vec<f64>) -> Vec<f64> {
    let length = dot(&vector, &vector).sqrt();
    vector.into_iter().map(|part| part / length).collect()
}

/// A vector without its parts along orthonormal ones.
fn without(vector: &[f64], basis: &[Vec<f64>]) -> Vec<f64> {
    let mut left = vector.to_vec();
    for one in basis {
        let along = dot(&left, one);
        for (left, part) in left.iter_mut().zip(one) {
            *left -= along * part;
        }
    }
    left
}
