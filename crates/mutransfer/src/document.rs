//! The plan as JSON, for any trainer in any language. `docs/plan.schema.json` is its schema.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::experts::Experts;
use crate::horizon::Horizon;
use crate::hyper::{Factors, Hyper, Init, is_one};
use crate::optimizer::Decay;
use crate::options::Clip;
use crate::param::ParamPlan;
use crate::plan::Plan;
use crate::role::Role;
use crate::roles::Roles;
use crate::shape::ParamName;
use crate::size::Size;
use crate::sizes::Sizes;

/// Base values to multiply the scales with; what is not given leaves the scale itself. Factors
/// multiply both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Given {
    /// Peak learning rate of the base model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lr: Option<f64>,
    /// Weight decay of the base model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
    /// Epsilon of the base model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eps: Option<f64>,
    /// Initial standard deviation of every weight of the base model, or the rule it follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<serde_json::Value>"))]
    pub init: Option<Init>,
    /// Factors for the parameters of each role.
    #[serde(skip_serializing_if = "is_neutral")]
    pub factors: Roles<Factors>,
    /// Factor on the logits of attention.
    #[serde(skip_serializing_if = "is_one")]
    pub attention: f64,
    /// Base values of some parameters only, in place of those above; later ones win.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub own: Vec<OwnBase>,
}

/// Base values of some parameters only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OwnBase {
    /// Which ones: a role, or a pattern of names such as `embed.*`.
    pub of: String,
    /// Peak learning rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lr: Option<f64>,
    /// Weight decay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
    /// Epsilon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eps: Option<f64>,
    /// Initial standard deviation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_std: Option<f64>,
}

impl OwnBase {
    /// Whether it is about a parameter.
    pub fn is_of(&self, name: &ParamName, role: Role) -> bool {
        match self.of.parse::<Role>() {
            Ok(own) => own == role,
            Err(_) => name.matches(&self.of),
        }
    }
}

impl Default for Given {
    fn default() -> Self {
        Self {
            lr: None,
            weight_decay: None,
            eps: None,
            init: None,
            factors: Roles::all(Factors::ONE),
            attention: 1.0,
            own: Vec::new(),
        }
    }
}

fn is_neutral(factors: &Roles<Factors>) -> bool {
    *factors == Roles::all(Factors::ONE)
}

impl From<&Hyper> for Given {
    fn from(hyper: &Hyper) -> Self {
        Self {
            lr: Some(hyper.learning_rate),
            weight_decay: Some(hyper.weight_decay),
            eps: Some(hyper.eps),
            init: Some(hyper.init),
            factors: hyper.factors,
            attention: hyper.attention,
            own: Vec::new(),
        }
    }
}

impl From<&Given> for Hyper {
    /// What is not given is 1, so that settings are scales.
    fn from(given: &Given) -> Self {
        Self {
            learning_rate: given.lr.unwrap_or(1.0),
            weight_decay: given.weight_decay.unwrap_or(1.0),
            eps: given.eps.unwrap_or(1.0),
            init: given.init.unwrap_or(Init::Constant(1.0)),
            factors: given.factors,
            attention: given.attention,
            ..Self::default()
        }
    }
}

/// How to train a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PlanDocument {
    /// Name of the parametrization.
    pub rule: String,
    /// The rotation it is in: table3, table8, table9, folded, standard, or own.
    pub form: String,
    /// Name of the optimizer.
    pub optimizer: String,
    /// How weight decay enters the step: l2 (added to the gradient), times-lr (multiplied by the
    /// learning rate of the step), independent (multiplied by the schedule's factor only).
    pub decay: Decay,
    /// Fingerprint of the plan, whatever the base values.
    pub hash: String,
    /// The base values that numbers below were multiplied with. A quantity that is absent here is a
    /// scale below.
    pub hyper: Given,
    /// Every parameter by name.
    pub params: BTreeMap<String, ParamDocument>,
    /// What the forward pass applies beside the parameters' multipliers.
    pub forward: ForwardDocument,
    /// Gradient clipping, where it needs more than a constant threshold on the global norm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<ClipDocument>,
    /// The stacks of blocks that differ in number, by name: blocks of the base and of the target.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub depth: BTreeMap<String, [usize; 2]>,
    /// What follows from batch and duration, where they differ from the proxy's. The numbers of the
    /// parameters have it in them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<TrainingDocument>,
}

