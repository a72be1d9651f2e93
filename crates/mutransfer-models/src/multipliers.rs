//! What the forward pass of a model multiplies by.

use burn::tensor::Tensor;
use mutransfer::{Hyper, Plan, Role};

use crate::error::Error;

/// The last matrix of every model.
pub(crate) const READOUT: &str = "readout.weight";

/// The forward multipliers that the models apply.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Multipliers {
    /// On the products of queries and keys.
    pub(crate) attention: f64,
    /// On the weight of embeddings and first layers.
    pub(crate) input: f64,
    /// On the weight of the readout.
    pub(crate) readout: f64,
    /// On the output of residual branches.
    pub(crate) residual: f64,
    /// On the weight of what experts write with: A.
    pub(crate) experts: f64,
    /// On the sum over routed experts: R.
    pub(crate) route: f64,
}

impl Multipliers {
    /// Those that change nothing.
    pub(crate) const ONE: Self = Self {
        attention: 1.0,
        input: 1.0,
        readout: 1.0,
        residual: 1.0,
        experts: 1.0,
        route: 1.0,
    };

    /// Those of a plan at these hyperparameters.
    ///
    /// # Errors
    /// When a parameter has a multiplier that is none of these.
    pub(crate) fn of(plan: &Plan, hyper: &Hyper) -> Result<Self, Error> {
        let forward = plan.forward_at(hyper);
        let mut all = Self {
            attention: forward.attention.unwrap_or(1.0),
            residual: forward.residual.unwrap_or(1.0),
            route: forward.experts.map_or(1.0, |experts| experts.route),
            ..Self::ONE
        };
        for (name, param) in plan.params() {
            let multiplier = param.setting(hyper).multiplier;
            if name.as_str() == READOUT {
                all.readout = multiplier;
            } else if let Some(of_role) = all.of_role(param.role) {
                *of_role = multiplier;
            } else if multiplier != 1.0 {
                return Err(Error::Multiplier {
                    name: name.clone(),
                    role: param.role,
                    multiplier,
                });
            }
        }
        if let Some((_, tied)) = forward
            .readout
            .iter()
            .find(|(name, _)| name.as_str() == READOUT)
        {
            all.readout = *tied;
        }
        Ok(all)
    }

    /// The one of all embeddings and first layers, or of all that experts write with. Those of one
    /// model have one multiplier, as it is that of their role at the growth of the widths.
    fn of_role(&mut self, role: Role) -> Option<&mut f64> {
        match role {
            Role::Input => Some(&mut self.input),
            Role::ExpertOut => Some(&mut self.experts),
            _ => None,
        }
    }
}

/// Activations times a number. Before a layer this is the number times its weight; a bias is not
/// multiplied.
pub(crate) fn scaled<const D: usize>(activations: Tensor<D>, multiplier: f64) -> Tensor<D> {
    if multiplier == 1.0 {
        activations
    } else {
        activations * multiplier
    }
}
