//! Convolutions of many shapes against sums in f64, and their gradients against differences.

mod common;
use common::{EPS, close, dot, noise, slopes, wide, workspaces};
use mutransfer_kernels::{
    Convolution, convolution_backward_input, convolution_backward_weight, convolution_forward,
    rectifier_backward,
};

fn sizes(images: usize, [height, width]: [usize; 2], channels: [usize; 2]) -> Convolution {
    Convolution {
        images,
        height,
        width,
        inputs: channels[0],
        outputs: channels[1],
        window: 3,
        stride: 1,
        padding: 1,
    }
}

fn shapes() -> Vec<Convolution> {
    let mut shapes = vec![
        sizes(1, [1, 1], [1, 1]),
        sizes(2, [5, 7], [1, 3]),
        sizes(1, [4, 4], [17, 16]),
        sizes(3, [7, 6], [16, 33]),
    ];
    for stride in [2, 3] {
        shapes.push(Convolution {
            stride,
            ..sizes(2, [8, 7], [3, 18])
        });
        shapes.push(Convolution {
            stride,
            ..sizes(1, [6, 9], [20, 5])
        });
        shapes.push(Convolution {
            stride,
            window: 1,
            padding: 0,
            ..sizes(2, [5, 6], [7, 9])
        });
    }
    shapes.push(Convolution {
        window: 1,
        padding: 0,
        ..sizes(2, [5, 6], [16, 16])
    });
    shapes.push(Convolution {
        window: 5,
        padding: 2,
        ..sizes(1, [9, 9], [2, 4])
    });
    shapes.push(Convolution {
        padding: 0,
        ..sizes(1, [6, 5], [3, 4])
    });
    // Tiles over the ends of lines and images.
    shapes.push(sizes(5, [3, 2], [4, 16]));
    shapes.push(sizes(7, [1, 1], [2, 20]));
    // Windows that lie far apart, of one pixel and of more.
    for (window, padding) in [(1, 0), (3, 1)] {
        shapes.push(Convolution {
            window,
            stride: 2,
            padding,
            ..sizes(3, [5, 3], [64, 9])
        });
    }
    // More than one block of windows.
    shapes.push(sizes(40, [9, 9], [32, 5]));
    shapes
}

fn reference(sizes: &Convolution, x: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
    let [rows, columns] = sizes.output_size();
    let k = sizes.window;
    let mut y = Vec::new();
    for image in 0..sizes.images {
        for (row, column) in (0..rows).flat_map(|r| (0..columns).map(move |c| (r, c))) {
            for (output, bias) in bias.iter().enumerate() {
                let mut sum = *bias;
                for (i, j) in (0..k).flat_map(|i| (0..k).map(move |j| (i, j))) {
                    let at = |place: usize, offset: usize, size: usize| {
                        let at = (place * sizes.stride + offset).checked_sub(sizes.padding);
                        at.filter(|at| *at < size)
                    };
                    let from = (at(row, i, sizes.height), at(column, j, sizes.width));
                    let (Some(r), Some(c)) = from else { continue };
                    for input in 0..sizes.inputs {
                        let place = ((image * sizes.height + r) * sizes.width + c) * sizes.inputs;
                        let weight_at = ((output * sizes.inputs + input) * k + i) * k + j;
                        sum += x[place + input] * weight[weight_at];
                    }
                }
                y.push(sum);
            }
        }
    }
    y
}

#[test]
fn outputs_are_sums_over_windows() {
    for sizes in shapes() {
        let x = noise(1, sizes.input_len());
        let (weight, bias) = (noise(2, sizes.weight_len()), noise(3, sizes.outputs));
        let wanted = reference(&sizes, &wide(&x), &wide(&weight), &wide(&bias));
        let rectified: Vec<f64> = wanted.iter().map(|y| y.max(0.0)).collect();
        let bound = EPS * (4 + sizes.inputs * sizes.window.pow(2)) as f64;
        for (isa, mut workspace) in workspaces() {
            for (is_rectified, wanted) in [(false, &wanted), (true, &rectified)] {
                let mut y = vec![f32::NAN; sizes.output_len()];
                convolution_forward(
                    &mut workspace,
                    &sizes,
                    &x,
                    &weight,
                    Some(&bias),
                    is_rectified,
                    &mut y,
                );
                close(&format!("{sizes:?} {isa}"), &y, wanted, bound);
            }
        }
    }
}

