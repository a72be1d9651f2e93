//! A plan: every parameter of the target model with its scales. Plain data, to be printed,
//! compared, saved and hashed.

use std::collections::BTreeMap;

use num_rational::Rational32;
use serde::Serialize;

use crate::error::{Error, WidthsError};
use crate::forward::Forward;
use crate::hyper::{Hyper, Setting};
use crate::law::Table;
use crate::mixture;
use crate::optimizer::{Decay, Optimizer};
use crate::options::Clip;
use crate::param::ParamPlan;
use crate::parametrization::Parametrization;
use crate::role::Role;
use crate::shape::{ParamName, Shapes};
use crate::stack::Stack;
use crate::survey::Survey;
use crate::theory::Exponents;
use crate::width::Widths;

/// How to train the target model so that the proxy's hyperparameters hold.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    rule: String,
    form: String,
    optimizer: Optimizer,
    decay: Decay,
    params: BTreeMap<ParamName, ParamPlan>,
    forward: Forward,
    clip: Clip,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stacks: Vec<Stack>,
    #[serde(skip)]
    table: Table,
}

/// Parameters that share their optimizer settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Weight decay, in the plan's convention.
    pub weight_decay: f64,
    /// Epsilon.
    pub eps: f64,
    /// Factor on Sophia's `rho` at the base; none for other optimizers.
    pub rho: Option<f64>,
    /// The parameters, in order of names.
    pub names: Vec<ParamName>,
}

impl Group {
    fn has(&self, setting: &Setting, rho: Option<f64>) -> bool {
        self.learning_rate == setting.learning_rate
            && self.weight_decay == setting.weight_decay
            && self.eps == setting.eps
            && self.rho == rho
    }
}

impl Plan {
    /// Applies a rule to the shapes of the target model.
    ///
    /// # Errors
    /// When `target` does not have the parameters of `widths`, when a dimension differs that does
    /// not grow, when the orientation of a growing matrix is unknown, when the rule has no table
    /// for the optimizer, or when tied parameters would need two settings.
    pub fn new(
        widths: &Widths,
        target: &Shapes,
        rule: impl Into<Parametrization>,
        optimizer: Optimizer,
    ) -> Result<Self, Error> {
        let rule = rule.into();
        let base = rule.definition().base;
        // A rule without a table for the optimizer is wrong whatever the sizes.
        rule.table(optimizer)?;
        let widths = &*mixture::recognised(widths, target);
        Self::of_survey(widths, &widths.survey(target, base)?, &rule, optimizer)
    }

    /// The same where the target has been surveyed already, at ratios to the rule's base.
    pub(crate) fn of_survey(
        widths: &Widths,
        survey: &Survey,
        rule: &Parametrization,
        optimizer: Optimizer,
    ) -> Result<Self, Error> {
        let (table, clip) = (rule.table(optimizer)?, rule.options().clip);
        let planned = |(name, placed): (&ParamName, _)| {
            let param = ParamPlan::new(placed, &table, optimizer, clip);
            (name.clone(), param)
        };
        let placed = widths.placed(survey)?.into_iter();
        let params: BTreeMap<ParamName, ParamPlan> = placed.map(planned).collect();
        let stacks = &survey.stacks;
        let forward = Forward::new(rule, &table, widths, stacks, &params)?;
        Ok(Self {
            rule: rule.name(),
            form: rule.form(),
            optimizer,
            decay: table.decay,
            params,
            forward,
            clip,
            stacks: stacks.growing().cloned().collect(),
            table,
        })
    }

    /// Starts every parameter that matches `pattern` at zero, recommended for readout and query
    /// (TP5 appendix D).
    ///
    /// # Errors
    /// When no parameter matches.
    pub fn with_zero_init(mut self, pattern: &str) -> Result<Self, Error> {
        let mut matching = self
            .params
            .iter_mut()
            .filter(|(name, _)| name.matches(pattern))
            .peekable();
        if matching.peek().is_none() {
            let pattern = pattern.to_owned();
            return Err(WidthsError::NoMatch { pattern }.into());
        }
        matching.for_each(|(_, param)| param.scales.init_std = 0.0);
        Ok(self)
    }

