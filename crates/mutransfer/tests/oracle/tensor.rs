//! Matrices of `f64`, row by row, and keyed noise.

/// `rows` by `columns`: a weight is `[fan_out, fan_in]`, a bias `[fan_out, 1]`, activations are
/// `[batch, features]`.
#[derive(Clone, Debug)]
pub(crate) struct Tensor {
    pub(crate) columns: usize,
    pub(crate) entries: Vec<f64>,
}

impl Tensor {
    pub(crate) fn zeros(rows: usize, columns: usize) -> Self {
        let entries = vec![0.0; rows * columns];
        Self { columns, entries }
    }

    pub(crate) fn normal(rows: usize, columns: usize, seed: u64) -> Self {
        let mut noise = Noise(seed);
        let entries = (0..rows * columns).map(|_| noise.normal()).collect();
        Self { columns, entries }
    }

    pub(crate) fn count(&self) -> usize {
        self.entries.len() / self.columns
    }

    pub(crate) fn rows(&self) -> std::slice::ChunksExact<'_, f64> {
        self.entries.chunks_exact(self.columns)
    }

    pub(crate) fn map(&self, change: impl Fn(f64) -> f64) -> Self {
        Self {
            columns: self.columns,
            entries: self.entries.iter().map(|entry| change(*entry)).collect(),
        }
    }

    pub(crate) fn scaled(&self, by: f64) -> Self {
        self.map(|entry| by * entry)
    }

    pub(crate) fn zip(&self, other: &Self, change: impl Fn(f64, f64) -> f64) -> Self {
        let pairs = self.entries.iter().zip(&other.entries);
        Self {
            columns: self.columns,
            entries: pairs.map(|(own, other)| change(*own, *other)).collect(),
        }
    }

    /// Each row with a vector of as many entries.
    pub(crate) fn zip_rows(&self, vector: &Self, change: impl Fn(f64, f64) -> f64) -> Self {
        let pairs = self.rows().flat_map(|row| row.iter().zip(&vector.entries));
        Self {
            columns: self.columns,
            entries: pairs.map(|(own, other)| change(*own, *other)).collect(),
        }
    }

    /// `self · otherᵀ`
    pub(crate) fn times_transposed(&self, other: &Self) -> Self {
        let entries = self
            .rows()
            .flat_map(|left| other.rows().map(move |right| dot(left, right)))
            .collect();
        Self {
            columns: other.count(),
            entries,
        }
    }

    /// `self · other`
    pub(crate) fn times(&self, other: &Self) -> Self {
        let mut product = Self::zeros(self.count(), other.columns);
        let sums = product.entries.chunks_exact_mut(other.columns);
        for (sum, left) in sums.zip(self.rows()) {
            for (factor, right) in left.iter().zip(other.rows()) {
                add(sum, *factor, right);
            }
        }
        product
    }

    /// `selfᵀ · other`
    pub(crate) fn transposed_times(&self, other: &Self) -> Self {
        let mut product = Self::zeros(self.columns, other.columns);
        for (left, right) in self.rows().zip(other.rows()) {
            let sums = product.entries.chunks_exact_mut(other.columns);
            for (sum, factor) in sums.zip(left) {
                add(sum, *factor, right);
            }
        }
        product
    }

    /// The sum of all rows, as a vector.
    pub(crate) fn summed(&self) -> Self {
        let mut sum = Self::zeros(self.columns, 1);
        for row in self.rows() {
            add(&mut sum.entries, 1.0, row);
        }
        sum
    }

    pub(crate) fn dot(&self, other: &Self) -> f64 {
        dot(&self.entries, &other.entries)
    }

    pub(crate) fn norm(&self) -> f64 {
        self.dot(self).sqrt()
    }

    /// Root mean square of the entries.
    pub(crate) fn rms(&self) -> f64 {
        self.norm() / (self.entries.len() as f64).sqrt()
    }
}

/// Four sums, so that they can be had at once.
pub(crate) fn dot(left: &[f64], right: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (lefts, rights) = (left.chunks(4), right.chunks(4));
    for (left, right) in lefts.zip(rights) {
        for ((sum, left), right) in sums.iter_mut().zip(left).zip(right) {
            *sum += left * right;
        }
    }
    sums.iter().sum()
}

pub(crate) fn add(sum: &mut [f64], factor: f64, other: &[f64]) {
    for (sum, other) in sum.iter_mut().zip(other) {
        *sum += factor * other;
    }
}

/// SplitMix64.
struct Noise(u64);

impl Noise {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}
