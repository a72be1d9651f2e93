//! Optimizer steps against the same recurrences in f64.

mod common;
use common::{EPS, close, noise, wide, workspaces};
use mutransfer_kernels::{Adam, Decay, Sgd, adam_step, sgd_step};

const DECAYS: [Decay; 3] = [
    Decay::Coupled(0.0),
    Decay::Coupled(0.1),
    Decay::Decoupled(0.1),
];

fn decayed(decay: Decay, rate: f64, w: &mut f64, g: f64) -> f64 {
    match decay {
        Decay::Coupled(decay) => g + decay * *w,
        Decay::Decoupled(decay) => {
            *w *= 1.0 - rate * decay;
            g
        }
    }
}

#[test]
fn adam() {
    for (isa, mut workspace) in workspaces() {
        for (len, decay) in [1, 15, 16, 100]
            .into_iter()
            .flat_map(|len| DECAYS.map(|decay| (len, decay)))
        {
            let adam = Adam {
                learning_rate: 0.01,
                beta1: 0.9,
                beta2: 0.999,
                epsilon: 1e-8,
                decay,
            };
            let mut w = noise(1, len);
            let (mut m, mut v) = (vec![0.0; len], vec![0.0; len]);
            let (mut ww, mut wm, mut wv) = (wide(&w), vec![0.0; len], vec![0.0; len]);
            for step in 1..=5_u32 {
                let g = noise(u64::from(step) + 10, len);
                adam_step(&mut workspace, adam, step, &mut w, &g, &mut m, &mut v);
                for i in 0..len {
                    let g = decayed(decay, 0.01, &mut ww[i], f64::from(g[i]));
                    wm[i] = 0.9 * wm[i] + 0.1 * g;
                    wv[i] = 0.999 * wv[i] + 0.001 * g * g;
                    let (mean, square) = (
                        wm[i] / (1.0 - 0.9_f64.powi(step as i32)),
                        wv[i] / (1.0 - 0.999_f64.powi(step as i32)),
                    );
                    ww[i] -= 0.01 * mean / (square.sqrt() + 1e-8);
                }
            }
            close(&format!("{isa} {len} {decay:?}"), &w, &ww, 40.0 * EPS);
        }
    }
}

#[test]
fn sgd() {
    for (isa, mut workspace) in workspaces() {
        for (len, decay) in [1, 15, 16, 100]
            .into_iter()
            .flat_map(|len| DECAYS.map(|decay| (len, decay)))
        {
            for with_momentum in [false, true] {
                let sgd = Sgd {
                    learning_rate: 0.1,
                    momentum: 0.9,
                    decay,
                };
                let mut w = noise(1, len);
                let mut m = vec![0.0; len];
                let (mut ww, mut wm) = (wide(&w), vec![0.0; len]);
                for step in 1..=4 {
                    let g = noise(step + 10, len);
                    sgd_step(
                        &mut workspace,
                        sgd,
                        &mut w,
                        &g,
                        with_momentum.then_some(&mut m[..]),
                    );
                    for i in 0..len {
                        let g = decayed(decay, 0.1, &mut ww[i], f64::from(g[i]));
                        wm[i] = if with_momentum { 0.9 * wm[i] + g } else { g };
                        ww[i] -= 0.1 * wm[i];
                    }
                }
                close(
                    &format!("{isa} {len} {decay:?} {with_momentum}"),
                    &w,
                    &ww,
                    40.0 * EPS,
                );
            }
        }
    }
}