/// How batch and duration change what is trained with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TrainingDocument {
    /// Batch of the proxy and of the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<[usize; 2]>,
    /// Training tokens of the proxy and of the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<[usize; 2]>,
    /// Factor on every learning rate.
    pub lr: f64,
    /// Factor on every weight decay.
    pub weight_decay: f64,
    /// Factor on every epsilon.
    pub eps: f64,
    /// Factor on 1 - beta, for both betas of Adam.
    pub one_minus_beta: f64,
    /// Factor on the number of steps.
    pub steps: f64,
    /// Factor on the noise of the gradient in a step times the learning rate, which no law corrects
    /// where it is not 1.
    #[serde(default = "one")]
    pub noise: f64,
    /// The target's first beta, where the proxy's is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beta1: Option<f64>,
    /// The target's second beta, where the proxy's is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beta2: Option<f64>,
}

fn one() -> f64 {
    1.0
}

/// One parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ParamDocument {
    /// The part it plays.
    pub role: Role,
    /// Peak learning rate.
    pub lr: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Epsilon, added after the square root.
    pub eps: f64,
    /// Standard deviation of the initial weights; null for biases and gains, which start at a
    /// constant.
    pub init_std: Option<f64>,
    /// Standard deviation relative to that of the base model.
    pub init_scale: f64,
    /// Factor on the weight in the forward pass.
    pub multiplier: f64,
    /// Factor on Sophia's rho, which multiplies its Hessian; absent for other optimizers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rho: Option<f64>,
}

/// What the forward pass applies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ForwardDocument {
    /// Factor on query · key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attention: Option<f64>,
    /// Factor on the output of every residual branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub residual: Option<f64>,
    /// Factor on the output of the residual branches of each stack of blocks by its name, where
    /// stacks grow by several factors.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub residual_in: BTreeMap<String, f64>,
    /// Factor on the weight of each tied readout, where it is used as readout.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub readout: BTreeMap<String, f64>,
    /// Layers of experts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experts: Option<Experts>,
}

/// How to clip gradients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ClipDocument {
    /// `gradient`: multiply each parameter's gradient norm by its factor before the global norm is
    /// taken. `update`: clip each parameter's normalised update at the threshold times its factor.
    pub of: String,
    /// Factors other than 1.
    pub factors: BTreeMap<String, f64>,
}

impl PlanDocument {
    /// The same for another batch and duration than the proxy's, with the proxy's betas where they
    /// are known.
    ///
    /// # Errors
    /// When a beta would leave (0, 1): the batch grew too much for it.
    pub fn trained(
        mut self,
        horizon: &Horizon,
        sizes: Sizes,
        [beta1, beta2]: [Option<f64>; 2],
    ) -> Result<Self, Error> {
        let growth = horizon.growth(sizes, self.decay);
        for param in self.params.values_mut() {
            param.lr *= growth.learning_rate;
            param.weight_decay *= growth.weight_decay;
            param.eps *= growth.eps;
        }
        let pair = |size| {
            sizes
                .base(size)
                .zip(sizes.target(size))
                .map(<[usize; 2]>::from)
        };
        let beta = |name, beta: Option<f64>| beta.map(|beta| growth.beta(name, beta)).transpose();
        self.training = Some(TrainingDocument {
            batch: pair(Size::Batch),
            tokens: pair(Size::Tokens),
            lr: growth.learning_rate,
            weight_decay: growth.weight_decay,
            eps: growth.eps,
            one_minus_beta: growth.forgetting,
            steps: growth.steps,
            noise: growth.noise,
            beta1: beta("beta1", beta1)?,
            beta2: beta("beta2", beta2)?,
        });
        Ok(self)
    }
}

