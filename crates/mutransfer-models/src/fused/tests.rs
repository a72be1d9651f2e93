//! Each fused operation against the composition of burn's own, forward and backward, and whole trainings.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::Cell;

use burn::module::Param;
use burn::nn::{Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Int, Tensor, TensorData};
use mutransfer::{Hyper, Optimizer, Rule};

use super::*;
use crate::data::{Corpus, Language};
use crate::{Architecture, Batches, Heads, Kind, Trainer, trainer};

thread_local! {
    pub(super) static ENABLED: Cell<bool> = const { Cell::new(true) };
}

/// The same computation with the kernels and without.
fn both<T>(compute: impl Fn() -> T) -> [T; 2] {
    [true, false].map(|enabled| {
        ENABLED.set(enabled);
        let result = compute();
        ENABLED.set(true);
        result
    })
}

fn device() -> Device {
    Device::flex().autodiff()
}

#[track_caller]
fn close(what: &str, [fused, own]: [Vec<f32>; 2], tolerance: f32) {
    assert_eq!(fused.len(), own.len(), "{what}");
    let scale = own.iter().fold(1.0f32, |scale, value| scale.max(value.abs()));
    for (index, (fused, own)) in fused.iter().zip(&own).enumerate() {
        assert!((fused - own).abs() <= tolerance * f32::EPSILON * scale, "{what} {index}: {fused} is not {own}");
    }
}

/// Compares the output of a computation on vectors of these lengths, and the gradients of a random projection of it,
/// with kernels and without.
#[track_caller]
fn agree(what: &str, tolerance: f32, lengths: &[usize], compute: impl Fn(&[Tensor<1>]) -> Tensor<1>) {
    let found = both(|| {
        let draw = |(index, length): (usize, &usize)| {
            let numbers = mutransfer_burn::normal(index as u64, what, *length);
            Tensor::<1>::from_data(TensorData::new(numbers, [*length]), &device()).require_grad()
        };
        let leaves: Vec<Tensor<1>> = lengths.iter().enumerate().map(draw).collect();
        let output = compute(&leaves);
        let weights = mutransfer_burn::normal(99, what, output.shape().num_elements());
        let weights = Tensor::<1>::from_data(TensorData::new(weights, output.shape()), &device());
        let values = |tensor: Tensor<1>| tensor.into_data().try_to_vec::<f32>().unwrap();
        let gradients = (output.clone() * weights).sum().backward();
        let gradient = |leaf: &Tensor<1>| values(leaf.grad(&gradients).unwrap());
        [values(output)].into_iter().chain(leaves.iter().map(gradient)).collect::<Vec<_>>()
    });
    let [fused, own] = found;
    for (index, pair) in fused.into_iter().zip(own).enumerate() {
        close(&format!("{what}, part {index}"), pair.into(), tolerance);
    }
}

fn flat<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    let count = tensor.shape().num_elements();
    tensor.reshape([count])
}

fn linear_of(weight: &Tensor<2>, bias: Option<&Tensor<1>>) -> Linear {
    let [fan_in, fan_out] = weight.dims();
    let mut layer = LinearConfig::new(fan_in, fan_out).with_bias(bias.is_some()).init(&device());
    layer.weight = Param::initialized(layer.weight.id, weight.clone());
    layer.bias = layer.bias.zip(bias).map(|(old, bias)| Param::initialized(old.id, bias.clone()));
    layer
}

#[test]
fn linear_layers_agree() {
    for (batch, time, fan_in, fan_out) in [(2, 3, 5, 7), (1, 1, 1, 1), (3, 17, 33, 65), (2, 16, 64, 256)] {
        let tolerance = 8.0 * (fan_in.max(fan_out).max(batch * time) as f32);
        let lengths = [batch * time * fan_in, fan_in * fan_out, fan_out];
        let input = |leaves: &[Tensor<1>]| leaves[0].clone().reshape([batch, time, fan_in]);
        let weight = |leaves: &[Tensor<1>]| leaves[1].clone().reshape([fan_in, fan_out]);
        agree("linear with bias", tolerance, &lengths, |leaves| {
            flat(linear(&linear_of(&weight(leaves), Some(&leaves[2])), input(leaves)))
        });
        agree("linear", tolerance, &lengths[..2], |leaves| {
            flat(linear(&linear_of(&weight(leaves), None), input(leaves)))
        });
    }
}

