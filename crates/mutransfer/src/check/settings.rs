//! A trainer's own numbers against the plan's.

mod depth;
mod groups;

use std::collections::BTreeMap;

use serde::Deserialize;

use super::finding::Finding;
use super::lints::MU012;
use crate::document::{ForwardDocument, ParamDocument, PlanDocument};
use crate::error::{Error, ShapesError};
use crate::shape::ParamName;

/// Numbers that a trainer uses, in the format of a plan or as torch's optimizers keep them; what is
/// absent is not compared.
#[derive(Debug, Default, Deserialize)]
pub struct Settings {
    #[serde(default)]
    params: BTreeMap<String, ParamSettings>,
    #[serde(default)]
    forward: ForwardSettings,
}

#[derive(Clone, Debug, Deserialize)]
struct ParamSettings {
    lr: Option<f64>,
    weight_decay: Option<f64>,
    eps: Option<f64>,
    init_std: Option<f64>,
    multiplier: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
struct ForwardSettings {
    attention: Option<f64>,
    residual: Option<f64>,
    #[serde(default)]
    readout: BTreeMap<String, f64>,
}

const FORMAT: &str = "JSON (settings)";

fn syntax(error: &serde_json::Error) -> ShapesError {
    ShapesError::Syntax {
        format: FORMAT,
        message: error.to_string(),
    }
}

/// Numbers that differ by less are the same: trainers print in single precision.
const TOLERANCE: f64 = 1e-5;

impl Settings {
    /// Reads them from JSON: a plan's, or what `optimizer.state_dict()` of torch has under
    /// `param_groups`, with the names that `named_parameters` put there.
    ///
    /// # Errors
    /// When the text is no such JSON, with line and column, or groups have no names.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        let value: serde_json::Value =
            serde_json::from_str(text).map_err(|error| syntax(&error))?;
        if let Some(groups) = groups::of(&value) {
            let params = groups::read(groups)?;
            return Ok(Self {
                params,
                forward: ForwardSettings::default(),
            });
        }
        // Read as an object first: a struct would also be read from a list.
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_value(value).map_err(|error| syntax(&error))?;
        if !["params", "forward"]
            .iter()
            .any(|key| object.contains_key(*key))
        {
            return Err(ShapesError::NothingToCompare { format: FORMAT }.into());
        }
        Ok(serde_json::from_value(object.into()).map_err(|error| syntax(&error))?)
    }

    /// Where they differ from a plan.
    pub fn compare(&self, plan: &PlanDocument) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (name, own) in &self.params {
            match plan.params.get(name) {
                Some(planned) => {
                    let times = quotient(own.init_std, planned.init_std);
                    let twice =
                        times.and_then(|times| depth::twice_in_init(plan, name, times, true));
                    findings.extend(twice.or_else(|| own.compare(name, planned)));
                }
                None => {
                    let message = format!("`{name}` is no parameter of the plan");
                    findings.push(Finding::general(MU012, message));
                }
            }
        }
        for name in plan.params.keys() {
            if !self.params.is_empty() && !self.params.contains_key(name) {
                let message = format!("`{name}` of the plan is in no group of the trainer");
                findings.push(Finding::general(MU012, message));
            }
        }
        findings.extend(depth::twice_in_forward(plan, self.forward.residual));
        for (name, own, planned) in self.forward.beside(&plan.forward) {
            if differs(own, planned) {
                let message = format!("forward multiplier {name} is {own}, the plan has {planned}");
                findings.push(Finding::general(MU012, message));
            }
        }
        findings
    }
}

