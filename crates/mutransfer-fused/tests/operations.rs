//! Each fused operation against the composition of burn's own, forward and backward.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use burn::module::Param;
use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig};
use burn::tensor::{Int, Tensor, TensorData};
use mutransfer_fused::{
    Choice, Experts, Gate, Heads, attention, cross_entropy, embedding, gelu, layer_norm, linear,
    mixture, positioned_embedding, residual_linear, rms_norm, route, scaled_linear, swiglu,
    tied_readout,
};

use common::{agree, device, flat, same, sizes};

fn linear_of(weight: &Tensor<2>, bias: Option<&Tensor<1>>) -> Linear {
    let [fan_in, fan_out] = weight.dims();
    let mut layer = LinearConfig::new(fan_in, fan_out)
        .with_bias(bias.is_some())
        .init(&device());
    layer.weight = Param::initialized(layer.weight.id, weight.clone());
    layer.bias = layer
        .bias
        .zip(bias)
        .map(|(old, bias)| Param::initialized(old.id, bias.clone()));
    layer
}

#[test]
fn linear_layers_agree() {
    for [batch, time, fan_in, fan_out] in
        sizes([3, 20, 70, 140]).chain([[1, 1, 1, 1], [2, 16, 64, 256]])
    {
        let tolerance = 8.0 * (fan_in.max(fan_out).max(batch * time) as f32);
        let lengths = [
            batch * time * fan_in,
            fan_in * fan_out,
            batch * time * fan_out,
            fan_out,
        ];
        let input = |leaves: &[Tensor<1>]| leaves[0].clone().reshape([batch, time, fan_in]);
        let weight = |leaves: &[Tensor<1>]| leaves[1].clone().reshape([fan_in, fan_out]);
        let residual = |leaves: &[Tensor<1>]| leaves[2].clone().reshape([batch, time, fan_out]);
        for multiplier in [1.0, 0.3] {
            agree(
                "linear with residual and bias",
                tolerance,
                &lengths,
                |leaves| {
                    flat(residual_linear(
                        &linear_of(&weight(leaves), Some(&leaves[3])),
                        multiplier,
                        input(leaves),
                        residual(leaves),
                    ))
                },
            );
            agree("linear with residual", tolerance, &lengths[..3], |leaves| {
                flat(residual_linear(
                    &linear_of(&weight(leaves), None),
                    multiplier,
                    input(leaves),
                    residual(leaves),
                ))
            });
        }
        let lengths = [lengths[0], lengths[1], fan_out];
        agree("scaled linear with bias", tolerance, &lengths, |leaves| {
            flat(scaled_linear(
                &linear_of(&weight(leaves), Some(&leaves[2])),
                0.3,
                input(leaves),
            ))
        });
        agree("linear", tolerance, &lengths[..2], |leaves| {
            flat(linear(&linear_of(&weight(leaves), None), input(leaves)))
        });
    }
}

#[test]
fn activations_agree() {
    agree("gelu", 64.0, &[150], |leaves| gelu(leaves[0].clone() * 3.0));
    agree(
        "gelu of an input that is used again",
        64.0,
        &[150],
        |leaves| gelu(leaves[0].clone()) * leaves[0].clone(),
    );
    agree("gelu of a part", 64.0, &[150], |leaves| {
        gelu(leaves[0].clone().narrow(0, 0, 70))
    });
    agree("gelu of a later part", 64.0, &[150], |leaves| {
        gelu(leaves[0].clone().narrow(0, 70, 70))
    });
    agree("swiglu", 64.0, &[150, 150], |leaves| {
        swiglu(leaves[0].clone() * 3.0, leaves[1].clone())
    });
}

#[test]
fn norms_agree() {
    for [rows, width] in sizes([20, 140])
        .filter(|[_, width]| *width > 2)
        .chain([[16, 128]])
    {
        let tolerance = 64.0 * width as f32;
        agree(
            "layer norm",
            tolerance,
            &[rows * width, width, width],
            |leaves| {
                let [gain, bias] = [1, 2].map(|index| leaves[index].clone());
                flat(layer_norm(
                    gain,
                    bias,
                    leaves[0].clone().reshape([rows, width]),
                ))
            },
        );
        agree("RMS norm", tolerance, &[rows * width, width], |leaves| {
            flat(rms_norm(
                leaves[1].clone(),
                leaves[0].clone().reshape([rows, width]),
            ))
        });
    }
}

#[test]
fn attention_agrees() {
    for [batch, time, count, head_dim] in
        sizes([3, 70, 3, 40]).chain([[1, 1, 1, 8], [1, 64, 2, 32]])
    {
        let width = count * head_dim;
        for causal in [true, false] {
            let heads = Heads {
                count,
                scale: 0.3,
                causal,
            };
            agree(
                "attention",
                64.0 * time.max(head_dim) as f32,
                &[batch * time * width; 3],
                |leaves| {
                    let [query, key, value] =
                        [0, 1, 2].map(|index| leaves[index].clone().reshape([batch, time, width]));
                    flat(attention(query, key, value, heads))
                },
            );
        }
    }
}