#[test]
fn gelu_agrees() {
    agree("gelu", 64.0, &[150], |leaves| gelu(leaves[0].clone() * 3.0));
}

#[test]
fn layer_norm_agrees() {
    for (rows, width) in [(1, 4), (7, 33), (16, 128)] {
        agree("layer norm", 64.0 * width as f32, &[rows * width, width, width], |leaves| {
            let mut layer: LayerNorm = LayerNormConfig::new(width).init(&device());
            layer.gamma = Param::initialized(layer.gamma.id, leaves[1].clone());
            layer.beta = layer.beta.map(|beta| Param::initialized(beta.id, leaves[2].clone()));
            flat(layer_norm(&layer, leaves[0].clone().reshape([rows, width])))
        });
    }
}

#[test]
fn attention_agrees() {
    for (batch, time, heads, head_dim) in [(1, 1, 1, 8), (2, 5, 3, 4), (2, 33, 2, 16), (1, 64, 2, 32)] {
        let width = heads * head_dim;
        let length = batch * time * width;
        agree("attention", 64.0 * time.max(head_dim) as f32, &[length; 3], |leaves| {
            let [query, key, value] = [0, 1, 2].map(|index| leaves[index].clone().reshape([batch, time, width]));
            flat(crate::gpt::attend(query, key, value, heads, 0.3))
        });
    }
}

#[test]
fn embeddings_agree() {
    let tokens = Tensor::<2, Int>::from_data(TensorData::new(vec![0i32, 3, 3, 8, 1, 3], [2, 3]), &device());
    agree("embedding", 8.0, &[45], |leaves| {
        let mut layer: Embedding = EmbeddingConfig::new(9, 5).init(&device());
        layer.weight = Param::initialized(layer.weight.id, leaves[0].clone().reshape([9, 5]));
        flat(embedding(&layer, tokens.clone()))
    });
}

#[test]
fn cross_entropy_agrees() {
    let targets = Tensor::<1, Int>::from_data(TensorData::new(vec![0i32, 3, 3, 10, 1, 3], [6]), &device());
    agree("cross-entropy", 64.0, &[66], |leaves| {
        cross_entropy(leaves[0].clone().reshape([6, 11]) * 4.0, targets.clone()) * 2.5
    });
}

const BATCHES: Batches = Batches { size: 4, seed: 3 };

/// Losses of 20 steps, the validation loss, and the activations.
fn training(architecture: &Architecture, optimizer: Optimizer) -> Vec<f32> {
    let corpus = Corpus::Synthetic(Language::new(0));
    let plan = architecture.plan(16, 32, Rule::Mup, optimizer).unwrap();
    let learning_rate = if optimizer == Optimizer::Sgd { 0.05 } else { 0.005 };
    let hyper = Hyper { learning_rate, weight_decay: 0.1, momentum: 0.9, ..Hyper::default() };
    let mut trainer: Box<dyn Trainer> = trainer(architecture, 32, &plan, &hyper, &corpus, BATCHES).unwrap();
    let losses: Vec<f64> = (0..20).map(|step| trainer.step(1.0 / f64::from(step + 1))).collect();
    let sizes = trainer.coordinates().into_iter().map(|(_, size)| size);
    losses.into_iter().chain([trainer.validation_loss()]).chain(sizes).map(|value| value as f32).collect()
}

/// Attention, the in-place optimizers, and everything together: twenty steps with the kernels and with burn alone.
#[test]
fn whole_trainings_agree() {
    for (kind, heads) in [(Kind::Gpt, Heads::Dim(8)), (Kind::Gpt, Heads::Count(2)), (Kind::Mlp, Heads::Dim(8))] {
        for optimizer in Optimizer::ALL {
            let vocabulary = Language::VOCABULARY;
            let (zero_readout, zero_query) = (false, false);
            let architecture =
                Architecture { kind, depth: 2, heads, vocabulary, context: 24, zero_readout, zero_query };
            let [fused, own] = both(|| training(&architecture, optimizer));
            for (index, (fused, own)) in fused.iter().zip(&own).enumerate() {
                assert!((fused - own).abs() < 1e-3 * own.abs(), "{kind:?} {optimizer} {index}: {fused} is not {own}");
            }
        }
    }
}
