//! What is wrong with layers of experts, which shapes show and sizes say.

use super::finding::Finding;
use super::lints::{MU021, MU022, MU023, MU024, MU025, MU026};
use super::model::Check;
use crate::experts::{RouteScale, changes_density};
use crate::growth::Placed;
use crate::mixture::Layer;
use crate::options::{Density, Gate};
use crate::role::Role;
use crate::shape::ParamName;
use crate::size::Size;

/// Gates whose weights sum to 1, or their squares do, so that a single one is constant.
const NORMALISED: [Gate; 3] = [Gate::SigmoidNormalised, Gate::TopKSoftmax, Gate::SqrtGate];

impl Check<'_> {
    /// Everything found of experts.
    pub(super) fn expert_findings(&self, placed: &[(&ParamName, Placed)]) -> Vec<Finding> {
        let sizes = self
            .active_finding()
            .into_iter()
            .chain(self.gate_findings());
        let zero = placed.iter().filter_map(|(name, found)| {
            let is_zero = self.zero_init.iter().any(|pattern| name.matches(pattern));
            let message = "starts at zero, so that all experts are scored alike";
            (found.role == Role::Router && is_zero).then(|| Finding::of(name, MU025, message))
        });
        let layers = Layer::all(self.target);
        let unequal = layers.iter().filter(|layer| layer.has_several_widths());
        let unequal = unequal.map(|layer| {
            let prefix = layer.prefix.trim_end_matches(['.', '/']);
            let message = format!("experts of `{prefix}` have several widths");
            Finding::general(MU026, message)
        });
        sizes.chain(zero).chain(unequal).collect()
    }

    /// About how many are active.
    fn active_finding(&self) -> Option<Finding> {
        let sizes = self.widths.sizes();
        let pair = |size| sizes.pair(size).unwrap_or([1; 2]);
        let ([own, active], [all, experts]) = (pair(Size::Active), pair(Size::Experts));
        let rule = self.rule.name();
        if !self.rule.definition().states_experts {
            let message = format!(
                "{rule} has no laws for experts, of which {own} of {all} are active in the base \
                 and {active} of {experts} in the target"
            );
            return (own != active).then(|| Finding::general(MU024, message));
        }
        let warns = self.rule.density() == Density::Warn && changes_density(sizes);
        let message = format!(
            "{own} of {all} experts are active in the base and {active} of {experts} in the target"
        );
        warns.then(|| Finding::general(MU021, message))
    }

    /// About what weighs them.
    fn gate_findings(&self) -> Vec<Finding> {
        let (gate, rule) = (self.rule.options().gate, self.rule.name());
        if self.rule.definition().route != RouteScale::Active {
            return Vec::new();
        }
        let sizes = self.widths.sizes();
        let target = |size| sizes.pair(size).map_or(1, |[_, target]| target);
        let is_alone = target(Size::Active) == 1 && target(Size::Experts) > 1;
        let uncovered = gate != Gate::default();
        let found = [
            (
                uncovered,
                MU022,
                format!("{rule} is for a sigmoid, normalised over the active"),
            ),
            (
                is_alone && NORMALISED.contains(&gate),
                MU023,
                "one expert is active, whose normalised weight is always 1".to_owned(),
            ),
        ];
        let found = found.into_iter().filter(|(holds, ..)| *holds);
        found
            .map(|(_, lint, message)| Finding::general(lint, message))
            .collect()
    }
}