#[test]
fn gradients_are_slopes() {
    for sizes in shapes() {
        let x = noise(1, sizes.input_len());
        let (weight, bias) = (noise(2, sizes.weight_len()), noise(3, sizes.outputs));
        let dy = noise(4, sizes.output_len());
        for (isa, mut workspace) in workspaces() {
            let what = |part: &str| format!("{part} of {sizes:?} {isa}");
            let mut dx = vec![f32::NAN; x.len()];
            convolution_backward_input(&mut workspace, &sizes, &weight, &dy, &mut dx);
            let (mut dweight, mut dbias) =
                (vec![f32::NAN; weight.len()], vec![f32::NAN; bias.len()]);
            convolution_backward_weight(
                &mut workspace,
                &sizes,
                &x,
                &dy,
                &mut dweight,
                Some(&mut dbias),
            );
            let loss = |x: &[f64], weight: &[f64], bias: &[f64]| {
                dot(&reference(&sizes, x, weight, bias), &dy)
            };
            let (x64, weight64, bias64) = (wide(&x), wide(&weight), wide(&bias));
            let stride = |len: usize| len.div_ceil(12);
            slopes(&what("x"), &dx, &x, stride(x.len()), 1e-5, |x| {
                loss(x, &weight64, &bias64)
            });
            slopes(
                &what("weight"),
                &dweight,
                &weight,
                stride(weight.len()),
                1e-5,
                |weight| loss(&x64, weight, &bias64),
            );
            slopes(&what("bias"), &dbias, &bias, 1, 1e-5, |bias| {
                loss(&x64, &weight64, bias)
            });
        }
    }
}

#[test]
fn windows_beside_an_image_hold_zeros() {
    for size in [[0, 4], [3, 0]] {
        let sizes = Convolution {
            window: 1,
            stride: 2,
            ..sizes(2, size, [2, 3])
        };
        let (weight, bias) = (noise(1, sizes.weight_len()), noise(2, sizes.outputs));
        let mut y = vec![f32::NAN; sizes.output_len()];
        let mut dweight = vec![f32::NAN; weight.len()];
        for (_, mut workspace) in workspaces() {
            let bias = Some(&bias[..]);
            convolution_forward(&mut workspace, &sizes, &[], &weight, bias, false, &mut y);
            convolution_backward_input(&mut workspace, &sizes, &weight, &y, &mut []);
            convolution_backward_weight(&mut workspace, &sizes, &[], &y, &mut dweight, None);
            assert!(y.chunks(3).all(|y| Some(y) == bias) && !y.is_empty());
            assert!(dweight.iter().all(|&dweight| dweight == 0.0));
        }
    }
}

#[test]
fn what_was_rectified_passes_no_gradient() {
    let y = [0.0, 1.0, -0.0, 3.0, f32::MIN_POSITIVE];
    let dy = [1.0, 2.0, 3.0, -4.0, 5.0];
    for (_, mut workspace) in workspaces() {
        let mut dx = [f32::NAN; 5];
        rectifier_backward(&mut workspace, &y, &dy, &mut dx);
        assert_eq!(dx, [0.0, 2.0, 0.0, -4.0, 5.0]);
    }
}

#[test]
fn what_is_not_a_number_is_not_hidden() {
    let sizes = sizes(1, [1, 1], [1, 1]);
    for (_, mut workspace) in workspaces() {
        let mut y = [0.0];
        convolution_forward(
            &mut workspace,
            &sizes,
            &[f32::NAN],
            &[1.0; 9],
            None,
            true,
            &mut y,
        );
        assert!(y[0].is_nan());
    }
}
