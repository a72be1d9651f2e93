//! Against its experts: what its router, its experts and their layer say, at the start and after.

use mutransfer::theory::Quantity;
use mutransfer_study::subject::Measurement;

use crate::data::Dataset;
use crate::error::Error;
use crate::multipliers::Multipliers;
use crate::updates::Updates;

/// Root mean squares over a batch, means over blocks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExpertChange {
    /// Scores of the router before their sigmoid, at the start.
    pub router: f64,
    /// Output of the layer, at the start.
    pub output: f64,
    /// Its change.
    pub change: f64,
    /// What the updates of the matrices that read do to the hidden units of an expert.
    pub reading: f64,
    /// What those of the matrices that write do to the sum over the experts of a token, where they
    /// agree.
    pub writing: f64,
}

/// What its updates do to a model with experts.
///
/// # Errors
/// When it has none, or cannot be planned or trained.
pub fn expert_change(updates: &Updates, dataset: &Dataset) -> Result<ExpertChange, Error> {
    let architecture = &updates.architecture;
    if !architecture.kind.facts().has_experts {
        return Err(Error::NoExperts {
            kind: architecture.kind,
        });
    }
    let (width, rule) = (updates.width, updates.rule.clone());
    let plan = architecture.plan(width, width, rule, updates.optimizer)?;
    // R undoes the division of the weights by how many are active.
    let together = Multipliers::of(&plan, updates.hyper)?.route;
    let mut trainer = updates.start(dataset)?;
    let before = trainer.coordinates();
    updates.make(trainer.as_mut());
    let after = trainer.coordinates();
    let start = |module| mean(&before, module, Quantity::Activation);
    let update = |module| mean(&after, module, Quantity::OwnUpdate);
    Ok(ExpertChange {
        router: start("mlp.router"),
        output: start("mlp"),
        change: mean(&after, "mlp", Quantity::Change),
        reading: update("mlp.up"),
        writing: together * update("mlp.down"),
    })
}

/// Mean of a quantity over the modules of a name in all blocks.
fn mean(measured: &[Measurement], name: &str, quantity: Quantity) -> f64 {
    let is_own = |module: &str| {
        let mut parts = module.splitn(3, '.');
        parts.next() == Some("blocks") && parts.nth(1) == Some(name)
    };
    let own = measured
        .iter()
        .filter(|one| one.quantity == quantity && is_own(&one.module));
    let sizes: Vec<f64> = own.map(|one| one.l2).collect();
    sizes.iter().sum::<f64>() / sizes.len() as f64
}
