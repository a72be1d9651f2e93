//! Layers of experts: what a token passes, what the forward pass applies, what no rule corrects.

use serde::{Deserialize, Serialize};

use crate::error::PlanError;
use crate::options::{Density, Options};
use crate::parametrization::Parametrization;
use crate::power::{Ratio, Ratios};
use crate::size::Size;
use crate::sizes::{Base, Sizes};

/// The layers of experts of a plan, each size in base and target. A dense base has one expert, its
/// feed-forward layer, which is active.
///
/// With normalised weights `p_i` of the active experts, a layer is
/// `y = A (Σ_shared E(x) + R Σ_active p_i E_i(x))`. `A` is the multiplier of every parameter with
/// the role expert-out already.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Experts {
    /// Experts that a token may be routed to, N.
    pub experts: [usize; 2],
    /// Experts that each token is routed to, a.
    pub active: [usize; 2],
    /// Hidden width of one routed expert, h.
    pub expert_width: [usize; 2],
    /// Hidden widths of all shared experts together.
    pub shared_width: [usize; 2],
    /// Hidden entries that a token passes: a h and the shared widths.
    pub active_width: [usize; 2],
    /// A, relative to the base: in the multipliers of expert-out already.
    pub output: f64,
    /// R, on the weighted sum of the routed experts and on no shared one.
    pub route: f64,
    /// Noise of the gradients of a routed expert over that of the base's at the same batch, as
    /// `√(a/N)` fewer tokens reach it. No rule corrects it.
    pub noise: f64,
}

/// What routed experts are multiplied with after their weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RouteScale {
    /// Nothing: a rule that knows no experts.
    One,
    /// a: the mean weight of an active expert becomes 1 (2605.23893 Table 1).
    Active,
    /// 1/a: experts with weights of order one are averaged (2601.20205).
    PerActive,
    /// The base's a over that of the target (2605.14200).
    PerActiveRatio,
}

impl RouteScale {
    /// R for so many active experts of base and target.
    fn at(self, active: [usize; 2], options: &Options) -> f64 {
        let groups = options.route_groups.0.get() as f64;
        let [base, target] = active.map(|active| active as f64);
        match self {
            Self::One => 1.0,
            Self::Active => options.gate.route(target / groups),
            Self::PerActive => target.recip(),
            Self::PerActiveRatio => base / target,
        }
    }
}

impl Experts {
    /// From what is declared, where it says the width of an expert; `output` is A.
    pub(crate) fn of(
        sizes: Sizes,
        route: RouteScale,
        options: &Options,
        output: f64,
    ) -> Option<Self> {
        let active_width = sizes.active_width()?;
        let pair = |size, otherwise| sizes.pair(size).unwrap_or([otherwise; 2]);
        let active = pair(Size::Active, 1);
        Some(Self {
            experts: pair(Size::Experts, 1),
            active,
            expert_width: pair(Size::ExpertWidth, 1),
            shared_width: pair(Size::SharedWidth, 0),
            active_width,
            output,
            route: route.at(active, options),
            noise: density(sizes).sqrt().recip(),
        })
    }
}

/// How unevenly the active experts of a token are weighed: `a E_x[Σ p_i²]`, which is 1 where
/// their normalised weights are equal and `a` where one has all (2605.23893, F). `weights` has the
/// weights of every token's experts; none without tokens.
///
/// Complete-muE holds while it is near 1. Above 1.3 the layer's output follows the gate's
/// sharpness.
///
/// ```
/// use mutransfer::routing_variance;
///
/// let tokens: [&[f64]; 2] = [&[0.5, 0.5], &[1.0, 0.0]];
/// assert_eq!(routing_variance(tokens, 2), Some(1.5));
/// ```
pub fn routing_variance<'a>(
    weights: impl IntoIterator<Item = &'a [f64]>,
    active: usize,
) -> Option<f64> {
    let (mut sum, mut tokens) = (0.0, 0_usize);
    for token in weights {
        sum += token.iter().map(|weight| weight * weight).sum::<f64>();
        tokens += 1;
    }
    (tokens > 0).then(|| active as f64 * sum / tokens as f64)
}

/// Whether another share of the experts is active than in the base; exactly, as whole numbers.
pub(crate) fn changes_density(sizes: Sizes) -> bool {
    match (sizes.pair(Size::Active), sizes.pair(Size::Experts)) {
        (Some(active), Some(experts)) => active[0] * experts[1] != active[1] * experts[0],
        _ => false,
    }
}

/// Active experts over all of them, relative to the base; 1 where one of them is not given.
fn density(sizes: Sizes) -> f64 {
    match (sizes.pair(Size::Active), sizes.pair(Size::Experts)) {
        (Some(_), Some(_)) => sizes.ratio(Size::Active) / sizes.ratio(Size::Experts),
        _ => 1.0,
    }
}

/// With the ratios of experts that are declared.
pub(crate) fn with_experts(ratios: Ratios, sizes: Sizes, base: Base) -> Ratios {
    let width = sizes
        .active_width()
        .map_or(1.0, |[own, target]| target as f64 / base.of(own) as f64);
    ratios
        .with(Ratio::ActiveWidth, width)
        .with(Ratio::Active, sizes.ratio_to(base, Size::Active))
        .with(Ratio::Experts, sizes.ratio_to(base, Size::Experts))
}

/// Whether as many experts can be active as are said to be, in base and target.
pub(crate) fn check(sizes: Sizes, rule: &Parametrization) -> Result<(), PlanError> {
    let (Some(active), Some(experts)) = (sizes.pair(Size::Active), sizes.pair(Size::Experts))
    else {
        return Ok(());
    };
    let groups = rule.options().route_groups.0.get();
    for (model, at) in [("base", 0), ("target", 1)] {
        let (active, experts) = (active[at], experts[at]);
        if active > experts {
            return Err(PlanError::TooFewExperts {
                model,
                active,
                experts,
            });
        }
    }
    if !active[1].is_multiple_of(groups) {
        let active = active[1];
        return Err(PlanError::UnequalGroups { active, groups });
    }
    if rule.density() == Density::Forbid && changes_density(sizes) {
        return Err(PlanError::OtherDensity { active, experts });
    }
    Ok(())
}
