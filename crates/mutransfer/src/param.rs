//! One parameter of a plan.

use serde::Serialize;

use crate::dims::{Dim, Fans};
use crate::growth::Placed;
use crate::hyper::{Factors, Hyper, Init, Setting};
use crate::law::Table;
use crate::optimizer::{Family, Optimizer};
use crate::options::Clip;
use crate::power::Ratio;
use crate::role::Role;
use crate::shape::Axes;

/// The five factors by which a parameter's numbers differ from those of the base model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Scales {
    /// On the weight in the forward pass.
    pub multiplier: f64,
    /// On the initial standard deviation.
    pub init_std: f64,
    /// On the learning rate.
    pub learning_rate: f64,
    /// On the weight decay.
    pub weight_decay: f64,
    /// On epsilon.
    pub eps: f64,
}

/// One parameter of the target model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ParamPlan {
    /// The part it plays.
    pub role: Role,
    /// Its dimensions, with their base sizes.
    pub dims: Vec<Dim>,
    /// Which of them are fan-in and fan-out; unknown where nothing grows and nothing said so.
    pub axes: Option<Axes>,
    /// The axis that counts blocks or experts, where those of all are stacked in this tensor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stacked: Option<usize>,
    /// Its factors relative to the base model.
    pub scales: Scales,
    /// What its gradient norm is to be multiplied by before a global norm is clipped; 1 in the form
    /// of Table 8. With [`Clip::Update`](crate::options::Clip::Update) the scale of its threshold
    /// instead.
    pub clip: f64,
    /// On Sophia's `rho`, the factor of its Hessian; none for other optimizers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rho: Option<f64>,
}

impl ParamPlan {
    /// By a table for the optimizer.
    // Long, as it is one table: every scale beside its law.
    pub(crate) fn new(placed: Placed, table: &Table, optimizer: Optimizer, clip: Clip) -> Self {
        let place = placed.place();
        let Placed {
            role,
            ratios,
            dims,
            axes,
            stacked,
            depth,
            ..
        } = placed;
        let fans = Fans::of(&dims, axes, stacked);
        let own = match optimizer.family_of(role) {
            Family::Spectral => {
                own_factor(optimizer, fans, Dim::size) / own_factor(optimizer, fans, Dim::base)
            }
            _ => 1.0,
        };
        let ratios = ratios
            .with(Ratio::Depth, depth.unwrap_or(1.0))
            .with(Ratio::Own, own);
        let law = table.law_at(role, place);
        let scales = Scales {
            multiplier: law.multiplier.at(ratios),
            init_std: law.init_std.at(ratios),
            learning_rate: law.learning_rate.at(ratios),
            weight_decay: law.weight_decay.at(ratios),
            eps: law.eps.at(ratios),
        };
        let clip = table.clip_at(role, place, clip).at(ratios);
        let rho = table.rho_at(role, place).map(|rho| rho.at(ratios));
        Self {
            role,
            dims,
            axes,
            stacked,
            scales,
            clip,
            rho,
        }
    }

    /// The absolute numbers at these hyperparameters, with the factors of its role.
    pub fn setting(&self, hyper: &Hyper) -> Setting {
        let factors = hyper.factors[self.role];
        Setting {
            learning_rate: hyper.learning_rate * self.scales.learning_rate * factors.learning_rate,
            weight_decay: hyper.weight_decay * self.scales.weight_decay * factors.weight_decay,
            eps: hyper.eps * self.scales.eps,
            init_std: self.init_std(hyper.init, factors),
            multiplier: self.scales.multiplier * factors.multiplier,
        }
    }

    /// Standard deviation of its initial weights; none for biases and gains, which start at a
    /// constant at any width.
    pub(crate) fn init_std(&self, init: Init, factors: Factors) -> Option<f64> {
        self.is_drawn()
            .then(|| self.base_std(init, Dim::base) * self.scales.init_std * factors.init_std)
    }

    /// What to multiply the output of a framework's initialiser by, which knows the target's sizes
    /// only; none for biases and gains.
    ///
    /// With `Init::FanIn` a hidden matrix has 1, since dividing by the root of the fan-in is what
    /// μP asks; a readout in the form of Table 8 has `√m_in`.
    pub fn init_factor(&self, hyper: &Hyper) -> Option<f64> {
        Some(self.setting(hyper).init_std? / self.base_std(hyper.init, Dim::size))
    }

    /// The standard deviation that an initialiser gives it at the target's sizes, over that at the
    /// base's: what a framework scales by itself.
    pub fn init_ratio(&self, init: Init) -> f64 {
        self.base_std(init, Dim::size) / self.base_std(init, Dim::base)
    }

    fn is_drawn(&self) -> bool {
        self.dims.len() > 1 && self.role != Role::Vector
    }

    fn base_std(&self, init: Init, size: fn(Dim) -> usize) -> f64 {
        let fans = Fans::of(&self.dims, self.axes, self.stacked);
        init.std(fans.fan_in(size), fans.fan_out(size))
    }
}

/// What an optimizer puts on a matrix by itself.
fn own_factor(optimizer: Optimizer, fans: Fans, size: fn(Dim) -> usize) -> f64 {
    optimizer.own_factor(fans.outputs(size) as f64, fans.fan_in(size) as f64)
}
