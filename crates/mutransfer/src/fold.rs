//! Multipliers of single parameters moved into their weights, for layers that nothing can be put
//! before.

use crate::error::{Error, WidthsError};
use crate::law::Rotation;
use crate::options::Clip;
use crate::param::ParamPlan;
use crate::plan::Plan;

impl Plan {
    /// The same training where every parameter that matches `pattern` has the multiplier 1: what it
    /// was is in its initial weights, learning rate, weight decay and epsilon (TP5 lemma J.1). The
    /// form `folded` does so with all parameters.
    ///
    /// # Errors
    /// When no parameter matches.
    pub fn folded(mut self, pattern: &str) -> Result<Self, Error> {
        let (optimizer, decay, clip) = (self.optimizer(), self.decay(), self.clip());
        let mut matches = false;
        for (name, param) in self.params_mut() {
            if name.matches(pattern) {
                matches = true;
                let family = optimizer.family_of(param.role);
                param.fold(Rotation::of(family, optimizer, decay), clip);
            }
        }
        if matches {
            return Ok(self);
        }
        let pattern = pattern.to_owned();
        Err(WidthsError::NoMatch { pattern }.into())
    }
}

impl ParamPlan {
    fn fold(&mut self, rotation: Rotation, clip: Clip) {
        let theta = self.scales.multiplier.recip();
        let scales = &mut self.scales;
        scales.multiplier = 1.0;
        scales.init_std /= theta;
        scales.learning_rate *= theta.powi(rotation.learning_rate);
        scales.weight_decay *= theta.powi(rotation.weight_decay);
        scales.eps *= theta.powi(rotation.eps);
        // Both are relative to a gradient that is theta times as large now.
        if clip == Clip::Invariant {
            self.clip /= theta;
        }
        if let Some(rho) = &mut self.rho {
            *rho /= theta;
        }
    }
}
