//! A plan: every parameter of the target model with its scales. Plain data, to be printed, compared, saved and hashed.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{Decay, Dim, Error, Family, Hyper, ParamName, Power, Ratios, Role, Rule, Setting, Shapes, Widths};

/// The five factors by which a parameter's numbers differ from those of the base model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Scales {
    /// On the weight in the forward pass.
    pub multiplier: f64,
    /// On the initial standard deviation.
    pub init_std: f64,
    /// On the learning rate.
    pub learning_rate: f64,
    /// On the weight decay.
    pub weight_decay: f64,
    /// On epsilon.
    pub eps: f64,
}

/// One parameter of the target model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ParamPlan {
    /// The part it plays.
    pub role: Role,
    /// Its dimensions, with their base sizes.
    pub dims: Vec<Dim>,
    /// Number of terms each of its outputs sums over in the base model.
    pub base_fan_in: usize,
    /// Its factors relative to the base model.
    pub scales: Scales,
}

/// What the forward pass must apply beside the parameters' own multipliers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Forward {
    /// Factor on `query · key`; none without attention.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention: Option<f64>,
}

/// How to train the target model so that the proxy's hyperparameters hold.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    rule: Rule,
    optimizer: crate::Optimizer,
    params: BTreeMap<ParamName, ParamPlan>,
    forward: Forward,
}

/// Parameters that share their optimizer settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Scale of the learning rate.
    pub learning_rate: f64,
    /// Scale of the weight decay.
    pub weight_decay: f64,
    /// Scale of epsilon.
    pub eps: f64,
    /// The parameters, in order of names.
    pub names: Vec<ParamName>,
}

impl Plan {
    /// Applies a rule to the shapes of the target model.
    ///
    /// # Errors
    /// When `target` does not have the parameters of `widths`, when a dimension differs that does not grow, or when
    /// the orientation of a growing matrix is unknown.
    pub fn new(widths: &Widths, target: &Shapes, rule: Rule, optimizer: crate::Optimizer) -> Result<Self, Error> {
        let table = rule.table(optimizer.family());
        let params = widths.place(target)?.into_iter().map(|(name, placed)| {
            let law = table.law(placed.role);
            let scale = |power: &Power| power.at(placed.ratios);
            let scales = Scales {
                multiplier: scale(&law.multiplier),
                init_std: scale(&law.init_std),
                learning_rate: scale(&law.learning_rate),
                weight_decay: scale(&law.weight_decay),
                eps: scale(&law.eps),
            };
            let (role, dims, base_fan_in) = (placed.role, placed.dims, placed.base_fan_in);
            (name.clone(), ParamPlan { role, dims, base_fan_in, scales })
        });
        Ok(Self { rule, optimizer, params: params.collect(), forward: Forward { attention: None } })
    }

    /// Adds the attention scale for heads of `size` entries, `base` in the base model.
    ///
    /// SP divides the logits by `√size`; μP by `size / √base`, which is the same at the base.
    pub fn with_head_dim(mut self, base: usize, size: usize) -> Self {
        let ratios = Ratios { fan_in: size as f64 / base as f64, ..Ratios::ONE };
        let power = self.rule.table(self.optimizer.family()).attention;
        self.forward.attention = Some(power.at(ratios) / (size as f64).sqrt());
        self
    }

    /// Starts every parameter that matches `pattern` at zero, recommended for readout and query (TP5 appendix D).
    ///
    /// # Errors
    /// When no parameter matches.
    pub fn with_zero_init(mut self, pattern: &str) -> Result<Self, Error> {
        let mut matching = self.params.iter_mut().filter(|(name, _)| name.matches(pattern)).peekable();
        if matching.peek().is_none() {
            return Err(Error::NoMatch { pattern: pattern.to_owned() });
        }
        matching.for_each(|(_, param)| param.scales.init_std = 0.0);
        Ok(self)
    }

    /// The parametrization applied.
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// The optimizer it is for.
    pub fn optimizer(&self) -> crate::Optimizer {
        self.optimizer
    }

    /// What the forward pass must apply.
    pub fn forward(&self) -> Forward {
        self.forward
    }

    /// Every parameter, in order of names.
    pub fn params(&self) -> impl Iterator<Item = (&ParamName, &ParamPlan)> {
        self.params.iter()
    }

    /// The parameter of this name.
    pub fn param(&self, name: &str) -> Option<&ParamPlan> {
        self.params.get(name)
    }

    /// The absolute numbers of one parameter; none when the plan does not have it.
    pub fn setting(&self, name: &str, hyper: &Hyper) -> Option<Setting> {
        self.params.get(name).map(|param| param.setting(hyper))
    }

    /// The few groups of parameters that share their optimizer settings.
    pub fn groups(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        for (name, param) in &self.params {
            let Scales { learning_rate, weight_decay, eps, .. } = param.scales;
            let same = |group: &&mut Group| {
                (group.learning_rate, group.weight_decay, group.eps) == (learning_rate, weight_decay, eps)
            };
            match groups.iter_mut().find(same) {
                Some(group) => group.names.push(name.clone()),
                None => groups.push(Group { learning_rate, weight_decay, eps, names: vec![name.clone()] }),
            }
        }
        groups
    }

    /// What a user should know before relying on the plan.
    pub fn warnings(&self, hyper: &Hyper) -> Vec<String> {
        let coupled = self.optimizer.family() == Family::Entrywise && self.optimizer.decay() == Decay::L2;
        let mut warnings = Vec::new();
        if self.rule == Rule::Mup && coupled && hyper.weight_decay != 0.0 {
            warnings.push(
                "adam adds weight decay to the gradient, which does not transfer across width (TP5 B.3); use adamw"
                    .into(),
            );
        }
        warnings
    }

    /// Fingerprint of everything in the plan, in hexadecimal; equal plans have equal fingerprints.
    pub fn hash(&self) -> String {
        let canonical = serde_json::to_vec(self).expect("a plan is plain data with text keys");
        blake3::hash(&canonical).to_hex().to_string()
    }

    /// The plan as JSON with absolute numbers, for any trainer in any language.
    pub fn to_json(&self, hyper: &Hyper) -> serde_json::Value {
        let params: BTreeMap<_, _> = self.params.iter().map(|(name, param)| (name, param.to_json(hyper))).collect();
        serde_json::json!({
            "rule": self.rule,
            "form": self.rule.form(),
            "optimizer": self.optimizer,
            "decay": self.optimizer.decay(),
            "hash": self.hash(),
            "params": params,
            "forward": self.forward,
        })
    }
}

impl ParamPlan {
    /// The absolute numbers at these hyperparameters.
    pub fn setting(&self, hyper: &Hyper) -> Setting {
        // Biases and gains start at a constant, whatever the width.
        let drawn = self.dims.len() > 1;
        Setting {
            learning_rate: hyper.learning_rate * self.scales.learning_rate,
            weight_decay: hyper.weight_decay * self.scales.weight_decay,
            eps: hyper.eps * self.scales.eps,
            init_std: drawn.then(|| hyper.init.base_std(self.base_fan_in) * self.scales.init_std),
            multiplier: self.scales.multiplier,
        }
    }

    fn to_json(&self, hyper: &Hyper) -> serde_json::Value {
        let setting = self.setting(hyper);
        serde_json::json!({
            "role": self.role,
            "lr": setting.learning_rate,
            "weight_decay": setting.weight_decay,
            "eps": setting.eps,
            "init_std": setting.init_std,
            "init_scale": self.scales.init_std,
            "multiplier": setting.multiplier,
        })
    }
}