    /// Name of the parametrization applied.
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// Name of its form.
    pub fn form(&self) -> &str {
        &self.form
    }

    /// The optimizer it is for.
    pub fn optimizer(&self) -> Optimizer {
        self.optimizer
    }

    /// The convention that weight decay is in.
    pub fn decay(&self) -> Decay {
        self.decay
    }

    /// What the forward pass must apply before any factors of the hyperparameters; see
    /// [`Plan::forward_at`].
    pub fn forward(&self) -> &Forward {
        &self.forward
    }

    /// Whether weight decay is added to a gradient whose entries the optimizer then normalises,
    /// which does not transfer across width (TP5 B.3).
    pub fn couples_decay(&self) -> bool {
        self.optimizer.normalises_entries() && self.decay == Decay::L2
    }

    /// The stacks of blocks of which the target has more or fewer than the base.
    pub fn stacks(&self) -> &[Stack] {
        &self.stacks
    }

    /// What each parameter's `clip` is for.
    pub fn clip(&self) -> Clip {
        self.clip
    }

    /// Every parameter, in order of names.
    pub fn params(&self) -> impl Iterator<Item = (&ParamName, &ParamPlan)> {
        self.params.iter()
    }

    pub(crate) fn params_mut(&mut self) -> impl Iterator<Item = (&ParamName, &mut ParamPlan)> {
        self.params.iter_mut()
    }

    /// The parameter of this name.
    pub fn param(&self, name: &str) -> Option<&ParamPlan> {
        self.params.get(name)
    }

    /// The absolute numbers of one parameter; none when the plan does not have it.
    pub fn setting(&self, name: &str, hyper: &Hyper) -> Option<Setting> {
        self.params.get(name).map(|param| param.setting(hyper))
    }

    /// The few groups of parameters that share their optimizer settings at these hyperparameters,
    /// in order of their first names.
    pub fn groups(&self, hyper: &Hyper) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        for (name, param) in &self.params {
            let setting = param.setting(hyper);
            match groups
                .iter_mut()
                .find(|group| group.has(&setting, param.rho))
            {
                Some(group) => group.names.push(name.clone()),
                None => groups.push(Group {
                    learning_rate: setting.learning_rate,
                    weight_decay: setting.weight_decay,
                    eps: setting.eps,
                    rho: param.rho,
                    names: vec![name.clone()],
                }),
            }
        }
        groups
    }

    /// What the forward pass must apply at these hyperparameters: [`Plan::forward`] with the
    /// factors on attention and on the multiplier of readouts.
    pub fn forward_at(&self, hyper: &Hyper) -> Forward {
        self.forward.at(hyper)
    }

    /// Roles whose gradient norm grows with width in this form, so that a constant clipping
    /// threshold would bite harder on wider models.
    pub fn growing_gradients(&self) -> Vec<Role> {
        let exponents = Exponents::of(&self.table, self.optimizer);
        let mut growing = Role::ALL.to_vec();
        growing.retain(|role| {
            let present = self.params.values().any(|param| param.role == *role);
            let entry = exponents.faithful(*role);
            present && entry.is_some_and(|entry| norm_exponent(*role) > entry)
        });
        growing
    }

    /// Fingerprint of everything in the plan, in hexadecimal; equal plans have equal fingerprints.
    #[expect(clippy::missing_panics_doc, reason = "plain data always is JSON")]
    pub fn hash(&self) -> String {
        let canonical = serde_json::to_vec(self).expect("a plan is plain data with text keys");
        blake3::hash(&canonical).to_hex().to_string()
    }
}

/// Exponent of the width in the norm of a tensor whose entries are of order one.
fn norm_exponent(role: Role) -> Rational32 {
    let (grows_in, grows_out) = role.grows();
    Rational32::new(i32::from(grows_in) + i32::from(grows_out), 2)
}
