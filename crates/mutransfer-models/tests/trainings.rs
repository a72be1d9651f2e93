//! Whole trainings with the kernels of `mutransfer-fused`, and with burn's own operations.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use mutransfer::{Hyper, Optimizer, Rule};
use mutransfer_fused::without_kernels;
use mutransfer_models::data::{Corpus, Dataset, Images, Language};
use mutransfer_models::{Architecture, Batches, Heads, Kind, Training, Variant, Variants, trainer};

const BATCHES: Batches = Batches {
    size: 4,
    seed: 3,
    is_fixed: false,
};

/// Losses of 20 steps, the validation loss, and the activations.
fn training(architecture: &Architecture, optimizer: Optimizer) -> Vec<f32> {
    let dataset = dataset(architecture.kind);
    let plan = architecture.plan(16, 32, Rule::Mup, optimizer).unwrap();
    let learning_rate = if optimizer == Optimizer::Sgd {
        0.05
    } else {
        0.005
    };
    let hyper = Hyper {
        learning_rate,
        weight_decay: 0.1,
        momentum: 0.9,
        ..Hyper::default()
    };
    let mut trainer: Box<dyn Training> =
        trainer(architecture, 32, &plan, &hyper, &dataset, BATCHES).unwrap();
    let losses: Vec<f64> = (0..20)
        .map(|step| trainer.step(1.0 / f64::from(step + 1)))
        .collect();
    let sizes = trainer
        .coordinates()
        .into_iter()
        .map(|measured| measured.l1);
    losses
        .into_iter()
        .chain([trainer.validation_loss()])
        .chain(sizes)
        .map(|value| value as f32)
        .collect()
}

/// Attention, convolutions, the in-place optimizers, and everything together: twenty steps with the kernels and
/// with burn alone.
#[test]
fn whole_trainings_agree() {
    // Without a norm a transformer diverges at these learning rates.
    let normed = Variant::ALL
        .iter()
        .copied()
        .filter(|variant| *variant != Variant::NoNorm);
    let all = || Variants(normed.clone().collect());
    let models = [
        (Kind::Gpt, Heads::Dim(8), Variants::default()),
        (Kind::Gpt, Heads::Count(2), Variants::default()),
        (Kind::Bert, Heads::Dim(8), all()),
        (Kind::Moe, Heads::Dim(8), Variants::default()),
        (Kind::Mlp, Heads::Dim(8), Variants::default()),
        (Kind::Cnn, Heads::Dim(8), Variants::default()),
        (Kind::ResNet, Heads::Dim(8), Variants::default()),
    ];
    for (kind, heads, variants) in models {
        for optimizer in mutransfer_burn::OPTIMIZERS {
            let variants = variants.clone();
            let architecture = Architecture {
                heads,
                variants,
                context: 24,
                ..Architecture::new(kind, dataset(kind).format())
            };
            let [fused, own] = [
                training(&architecture, optimizer),
                without_kernels(|| training(&architecture, optimizer)),
            ];
            for (index, (fused, own)) in fused.iter().zip(&own).enumerate() {
                assert!(
                    (fused - own).abs() < 1e-3 * own.abs(),
                    "{kind:?} {optimizer} {index}: {fused} is not {own}"
                );
            }
        }
    }
}

fn dataset(kind: Kind) -> Dataset {
    if kind.is_transformer() {
        Dataset::Text(Corpus::Synthetic(Language::new(0)))
    } else {
        Dataset::Images(Images::synthetic(0))
    }
}
