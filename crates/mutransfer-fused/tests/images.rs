//! Convolutions and batch norms against the composition of burn's own, forward and backward.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor};
use mutransfer_fused::{
    batch_norm, convolution, mean_over_positions, rectified_batch_norm, rectified_convolution,
    residual_batch_norm,
};

use common::{agree, both, close, device, flat, same, sizes};

fn layer(
    weight: &Tensor<4>,
    bias: Option<&Tensor<1>>,
    stride: usize,
    padding: PaddingConfig2d,
) -> Conv2d {
    let [outputs, inputs, rows, columns] = weight.dims();
    let mut layer = Conv2dConfig::new([inputs, outputs], [rows, columns])
        .with_stride([stride; 2])
        .with_padding(padding)
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
fn convolutions_agree() {
    for [images, height, width, inputs, outputs, stride] in sizes([3, 9, 9, 20, 36, 2]) {
        for (window, padding) in [
            (3, PaddingConfig2d::Explicit(1, 1, 1, 1)),
            (1, PaddingConfig2d::Valid),
        ] {
            let lengths = [
                images * height * width * inputs,
                outputs * inputs * window * window,
                outputs,
            ];
            let shapes = |leaves: &[Tensor<1>]| {
                let weight = leaves[1].clone().reshape([outputs, inputs, window, window]);
                let images = leaves[0].clone().reshape([images, height, width, inputs]);
                (images, weight)
            };
            let tolerance = 16.0 * (inputs * window * window) as f32;
            agree("convolution", tolerance, &lengths[..2], |leaves| {
                let (images, weight) = shapes(leaves);
                let layer = layer(&weight, None, stride, padding.clone());
                flat(convolution(&layer, images))
            });
            same("rectified convolution", tolerance, &lengths, |leaves| {
                let (images, weight) = shapes(leaves);
                let layer = layer(&weight, Some(&leaves[2]), stride, padding.clone());
                flat(rectified_convolution(&layer, images))
            });
        }
    }
}

fn norm(gain: &Tensor<1>, bias: &Tensor<1>) -> BatchNorm {
    let mut layer = BatchNormConfig::new(gain.dims()[0]).init(&device());
    layer.gamma = Param::initialized(layer.gamma.id, gain.clone());
    layer.beta = Param::initialized(layer.beta.id, bias.clone());
    layer
}

#[test]
fn batch_norms_agree() {
    for [images, height, width, channels] in sizes([4, 9, 9, 70]) {
        let count = images * height * width;
        if count < 8 {
            continue;
        }
        let lengths = [count * channels, channels, channels, count * channels];
        let tolerance = 64.0 * count as f32;
        let shaped =
            move |leaf: &Tensor<1>| leaf.clone().reshape([images, height, width, channels]);
        agree("batch norm", tolerance, &lengths[..3], |leaves| {
            flat(batch_norm(
                &norm(&leaves[1], &leaves[2]),
                shaped(&leaves[0]),
            ))
        });
        same("rectified batch norm", tolerance, &lengths[..3], |leaves| {
            flat(rectified_batch_norm(
                &norm(&leaves[1], &leaves[2]),
                shaped(&leaves[0]),
            ))
        });
        for multiplier in [1.0, 0.4] {
            same("residual batch norm", tolerance, &lengths, |leaves| {
                let layer = norm(&leaves[1], &leaves[2]);
                let [input, shortcut] = [0, 3].map(|leaf| shaped(&leaves[leaf]));
                flat(residual_batch_norm(&layer, multiplier, input, shortcut))
            });
        }
    }
}

#[test]
fn means_over_positions_agree() {
    for [images, height, width, channels] in sizes([4, 9, 9, 70]) {
        let lengths = [images * height * width * channels];
        agree("mean over positions", 64.0, &lengths, |leaves| {
            let images = leaves[0].clone().reshape([images, height, width, channels]);
            flat(mean_over_positions(images))
        });
    }
}

/// What a network that was trained is evaluated with.
#[test]
fn running_statistics_agree() {
    let numbers = mutransfer_burn::normal(0, "images", 2 * 5 * 4 * 3);
    let images = |device: &Device| {
        Tensor::<1>::from_data(numbers.as_slice(), device).reshape([2, 5, 4, 3]) * 2.0 + 1.0
    };
    let found = both(|| {
        let layer = BatchNormConfig::new(3).init(&device());
        for _ in 0..3 {
            rectified_batch_norm(&layer, images(&device()));
        }
        let running = [&layer.running_mean, &layer.running_var].map(|running| {
            running
                .value_sync()
                .into_data()
                .try_to_vec::<f32>()
                .unwrap()
        });
        let plain = layer.valid();
        let seen = batch_norm(&plain, images(&Device::flex()));
        let seen: Vec<f32> = seen.into_data().try_to_vec().unwrap();
        [running.concat(), seen].concat()
    });
    assert!(
        found[0][..3].iter().all(|mean| *mean > 0.1),
        "{:?}",
        found[0]
    );
    close("running statistics", found, 16.0);
}
