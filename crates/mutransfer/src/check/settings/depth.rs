//! Depth counted twice: by a multiplier on residual branches, and by smaller initial weights at
//! their ends.

use crate::check::finding::Finding;
use crate::check::lints::MU018;
use crate::document::PlanDocument;

/// Whether a plan counts depth in its forward pass.
fn multiplies_branches(plan: &PlanDocument) -> bool {
    let branches = plan.forward.residual.into_iter();
    let mut branches = branches.chain(plan.forward.residual_in.values().copied());
    branches.any(|multiplier| multiplier != 1.0)
}

/// What is found where an initial standard deviation is `times` that of the plan: the root of a
/// depth, which its multiplier on branches has counted already. `usual` says whether `1/√(2 depth)`
/// and `1/√depth` may be in it, which a proxy has too.
pub(super) fn twice_in_init(
    plan: &PlanDocument,
    name: &str,
    times: f64,
    usual: bool,
) -> Option<Finding> {
    if !multiplies_branches(plan) {
        return None;
    }
    let factors = plan.depth.values().flat_map(|[base, target]| {
        let [base, target] = [base, target].map(|depth| *depth as f64);
        let own = usual.then_some([2.0 * target, target]);
        [target / base].into_iter().chain(own.into_iter().flatten())
    });
    let depth = factors.into_iter().find(|depth| {
        let root = depth.sqrt().recip();
        (times / root - 1.0).abs() < super::TOLERANCE
    })?;
    let message = format!(
        "starts 1/sqrt({depth}) as large as planned, and the plan multiplies residual branches \
         for depth already"
    );
    Some(Finding::of(&name.into(), MU018, message))
}

/// What is found where a trainer multiplies branches for which the plan has it in the weights.
pub(super) fn twice_in_forward(plan: &PlanDocument, own: Option<f64>) -> Option<Finding> {
    let own = own.filter(|own| *own != 1.0)?;
    let folded = plan.forward.residual.is_none() && plan.forward.residual_in.is_empty();
    if !folded || plan.depth.is_empty() {
        return None;
    }
    let message = format!(
        "the forward pass multiplies residual branches by {own}, and the plan has their multiplier \
         in the weights that end them"
    );
    Some(Finding::general(MU018, message))
}
