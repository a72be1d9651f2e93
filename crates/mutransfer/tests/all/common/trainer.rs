//! A tanh MLP with two hidden layers and a trainer in f64, gradients by hand. Straight-line on
//! purpose: it is what the tables are measured against, so it shares nothing with them but a plan's
//! numbers.

use mutransfer::{Axes, Decay, Family, Hyper, Optimizer, Plan, Role, Shape, Shapes};

pub(crate) const INPUTS: usize = 16;
pub(crate) const OUTPUTS: usize = 4;
pub(crate) const BATCH: usize = 32;
pub(crate) const LAYERS: [(&str, Role); 3] = [
    ("input", Role::Input),
    ("hidden", Role::Hidden),
    ("readout", Role::Output),
];

/// The shapes of the network, for planning.
pub(crate) fn shapes(width: usize) -> Shapes {
    let sizes = [[INPUTS, width], [width, width], [width, OUTPUTS]];
    LAYERS
        .iter()
        .zip(sizes)
        .map(|((name, _), dims)| (*name, Shape::new(dims).with_axes(Axes::IN_OUT)))
        .collect()
}

/// What one layer is trained with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    pub(crate) multiplier: f64,
    pub(crate) init_std: f64,
    pub(crate) learning_rate: f64,
    pub(crate) weight_decay: f64,
    pub(crate) eps: f64,
    pub(crate) clip: f64,
}

/// The numbers a plan gives to every layer.
pub(crate) fn numbers(plan: &Plan, hyper: &Hyper) -> [Numbers; 3] {
    LAYERS.map(|(name, _)| numbers_of(plan, name, hyper))
}

/// The numbers a plan gives to a matrix.
pub(crate) fn numbers_of(plan: &Plan, name: &str, hyper: &Hyper) -> Numbers {
    let setting = plan.setting(name, hyper).expect("a layer of the plan");
    Numbers {
        multiplier: setting.multiplier,
        init_std: setting.init_std.expect("a matrix"),
        learning_rate: setting.learning_rate,
        weight_decay: setting.weight_decay,
        eps: setting.eps,
        clip: plan.param(name).expect("a layer of the plan").clip,
    }
}

/// How to train.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recipe {
    pub(crate) optimizer: Optimizer,
    pub(crate) decay: Decay,
    /// Largest global gradient norm, of norms times each layer's `clip`.
    pub(crate) threshold: f64,
}

/// Row-major.
#[derive(Clone)]
pub(crate) struct Matrix {
    columns: usize,
    pub(crate) entries: Vec<f64>,
}

impl Matrix {
    pub(crate) fn normal(rows: usize, columns: usize, seed: u64) -> Self {
        let mut noise = Noise(seed);
        Self {
            columns,
            entries: (0..rows * columns).map(|_| noise.normal()).collect(),
        }
    }

    pub(crate) fn zeros(rows: usize, columns: usize) -> Self {
        Self {
            columns,
            entries: vec![0.0; rows * columns],
        }
    }

    fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.entries.chunks_exact(self.columns)
    }

    pub(crate) fn map(mut self, change: impl Fn(f64) -> f64) -> Self {
        self.entries
            .iter_mut()
            .for_each(|entry| *entry = change(*entry));
        self
    }

    pub(crate) fn zip(mut self, other: &Self, change: impl Fn(f64, f64) -> f64) -> Self {
        self.entries
            .iter_mut()
            .zip(&other.entries)
            .for_each(|(own, other)| *own = change(*own, *other));
        self
    }

    /// `self · otherᵀ`
    pub(crate) fn times_transposed(&self, other: &Self) -> Self {
        let dot = |left: &[f64], right: &[f64]| {
            left.iter()
                .zip(right)
                .map(|(left, right)| left * right)
                .sum()
        };
        let entries = self
            .rows()
            .flat_map(|left| other.rows().map(move |right| dot(left, right)))
            .collect();
        Self {
            columns: other.entries.len() / other.columns,
            entries,
        }
    }

    /// `self · other`
    pub(crate) fn times(&self, other: &Self) -> Self {
        let mut product = Self::zeros(self.entries.len() / self.columns, other.columns);
        for (sum, left) in product
            .entries
            .chunks_exact_mut(other.columns)
            .zip(self.rows())
        {
            for (factor, right) in left.iter().zip(other.rows()) {
                sum.iter_mut()
                    .zip(right)
                    .for_each(|(sum, right)| *sum += factor * right);
            }
        }
        product
    }

    pub(crate) fn transposed(&self) -> Self {
        let rows = self.entries.len() / self.columns;
        let entry = |at: usize| self.entries[at % rows * self.columns + at / rows];
        Self {
            columns: rows,
            entries: (0..self.entries.len()).map(entry).collect(),
        }
    }

    pub(crate) fn norm(&self) -> f64 {
        self.entries
            .iter()
            .map(|entry| entry * entry)
            .sum::<f64>()
            .sqrt()
    }

    /// The nearest orthogonal matrix, by Newton and Schulz's iteration run until it stands still.
    fn orthogonalised(&self) -> Self {
        let norm = self.norm();
        let mut nearest = self.clone().map(|entry| entry / norm);
        for _ in 0..60 {
            let cubed = nearest.times_transposed(&nearest).times(&nearest);
            nearest = nearest.zip(&cubed, |own, cubed| 1.5 * own - 0.5 * cubed);
        }
        nearest
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

pub(crate) struct Layer {
    role: Role,
    /// Stored `[out, in]`.
    pub(crate) weight: Matrix,
    first: Matrix,
    second: Matrix,
    pub(crate) numbers: Numbers,
}

pub(crate) struct Network {
    layers: [Layer; 3],
    inputs: Matrix,
    targets: Matrix,
    step: i32,
}

/// What one step shows before its update.
pub(crate) struct Seen {
    pub(crate) outputs: Vec<f64>,
    pub(crate) gradient_norms: [f64; 3],
}

impl Network {
    pub(crate) fn new(width: usize, numbers: [Numbers; 3]) -> Self {
        let sizes = [[width, INPUTS], [width, width], [OUTPUTS, width]];
        let layers =
            [0, 1, 2].map(|at| Layer::new(LAYERS[at].1, sizes[at], numbers[at], at as u64));
        Self {
            layers,
            inputs: Matrix::normal(BATCH, INPUTS, 7),
            targets: Matrix::normal(BATCH, OUTPUTS, 8),
            step: 0,
        }
    }

    /// One step on the same batch, for half the mean squared error.
    pub(crate) fn step(&mut self, recipe: Recipe) -> Seen {
        self.step += 1;
        let [input, hidden, readout] = &self.layers;
        let through = |layer: &Layer, before: &Matrix| {
            before
                .times_transposed(&layer.weight)
                .map(|entry| layer.numbers.multiplier * entry)
        };
        let first = through(input, &self.inputs).map(f64::tanh); // [batch, width]
        let second = through(hidden, &first).map(f64::tanh); // [batch, width]
        let outputs = through(readout, &second); // [batch, outputs]

        let error = outputs.clone().zip(&self.targets, |output, target| {
            (output - target) / BATCH as f64
        });
        let back = |error: &Matrix, layer: &Layer, activation: &Matrix| {
            let arrived = error
                .times(&layer.weight)
                .map(|entry| layer.numbers.multiplier * entry);
            arrived.zip(activation, |arrived, activation| {
                arrived * (1.0 - activation * activation)
            })
        };
        let second_error = back(&error, readout, &second);
        let first_error = back(&second_error, hidden, &first);
        let gradient = |error: &Matrix, before: &Matrix, layer: &Layer| {
            error
                .transposed()
                .times(before)
                .map(|entry| layer.numbers.multiplier * entry)
        };
        let gradients = [
            gradient(&first_error, &self.inputs, input),
            gradient(&second_error, &first, hidden),
            gradient(&error, &second, readout),
        ];
        let gradient_norms = [0, 1, 2].map(|at| gradients[at].norm());
        let scaled = [0, 1, 2].map(|at| gradient_norms[at] * self.layers[at].numbers.clip);
        let global = scaled.iter().map(|norm| norm * norm).sum::<f64>().sqrt();
        let shrink = (recipe.threshold / global).min(1.0);
        for (layer, gradient) in self.layers.iter_mut().zip(gradients) {
            layer.update(gradient.map(|entry| entry * shrink), recipe, self.step);
        }
        Seen {
            outputs: outputs.entries,
            gradient_norms,
        }
    }
}

impl Layer {
    /// Stored `[out, in]`.
    pub(crate) fn new(
        role: Role,
        [rows, columns]: [usize; 2],
        numbers: Numbers,
        seed: u64,
    ) -> Self {
        Self {
            role,
            weight: Matrix::normal(rows, columns, seed).map(|entry| entry * numbers.init_std),
            first: Matrix::zeros(rows, columns),
            second: Matrix::zeros(rows, columns),
            numbers,
        }
    }

    pub(crate) fn update(&mut self, gradient: Matrix, recipe: Recipe, step: i32) {
        let schedule = 1.0 - 0.05 * f64::from(step - 1);
        let Numbers {
            learning_rate,
            weight_decay,
            ..
        } = self.numbers;
        let learning_rate = schedule * learning_rate;
        let decayed = match recipe.decay {
            Decay::L2 => 1.0,
            Decay::TimesLr => 1.0 - learning_rate * weight_decay,
            Decay::Independent => 1.0 - schedule * weight_decay,
        };
        let update = self.direction(gradient, recipe, step);
        self.weight = self.weight.clone().zip(&update, |own, update| {
            own * decayed - learning_rate * update
        });
    }

    fn direction(&mut self, gradient: Matrix, recipe: Recipe, step: i32) -> Matrix {
        let Numbers {
            weight_decay, eps, ..
        } = self.numbers;
        let is_l2 = recipe.decay == Decay::L2;
        let decay =
            |onto: Matrix, weight: &Matrix| onto.zip(weight, |onto, own| onto + weight_decay * own);
        // LAMB adds its decay to Adam's direction instead.
        let gradient = if is_l2 && recipe.optimizer != Optimizer::Lamb {
            decay(gradient, &self.weight)
        } else {
            gradient
        };
        match (recipe.optimizer.family_of(self.role), recipe.optimizer) {
            (Family::RawGradient, Optimizer::Sgd) => gradient,
            (Family::RawGradient, _) => self.momentum(&gradient),
            (Family::Entrywise, _) => self.adam(&gradient, eps, step),
            (Family::Frobenius, Optimizer::Lamb) => {
                let adam = self.adam(&gradient, eps, step);
                let direction = if is_l2 {
                    decay(adam, &self.weight)
                } else {
                    adam
                };
                let trust = self.weight.norm() / direction.norm();
                direction.map(|entry| trust * entry)
            }
            (Family::Frobenius, _) => {
                let trust = self.weight.norm() / (gradient.norm() + eps);
                gradient.map(|entry| trust * entry)
            }
            (Family::Spectral, optimizer) => {
                let rows = self.weight.entries.len() / self.weight.columns;
                let own = optimizer.own_factor(rows as f64, self.weight.columns as f64);
                self.momentum(&gradient)
                    .orthogonalised()
                    .map(|entry| own * entry)
            }
        }
    }

    fn momentum(&mut self, gradient: &Matrix) -> Matrix {
        self.first = self
            .first
            .clone()
            .zip(gradient, |moment, gradient| 0.9 * moment + gradient);
        self.first.clone()
    }

    fn adam(&mut self, gradient: &Matrix, eps: f64, step: i32) -> Matrix {
        let mean = |moment: &Matrix, seen: &Matrix, beta: f64| {
            moment
                .clone()
                .zip(seen, |moment, seen| beta * moment + (1.0 - beta) * seen)
        };
        self.first = mean(&self.first, gradient, 0.9);
        self.second = mean(
            &self.second,
            &gradient.clone().map(|entry| entry * entry),
            0.95,
        );
        let unbias = [0.9f64, 0.95].map(|beta| 1.0 - beta.powi(step));
        self.first.clone().zip(&self.second, |first, second| {
            first / unbias[0] / ((second / unbias[1]).sqrt() + eps)
        })
    }
}
