//! What is wrong with a table, whatever the model.

use super::finding::Finding;
use super::lints::{MU004, MU009, MU013, MU014};
use crate::error::Error;
use crate::law::Table;
use crate::optimizer::{Decay, Family, Optimizer};
use crate::parametrization::Parametrization;
use crate::power::{Power, Ratio};
use crate::role::Role;
use crate::theory::{Regime, Theory};

/// A rule under an optimizer.
#[derive(Clone, Copy)]
pub(super) struct Rules<'a> {
    pub(super) rule: &'a Parametrization,
    pub(super) optimizer: Optimizer,
}

impl Rules<'_> {
    /// Everything found; `decays` says whether there is weight decay.
    pub(super) fn findings(self, decays: bool) -> Result<Vec<Finding>, Error> {
        let table = self.rule.table(self.optimizer)?;
        let mut findings = Vec::new();
        if let Ok(theory) = Theory::of_rule(self.rule, self.optimizer) {
            if let Some(what) = self.scaled_twice(&table, &theory) {
                findings.push(Finding::general(MU004, what));
            } else if !self.transfers(&theory) {
                findings.push(Finding::general(MU013, self.why_not(&theory)));
            }
            findings.extend(self.unfaithful(&theory));
        }
        if decays && self.optimizer.normalises_entries() && table.decay == Decay::L2 {
            let message = format!("{} adds weight decay to the gradient", self.optimizer);
            findings.push(Finding::general(MU009, message));
        }
        Ok(findings)
    }

    fn scaled_twice(self, table: &Table, theory: &Theory) -> Option<String> {
        let is_double = table.law(Role::Output).multiplier == Power::fan_in(-1, 1)
            && self.optimizer.family_of(Role::Output) != Family::RawGradient
            && theory.updates.output > 0.into();
        let rate = table.law(Role::Hidden).learning_rate;
        let has_own_factor =
            self.optimizer.family() == Family::Spectral && self.optimizer != Optimizer::MuonPlain;
        let ignores_own =
            has_own_factor && rate != Power::ONE && rate.exponent(Ratio::Own) == 0.into();
        let what = if is_double {
            "the readout's multiplier and learning rate"
        } else if ignores_own {
            "the matrices' learning rate on top of the optimizer's own factor"
        } else {
            return None;
        };
        Some(format!("{} scales {what}", self.rule.name()))
    }

    fn transfers(self, theory: &Theory) -> bool {
        let slow = self.rule.definition().slow_input && theory.regime == Regime::Features;
        theory.is_mup() || slow
    }

    fn why_not(self, theory: &Theory) -> String {
        let broken = theory.broken().next();
        let slow = theory.slow_layers().next();
        let why = match (broken, slow) {
            (Some(condition), _) => format!("{}: {}", condition.layer, condition.otherwise),
            (None, Some(layer)) => format!("{layer} is not updated maximally"),
            (None, None) => "the readout's init is not maximal".to_owned(),
        };
        let (rule, optimizer, regime) = (self.rule.name(), self.optimizer, theory.regime);
        format!("{rule} under {optimizer} is in the regime {regime}; {why}")
    }

    /// An epsilon of the user's that does not follow the gradient.
    fn unfaithful(self, theory: &Theory) -> Option<Finding> {
        if !self.rule.chooses_eps() {
            return None;
        }
        let mut conditions = theory.faithfulness.iter();
        let broken = conditions.find(|condition| !condition.holds)?;
        let message = format!("{}: {}", broken.layer, broken.otherwise);
        Some(Finding::general(MU014, message))
    }

    /// Whether it is μP, up to the symmetry.
    pub(super) fn is_mup(self) -> bool {
        Theory::of_rule(self.rule, self.optimizer).is_ok_and(|theory| theory.is_mup())
    }
}