fn named((name, factor): (&ParamName, &f64)) -> (String, f64) {
    (name.to_string(), *factor)
}

impl Plan {
    /// The plan with absolute numbers for what is given, and scales for what is not.
    pub fn document(&self, given: impl Into<Given>) -> PlanDocument {
        let given = given.into();
        let hyper = Hyper::from(&given);
        let forward = self.forward_at(&hyper);
        PlanDocument {
            rule: self.rule().to_owned(),
            form: self.form().to_owned(),
            optimizer: self.optimizer().to_string(),
            decay: self.decay(),
            hash: self.hash(),
            params: self
                .params()
                .map(|(name, param)| {
                    let mut document = ParamDocument::new(param, &hyper);
                    for own in given.own.iter().filter(|own| own.is_of(name, param.role)) {
                        document.base(param, own);
                    }
                    (name.to_string(), document)
                })
                .collect(),
            hyper: given,
            forward: ForwardDocument {
                attention: forward.attention,
                residual: forward.residual,
                residual_in: forward.residual_in,
                readout: forward.readout.iter().map(named).collect(),
                experts: forward.experts,
            },
            clip: self.clip_document(),
            depth: self
                .stacks()
                .iter()
                .map(|stack| (stack.name.clone(), [stack.base, stack.target]))
                .collect(),
            training: None,
        }
    }

    /// [`Self::document`] as a JSON value.
    #[expect(clippy::missing_panics_doc, reason = "plain data always is JSON")]
    pub fn to_json(&self, given: impl Into<Given>) -> serde_json::Value {
        serde_json::to_value(self.document(given)).expect("plain data with text keys")
    }

    fn clip_document(&self) -> Option<ClipDocument> {
        let others = self.params().filter(|(_, param)| param.clip != 1.0);
        let factors: BTreeMap<_, _> = others
            .map(|(name, param)| (name.to_string(), param.clip))
            .collect();
        let of = if self.clip() == Clip::Update {
            "update"
        } else {
            "gradient"
        };
        (!factors.is_empty()).then(|| ClipDocument {
            of: of.to_owned(),
            factors,
        })
    }
}

impl ParamDocument {
    fn new(param: &ParamPlan, hyper: &Hyper) -> Self {
        let setting = param.setting(hyper);
        Self {
            role: param.role,
            lr: setting.learning_rate,
            weight_decay: setting.weight_decay,
            eps: setting.eps,
            init_std: setting.init_std,
            init_scale: param.scales.init_std * hyper.factors[param.role].init_std,
            multiplier: setting.multiplier,
            rho: param.rho,
        }
    }

    /// Takes base values of its own.
    fn base(&mut self, param: &ParamPlan, own: &OwnBase) {
        let scaled = |value: Option<f64>, scale: f64| value.map(|value| value * scale);
        let scales = param.scales;
        self.lr = scaled(own.lr, scales.learning_rate).unwrap_or(self.lr);
        self.weight_decay =
            scaled(own.weight_decay, scales.weight_decay).unwrap_or(self.weight_decay);
        self.eps = scaled(own.eps, scales.eps).unwrap_or(self.eps);
        if self.init_std.is_some() {
            self.init_std = scaled(own.init_std, scales.init_std).or(self.init_std);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The schema that users read is the one of the types. `cargo xtask generate` writes
    /// it.
    #[test]
    fn schema_is_generated_from_the_types() {
        let schema = schemars::schema_for!(PlanDocument);
        let text = serde_json::to_string_pretty(&schema).expect("plain data") + "\n";
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/plan.schema.json");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, &text).expect("docs can be written");
        }
        assert_eq!(
            std::fs::read_to_string(path).expect("the schema is there"),
            text
        );
    }
}
