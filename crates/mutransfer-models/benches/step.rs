//! Milliseconds of one training step of the built-in GPT against its width: `cargo bench
//! --workspace --bench step`.
//!
//! Depth 2, heads of 32, 16 x 128 tokens, vocabulary 256, AdamW, f32, one thread. Medians of
//! `STEPS` steps after a warm-up. The share counts 6 x parameters x tokens and the causal half of
//! attention, of the matrix-product rate measured in the same run on the largest product of the
//! model.
//!
//! `serve WIDTH FOLDER` is for `benches/pytorch.py`: it leaves the initial weights and the first
//! batches in the folder, then for every line `N` on standard input trains N steps and prints their
//! seconds, the last loss and peak megabytes.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::error::Error;
use std::hint::black_box;
use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

use mutransfer::{Hyper, Optimizer, Rule};
use mutransfer_kernels::{Matrix, MatrixMut, Workspace, matmul};
use mutransfer_models::data::{Corpus, Dataset, Format, Text};
use mutransfer_models::{Architecture, Batches, Heads, Kind, Training, trainer};

const STEPS: usize = 15;
const BATCHES: Batches = Batches {
    size: 16,
    seed: 0,
    is_fixed: false,
};
const CONTEXT: usize = 128;
/// Batches that the peer gets.
const SERVED: usize = 20;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("text");
    std::fs::write(
        &path,
        (0..200_000u32)
            .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect::<Vec<_>>(),
    )?;
    let corpus = Dataset::Text(Corpus::Text(Text::read(&path)?));
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    match &arguments[..] {
        [] => table(&corpus),
        [mode, width, folder] if mode == "serve" => {
            serve(&corpus, width.parse()?, Path::new(folder))
        }
        _ => Err("usage: step [serve WIDTH FOLDER]".into()),
    }
}

fn architecture(corpus: &Dataset) -> Architecture {
    Architecture {
        heads: Heads::Dim(32),
        context: CONTEXT,
        ..Architecture::new(Kind::Gpt, corpus.format())
    }
}

fn start(corpus: &Dataset, width: usize) -> Result<Box<dyn Training + '_>, Box<dyn Error>> {
    let architecture = architecture(corpus);
    let plan = architecture.plan(width, width, Rule::Sp, Optimizer::AdamW)?;
    let hyper = Hyper {
        learning_rate: 1e-3,
        weight_decay: 0.01,
        beta2: 0.999,
        ..Hyper::default()
    };
    Ok(trainer(
        &architecture,
        width,
        &plan,
        &hyper,
        corpus,
        BATCHES,
    )?)
}

fn table(corpus: &Dataset) -> Result<(), Box<dyn Error>> {
    println!("width  steps/s  ms/step  GFLOP/s  matrix product  share");
    for width in [64, 128, 256, 512] {
        let mut trainer = start(corpus, width)?;
        let step = median(STEPS, || {
            black_box(trainer.step(1.0));
        });
        let rate = flops(&architecture(corpus), width)? / step / 1e9;
        let ceiling = matrix_rate(width);
        let share = 100.0 * rate / ceiling;
        println!(
            "{width:5}  {:7.1}  {:7.1}  {rate:7.1}  {ceiling:14.1}  {share:4.0} %",
            1.0 / step,
            step * 1e3
        );
    }
    Ok(())
}

fn serve(corpus: &Dataset, width: usize, folder: &Path) -> Result<(), Box<dyn Error>> {
    let mut trainer = start(corpus, width)?;
    for (name, values) in trainer.parameters() {
        let bytes: Vec<u8> = values.into_iter().flat_map(f32::to_le_bytes).collect();
        std::fs::write(folder.join(name), bytes)?;
    }
    let Dataset::Text(text) = corpus else {
        return Err("the peer reads text".into());
    };
    let batches =
        (0..SERVED).flat_map(|step| text.batch(BATCHES.seed, step, BATCHES.size, CONTEXT + 1));
    std::fs::write(
        folder.join("batches"),
        batches.flatten().collect::<Vec<u8>>(),
    )?;
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let steps: usize = line?.trim().parse()?;
        let begun = Instant::now();
        let loss = (0..steps)
            .map(|_| trainer.step(1.0))
            .last()
            .unwrap_or(f64::NAN);
        println!(
            "{} {loss} {}",
            begun.elapsed().as_secs_f64(),
            peak_megabytes()?
        );
        std::io::stdout().flush()?;
    }
    Ok(())
}

/// Most memory that the process has had, where the system tells.
fn peak_megabytes() -> Result<f64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .ok_or("no peak memory in /proc")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1e3)
}

/// Operations of a step: every parameter but the look-up tables is in three products, and attention
/// is half full.
fn flops(architecture: &Architecture, width: usize) -> Result<f64, Box<dyn Error>> {
    let tokens = (BATCHES.size * CONTEXT) as f64;
    let Format::Tokens { vocabulary } = architecture.data else {
        return Err("text has tokens".into());
    };
    let tables = ((vocabulary + CONTEXT) * width) as f64;
    let products = 6.0 * (architecture.shapes(width)?.entries() as f64 - tables) * tokens;
    let attention = 6.0 * tokens * (CONTEXT * width * architecture.depth) as f64;
    Ok(products + attention)
}

/// GFLOP/s of the product of the feed-forward layer.
fn matrix_rate(width: usize) -> f64 {
    let (rows, inner, columns) = (BATCHES.size * CONTEXT, width, 4 * width);
    let (left, right) = (vec![0.5; rows * inner], vec![0.25; inner * columns]);
    let mut product = vec![0.0; rows * columns];
    let mut workspace = Workspace::new();
    let seconds = median(STEPS, || {
        let (left, right) = (
            Matrix::new(&left, rows, inner),
            Matrix::new(&right, inner, columns),
        );
        matmul(
            &mut workspace,
            1.0,
            left,
            right,
            0.0,
            MatrixMut::new(&mut product, rows, columns),
        );
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
