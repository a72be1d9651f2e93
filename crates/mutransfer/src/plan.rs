//! A plan: every parameter of the target model with its scales. Plain data, to be printed,
//! compared, saved and hashed.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::growth::{Fans, Placed};
use crate::theory::Exponents;
use crate::{
    Axes, Clip, Decay, Dim, Error, Factors, Family, Hyper, Init, Optimizer, ParamName,
    Parametrization, Place, Ratios, Role, Setting, Shapes, Table, Widths,
};

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
    /// Which of them are fan-in and fan-out; unknown where nothing grows and nothing said so.
    pub axes: Option<Axes>,
    /// Its factors relative to the base model.
    pub scales: Scales,
    /// What its gradient norm is to be multiplied by before a global norm is clipped; 1 in the form
    /// of Table 8. With [`Clip::Update`] the scale of its threshold instead.
    pub clip: f64,
}

/// What the forward pass must apply beside the parameters' own multipliers.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Forward {
    /// Factor on `query · key`; none without attention.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention: Option<f64>,
    /// Factor on the output of every residual branch; none where depth is not considered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub residual: Option<f64>,
    /// Factor on the weight of every readout that is tied to an embedding, where it is used as
    /// readout.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub readout: BTreeMap<ParamName, f64>,
}

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
    #[serde(skip)]
    table: Table,
    #[serde(skip)]
    is_absolute: bool,
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
    /// The parameters, in order of names.
    pub names: Vec<ParamName>,
}

impl Group {
    fn has(&self, setting: &Setting) -> bool {
        self.learning_rate == setting.learning_rate
            && self.weight_decay == setting.weight_decay
            && self.eps == setting.eps
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
        let table = rule.table(optimizer)?;
        let depth = |place: Place| {
            if place == Place::Block {
                widths.depth(rule.is_absolute())
            } else {
                1.0
            }
        };
        let params = widths
            .place(target, rule.is_absolute())?
            .into_iter()
            .map(|(name, placed)| {
                let place = Place::of(name);
                (
                    name.clone(),
                    ParamPlan::new(placed, &table, optimizer, place, depth(place)),
                )
            });
        let params: BTreeMap<ParamName, ParamPlan> = params.collect();
        let residual_ratios = Ratios {
            depth: widths.depth_ratio(),
            ..Ratios::ONE
        };
        let has_factor = widths.depth_ratio() != 1.0 && !rule.is_absolute();
        let residual = has_factor.then(|| table.residual.at(residual_ratios));
        let mut readout = BTreeMap::new();
        for (alias, embedding) in widths.ties() {
            let missing = || Error::Missing {
                name: embedding.clone(),
                present: "base",
                absent: "target",
            };
            let param = params.get(embedding).ok_or_else(missing)?;
            let multiplier = tied_multiplier(&rule, &table, alias, embedding, param)?;
            readout.insert(alias.clone(), multiplier);
        }
        Ok(Self {
            rule: rule.name(),
            form: rule.form(),
            optimizer,
            decay: table.decay,
            params,
            forward: Forward {
                attention: None,
                residual,
                readout,
            },
            clip: rule.options().clip,
            table,
            is_absolute: rule.is_absolute(),
        })
    }

