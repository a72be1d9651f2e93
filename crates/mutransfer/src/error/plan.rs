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
}
