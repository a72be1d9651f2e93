//! What a user chooses beside shapes, as JSON.

use std::collections::BTreeMap;

use mutransfer::error::OptionsError;
use mutransfer::{
    Decay, Error, Form, Layout, Optimizer, Options, Parametrization, Plan, Role, Rule, Size, Sizes,
    Widths,
};
use serde::Deserialize;

use crate::error::Problem;

/// Sizes of base and target.
type Pair = (usize, usize);

/// What they are called in Python.
const SIZES: [(&str, Size); 6] = [
    ("head_dim", Size::HeadDim),
    ("depth", Size::Depth),
    ("active", Size::Active),
    ("experts", Size::Experts),
    ("expert_width", Size::ExpertWidth),
    ("shared_width", Size::SharedWidth),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Choices {
    /// Text of a `.bsh` file, in place of a base.
    pub(crate) bsh: Option<String>,
    rule: String,
    /// Text of the rule's table in TOML, where it is none of the built-in ones.
    table: Option<String>,
    optimizer: String,
    layout: Option<String>,
    /// Patterns with roles.
    declare: Vec<(String, String)>,
    /// Readouts with the embeddings that they are.
    ties: Vec<(String, String)>,
    pub(crate) zero_init: Vec<String>,
    /// What shapes do not say, in base and target.
    sizes: BTreeMap<String, Option<Pair>>,
    form: Option<String>,
    decay: Option<String>,
    options: BTreeMap<String, String>,
    /// Parameters whose multiplier goes into their weights.
    fold: Vec<String>,
    pub(crate) decays: bool,
    pub(crate) clips: bool,
}

/// A built-in rule, or that of a table in TOML.
pub(crate) fn named(rule: &str, table: Option<&str>) -> Result<Parametrization, Error> {
    match table {
        Some(table) => Parametrization::from_toml(rule, table),
        None => Ok(rule.parse::<Rule>()?.into()),
    }
}

impl Choices {
    pub(crate) fn parametrization(&self) -> Result<Parametrization, Problem> {
        let mut rule = named(&self.rule, self.table.as_deref())?;
        if let Some(form) = &self.form {
            rule = rule.with_form(form.parse::<Form>()?);
        }
        if let Some(decay) = &self.decay {
            rule = rule.with_decay(decay.parse::<Decay>()?);
        }
        let pairs = || self.options.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        for pair in pairs() {
            if let Err(Error::Options(OptionsError::Malformed { message })) =
                Options::from_pairs([pair])
            {
                return Err(Problem::input(format!("option `{}`: {message}", pair.0)));
            }
        }
        Ok(rule.with_options(Options::from_pairs(pairs())?))
    }

    pub(crate) fn optimizer(&self) -> Result<Optimizer, Error> {
        Ok(self.optimizer.parse()?)
    }

    /// The widths with everything declared about them.
    pub(crate) fn declared(&self, mut widths: Widths) -> Result<Widths, Error> {
        if let Some(layout) = &self.layout {
            widths = widths.with_layout(layout.parse::<Layout>()?);
        }
        for (pattern, role) in &self.declare {
            widths = widths.declare(pattern, role.parse::<Role>()?)?;
        }
        for (readout, embedding) in &self.ties {
            widths = widths.tie(readout, embedding)?;
        }
        let mut sizes = Sizes::NONE;
        for (name, size) in SIZES {
            if let Some((base, target)) = self.sizes.get(name).copied().flatten() {
                sizes = sizes.with(size, base, target)?;
            }
        }
        Ok(widths.with_sizes(sizes))
    }

    /// The plan with what is chosen of single parameters.
    pub(crate) fn completed(&self, mut plan: Plan) -> Result<Plan, Error> {
        for pattern in &self.zero_init {
            plan = plan.with_zero_init(pattern)?;
        }
        for pattern in &self.fold {
            plan = plan.folded(pattern)?;
        }
        Ok(plan)
    }
}