    /// Adds the attention scale for heads of `size` entries, `base` in the base model.
    ///
    /// SP divides the logits by `√size`; μP by `size / √base`, which is the same at the base.
    pub fn with_head_dim(mut self, base: usize, size: usize) -> Self {
        let base = if self.is_absolute { 1 } else { base };
        let ratios = Ratios {
            fan_in: size as f64 / base as f64,
            ..Ratios::ONE
        };
        self.forward.attention = Some(self.table.attention.at(ratios) / (size as f64).sqrt());
        self
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
            return Err(Error::NoMatch {
                pattern: pattern.to_owned(),
            });
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

    /// Whether weight decay is added to a gradient that the optimizer then normalises, which does
    /// not transfer across width (TP5 B.3).
    pub fn couples_decay(&self) -> bool {
        self.optimizer.family() != Family::RawGradient && self.decay == Decay::L2
    }

    /// What each parameter's `clip` is for.
    pub fn clip(&self) -> Clip {
        self.clip
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

    /// The few groups of parameters that share their optimizer settings at these hyperparameters,
    /// in order of their first names.
    pub fn groups(&self, hyper: &Hyper) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        for (name, param) in &self.params {
            let setting = param.setting(hyper);
            match groups.iter_mut().find(|group| group.has(&setting)) {
                Some(group) => group.names.push(name.clone()),
                None => groups.push(Group {
                    learning_rate: setting.learning_rate,
                    weight_decay: setting.weight_decay,
                    eps: setting.eps,
                    names: vec![name.clone()],
                }),
            }
        }
        groups
    }

    /// What the forward pass must apply at these hyperparameters: [`Plan::forward`] with the
    /// factors on attention and on the multiplier of readouts.
    pub fn forward_at(&self, hyper: &Hyper) -> Forward {
        let mut forward = self.forward.clone();
        if let Some(attention) = &mut forward.attention {
            *attention *= hyper.attention;
        }
        for multiplier in forward.readout.values_mut() {
            *multiplier *= hyper.factors.output.multiplier;
        }
        forward
    }

    /// Roles whose gradient norm grows with width in this form, so that a constant clipping
    /// threshold would bite harder on wider models.
    pub fn growing_gradients(&self) -> Vec<Role> {
        let faithful = Exponents::of(&self.table, self.optimizer).faithful();
        let grows = |role: &Role| {
            let (grows_in, grows_out) = role.grows();
            let entries = i32::from(grows_in) + i32::from(grows_out);
            let Some(entry) = faithful.get(*role) else {
                return false;
            };
            num_rational::Rational32::new(entries, 2) > entry
        };
        Role::ALL
            .into_iter()
            .filter(grows)
            .filter(|role| self.params.values().any(|param| param.role == *role))
            .collect()
    }

    /// Fingerprint of everything in the plan, in hexadecimal; equal plans have equal fingerprints.
    pub fn hash(&self) -> String {
        let canonical = serde_json::to_vec(self).expect("a plan is plain data with text keys");
        blake3::hash(&canonical).to_hex().to_string()
    }
}

/// What an optimizer puts on a matrix by itself.
fn own_factor(
    optimizer: Optimizer,
    dims: &[Dim],
    axes: Option<Axes>,
    size: fn(Dim) -> usize,
) -> f64 {
    let out = axes
        .and_then(|axes| axes.fan_out)
        .map_or(1, |axis| size(dims[axis]));
    optimizer.own_factor(out as f64, Fans::of(dims, axes).fan_in(size) as f64)
}

/// The multiplier of a tied tensor where it is a readout, if both of its uses agree on everything
/// else but init, in which it is an embedding.
fn tied_multiplier(
    rule: &Parametrization,
    table: &Table,
    readout: &ParamName,
    embedding: &ParamName,
    param: &ParamPlan,
) -> Result<f64, Error> {
    let [input, output] = [Role::Input, Role::Output].map(|role| *table.law(role));
    let quantities = [
        ("learning rate", input.learning_rate, output.learning_rate),
        ("weight decay", input.weight_decay, output.weight_decay),
        ("epsilon", input.eps, output.eps),
    ];
    // The width is the embedding's fan-out and the readout's fan-in.
    if let Some((quantity, ..)) = quantities
        .into_iter()
        .find(|(_, input, output)| *input != output.swapped())
    {
        let (readout, embedding) = (readout.clone(), embedding.clone());
        return Err(Error::TiedConflict {
            readout,
            embedding,
            rule: rule.name(),
            form: rule.form(),
            quantity,
        });
    }
    let width = param
        .axes
        .and_then(|axes| axes.fan_out)
        .map_or(1.0, |axis| param.dims[axis].ratio());
    Ok(output.multiplier.at(Ratios {
        fan_in: width,
        ..Ratios::ONE
    }))
}

impl ParamPlan {
    fn new(placed: Placed, table: &Table, optimizer: Optimizer, place: Place, depth: f64) -> Self {
        let Placed {
            role,
            ratios,
            dims,
            axes,
        } = placed;
        let own = match optimizer.family_of(role) {
            Family::Spectral => {
                own_factor(optimizer, &dims, axes, Dim::size)
                    / own_factor(optimizer, &dims, axes, Dim::base)
            }
            _ => 1.0,
        };
        let ratios = Ratios {
            depth,
            own,
            ..ratios
        };
        let law = table.law_at(role, place);
        let scales = Scales {
            multiplier: law.multiplier.at(ratios),
            init_std: law.init_std.at(ratios),
            learning_rate: law.learning_rate.at(ratios),
            weight_decay: law.weight_decay.at(ratios),
            eps: law.eps.at(ratios),
        };
        let clip = table.clip[role as usize].at(ratios);
        Self {
            role,
            dims,
            axes,
            scales,
            clip,
        }
    }

    /// The absolute numbers at these hyperparameters, with the factors of its role.
    pub fn setting(&self, hyper: &Hyper) -> Setting {
        let factors = hyper.factors[self.role];
        Setting {
            learning_rate: hyper.learning_rate * self.scales.learning_rate * factors.learning_rate,
            weight_decay: hyper.weight_decay * self.scales.weight_decay * factors.weight_decay,
            eps: hyper.eps * self.scales.eps,
            init_std: self.init_std(hyper.init, factors),
            multiplier: self.scales.multiplier * factors.multiplier,
        }
    }

    /// Standard deviation of its initial weights; none for biases and gains, which start at a
    /// constant at any width.
    pub(crate) fn init_std(&self, init: Init, factors: Factors) -> Option<f64> {
        self.is_drawn()
            .then(|| self.base_std(init, Dim::base) * self.scales.init_std * factors.init_std)
    }

    /// What to multiply the output of a framework's initialiser by, which knows the target's sizes
    /// only; none for biases and gains.
    ///
    /// With `Init::FanIn` a hidden matrix has 1, since dividing by the root of the fan-in is what
    /// μP asks; a readout in the form of Table 8 has `√m_in`.
    pub fn init_factor(&self, hyper: &Hyper) -> Option<f64> {
        Some(self.setting(hyper).init_std? / self.base_std(hyper.init, Dim::size))
    }

    fn is_drawn(&self) -> bool {
        self.dims.len() > 1
    }

    fn base_std(&self, init: Init, size: fn(Dim) -> usize) -> f64 {
        let fans = Fans::of(&self.dims, self.axes);
        init.std(fans.fan_in(size), fans.fan_out(size))
    }
}
