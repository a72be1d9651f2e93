//! What is wrong with a model and its declarations under a rule.

use super::finding::Finding;
use super::lints::{MU001, MU003, MU005, MU007, MU010, MU011};
use super::table::Rules;
use crate::error::{Error, WidthsError};
use crate::growth::Placed;
use crate::optimizer::{Family, Optimizer};
use crate::parametrization::Parametrization;
use crate::plan::Plan;
use crate::power::{Ratio, Ratios};
use crate::role::Role;
use crate::shape::{ParamName, Shapes};
use crate::size::Size;
use crate::sizes::Base;
use crate::width::Widths;

/// What to check.
#[derive(Clone, Copy, Debug)]
pub struct Check<'a> {
    /// What grows.
    pub widths: &'a Widths,
    /// The model to train.
    pub target: &'a Shapes,
    /// The parametrization.
    pub rule: &'a Parametrization,
    /// The optimizer.
    pub optimizer: Optimizer,
    /// Whether there is weight decay.
    pub decays: bool,
    /// Whether gradients are clipped at a constant norm.
    pub clips: bool,
    /// Patterns of parameters that start at zero.
    pub zero_init: &'a [String],
}

/// A parameter whose role is known.
type Found<'a> = (&'a ParamName, Placed);

impl<'a> Check<'a> {
    /// Everything found, in the order of codes and names.
    ///
    /// # Errors
    /// When the rule has no table for the optimizer.
    pub fn findings(&self) -> Result<Vec<Finding>, Error> {
        let mut findings = self.rules().findings(self.decays)?;
        let (placed, flaws) = self.place();
        let failed = flaws
            .iter()
            .any(|finding| finding.parameter.is_some() && finding.lint != MU001);
        findings.extend(flaws);
        if !failed {
            findings.extend(self.sizes());
        }
        findings.extend(self.model_findings(&placed));
        for (name, found) in &placed {
            findings.extend(self.parameter_finding(name, found));
        }
        findings.sort_by(|left, right| {
            (left.lint.code, &left.parameter).cmp(&(right.lint.code, &right.parameter))
        });
        findings.dedup();
        Ok(findings)
    }

    fn rules(&self) -> Rules<'a> {
        Rules {
            rule: self.rule,
            optimizer: self.optimizer,
        }
    }

    fn plan(&self) -> Result<Plan, Error> {
        Plan::new(self.widths, self.target, self.rule.clone(), self.optimizer)
    }

    /// The parameters whose role is known, and what is wrong with the others or their declarations.
    fn place(&self) -> (Vec<Found<'a>>, Vec<Finding>) {
        let (mut placed, mut flaws) = (Vec::new(), Vec::new());
        let layout = self.widths.layout;
        let known = self.widths.known(self.target.iter().map(|(name, _)| name));
        for ((name, growth), (_, shape)) in known.into_iter().zip(self.target.iter()) {
            let Some(growth) = growth else { continue };
            match growth.place(name, shape, layout, Base::Model) {
                Ok(found) => {
                    if found.role == Role::Output && growth.declared.is_none() {
                        flaws.push(Finding::undeclared(name, &shape.dims));
                    }
                    placed.push((name, found));
                }
                Err(WidthsError::UnknownAxes { .. }) if growth.is_ambiguous(layout) => {
                    flaws.push(Finding::undeclared(name, &shape.dims));
                }
                Err(error) => flaws.push(Finding::of_error(&error.into())),
            }
        }
        (placed, flaws)
    }

    /// Names missing on either side, and ties that cannot be.
    fn sizes(&self) -> Option<Finding> {
        match self.plan() {
            Err(Error::Widths(WidthsError::UnknownAxes { .. })) | Ok(_) => None,
            Err(error) => Some(Finding::of_error(&error)),
        }
    }

    fn model_findings(&self, placed: &[Found]) -> Vec<Finding> {
        let mut findings = Vec::new();
        if self.is_base(placed) {
            let message = "every ratio is 1: the target has the sizes of the base";
            findings.push(Finding::general(MU003, message));
        }
        if self.lacks_readout(placed) {
            let message =
                "no parameter is a readout; if an embedding doubles as one, declare the tie";
            findings.push(Finding::general(MU005, message));
        }
        if let Ok(plan) = self.plan() {
            findings.extend(self.plan_findings(&plan));
        }
        findings
    }

    /// Whether a rule that is relative to a base has the base before it.
    fn is_base(&self, placed: &[Found]) -> bool {
        self.rule.definition().base == Base::Model
            && self.widths.sizes().ratio(Size::Depth) == 1.0
            && placed.iter().any(|(_, found)| found.role != Role::Fixed)
            && placed.iter().all(|(_, found)| found.ratios == Ratios::ONE)
    }

    fn lacks_readout(&self, placed: &[Found]) -> bool {
        let roles: Vec<Role> = placed.iter().map(|(_, found)| found.role).collect();
        roles.contains(&Role::Input)
            && roles.contains(&Role::Hidden)
            && !roles.contains(&Role::Output)
            && placed.len() == self.target.len()
            && self.widths.ties().next().is_none()
    }

    fn plan_findings(&self, plan: &Plan) -> Vec<Finding> {
        let mut findings = Vec::new();
        let readout = plan.forward().readout.keys().next();
        if let Some(readout) = readout.filter(|_| self.rule.definition().is_standard()) {
            let rule = self.rule.name();
            let message = format!("{rule} has no multiplier for the logits of `{readout}`");
            findings.push(Finding::of(readout, MU005, message));
        }
        if self.clips && self.rules().is_mup() {
            for role in plan.growing_gradients() {
                let form = plan.form();
                let message =
                    format!("gradients of {role} parameters grow with width in the form {form}");
                findings.push(Finding::general(MU011, message));
            }
        }
        findings
    }

    fn parameter_finding(&self, name: &ParamName, placed: &Placed) -> Option<Finding> {
        let [fan_in, fan_out] = [Ratio::FanIn, Ratio::FanOut].map(|ratio| placed.ratios[ratio]);
        if placed.role == Role::Hidden && fan_in != fan_out && is_fused(name) {
            let message = format!("its fan-in grows by {fan_in}, its fan-out by {fan_out}");
            return Some(Finding::of(name, MU007, message));
        }
        let starts_at_zero = self.zero_init.iter().any(|pattern| name.matches(pattern));
        let relative = self.optimizer.family_of(placed.role) == Family::Frobenius;
        if starts_at_zero && relative {
            let optimizer = self.optimizer;
            let message =
                format!("starts at zero, and {optimizer} steps in proportion to its norm");
            return Some(Finding::of(name, MU010, message));
        }
        None
    }
}

/// Names under which frameworks store several matrices in one.
fn is_fused(name: &ParamName) -> bool {
    const FUSED: [&str; 7] = [
        "qkv",
        "query_key_value",
        "in_proj",
        "c_attn",
        "kv_proj",
        "gate_up",
        "w13",
    ];
    let lower = name.as_str().to_ascii_lowercase();
    FUSED.iter().any(|part| lower.contains(part))
}
