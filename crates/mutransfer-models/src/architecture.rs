//! A model family at a size, and the plan that follows from its shapes.

use burn::tensor::Device;
use mutransfer::error::PlanError;
use mutransfer::{
    Form, Optimizer, Parametrization, Plan, Power, Role, Shapes, Size, Sizes, Widths,
};
use mutransfer_study::subject::{Experts, Heads};

use crate::cnn::{Cnn, VisionConfig};
use crate::data::Format;
use crate::error::Error;
use crate::expert_sizes::{USUAL_EXPERTS, with_experts};
use crate::experts::Mixture;
use crate::feed_forward::FeedForward;
use crate::kind::{Facts, Kind, TextTask};
use crate::mlp::{Mlp, MlpConfig, WINDOW};
use crate::multipliers::{Multipliers, READOUT};
use crate::resnet::{ResNet, STAGES};
use crate::transformer::{Transformer, TransformerConfig};
use crate::variant::{GROUP, Variant, Variants};

/// Everything about a model family but its width.
#[derive(Clone, Debug, PartialEq)]
pub struct Architecture {
    /// The family.
    pub kind: Kind,
    /// Blocks of a transformer, hidden matrices of a perceptron or convolutional network, blocks of
    /// each of the two stages of a residual network.
    pub depth: usize,
    /// The same of the base.
    pub base_depth: usize,
    /// Attention heads; only transformers have any.
    pub heads: Heads,
    /// Parts of a transformer in another form.
    pub variants: Variants,
    /// What the data looks like.
    pub data: Format,
    /// Tokens in a sequence; nothing for images.
    pub context: usize,
    /// Experts of a mixture, one as wide as a dense layer if not given; other models have none.
    pub experts: Option<Experts>,
    /// Experts of the base; `experts` if not given.
    pub base_experts: Option<Experts>,
    /// Start the readout at zero (TP5 appendix D). A tied readout is an embedding and does not.
    pub zero_readout: bool,
    /// Start the queries at zero (TP5 appendix D). Not where they are normalised, as zero has no
    /// direction.
    pub zero_query: bool,
}

impl Architecture {
    /// Depth 2, heads of 16, sequences of 64 tokens, eight experts of which two are active where
    /// there are any, everything in its usual form, nothing at zero.
    pub fn new(kind: Kind, data: Format) -> Self {
        Self {
            kind,
            depth: 2,
            base_depth: 2,
            heads: Heads::Dim(16),
            variants: Variants::default(),
            data,
            context: 64,
            experts: kind.facts().has_experts.then_some(USUAL_EXPERTS),
            base_experts: None,
            zero_readout: false,
            zero_query: false,
        }
    }

    /// Scales for training at `width` what was tuned at `base_width` and [`Self::base_depth`],
    /// inferred from the shapes of the modules.
    ///
    /// The models apply multipliers of inputs, readout, attention and residual branches: a rule
    /// that has others is brought to the form of Table 8, as [`Plan::form`] then says.
    ///
    /// # Errors
    /// When a size is zero, heads do not tile a width, the rule has no table for the optimizer,
    /// burn has no such optimizer, or depth differs where no rule transfers over it.
    pub fn plan(
        &self,
        base_width: usize,
        width: usize,
        rule: impl Into<Parametrization>,
        optimizer: Optimizer,
    ) -> Result<Plan, Error> {
        self.check_depth()?;
        let base = self.base();
        let compared = base.with_tensors_of(self);
        let mut widths = Widths::between(
            &compared.shapes(base_width)?,
            &compared.shapes(2 * base_width)?,
        )?;
        if self.variants.has(Variant::Tied) {
            widths = widths.tie(READOUT, "tokens.weight")?;
        }
        widths = self.declared(widths, &base, [base_width, width])?;
        let rule = without_hidden_multipliers(rule.into(), optimizer)?;
        let plan = Plan::new(&widths, &self.shapes(width)?, rule, optimizer);
        let mut plan = plan.map_err(|error| self.without_ends(error))?;
        mutransfer_burn::supports(&plan)?;
        if self.zero_readout && !self.variants.has(Variant::Tied) {
            plan = plan.with_zero_init(READOUT)?;
        }
        if self.zero_query && self.kind.is_transformer() && !self.variants.has(Variant::QkNorm) {
            plan = plan.with_zero_init("blocks.*.attention.query.weight")?;
        }
        Ok(plan)
    }

    /// What ends branches is said wherever it can start smaller.
    fn without_ends(&self, error: mutransfer::Error) -> Error {
        match error {
            mutransfer::Error::Plan(PlanError::NoBranchEnds { rule }) => Error::NormEnds {
                kind: self.kind,
                rule,
            },
            other => other.into(),
        }
    }

