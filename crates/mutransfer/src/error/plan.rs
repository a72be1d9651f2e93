//! What can be wrong between a rule and a model.

use crate::shape::ParamName;

/// Why a rule cannot be applied to a model.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A tie under a form in which embedding and readout need different numbers for the same
    /// tensor.
    #[error(
        "`{readout}` is tied to `{embedding}`, but {rule} in the form {form} has another \
         {quantity} for each"
    )]
    TiedConflict {
        /// The name in the forward pass.
        readout: ParamName,
        /// The parameter.
        embedding: ParamName,
        /// The parametrization.
        rule: String,
        /// Its form.
        form: String,
        /// What differs.
        quantity: &'static str,
    },
    /// A rule for what ends residual branches, and nothing is declared to do so.
    #[error(
        "{rule} scales the initial weights that end residual branches, and nothing says which \
         those are"
    )]
    NoBranchEnds {
        /// The parametrization.
        rule: String,
    },
    /// A rule that follows the active width of experts, which is unknown.
    #[error("{rule} follows the active width of experts, and that of `{name}` is unknown")]
    NoActiveWidth {
        /// The parametrization.
        rule: String,
        /// A parameter of an expert.
        name: ParamName,
    },
    /// A rule with laws for experts, and something called one that is not seen to be.
    #[error(
        "`{name}` is called an expert, and nothing shows whether it reads the residual stream or \
         writes it"
    )]
    UnknownExpert {
        /// The parameter.
        name: ParamName,
    },
    /// More active experts than there are.
    #[error("{active} of {experts} experts are active in the {model} model")]
    TooFewExperts {
        /// Which model.
        model: &'static str,
        /// How many are active.
        active: usize,
        /// How many there are.
        experts: usize,
    },
    /// Active experts that do not divide into the groups that normalise their weights.
    #[error("{active} active experts do not divide into {groups} groups")]
    UnequalGroups {
        /// How many are active.
        active: usize,
        /// How many groups.
        groups: usize,
    },
    /// Another share of active experts, which is forbidden.
    #[error(
        "{} of {} experts are active in the base and {} of {} in the target, and another share is \
         forbidden",
        active[0], experts[0], active[1], experts[1]
    )]
    OtherDensity {
        /// How many are active in base and target.
        active: [usize; 2],
        /// How many there are.
        experts: [usize; 2],
    },
}
