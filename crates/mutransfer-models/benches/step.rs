//! Milliseconds of one training step of the built-in GPT against its width: `cargo bench
//! --workspace --bench step`.
//!
//! Depth 2, heads of 32, 16 x 128 tokens, vocabulary 256, AdamW, f32, one thread. Medians of
//! `STEPS` steps after a warm-up. The share counts 6 x parameters x tokens and the causal half of
//! attention, of the matrix-product rate measured in the same run on the largest product of the
//! model.
//!
//! `experts` compares the GPT with one of eight experts, two of them active and together as wide as
//! its dense layer: the two take steps in turns.
//!
//! `serve MODEL WIDTH FOLDER` is for `benches/pytorch.py`: it leaves the initial weights and the
//! first batches of this GPT, or of a CNN or ResNet for images of 28 x 28 under Adam, in the folder,
//! then for every line `N` on standard input trains N steps and prints their seconds, the last loss
//! and peak megabytes.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::error::Error;
use std::hint::black_box;
use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

use mutransfer::{Hyper, Optimizer, Rule};
use mutransfer_kernels::{Matrix, MatrixMut, Workspace, matmul};
use mutransfer_models::data::{Corpus, Dataset, Format, Images, Text};
use mutransfer_models::{Architecture, Batches, Heads, Kind, Training, trainer};

const STEPS: usize = 15;
/// Sequences of a batch.
const SEQUENCES: usize = 16;
/// Side of the images, and how many there are.
const SIDE: usize = 28;
const IMAGES: u32 = 2000;
const CONTEXT: usize = 128;
/// Batches that the peer gets.
const SERVED: usize = 20;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    match &arguments[..] {
        [] => table(&text(folder.path())?),
        [mode] if mode == "experts" => experts(&text(folder.path())?),
        [mode, model, width, to] if mode == "serve" => {
            let kind: Kind = model.parse()?;
            let data = match kind {
                Kind::Gpt | Kind::Moe => text(folder.path())?,
                _ => images(folder.path())?,
            };
            serve(kind, &data, width.parse()?, Path::new(to))
        }
        _ => Err("usage: step [experts | serve gpt|cnn|resnet WIDTH FOLDER]".into()),
    }
}

/// Bytes without any order.
fn bytes(count: u32) -> Vec<u8> {
    let byte = |at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8;
    (0..count).map(byte).collect()
}

fn text(folder: &Path) -> Result<Dataset, Box<dyn Error>> {
    let path = folder.join("text");
    std::fs::write(&path, bytes(200_000))?;
    Ok(Dataset::Text(Corpus::Text(Text::read(&path)?)))
}

/// Images as MNIST has them: stripes of a width and slope of their class under some noise, so that
/// there is something to learn and gradients stand out from rounding.
fn images(folder: &Path) -> Result<Dataset, Box<dyn Error>> {
    let side = SIDE as u32;
    let file = |kind: u32, sizes: &[u32], bytes: Vec<u8>| -> Vec<u8> {
        let header = std::iter::once(&kind).chain(sizes);
        header
            .flat_map(|word| word.to_be_bytes())
            .chain(bytes)
            .collect()
    };
    let pixel = |(at, noise): (u32, u8)| {
        let (image, row, column) = (at / (side * side), at / side % side, at % side);
        let stripe = (column * (1 + image % 5) + row * (image % 10)) % side < side / 2;
        noise / 4 + if stripe { 160 } else { 20 }
    };
    let noisy = (0..).zip(bytes(IMAGES * side * side)).map(pixel).collect();
    let pixels = file(0x803, &[IMAGES, side, side], noisy);
    let labels = (0..IMAGES).map(|at| (at % 10) as u8).collect();
    std::fs::write(folder.join("train-images-idx3-ubyte"), pixels)?;
    std::fs::write(
        folder.join("train-labels-idx1-ubyte"),
        file(0x801, &[IMAGES], labels),
    )?;
    Ok(Dataset::Images(Images::read(folder)?))
}

/// The widest ResNet of the comparison has smaller batches.
fn batches(kind: Kind, width: usize) -> Batches {
    let size = match kind {
        Kind::Gpt | Kind::Moe => SEQUENCES,
        Kind::ResNet if width >= 64 => 32,
        _ => 64,
    };
    Batches {
        size,
        seed: 0,
        is_fixed: false,
    }
}

