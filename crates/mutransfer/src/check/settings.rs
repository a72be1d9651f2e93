//! A trainer's own numbers against the plan's.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::lints::MU012;
use super::{Finding, general};
use crate::{Error, ParamDocument, PlanDocument};

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

/// Numbers that differ by less are the same: trainers print in single precision.
const TOLERANCE: f64 = 1e-5;

impl Settings {
    /// Reads them from JSON.
    ///
    /// # Errors
    /// When the text is no such JSON, with line and column.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        let bad = |error: serde_json::Error| Error::BadShapes {
            format: "JSON (settings)",
            message: error.to_string(),
        };
        // Read as an object first: a struct would also be read from a list.
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(text).map_err(bad)?;
        if !["params", "forward"]
            .iter()
            .any(|key| object.contains_key(*key))
        {
            let message = "nothing to compare: neither `params` nor `forward` is there".to_owned();
            return Err(Error::BadShapes {
                format: "JSON (settings)",
                message,
            });
        }
        serde_json::from_value(object.into()).map_err(bad)
    }

    /// Where they differ from a plan.
    pub fn compare(&self, plan: &PlanDocument) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (name, own) in &self.params {
            match plan.params.get(name) {
                Some(planned) => findings.extend(own.compare(name, planned)),
                None => findings.push(general(
                    MU012,
                    format!("`{name}` is no parameter of the plan"),
                )),
            }
        }
        for name in plan
            .params
            .keys()
            .filter(|name| !self.params.is_empty() && !self.params.contains_key(*name))
        {
            findings.push(general(
                MU012,
                format!("`{name}` of the plan is in no group of the trainer"),
            ));
        }
        let forward = [
            ("attention", self.forward.attention, plan.forward.attention),
            ("residual", self.forward.residual, plan.forward.residual),
        ];
        let readouts = self.forward.readout.iter().map(|(name, own)| {
            (
                name.as_str(),
                Some(*own),
                plan.forward.readout.get(name).copied(),
            )
        });
        for (name, own, planned) in forward.into_iter().chain(readouts) {
            if let (Some(own), Some(planned)) = (own, planned)
                && differs(own, planned)
            {
                findings.push(general(
                    MU012,
                    format!("forward multiplier {name} is {own}, the plan has {planned}"),
                ));
            }
        }
        findings
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
        let differing: Vec<String> = pairs
            .into_iter()
            .filter_map(|(key, own, planned)| {
                let (own, planned) = (own?, planned?);
                differs(own, planned).then(|| format!("{key} is {own}, the plan has {planned}"))
            })
            .collect();
        let parameter = Some(name.into());
        (!differing.is_empty()).then(|| Finding {
            lint: MU012,
            parameter,
            message: differing.join("; "),
        })
    }
}

fn differs(own: f64, planned: f64) -> bool {
    (own - planned).abs() > TOLERANCE * own.abs().max(planned.abs())
}
