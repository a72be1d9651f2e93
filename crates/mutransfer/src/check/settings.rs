//! A trainer's own numbers against the plan's.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::finding::Finding;
use super::lints::MU012;
use crate::document::{ForwardDocument, ParamDocument, PlanDocument};
use crate::error::{Error, ShapesError};

/// Numbers that a trainer uses, in the format of a plan; what is absent is not compared.
#[derive(Debug, Default, Deserialize)]
pub struct Settings {
    #[serde(default)]
    params: BTreeMap<String, ParamSettings>,
    #[serde(default)]
    forward: ForwardSettings,
}

#[derive(Debug, Deserialize)]
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
    /// Reads them from JSON.
    ///
    /// # Errors
    /// When the text is no such JSON, with line and column.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        // Read as an object first: a struct would also be read from a list.
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(text).map_err(|error| syntax(&error))?;
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
                Some(planned) => findings.extend(own.compare(name, planned)),
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
        for (name, own, planned) in self.forward.beside(&plan.forward) {
            if differs(own, planned) {
                let message = format!("forward multiplier {name} is {own}, the plan has {planned}");
                findings.push(Finding::general(MU012, message));
            }
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
    fn compare(&self, name: &str, planned: &ParamDocument) -> Option<Finding> {
        let pairs = [
            ("lr", self.lr, Some(planned.lr)),
            (
                "weight_decay",
                self.weight_decay,
                Some(planned.weight_decay),
            ),
            ("eps", self.eps, Some(planned.eps)),
            ("init_std", self.init_std, planned.init_std),
            ("multiplier", self.multiplier, Some(planned.multiplier)),
        ];
        let mut differing = Vec::new();
        for (key, own, planned) in pairs {
            if let Some((own, planned)) = own.zip(planned)
                && differs(own, planned)
            {
                differing.push(format!("{key} is {own}, the plan has {planned}"));
            }
        }
        let message = differing.join("; ");
        (!differing.is_empty()).then(|| Finding::of(&name.into(), MU012, message))
    }
}

fn differs(own: f64, planned: f64) -> bool {
    (own - planned).abs() > TOLERANCE * own.abs().max(planned.abs())
}