fn architecture(kind: Kind, data: &Dataset) -> Architecture {
    let depth = if kind == Kind::ResNet { 1 } else { 2 };
    Architecture {
        heads: Heads::Dim(32),
        context: CONTEXT,
        depth,
        base_depth: depth,
        ..Architecture::new(kind, data.format())
    }
}

fn start(
    kind: Kind,
    data: &Dataset,
    width: usize,
) -> Result<Box<dyn Training + '_>, Box<dyn Error>> {
    let architecture = architecture(kind, data);
    // At a larger rate the wide models of images tell apart in what order their sums were rounded.
    let (optimizer, learning_rate, weight_decay) = match kind {
        Kind::Gpt | Kind::Moe => (Optimizer::AdamW, 1e-3, 0.01),
        _ => (Optimizer::Adam, 1e-4, 0.0),
    };
    let plan = architecture.plan(width, width, Rule::Sp, optimizer)?;
    let hyper = Hyper {
        learning_rate,
        weight_decay,
        beta2: 0.999,
        ..Hyper::default()
    };
    let batches = batches(kind, width);
    Ok(trainer(&architecture, width, &plan, &hyper, data, batches)?)
}

fn table(corpus: &Dataset) -> Result<(), Box<dyn Error>> {
    println!("width  steps/s  ms/step  GFLOP/s  matrix product  share");
    for width in [64, 128, 256, 512] {
        let mut trainer = start(Kind::Gpt, corpus, width)?;
        let step = median(STEPS, || trainer.step(1.0));
        let rate = flops(&architecture(Kind::Gpt, corpus), width)? / step / 1e9;
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

/// Steps of the dense model and of the one with experts, one after the other, so that what else the
/// machine does slows both.
fn experts(corpus: &Dataset) -> Result<(), Box<dyn Error>> {
    println!("width  dense ms/step  experts ms/step  ratio");
    for width in [64, 128, 256] {
        let mut dense = start(Kind::Gpt, corpus, width)?;
        let mut sparse = start(Kind::Moe, corpus, width)?;
        let pairs: Vec<[f64; 2]> = (0..5 * STEPS)
            .map(|_| [&mut dense, &mut sparse].map(|model| seconds(|| model.step(1.0))))
            .skip(STEPS)
            .collect();
        let [dense, sparse] = [0, 1].map(|at| middle(pairs.iter().map(|pair| pair[at]).collect()));
        let ratio = middle(pairs.iter().map(|[dense, sparse]| sparse / dense).collect());
        println!(
            "{width:5}  {:13.1}  {:15.1}  {ratio:5.2}",
            dense * 1e3,
            sparse * 1e3
        );
    }
    Ok(())
}

fn serve(kind: Kind, data: &Dataset, width: usize, folder: &Path) -> Result<(), Box<dyn Error>> {
    let mut trainer = start(kind, data, width)?;
    let write = |name: &str, values: Vec<f32>| {
        let bytes: Vec<u8> = values.into_iter().flat_map(f32::to_le_bytes).collect();
        std::fs::write(folder.join(name), bytes)
    };
    for (name, values) in trainer.parameters() {
        write(&name, values)?;
    }
    let Batches { size, seed, .. } = batches(kind, width);
    match data {
        Dataset::Text(text) => {
            let all = (0..SERVED).flat_map(|step| text.batch(seed, step, size, CONTEXT + 1));
            std::fs::write(folder.join("batches"), all.flatten().collect::<Vec<u8>>())?;
        }
        Dataset::Images(images) => {
            let all = (0..SERVED).map(|step| images.batch(seed, step, size));
            let (pixels, labels): (Vec<_>, Vec<_>) = all.unzip();
            write("batches", pixels.concat())?;
            std::fs::write(folder.join("labels"), labels.concat())?;
        }
    }
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
    let tokens = (SEQUENCES * CONTEXT) as f64;
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
    let (rows, inner, columns) = (SEQUENCES * CONTEXT, width, 4 * width);
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
fn median<T>(count: usize, mut call: impl FnMut() -> T) -> f64 {
    (0..3).for_each(|_| drop(call()));
    middle((0..count).map(|_| seconds(&mut call)).collect())
}

/// Seconds of a call.
fn seconds<T>(call: impl FnOnce() -> T) -> f64 {
    let begun = Instant::now();
    black_box(call());
    begun.elapsed().as_secs_f64()
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
