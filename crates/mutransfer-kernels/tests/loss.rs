//! Cross-entropy and embeddings.

mod common;
use common::{EPS, close, noise, slopes, wide, workspaces};
use mutransfer_kernels::{cross_entropy, embedding_backward, embedding_forward};

fn reference(logits: &[f64], targets: &[u32]) -> f64 {
    let vocabulary = logits.len() / targets.len();
    let row_loss = |(row, &target): (&[f64], &u32)| {
        let largest = row.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
        row.iter().map(|x| (x - largest).exp()).sum::<f64>().ln() + largest - row[target as usize]
    };
    logits
        .chunks(vocabulary)
        .zip(targets)
        .map(row_loss)
        .sum::<f64>()
        / targets.len() as f64
}

#[test]
fn mean_loss_and_gradient() {
    for (isa, mut workspace) in workspaces() {
        for (tokens, vocabulary, size) in [
            (1, 1, 1.0),
            (3, 7, 1.0),
            (5, 64, 10.0),
            (9, 100, 50.0),
            (4, 256, 1.0),
        ] {
            let what = format!("{isa} {tokens}x{vocabulary}");
            let logits: Vec<f32> = noise(1, tokens * vocabulary)
                .iter()
                .map(|x| x * size)
                .collect();
            let targets: Vec<u32> = (0..tokens).map(|i| (i * 37 % vocabulary) as u32).collect();
            let mut gradient = vec![f32::NAN; logits.len()];
            let loss = cross_entropy(&mut workspace, &logits, &targets, Some(&mut gradient));
            let tolerance = EPS * (vocabulary + 16) as f64 * f64::from(size);
            close(
                &what,
                &[loss],
                &[reference(&wide(&logits), &targets)],
                tolerance,
            );
            close(
                &what,
                &[cross_entropy(&mut workspace, &logits, &targets, None)],
                &[f64::from(loss)],
                0.0,
            );
            slopes(&what, &gradient, &logits, 1, tolerance, |logits| {
                reference(logits, &targets)
            });
        }
    }
}

/// Shares of a saturated softmax are exactly zero rather than tiny; see `math.rs`.
#[test]
fn a_saturated_softmax_has_no_tiny_shares() {
    for (isa, mut workspace) in workspaces() {
        let mut gradient = [1.0; 4];
        let loss = cross_entropy(
            &mut workspace,
            &[100.0, 30.0, 20.0, -1e6],
            &[0],
            Some(&mut gradient),
        );
        assert_eq!((loss, gradient), (0.0, [0.0; 4]), "{isa}");
        cross_entropy(
            &mut workspace,
            &[100.0, 30.0, 20.0, -1e6],
            &[3],
            Some(&mut gradient),
        );
        assert_eq!(gradient, [1.0, 0.0, 0.0, -1.0], "{isa}");
    }
}

#[test]
fn a_nan_is_seen() {
    for (isa, mut workspace) in workspaces() {
        let logits = [0.0, f32::NAN, 0.0, 0.0];
        assert!(
            cross_entropy(&mut workspace, &logits, &[0, 1], None).is_nan(),
            "{isa}"
        );
    }
}

#[test]
#[should_panic(expected = "a target is outside the vocabulary of 3")]
fn targets_are_checked() {
    cross_entropy(
        &mut mutransfer_kernels::Workspace::new(),
        &[0.0; 3],
        &[3],
        None,
    );
}

#[test]
fn embedding_gathers_and_scatters() {
    for (isa, mut workspace) in workspaces() {
        for width in [1, 7, 16, 33, 64] {
            let (rows, indices) = (5, [4_u32, 0, 4, 2, 4, 1]);
            let table = noise(1, rows * width);
            let mut out = vec![0.0; indices.len() * width];
            embedding_forward(&mut workspace, &table, width, &indices, &mut out);
            for (i, &index) in indices.iter().enumerate() {
                assert_eq!(
                    out[i * width..][..width],
                    table[index as usize * width..][..width],
                    "{isa}"
                );
            }
            let mut dtable = vec![f32::NAN; table.len()];
            embedding_backward(&mut workspace, &out, width, &indices, &mut dtable);
            let wanted: Vec<f64> = (0..rows * width)
                .map(|i| {
                    f64::from(table[i])
                        * indices
                            .iter()
                            .filter(|&&index| index as usize == i / width)
                            .count() as f64
                })
                .collect();
            close(isa, &dtable, &wanted, 4.0 * EPS);
        }
    }
}