    /// What it is compared with. Blocks of a residual network differ in size, so that those of the
    /// base would say nothing of more.
    fn base(&self) -> Self {
        let is_alike = self.kind.is_transformer();
        Self {
            depth: if is_alike {
                self.base_depth
            } else {
                self.depth
            },
            experts: self.base_experts.or(self.experts),
            ..self.clone()
        }
    }

    /// With what names and shapes do not say, at the widths of base and target.
    fn declared(&self, widths: Widths, base: &Self, sizes: [usize; 2]) -> Result<Widths, Error> {
        if self.kind.is_transformer() {
            self.with_branches(widths, base, sizes)
        } else if self.depth == self.base_depth {
            Ok(widths)
        } else {
            self.with_stages(widths)
        }
    }

    /// With heads, branches and experts of a transformer.
    fn with_branches(
        &self,
        widths: Widths,
        base: &Self,
        [base_width, width]: [usize; 2],
    ) -> Result<Widths, Error> {
        let (own, target) = (self.head_dim(base_width)?, self.head_dim(width)?);
        let sizes = Sizes::NONE.with(Size::HeadDim, own, target)?;
        let sizes = sizes.with(Size::Depth, self.base_depth, self.depth)?;
        let widths = widths
            .with_branch_ends("blocks.*.attention.output.*")?
            .with_branch_ends("blocks.*.mlp.down.*")?;
        if !self.kind.facts().has_experts {
            return Ok(widths.with_sizes(sizes));
        }
        let experts = [base.experts(base_width)?, self.experts(width)?];
        with_experts(widths, sizes, experts)
    }

    /// With the depth of a residual network, whose shapes are those of the target's blocks. What
    /// ends its branches is a norm, whose gain starts at one: a rule that starts it smaller is
    /// refused.
    fn with_stages(&self, widths: Widths) -> Result<Widths, Error> {
        let [base, target] = [self.base_depth, self.depth].map(|depth| STAGES * depth);
        let widths = widths.with_depth("blocks", base, target)?;
        let widths = widths.with_shortcuts("blocks.*.shortcut.*")?;
        Ok(widths.with_shortcuts("blocks.*.shortcut_norm.*")?)
    }

    /// Names and dimensions of the parameters at a width. Allocates none of them.
    ///
    /// # Errors
    /// When a size is zero or heads do not tile the width.
    pub fn shapes(&self, width: usize) -> Result<Shapes, Error> {
        let device = Device::flex();
        let forward = Multipliers::ONE;
        self.check(width)?;
        Ok(match self.kind {
            Kind::Gpt | Kind::Bert => mutransfer_burn::shapes(&Transformer::<FeedForward>::new(
                &self.transformer(width, forward)?,
                &device,
            )),
            Kind::Moe => mutransfer_burn::shapes(&Transformer::<Mixture>::new(
                &self.transformer(width, forward)?,
                &device,
            )),
            Kind::Mlp => mutransfer_burn::shapes(&Mlp::new(&self.mlp(width, forward), &device)),
            Kind::Cnn => mutransfer_burn::shapes(&Cnn::new(&self.vision(width, forward)?, &device)),
            Kind::ResNet => {
                mutransfer_burn::shapes(&ResNet::new(&self.vision(width, forward)?, &device))
            }
        })
    }

    fn check(&self, width: usize) -> Result<(), Error> {
        let sizes = [
            ("width", width),
            ("depth", self.depth),
            ("context", self.context),
        ];
        if let Some((what, _)) = sizes.into_iter().find(|(_, size)| *size == 0) {
            return Err(Error::Zero { what });
        }
        self.check_data()?;
        self.heads(width)?;
        self.experts(width)?;
        let Facts { width_unit, .. } = self.kind.facts();
        divides("width", width, "channels' share", width_unit)
    }

    /// Checks that the kind reads such data, and has such variants.
    fn check_data(&self) -> Result<(), Error> {
        let (kind, facts) = (self.kind, self.kind.facts());
        if let Some(variant) = self.variants.0.first()
            && !facts.is_transformer
        {
            let variant = *variant;
            return Err(Error::NoTransformer { kind, variant });
        }
        if self.experts.is_some() && !facts.has_experts {
            let what = "experts".to_owned();
            return Err(Error::NoUse { kind, what });
        }
        if facts.has_experts && self.variants.has(Variant::Swiglu) {
            let what = "swiglu, as its experts have no gate".to_owned();
            return Err(Error::NoUse { kind, what });
        }
        let (reads, wanted, given) = match self.data {
            Format::Tokens { .. } => (facts.text.is_some(), "images", "text"),
            Format::Images { .. } => (facts.images, "text", "images"),
        };
        if reads {
            Ok(())
        } else {
            Err(Error::WrongData {
                kind,
                wanted,
                given,
            })
        }
    }

