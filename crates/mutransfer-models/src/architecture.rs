//! A model family at a size, and the plan that follows from its shapes.

use burn::tensor::Device;
use mutransfer::{Form, Optimizer, Parametrization, Plan, Power, Role, Rule, Shapes, Widths};
use serde::{Deserialize, Serialize};

use crate::gpt::GptConfig;
use crate::mlp::MlpConfig;
use crate::{Error, Gpt, Mlp};

/// Which family of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Decoder-only transformer.
    Gpt,
    /// Multilayer perceptron over a window of tokens.
    Mlp,
}

/// How attention heads follow the width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Heads {
    /// Heads of this size; their number grows.
    Dim(usize),
    /// This many heads; their size grows.
    Count(usize),
}

/// Everything about a model family but its width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Architecture {
    /// The family.
    pub kind: Kind,
    /// Blocks of a transformer, hidden matrices of a perceptron.
    pub depth: usize,
    /// Attention heads; a perceptron has none.
    pub heads: Heads,
    /// Tokens there are.
    pub vocabulary: usize,
    /// Tokens in a sequence.
    pub context: usize,
    /// Start the readout at zero (TP5 appendix D).
    pub zero_readout: bool,
    /// Start the queries at zero (TP5 appendix D).
    pub zero_query: bool,
}

/// Tokens that a perceptron sees at once.
const WINDOW: usize = 4;

impl Architecture {
    /// Scales for training at `width` what was tuned at `base_width`, inferred from the shapes of the modules.
    ///
    /// Multipliers are those of the readout and of attention only: a rule with others is brought to the form of Table 8.
    ///
    /// # Errors
    /// When a size is zero, heads do not tile a width, the rule has no table for the optimizer, or burn has no such optimizer.
    pub fn plan(&self, base_width: usize, width: usize, rule: Rule, optimizer: Optimizer) -> Result<Plan, Error> {
        let (base, delta) = (self.shapes(base_width)?, self.shapes(2 * base_width)?);
        let mut parametrization = Parametrization::from(rule);
        let table = parametrization.table(optimizer)?;
        if [Role::Input, Role::Hidden].iter().any(|role| table.law(*role).multiplier != Power::ONE) {
            parametrization = parametrization.with_form(Form::Table8);
        }
        let mut plan = Plan::new(&Widths::between(&base, &delta)?, &self.shapes(width)?, parametrization, optimizer)?;
        mutransfer_burn::supports(&plan)?;
        if self.kind == Kind::Gpt {
            plan = plan.with_head_dim(base_width / self.heads(base_width)?, width / self.heads(width)?);
        }
        if self.zero_readout {
            plan = plan.with_zero_init("readout.weight")?;
        }
        if self.zero_query && self.kind == Kind::Gpt {
            plan = plan.with_zero_init("blocks.*.attention.query.weight")?;
        }
        Ok(plan)
    }

    /// Names and dimensions of the parameters at a width. Allocates none of them.
    ///
    /// # Errors
    /// When a size is zero or heads do not tile the width.
    pub fn shapes(&self, width: usize) -> Result<Shapes, Error> {
        let device = Device::flex();
        self.check(width)?;
        Ok(match self.kind {
            Kind::Gpt => mutransfer_burn::shapes(&Gpt::new(&self.gpt(width, 1.0, 1.0)?, &device)),
            Kind::Mlp => mutransfer_burn::shapes(&Mlp::new(&self.mlp(width, 1.0), &device)),
        })
    }

    fn check(&self, width: usize) -> Result<(), Error> {
        let sizes = [("width", width), ("depth", self.depth), ("context", self.context)];
        match sizes.into_iter().find(|(_, size)| *size == 0) {
            Some((what, _)) => Err(Error::Zero { what }),
            None => self.heads(width).map(|_| ()),
        }
    }

    /// Number of heads at a width.
    fn heads(&self, width: usize) -> Result<usize, Error> {
        let (what, divisor) = match self.heads {
            Heads::Dim(size) => ("head_dim", size),
            Heads::Count(count) => ("heads", count),
        };
        match (self.kind, divisor, self.heads) {
            (Kind::Mlp, ..) => Ok(1),
            (_, 0, _) => Err(Error::Zero { what }),
            _ if !width.is_multiple_of(divisor) => Err(Error::NotDivisible { width, what, divisor }),
            (_, _, Heads::Dim(size)) => Ok(width / size),
            (_, _, Heads::Count(count)) => Ok(count),
        }
    }

    pub(crate) fn gpt(&self, width: usize, attention_scale: f64, readout_multiplier: f64) -> Result<GptConfig, Error> {
        let heads = self.heads(width)?;
        let Self { vocabulary, context, depth, .. } = *self;
        Ok(GptConfig { vocabulary, context, width, depth, heads, attention_scale, readout_multiplier })
    }

    pub(crate) fn mlp(&self, width: usize, readout_multiplier: f64) -> MlpConfig {
        let Self { vocabulary, depth, .. } = *self;
        MlpConfig { vocabulary, window: WINDOW, width, depth, readout_multiplier }
    }
}
