//! The coordinate check of a study.

use mutransfer_analysis::Looks;

use super::checked::Study;
use crate::coordinates::Protocol;
use crate::subject::{ModelSizes, Subject};

/// Updates that the coordinate check looks at, as in TP5 figure 5.
const STEPS: usize = 4;

impl Study {
    /// The check of its rules at its widths, at one learning rate for all, on few examples and
    /// without weight decay.
    pub fn protocol(&self, subject: &dyn Subject, lr: f64) -> Protocol {
        let usual = subject.usual_check();
        let mut hyper = self.hyper(lr);
        hyper.weight_decay = 0.0;
        let own = self.target().sizes;
        Protocol {
            rules: self.rules().to_vec(),
            optimizer: self.optimizer(),
            widths: self.check_widths().to_vec(),
            sizes: ModelSizes {
                context: own.context.min(usual.context),
                ..own
            },
            hyper,
            batch: usual.batch,
            steps: STEPS,
            seed: self.first_seed(),
            looks: Looks::up_to(self.check_seeds() as usize),
        }
    }
}
