//! GELU and SwiGLU against the error function in f64.

mod common;
use common::{EPS, noise, workspaces};
use mutransfer_kernels::{
    Gelu, gelu_backward, gelu_forward, gelu_forward_with_slope, multiply, swiglu_backward,
    swiglu_forward,
};

/// `erfc` by its continued fraction beyond 2 and its series below; good to about 1e-14.
fn erfc(x: f64) -> f64 {
    if x < 0.0 {
        return 2.0 - erfc(-x);
    }
    if x > 2.0 {
        let fraction = (1..=120)
            .rev()
            .fold(0.0, |f, k| f64::from(k) / 2.0 / (x + f));
        return (-x * x).exp() / std::f64::consts::PI.sqrt() / (x + fraction);
    }
    let (mut term, mut sum) = (x, x);
    for k in 1..120 {
        term *= -x * x / f64::from(k);
        sum += term / f64::from(2 * k + 1);
    }
    1.0 - sum * 2.0 / std::f64::consts::PI.sqrt()
}

/// GELU and its slope.
fn gelu(form: Gelu, x: f64) -> (f64, f64) {
    match form {
        Gelu::Exact => {
            let cumulative = erfc(-x / 2.0_f64.sqrt()) / 2.0;
            let density = (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
            (x * cumulative, cumulative + x * density)
        }
        Gelu::Tanh => {
            let c = (2.0 / std::f64::consts::PI).sqrt();
            let t = 1.0 / (1.0 + (-2.0 * c * (x + 0.044_715 * x.powi(3))).exp());
            (
                x * t,
                t + x * t * (1.0 - t) * 2.0 * c * (1.0 + 3.0 * 0.044_715 * x * x),
            )
        }
    }
}

/// Numbers over the whole range, an awkward count of them.
fn grid() -> Vec<f32> {
    (0..4003)
        .map(|i| (i as f32 - 2001.0) / 200.0)
        .chain([0.0, -0.0, 1e-20, -1e-20, 30.0, -30.0, 1000.0, -1000.0])
        .collect()
}

/// Relative to the wanted number. The tanh form's exponent and the slope's zero cost some digits.
fn agree(
    what: &str,
    x: &[f32],
    got: &[f32],
    wanted: impl Fn(f64) -> f64,
    relative: impl Fn(f64) -> f64,
    absolute: f64,
) {
    for (&x, &got) in x.iter().zip(got) {
        let wanted = wanted(f64::from(x));
        let error = (f64::from(got) - wanted).abs();
        assert!(
            error <= relative(f64::from(x)) * wanted.abs() + absolute,
            "{what} at {x}: {got}, wanted {wanted}, off by {error:e}"
        );
    }
}

#[test]
fn gelu_is_accurate_everywhere() {
    let x = grid();
    for (isa, mut workspace) in workspaces() {
        for form in [Gelu::Exact, Gelu::Tanh] {
            let what = format!("{isa} {form:?}");
            // The tanh form amplifies the rounding of its exponent, which grows like x³.
            let relative = |x: f64| {
                if form == Gelu::Exact {
                    1e-6
                } else {
                    1e-6 + 4.0 * EPS * (1.6 * x + 0.0714 * x.powi(3)).abs()
                }
            };
            let mut y = vec![0.0; x.len()];
            gelu_forward(&mut workspace, form, &x, &mut y);
            // Tails beyond 9 are cut off: there the exact form is below 1e-18.
            agree(&what, &x, &y, |x| gelu(form, x).0, relative, 2e-18);

            let (mut slope, mut again) = (x.clone(), vec![0.0; x.len()]);
            gelu_forward_with_slope(&mut workspace, form, &mut slope, &mut again);
            assert_eq!(y, again);
            agree(&what, &x, &slope, |x| gelu(form, x).1, relative, 4e-7);

            let dy = noise(1, x.len());
            let (mut dx, mut product) = (vec![0.0; x.len()], vec![0.0; x.len()]);
            gelu_backward(&mut workspace, form, &x, &dy, &mut dx);
            product.copy_from_slice(&dy);
            multiply(&mut workspace, &slope, &mut product);
            assert_eq!(dx, product);
        }
    }
}

/// Products of tiny tails are subnormal numbers, on which processors are slow; see `math.rs`.
#[test]
fn gelu_has_no_tiny_tail() {
    for (isa, mut workspace) in workspaces() {
        let (mut slope, mut y) = ([-9.5, -13.0, -14.0, -40.0, -1e6], [1.0; 5]);
        gelu_forward_with_slope(&mut workspace, Gelu::Exact, &mut slope, &mut y);
        assert_eq!((y, slope), ([0.0; 5], [0.0; 5]), "{isa}");
    }
}

#[test]
fn gelu_keeps_nan() {
    for (isa, mut workspace) in workspaces() {
        for form in [Gelu::Exact, Gelu::Tanh] {
            let mut y = [0.0; 3];
            gelu_forward(&mut workspace, form, &[f32::NAN, 1.0, f32::NAN], &mut y);
            assert!(
                y[0].is_nan() && !y[1].is_nan() && y[2].is_nan(),
                "{isa} {form:?}"
            );
        }
    }
}

#[test]
fn swiglu() {
    for (isa, mut workspace) in workspaces() {
        let gate = grid();
        let (up, dy) = (noise(1, gate.len()), noise(2, gate.len()));
        let len = gate.len();
        let (mut y, mut dgate, mut dup) = (vec![0.0; len], vec![0.0; len], vec![0.0; len]);
        swiglu_forward(&mut workspace, &gate, &up, &mut y);
        swiglu_backward(&mut workspace, &gate, &up, &dy, &mut dgate, &mut dup);
        for i in 0..len {
            let (g, u, d) = (f64::from(gate[i]), f64::from(up[i]), f64::from(dy[i]));
            let s = 1.0 / (1.0 + (-g).exp());
            for (got, wanted) in [
                (y[i], g * s * u),
                (dgate[i], d * u * (s + g * s * (1.0 - s))),
                (dup[i], d * g * s),
            ] {
                let error = (f64::from(got) - wanted).abs();
                assert!(
                    error <= EPS * (12.0 * wanted.abs() + 4.0 * (u * d * g).abs() * s) + 1e-34,
                    "{isa} at {g}: {got}, wanted {wanted}"
                );
            }
        }
    }
}
