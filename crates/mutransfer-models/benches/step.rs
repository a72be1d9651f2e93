//! Milliseconds of one training step of the built-in GPT against its width: `cargo bench --workspace --bench step`.
//!
//! Depth 2, heads of 32, 16 x 128 tokens, vocabulary 256, AdamW, f32, one thread. Medians of `STEPS` steps after a
//! warm-up. The share counts 6 x parameters x tokens and the causal half of attention, of the matrix-product rate
//! measured in the same run on the largest product of the model.

use std::hint::black_box;
use std::time::Instant;

use mutransfer::{Hyper, Optimizer, Rule};
use mutransfer_kernels::{Matrix, MatrixMut, Workspace, matmul};
use mutransfer_models::data::{Corpus, Text};
use mutransfer_models::{Architecture, Batches, Heads, Kind, trainer};

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const STEPS: usize = 15;
const BATCH: usize = 16;
const CONTEXT: usize = 128;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("text");
    std::fs::write(&path, (0..200_000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect::<Vec<_>>())?;
    let corpus = Corpus::Text(Text::read(&path)?);
    println!("width  ms/step  GFLOP/s  matrix product  share");
    for width in [64, 128, 256, 512] {
        let architecture = Architecture {
            kind: Kind::Gpt,
            depth: 2,
            heads: Heads::Dim(32),
            vocabulary: corpus.vocabulary(),
            context: CONTEXT,
            zero_readout: false,
            zero_query: false,
        };
        let plan = architecture.plan(64, width, Rule::Mup, Optimizer::AdamW)?;
        let batches = Batches { size: BATCH, seed: 0 };
        let mut trainer = trainer(&architecture, width, &plan, &Hyper::default(), &corpus, batches)?;
        let step = median(STEPS, || {
            black_box(trainer.step(1.0));
        });
        let rate = flops(&architecture, width)? / step / 1e9;
        let ceiling = matrix_rate(width);
        let share = 100.0 * rate / ceiling;
        println!("{width:5}  {:7.1}  {rate:7.1}  {ceiling:14.1}  {share:4.0} %", step * 1e3);
    }
    Ok(())
}

/// Operations of a step: every parameter but the look-up tables is in three products, and attention is half full.
fn flops(architecture: &Architecture, width: usize) -> Result<f64, Box<dyn std::error::Error>> {
    let tokens = (BATCH * CONTEXT) as f64;
    let tables = ((architecture.vocabulary + CONTEXT) * width) as f64;
    let products = 6.0 * (architecture.shapes(width)?.entries() as f64 - tables) * tokens;
    let attention = 6.0 * tokens * (CONTEXT * width * architecture.depth) as f64;
    Ok(products + attention)
}

/// GFLOP/s of the product of the feed-forward layer.
fn matrix_rate(width: usize) -> f64 {
    let (rows, inner, columns) = (BATCH * CONTEXT, width, 4 * width);
    let (left, right) = (vec![0.5; rows * inner], vec![0.25; inner * columns]);
    let mut product = vec![0.0; rows * columns];
    let mut workspace = Workspace::new();
    let seconds = median(STEPS, || {
        let (left, right) = (Matrix::new(&left, rows, inner), Matrix::new(&right, inner, columns));
        matmul(&mut workspace, 1.0, left, right, 0.0, MatrixMut::new(&mut product, rows, columns));
    });
    black_box(&product);
    2.0 * (rows * inner * columns) as f64 / seconds / 1e9
}

/// Median seconds of a call, after three that warm up.
fn median(count: usize, mut call: impl FnMut()) -> f64 {
    (0..3).for_each(|_| call());
    let mut seconds: Vec<f64> = (0..count)
        .map(|_| {
            let begun = Instant::now();
            call();
            begun.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds[count / 2]
}
