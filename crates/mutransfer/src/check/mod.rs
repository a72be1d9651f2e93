//! Static lints: what shapes, declarations and tables alone show to be wrong.

mod lints;
mod settings;

pub use lints::{LINTS, Lint};
pub use settings::Settings;

use lints::*;

use crate::growth::Placed;
use crate::theory::{Regime, Theory};
use crate::{
    Decay, Error, Family, Optimizer, ParamName, Parametrization, Plan, Power, Ratios, Role, Shapes,
    Table, Widths,
};

/// Something found wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What kind of thing.
    pub lint: &'static Lint,
    /// The parameter, if it is about one.
    pub parameter: Option<ParamName>,
    /// The sizes, the numbers and the next step.
    pub message: String,
}

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

impl Check<'_> {
    /// Everything found, in the order of codes and names.
    ///
    /// # Errors
    /// When the rule has no table for the optimizer.
    pub fn findings(&self) -> Result<Vec<Finding>, Error> {
        let table = self.rule.table(self.optimizer)?;
        let mut findings = self.table_findings(&table);
        let templates = self.widths.templates();
        let mut placed = Vec::new();
        for (name, shape) in self.target.iter() {
            let growth = self
                .widths
                .params
                .get(name)
                .or_else(|| templates.get(&name.template()).copied());
            let Some(growth) = growth else { continue };
            match growth.place(name, shape, self.widths.layout, false) {
                Ok(found) => {
                    if found.role == Role::Output && growth.declared.is_none() {
                        findings.push(undeclared(name, &shape.dims));
                    }
                    placed.push((name, found));
                }
                Err(Error::UnknownAxes { .. }) if growth.is_ambiguous(self.widths.layout) => {
                    findings.push(undeclared(name, &shape.dims));
                }
                Err(error) => findings.push(of_error(error)),
            }
        }
        let failed = findings
            .iter()
            .any(|finding| finding.parameter.is_some() && finding.lint != MU001);
        if !failed {
            findings.extend(self.sizes().err().map(of_error));
        }
        findings.extend(self.model_findings(&placed));
        findings.extend(
            placed
                .iter()
                .filter_map(|(name, found)| self.parameter_finding(name, found)),
        );
        findings.sort_by(|left, right| {
            (left.lint.code, &left.parameter).cmp(&(right.lint.code, &right.parameter))
        });
        findings.dedup();
        Ok(findings)
    }

    /// Names missing on either side, and ties that cannot be.
    fn sizes(&self) -> Result<(), Error> {
        match Plan::new(self.widths, self.target, self.rule.clone(), self.optimizer) {
            Err(Error::UnknownAxes { .. }) | Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn table_findings(&self, table: &Table) -> Vec<Finding> {
        let Ok(theory) = Theory::of_rule(self.rule, self.optimizer) else {
            return self.decay_finding(table);
        };
        let scaled_twice = self
            .scaled_twice(table, &theory)
            .map(|what| general(MU004, what));
        let slow = || {
            self.does_not_transfer(&theory)
                .map(|why| general(MU013, why))
        };
        let unfaithful = theory
            .faithfulness
            .iter()
            .find(|condition| self.rule.chooses_eps() && !condition.holds);
        let unfaithful = unfaithful.map(|condition| {
            general(
                MU014,
                format!("{}: {}", condition.layer, condition.otherwise),
            )
        });
        scaled_twice
            .or_else(slow)
            .into_iter()
            .chain(unfaithful)
            .chain(self.decay_finding(table))
            .collect()
    }

    fn scaled_twice(&self, table: &Table, theory: &Theory) -> Option<String> {
        let is_double = table.law(Role::Output).multiplier == Power::fan_in(-1, 1)
            && self.optimizer.family_of(Role::Output) != Family::RawGradient
            && theory.updates.output > 0.into();
        let rate = table.law(Role::Hidden).learning_rate;
        let has_own_factor =
            self.optimizer.family() == Family::Spectral && self.optimizer != Optimizer::MuonPlain;
        let ignores_own = has_own_factor && rate != Power::ONE && !rate.has_own();
        let what = match (is_double, ignores_own) {
            (true, _) => "the readout's multiplier and learning rate",
            (_, true) => "the matrices' learning rate on top of the optimizer's own factor",
            _ => return None,
        };
        Some(format!("{} scales {what}", self.rule.name()))
    }

    fn does_not_transfer(&self, theory: &Theory) -> Option<String> {
        if self.transfers(theory) {
            return None;
        }
        let broken = theory
            .broken()
            .next()
            .map(|condition| format!("{}: {}", condition.layer, condition.otherwise));
        let slow = || {
            let slow = theory
                .is_maximal
                .named()
                .into_iter()
                .find(|(_, maximal)| !maximal);
            slow.map(|(layer, _)| format!("{layer} is not updated maximally"))
        };
        let why = broken
            .or_else(slow)
            .unwrap_or_else(|| "the readout's init is not maximal".to_owned());
        let (rule, optimizer, regime) = (self.rule.name(), self.optimizer, theory.regime);
        Some(format!(
            "{rule} under {optimizer} is in the regime {regime}; {why}"
        ))
    }

    /// Only u-μP moves its embedding slower than it could on purpose.
    fn transfers(&self, theory: &Theory) -> bool {
        theory.is_mup() || (self.rule.is_absolute() && theory.regime == Regime::Features)
    }

    fn decay_finding(&self, table: &Table) -> Vec<Finding> {
        let normalises = self.optimizer.family() != Family::RawGradient;
        match self.decays && normalises && table.decay == Decay::L2 {
            true => vec![general(
                MU009,
                format!("{} adds weight decay to the gradient", self.optimizer),
            )],
            false => Vec::new(),
        }
    }

    fn model_findings(&self, placed: &[(&ParamName, Placed)]) -> Vec<Finding> {
        let mut findings = Vec::new();
        let grows = placed.iter().any(|(_, found)| found.role != Role::Fixed);
        let is_base = placed.iter().all(|(_, found)| found.ratios == Ratios::ONE)
            && self.widths.depth_ratio() == 1.0;
        if grows && is_base && !self.rule.is_absolute() {
            findings.push(general(
                MU003,
                "every ratio is 1: the target has the sizes of the base".to_owned(),
            ));
        }
        let has = |role: Role| placed.iter().any(|(_, found)| found.role == role);
        let undeclared = placed.len() < self.target.len();
        if has(Role::Input)
            && has(Role::Hidden)
            && !has(Role::Output)
            && !undeclared
            && self.widths.ties().next().is_none()
        {
            let message =
                "no parameter is a readout; if an embedding doubles as one, declare the tie"
                    .to_owned();
            findings.push(general(MU005, message));
        }
        if let Ok(plan) = Plan::new(self.widths, self.target, self.rule.clone(), self.optimizer) {
            if let Some((readout, _)) = plan
                .forward()
                .readout
                .iter()
                .find(|_| self.rule.is_standard())
            {
                let message = format!(
                    "{} has no multiplier for the logits of `{readout}`",
                    self.rule.name()
                );
                findings.push(Finding {
                    lint: MU005,
                    parameter: Some(readout.clone()),
                    message,
                });
            }
            let is_mup =
                Theory::of_rule(self.rule, self.optimizer).is_ok_and(|theory| theory.is_mup());
            if self.clips && is_mup {
                let growing = plan.growing_gradients().into_iter().map(|role| {
                    let message = format!(
                        "gradients of {role} parameters grow with width in the form {}",
                        plan.form()
                    );
                    general(MU011, message)
                });
                findings.extend(growing);
            }
        }
        findings
    }

    fn parameter_finding(&self, name: &ParamName, placed: &Placed) -> Option<Finding> {
        let Ratios {
            fan_in, fan_out, ..
        } = placed.ratios;
        let finding = |lint, message| {
            Some(Finding {
                lint,
                parameter: Some(name.clone()),
                message,
            })
        };
        if placed.role == Role::Hidden && fan_in != fan_out && is_fused(name) {
            return finding(
                MU007,
                format!("its fan-in grows by {fan_in}, its fan-out by {fan_out}"),
            );
        }
        let starts_at_zero = self.zero_init.iter().any(|pattern| name.matches(pattern));
        let relative = self.optimizer.family_of(placed.role) == Family::Frobenius;
        match starts_at_zero && relative {
            true => finding(
                MU010,
                format!(
                    "starts at zero, and {} steps in proportion to its norm",
                    self.optimizer
                ),
            ),
            false => None,
        }
    }
}

impl Finding {
    /// The finding that an error of [`Widths`] or [`Plan`] amounts to.
    pub fn of_error(error: Error) -> Self {
        of_error(error)
    }
}

fn general(lint: &'static Lint, message: String) -> Finding {
    Finding {
        lint,
        parameter: None,
        message,
    }
}

fn undeclared(name: &ParamName, dims: &[usize]) -> Finding {
    let message = format!(
        "dimensions {dims:?} grow in the fan-in only; declare `{name}` output, or input if it is an embedding"
    );
    Finding {
        lint: MU001,
        parameter: Some(name.clone()),
        message,
    }
}

/// What an error of planning is as a finding.
fn of_error(error: Error) -> Finding {
    let message = error.to_string();
    let named = |lint, name: &ParamName| Finding {
        lint,
        parameter: Some(name.clone()),
        message: message.clone(),
    };
    match &error {
        Error::NothingGrows => general(MU002, message),
        Error::UnknownAxes { name, .. } => named(MU006, name),
        Error::TiedConflict { readout, .. } => named(MU005, readout),
        Error::Missing { name, .. }
        | Error::Rank { name, .. }
        | Error::NotDeclaredGrowing { name, .. }
        | Error::ZeroDimension { name, .. }
        | Error::TooManyGrowing { name, .. }
        | Error::AxisOutOfRange { name, .. }
        | Error::SameAxis { name, .. }
        | Error::Contradiction { name, .. } => named(MU008, name),
        _ => general(MU008, message),
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