#[test]
fn embeddings_agree() {
    let tokens = Tensor::<2, Int>::from_data(
        TensorData::new(vec![0i32, 3, 3, 8, 1, 3], [2, 3]),
        &device(),
    );
    let table = |leaf: &Tensor<1>, entries| {
        let mut layer: Embedding = EmbeddingConfig::new(entries, 5).init(&device());
        layer.weight = Param::initialized(layer.weight.id, leaf.clone().reshape([entries, 5]));
        layer
    };
    agree("embedding", 8.0, &[45], |leaves| {
        flat(embedding(&table(&leaves[0], 9), tokens.clone()))
    });
    agree("embedding with positions", 8.0, &[45, 20], |leaves| {
        flat(positioned_embedding(
            &table(&leaves[0], 9),
            &table(&leaves[1], 4),
            tokens.clone(),
        ))
    });
    agree("tied readout", 64.0, &[45, 30], |leaves| {
        let input = leaves[1].clone().reshape([2, 3, 5]);
        flat(tied_readout(&table(&leaves[0], 9), 0.7, input))
    });
}

#[test]
fn cross_entropy_agrees() {
    let targets =
        Tensor::<1, Int>::from_data(TensorData::new(vec![0i32, 3, 3, 10, 1, 3], [6]), &device());
    agree("cross-entropy", 64.0, &[66], |leaves| {
        cross_entropy(leaves[0].clone().reshape([6, 11]) * 4.0, targets.clone()) * 2.5
    });
}

/// Experts of which leaves 2 to 5 are the weights; see [`mixtures_agree`].
fn experts_of(leaves: &[Tensor<1>], [experts, width, own]: [usize; 3]) -> Experts {
    Experts {
        up: leaves[2].clone().reshape([experts, width, own]),
        up_bias: leaves[3].clone().reshape([experts, own]),
        down: leaves[4].clone().reshape([experts, own, width]),
        bias: leaves[5].clone(),
    }
}

#[test]
fn mixtures_agree() {
    for [tokens, others, width, own] in sizes([20, 6, 30, 40]).chain([[16, 3, 16, 32]]) {
        let experts = 1 + others;
        let active = 1 + tokens % experts;
        let lengths = [
            tokens * width,
            tokens * experts,
            experts * width * own,
            experts * own,
            experts * own * width,
            width,
            tokens * width,
        ];
        let tolerance = 64.0 * (tokens.max(width).max(own) as f32);
        for gate in [Gate::Normalised, Gate::Score] {
            let compute = |offsets: &[f32], leaves: &[Tensor<1>]| {
                let row = |at: usize, columns| leaves[at].clone().reshape([1, tokens, columns]);
                let logits: Tensor<3> = row(1, experts);
                let choice = Choice {
                    gate,
                    active,
                    groups: 1,
                };
                let routes = route(choice, &logits, offsets);
                let inputs = [row(0, width), logits, row(6, width)];
                flat(mixture(
                    &routes,
                    experts_of(leaves, [experts, width, own]),
                    [0.6, 0.3],
                    inputs,
                ))
            };
            // Where a token goes is a step of the logits, at which a difference says nothing.
            let offsets: Vec<f32> = (0..experts).map(|expert| 2.0 * expert as f32).collect();
            agree("mixture with fixed routes", tolerance, &lengths, |leaves| {
                compute(&offsets, leaves)
            });
            same("mixture", tolerance, &lengths, |leaves| {
                compute(&vec![0.0; experts], leaves)
            });
        }
    }
}

#[test]
fn a_single_expert_is_the_dense_layer_to_the_bit() {
    let [tokens, width, own] = [20, 12, 600];
    let lengths = [
        tokens * width,
        tokens,
        width * own,
        own,
        own * width,
        width,
        tokens * width,
    ];
    let leaves: Vec<Tensor<1>> = (0..)
        .zip(lengths)
        .map(|(seed, length)| {
            Tensor::from_data(&*mutransfer_burn::normal(seed, "dense", length), &device())
        })
        .collect();
    let row = |at: usize| leaves[at].clone().reshape([tokens, width]);
    let logits = leaves[1].clone().reshape([tokens, 1]);
    let choice = Choice {
        gate: Gate::Normalised,
        active: 1,
        groups: 1,
    };
    let routes = route(choice, &logits, &[0.0]);
    let experts = experts_of(&leaves, [1, width, own]);
    let one = mixture(&routes, experts, [0.5, 0.5], [row(0), logits, row(6)]);
    let up = linear_of(&leaves[2].clone().reshape([width, own]), Some(&leaves[3]));
    let down = linear_of(&leaves[4].clone().reshape([own, width]), Some(&leaves[5]));
    let dense = residual_linear(&down, 0.5, gelu(linear(&up, row(0))), row(6));
    assert_eq!(one.into_data(), dense.into_data());
}