impl Settings {
    /// Where they differ from those of the proxy by another factor than a plan's scale, which
    /// `plan` must hold: a plan for which no base values are given. So a trainer may have rates of
    /// its own for some groups, no decay on norms, an init that it scales itself.
    pub fn compare_to(&self, proxy: &Self, plan: &PlanDocument) -> Vec<Finding> {
        let mut findings = Vec::new();
        let of_template: BTreeMap<String, &ParamSettings> = proxy
            .params
            .iter()
            .map(|(name, own)| (ParamName::from(name.as_str()).template(), own))
            .collect();
        for (name, planned) in &plan.params {
            let template = ParamName::from(name.as_str()).template();
            let base = proxy.params.get(name);
            let base = base.or(of_template.get(&template).copied());
            let finding = |message: &str| Finding::of(&name.as_str().into(), MU012, message);
            findings.extend(match (self.params.get(name), base) {
                (Some(own), Some(base)) => own.compare_to(base, name, planned, plan),
                (None, _) => Some(finding("it is in no group of the trainer")),
                (_, None) => Some(finding("the proxy has no such parameter")),
            });
        }
        for name in self
            .params
            .keys()
            .filter(|name| !plan.params.contains_key(*name))
        {
            let message = format!("`{name}` is no parameter of the plan");
            findings.push(Finding::general(MU012, message));
        }
        findings
    }
}

impl ForwardSettings {
    /// What both have, with the plan's number second.
    fn beside<'a>(&'a self, plan: &ForwardDocument) -> Vec<(&'a str, f64, f64)> {
        let mut both = Vec::new();
        for (name, own, planned) in [
            ("attention", self.attention, plan.attention),
            ("residual", self.residual, plan.residual),
        ] {
            both.extend(own.zip(planned).map(|(own, planned)| (name, own, planned)));
        }
        for (name, own) in &self.readout {
            let planned = plan.readout.get(name);
            both.extend(planned.map(|planned| (name.as_str(), *own, *planned)));
        }
        both
    }
}

impl ParamSettings {
    /// Every number beside the plan's.
    fn beside(&self, planned: &ParamDocument) -> [(&'static str, Option<f64>, Option<f64>); 5] {
        [
            ("lr", self.lr, Some(planned.lr)),
            (
                "weight_decay",
                self.weight_decay,
                Some(planned.weight_decay),
            ),
            ("eps", self.eps, Some(planned.eps)),
            ("init_std", self.init_std, planned.init_std),
            ("multiplier", self.multiplier, Some(planned.multiplier)),
        ]
    }

    fn compare(&self, name: &str, planned: &ParamDocument) -> Option<Finding> {
        let mut differing = Vec::new();
        for (key, own, planned) in self.beside(planned) {
            if let Some((own, planned)) = own.zip(planned)
                && differs(own, planned)
            {
                differing.push(format!("{key} is {own}, the plan has {planned}"));
            }
        }
        let message = differing.join("; ");
        (!differing.is_empty()).then(|| Finding::of(&name.into(), MU012, message))
    }

    /// What of it is not the proxy's times the plan's scales, or has depth in it twice.
    fn compare_to(
        &self,
        proxy: &Self,
        name: &str,
        planned: &ParamDocument,
        plan: &PlanDocument,
    ) -> Option<Finding> {
        let grown = quotient(self.init_std, proxy.init_std);
        let times = quotient(grown, planned.init_std);
        let twice = times.and_then(|times| depth::twice_in_init(plan, name, times, false));
        let differing = || {
            Some(Finding::of(
                &name.into(),
                MU012,
                self.ratios(proxy, planned)?,
            ))
        };
        twice.or_else(differing)
    }

    /// Which numbers are not those of the proxy times the plan's scales.
    fn ratios(&self, proxy: &Self, scales: &ParamDocument) -> Option<String> {
        let proxy = proxy.beside(scales).map(|(_, own, _)| own);
        let mut differing = Vec::new();
        for ((key, own, scale), base) in self.beside(scales).into_iter().zip(proxy) {
            let (Some(own), Some(base), Some(scale)) = (own, base, scale) else {
                continue;
            };
            if differs(own, base * scale) {
                differing.push(format!(
                    "{key} is {own}, and the proxy's {base} times {scale} is {}",
                    base * scale
                ));
            }
        }
        (!differing.is_empty()).then(|| differing.join("; "))
    }
}

/// One number over another, where both are known and there is something to divide by.
fn quotient(own: Option<f64>, other: Option<f64>) -> Option<f64> {
    own.zip(other.filter(|other| *other != 0.0))
        .map(|(own, other)| own / other)
}

fn differs(own: f64, planned: f64) -> bool {
    (own - planned).abs() > TOLERANCE * own.abs().max(planned.abs())
}
