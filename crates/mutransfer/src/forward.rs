//! What the forward pass applies beside the parameters' own multipliers.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::error::{Error, PlanError, WidthsError};
use crate::experts::{self, Experts};
use crate::hyper::Hyper;
use crate::law::Table;
use crate::mixture;
use crate::param::ParamPlan;
use crate::parametrization::Parametrization;
use crate::power::{Power, Ratio, Ratios};
use crate::role::Role;
use crate::shape::ParamName;
use crate::size::Size;
use crate::sizes::{Base, Sizes};
use crate::stack::{Stack, Stacks};
use crate::width::Widths;

/// What the forward pass must apply beside the parameters' own multipliers.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Forward {
    /// Factor on `query · key`; none without attention.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention: Option<f64>,
    /// Factor on the output of every residual branch; none where depth is not considered, or where
    /// stacks of blocks need factors of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub residual: Option<f64>,
    /// Factor on the output of the residual branches of each stack of blocks by its name, where
    /// stacks grow by several factors.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub residual_in: BTreeMap<String, f64>,
    /// Factor on the weight of every readout that is tied to an embedding, where it is used as
    /// readout.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub readout: BTreeMap<ParamName, f64>,
    /// What layers of experts apply; none without experts, or where nothing is declared of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experts: Option<Experts>,
}

impl Forward {
    /// By a table, for a model of which `params` are planned.
    pub(crate) fn new(
        rule: &Parametrization,
        table: &Table,
        widths: &Widths,
        stacks: &Stacks,
        params: &BTreeMap<ParamName, ParamPlan>,
    ) -> Result<Self, Error> {
        let definition = rule.definition();
        let folded = table.folds_branches && widths.has_branch_ends();
        let (residual, residual_in) = if definition.depth.scales_branches() && !folded {
            residuals(table, stacks)
        } else {
            (None, BTreeMap::new())
        };
        let starts_smaller = definition.depth.branch_init() != Power::ONE;
        if starts_smaller && stacks.growing().next().is_some() && !widths.has_branch_ends() {
            return Err(PlanError::NoBranchEnds { rule: rule.name() }.into());
        }
        Ok(Self {
            attention: attention(table, widths.sizes(), definition.base),
            residual,
            residual_in,
            readout: readouts(rule, table, widths, params)?,
            experts: layers_of_experts(rule, widths.sizes(), params)?,
        })
    }

    /// With the factors of hyperparameters.
    pub(crate) fn at(&self, hyper: &Hyper) -> Self {
        let mut forward = self.clone();
        if let Some(attention) = &mut forward.attention {
            *attention *= hyper.attention;
        }
        for multiplier in forward.readout.values_mut() {
            *multiplier *= hyper.factors.output.multiplier;
        }
        forward
    }
}

/// One factor for all branches where all stacks grow alike, else one for each that grows.
fn residuals(table: &Table, stacks: &Stacks) -> (Option<f64>, BTreeMap<String, f64>) {
    let ratio = |stack: &Stack| stack.target as f64 / stack.base as f64;
    let factor = |stack: &Stack| {
        let ratios = Ratios::ONE.with(Ratio::Depth, ratio(stack));
        table.residual.at(ratios)
    };
    let Some(first) = stacks.growing().next() else {
        return (None, BTreeMap::new());
    };
    if stacks.iter().all(|stack| ratio(stack) == ratio(first)) {
        return (Some(factor(first)), BTreeMap::new());
    }
    let each = stacks
        .growing()
        .map(|stack| (stack.name.clone(), factor(stack)));
    (None, each.collect())
}

/// SP divides the logits of attention by `√size`; μP by `size / √base`, which is the same at the
/// base.
fn attention(table: &Table, sizes: Sizes, base: Base) -> Option<f64> {
    let size = sizes.target(Size::HeadDim)?;
    let ratios = Ratios::ONE.with(Ratio::FanIn, sizes.ratio_to(base, Size::HeadDim));
    Some(table.attention.at(ratios) / (size as f64).sqrt())
}

/// What is declared of experts, which a rule with laws for them must know.
fn layers_of_experts(
    rule: &Parametrization,
    sizes: Sizes,
    params: &BTreeMap<ParamName, ParamPlan>,
) -> Result<Option<Experts>, PlanError> {
    let definition = rule.definition();
    experts::check(sizes, rule)?;
    let is_unknown = |(name, param): &(&ParamName, &ParamPlan)| {
        param.role == Role::Hidden && mixture::is_called_expert(name)
    };
    if let Some((name, _)) = params
        .iter()
        .find(is_unknown)
        .filter(|_| definition.states_experts)
    {
        let name = name.clone();
        return Err(PlanError::UnknownExpert { name });
    }
    let of = |is: fn(Role) -> bool| params.iter().find(|(_, param)| is(param.role));
    let writing = of(|role| role == Role::ExpertOut);
    let output = writing.map_or(1.0, |(_, param)| param.scales.multiplier);
    let experts = Experts::of(sizes, definition.route, rule.options(), output);
    match of(Role::is_of_experts) {
        Some((name, _)) if experts.is_none() && definition.states_experts => {
            let (rule, name) = (rule.name(), name.clone());
            Err(PlanError::NoActiveWidth { rule, name })
        }
        _ => Ok(experts),
    }
}

fn readouts(
    rule: &Parametrization,
    table: &Table,
    widths: &Widths,
    params: &BTreeMap<ParamName, ParamPlan>,
) -> Result<BTreeMap<ParamName, f64>, Error> {
    let mut multipliers = BTreeMap::new();
    for (readout, embedding) in widths.ties() {
        let param = params.get(embedding).ok_or_else(|| WidthsError::Missing {
            name: embedding.clone(),
            present: "base",
            absent: "target",
        })?;
        if let Some(quantity) = disagreement(table) {
            return Err(PlanError::TiedConflict {
                readout: readout.clone(),
                embedding: embedding.clone(),
                rule: rule.name(),
                form: rule.form(),
                quantity,
            }
            .into());
        }
        multipliers.insert(readout.clone(), readout_multiplier(table, param));
    }
    Ok(multipliers)
}

/// In what an embedding and a readout differ that would be one tensor, whose init is that of an
/// embedding.
fn disagreement(table: &Table) -> Option<&'static str> {
    let [input, output] = [table.law(Role::Input), table.law(Role::Output)];
    let quantities = [
        ("learning rate", input.learning_rate, output.learning_rate),
        ("weight decay", input.weight_decay, output.weight_decay),
        ("epsilon", input.eps, output.eps),
    ];
    // The width is the embedding's fan-out and the readout's fan-in.
    quantities
        .into_iter()
        .find(|(_, input, output)| *input != output.swapped())
        .map(|(quantity, ..)| quantity)
}

/// The multiplier of an embedding where it is a readout.
fn readout_multiplier(table: &Table, embedding: &ParamPlan) -> f64 {
    let width = embedding
        .axes
        .and_then(|axes| axes.fan_out)
        .map_or(1.0, |axis| embedding.dims[axis].ratio());
    let ratios = Ratios::ONE.with(Ratio::FanIn, width);
    table.law(Role::Output).multiplier.at(ratios)
}