    /// Checks that there is a rule over its depth, if that differs from the base's: residual
    /// branches, with their norms not behind the sum.
    fn check_depth(&self) -> Result<(), Error> {
        let (kind, depth, base_depth) = (self.kind, self.depth, self.base_depth);
        if depth == base_depth {
            return Ok(());
        }
        if base_depth == 0 {
            return Err(Error::Zero { what: "base_depth" });
        }
        if !kind.is_transformer() && kind != Kind::ResNet {
            return Err(Error::NoDepth { kind });
        }
        if self.variants.has(Variant::PostNorm) {
            return Err(Error::PostNorm { depth, base_depth });
        }
        Ok(())
    }

    /// Number of heads at a width; 1 without attention.
    fn heads(&self, width: usize) -> Result<usize, Error> {
        if !self.kind.is_transformer() {
            return Ok(1);
        }
        let (heads, head_dim) = heads_at(self.heads, width)?;
        if self.variants.has(Variant::GroupedKv) {
            divides("the number of heads", heads, "grouped-kv's group of", GROUP)?;
        }
        if self.variants.has(Variant::Rope) {
            divides("the size of a head", head_dim, "rope's pairs of", 2)?;
        }
        Ok(heads)
    }

    /// Size of a head at a width.
    fn head_dim(&self, width: usize) -> Result<usize, Error> {
        Ok(width / self.heads(width)?)
    }

    pub(crate) fn transformer(
        &self,
        width: usize,
        forward: Multipliers,
    ) -> Result<TransformerConfig, Error> {
        Ok(TransformerConfig {
            vocabulary: self.classes(),
            context: self.context,
            width,
            depth: self.depth,
            heads: self.heads(width)?,
            variants: self.variants.clone(),
            is_causal: self.kind.facts().text == Some(TextTask::NextToken),
            forward,
            experts: self.experts(width)?,
            is_balanced: true,
        })
    }

    pub(crate) fn mlp(&self, width: usize, forward: Multipliers) -> MlpConfig {
        let inputs = match self.data {
            Format::Tokens { vocabulary } => WINDOW * vocabulary,
            Format::Images { shape, .. } => shape.iter().product(),
        };
        MlpConfig {
            inputs,
            classes: self.classes(),
            width,
            depth: self.depth,
            forward,
        }
    }

    pub(crate) fn vision(&self, width: usize, forward: Multipliers) -> Result<VisionConfig, Error> {
        let Format::Images {
            shape: [channels, ..],
            classes,
        } = self.data
        else {
            return Err(Error::WrongData {
                kind: self.kind,
                wanted: "images",
                given: "text",
            });
        };
        Ok(VisionConfig {
            channels,
            classes,
            width,
            depth: self.depth,
            forward,
        })
    }

    /// How many logits there are.
    fn classes(&self) -> usize {
        match self.data {
            // One more than there are tokens is the mask.
            Format::Tokens { vocabulary } => {
                vocabulary + usize::from(self.kind.facts().text == Some(TextTask::HiddenTokens))
            }
            Format::Images { classes, .. } => classes,
        }
    }
}

/// Number and size of the heads at a width.
fn heads_at(heads: Heads, width: usize) -> Result<(usize, usize), Error> {
    let (what, divisor) = match heads {
        Heads::Dim(size) => ("head_dim", size),
        Heads::Count(count) => ("heads", count),
    };
    if divisor == 0 {
        return Err(Error::Zero { what });
    }
    divides("width", width, what, divisor)?;
    Ok(match heads {
        Heads::Dim(size) => (width / size, size),
        Heads::Count(count) => (count, width / count),
    })
}

/// Checks that a size is a multiple of another.
pub(crate) fn divides(
    of: &'static str,
    size: usize,
    what: &'static str,
    divisor: usize,
) -> Result<(), Error> {
    if size.is_multiple_of(divisor) {
        Ok(())
    } else {
        Err(Error::NotDivisible {
            of,
            size,
            what,
            divisor,
        })
    }
}

/// The rule, in the form of Table 8 where it multiplies hidden matrices.
///
/// The models multiply nothing inside the network: there, the scale of a weight may as well be in
/// its initial values and its learning rate, which is the same training (TP5 lemma J.1).
fn without_hidden_multipliers(
    rule: Parametrization,
    optimizer: Optimizer,
) -> Result<Parametrization, Error> {
    let table = rule.table(optimizer)?;
    if table.law(Role::Hidden).multiplier == Power::ONE {
        Ok(rule)
    } else {
        Ok(rule.with_form(Form::Table8))
    }
}
