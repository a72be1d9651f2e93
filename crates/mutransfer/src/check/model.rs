//! What is wrong with a model and its declarations under a rule.

use super::finding::Finding;
use super::lints::{MU001, MU003, MU005, MU007, MU010, MU011, MU016, MU017};
use super::table::Rules;
use crate::dims::Dim;
use crate::error::{Error, WidthsError};
use crate::growth::Placed;
use crate::mixture;
use crate::optimizer::{Family, Optimizer};
use crate::parametrization::Parametrization;
use crate::plan::Plan;
use crate::power::{Ratio, Ratios};
use crate::role::Role;
use crate::shape::{ParamName, Shapes};
use crate::sizes::Base;
use crate::survey::Surveyed;
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
        Ok(self.planned()?.1)
    }

    /// The plan, or what is in its way, with everything found; sizes and names are looked at once
    /// for both.
    ///
    /// # Errors
    /// When the rule has no table for the optimizer.
    pub fn planned(&self) -> Result<(Result<Plan, Error>, Vec<Finding>), Error> {
        let widths = &*mixture::recognised(self.widths, self.target);
        Check { widths, ..*self }.planned_as_known()
    }

    fn planned_as_known(&self) -> Result<(Result<Plan, Error>, Vec<Finding>), Error> {
        let survey = self.widths.survey(self.target, Base::Model);
        let plan = match &survey {
            Ok(survey) if self.rule.definition().base == Base::Model => {
                Plan::of_survey(self.widths, survey, self.rule, self.optimizer)
            }
            _ => Plan::new(self.widths, self.target, self.rule.clone(), self.optimizer),
        };
        let params = survey.map_or(Vec::new(), |survey| survey.params);
        let findings = self.findings_of(&plan, params)?;
        Ok((plan, findings))
    }

    fn findings_of(
        &self,
        plan: &Result<Plan, Error>,
        surveyed: Vec<Surveyed<'a>>,
    ) -> Result<Vec<Finding>, Error> {
        let mut findings = self.rules().findings(self.decays)?;
        let (placed, flaws) = self.place(surveyed);
        let failed = flaws
            .iter()
            .any(|finding| finding.parameter.is_some() && finding.lint != MU001);
        findings.extend(flaws);
        if !failed {
            findings.extend(sizes(plan));
        }
        findings.extend(self.model_findings(&placed, plan));
        findings.extend(self.expert_findings(&placed));
        let alone = Alone::among(&placed);
        for (name, found) in &placed {
            findings.extend(self.parameter_finding(name, found));
            findings.extend(alone.finding(name, found));
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

    /// The parameters whose role is known, and what is wrong with the others or their declarations.
    /// What is wrong with the whole is found by planning.
    fn place(&self, surveyed: Vec<Surveyed<'a>>) -> (Vec<Found<'a>>, Vec<Finding>) {
        let (mut placed, mut flaws) = (Vec::new(), Vec::new());
        let layout = self.widths.layout;
        for one in surveyed {
            let (Some(growth), Some(found)) = (one.growth, one.placed) else {
                continue;
            };
            match found {
                Ok(found) => {
                    if found.role == Role::Output && growth.declared.is_none() {
                        flaws.push(Finding::undeclared(one.name, &one.shape.dims));
                    }
                    placed.push((one.name, found));
                }
                Err(WidthsError::ReadoutInBlock { .. }) => {
                    flaws.push(Finding::undeclared(one.name, &one.shape.dims));
                }
                Err(WidthsError::UnknownAxes { .. }) if growth.is_ambiguous(layout) => {
                    flaws.push(Finding::undeclared(one.name, &one.shape.dims));
                }
                Err(error) => flaws.push(Finding::of_error(&error.into())),
            }
        }
        (placed, flaws)
    }

    fn model_findings(&self, placed: &[Found], plan: &Result<Plan, Error>) -> Vec<Finding> {
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
        if self.lacks_input(placed) {
            let message = "no parameter reads data: no fan-in is fixed where the fan-out grows";
            findings.push(Finding::general(MU016, message));
        }
        if let Ok(plan) = plan {
            findings.extend(self.plan_findings(plan));
        }
        findings
    }

    /// Whether a rule that is relative to a base has the base before it.
    fn is_base(&self, placed: &[Found]) -> bool {
        self.rule.definition().base == Base::Model
            && placed
                .iter()
                .all(|(_, found)| found.depth.unwrap_or(1.0) == 1.0)
            && placed.iter().any(|(_, found)| found.role != Role::Fixed)
            && placed.iter().all(|(_, found)| found.ratios == Ratios::ONE)
    }

    fn lacks_readout(&self, placed: &[Found]) -> bool {
        if !has_widths(placed) {
            return false;
        }
        let roles: Vec<Role> = placed.iter().map(|(_, found)| found.role).collect();
        roles.contains(&Role::Input)
            && roles.contains(&Role::Hidden)
            && !roles.contains(&Role::Output)
            && placed.len() == self.target.len()
            && self.widths.ties().next().is_none()
    }

    fn lacks_input(&self, placed: &[Found]) -> bool {
        let has = |role| placed.iter().any(|(_, found)| found.role == role);
        let lacks = has(Role::Hidden) && !has(Role::Input) && has_widths(placed);
        lacks && placed.len() == self.target.len()
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

/// Whether more grows than experts.
fn has_widths(placed: &[Found]) -> bool {
    let is_width = |dim: &Dim| matches!(dim, Dim::Width { .. });
    let mut others = placed
        .iter()
        .filter(|(_, found)| !found.role.is_of_experts());
    others.any(|(_, found)| found.dims.iter().any(is_width))
}

/// Names missing on either side, and ties that cannot be.
fn sizes(plan: &Result<Plan, Error>) -> Option<Finding> {
    match plan {
        Err(Error::Widths(
            WidthsError::UnknownAxes { .. } | WidthsError::ReadoutInBlock { .. },
        ))
        | Ok(_) => None,
        Err(error) => Some(Finding::of_error(error)),
    }
}

/// The factors by which axes grow, and in how many parameters.
struct Alone(Vec<(f64, usize)>);

impl Alone {
    fn among(placed: &[Found]) -> Self {
        let mut factors: Vec<(f64, usize)> = Vec::new();
        for (_, found) in placed {
            let mut own: Vec<f64> = found.dims.iter().map(|dim| dim.ratio()).collect();
            own.sort_by(f64::total_cmp);
            own.dedup();
            for factor in own {
                match factors.iter_mut().find(|(known, _)| *known == factor) {
                    Some((_, count)) => *count += 1,
                    None => factors.push((factor, 1)),
                }
            }
        }
        Self(factors)
    }

    /// Whether one axis of a hidden matrix grows as no other parameter does, or not at all. Blocks
    /// have no sizes of the data.
    fn finding(&self, name: &ParamName, found: &Placed) -> Option<Finding> {
        let [fan_in, fan_out] = [Ratio::FanIn, Ratio::FanOut].map(|ratio| found.ratios[ratio]);
        let is_within = found.depth.is_some() || is_fused(name);
        if found.role != Role::Hidden || fan_in == fan_out || is_within {
            return None;
        }
        let is_alone = |factor: f64| factor == 1.0 || self.0.contains(&(factor, 1));
        let grows = |factor: &f64| found.dims.iter().any(|dim| is_width(dim, *factor));
        let alone = [fan_in, fan_out]
            .into_iter()
            .filter(grows)
            .find(|one| is_alone(*one))?;
        let message = format!(
            "its fan-in grows by {fan_in:.4}, its fan-out by {fan_out:.4}, and no other parameter \
             grows by {alone:.4}"
        );
        Some(Finding::of(name, MU017, message))
    }
}

/// Whether a dimension is a width that grows by this factor. One that was declared to be inside the
/// network, and is fixed, is none.
fn is_width(dim: &Dim, factor: f64) -> bool {
    matches!(dim, Dim::Width { .. }) && dim.ratio() == factor
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
