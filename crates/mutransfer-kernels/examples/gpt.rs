//! A GPT trained with nothing but these kernels, straight from top to bottom, and timed.
//!
//! `gpt WIDTH STEPS` prints milliseconds per step by kernel, the share of the machine's matrix-product
//! rate, and peak memory. `gpt WIDTH serve` trains on request: for every line `N` on standard input
//! it runs N steps and prints their seconds, the last loss and peak megabytes; a file named by
//! `GPT_WEIGHTS` (all parameters, little-endian f32, in the order of `Model::sizes`) replaces the
//! initial weights.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program that reports")]

use mutransfer_kernels::{
    Adam, Attention, Decay, Gelu, Heads, HeadsMut, Isa, Matrix, MatrixMut, NormGradients, Statistics, Workspace,
    adam_step, attention_backward, attention_forward, cross_entropy, embedding_backward, embedding_forward,
    gelu_forward_with_slope, layer_norm_backward, layer_norm_forward, linear_backward_input, linear_backward_weight,
    linear_forward, matmul, multiply,
};
use std::io::BufRead;
use std::sync::OnceLock;
use std::time::Instant;

const BATCH: usize = 16;
const LENGTH: usize = 128;
const TOKENS: usize = BATCH * LENGTH;
const VOCABULARY: usize = 256;
const HEAD_DIM: usize = 32;
const DEPTH: usize = 2;
const EPSILON: f32 = 1e-5;
const ADAM: Adam = Adam { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: Decay::Decoupled(0.01) };

/// Parameters of a block: gain and bias of two norms, weight and bias of four linear layers.
const OF_BLOCK: usize = 12;
/// Kernels by name, for the clock.
const KERNELS: [&str; 11] = [
    "linear",
    "linear dX",
    "linear dW",
    "attention",
    "attention back",
    "norm",
    "norm back",
    "gelu",
    "loss",
    "embedding",
    "adam",
];

/// What a block keeps for its backward pass.
struct Saved {
    input: Vec<f32>,
    normed: Vec<f32>,
    mean: Vec<f32>,
    inverse: Vec<f32>,
    qkv: Vec<f32>,
    attended: Vec<f32>,
    log_sums: Vec<f32>,
    middle: Vec<f32>,
    normed2: Vec<f32>,
    mean2: Vec<f32>,
    inverse2: Vec<f32>,
    slope: Vec<f32>,
    hidden: Vec<f32>,
}

struct Model {
    width: usize,
    weights: Vec<Vec<f32>>,
    gradients: Vec<Vec<f32>>,
    means: Vec<Vec<f32>>,
    squares: Vec<Vec<f32>>,
    saved: Vec<Saved>,
    output: Vec<f32>,
    normed: Vec<f32>,
    mean: Vec<f32>,
    inverse: Vec<f32>,
    logits: Vec<f32>,
    dlogits: Vec<f32>,
    // Gradients on their way down: the residual stream and one buffer per width.
    dstream: Vec<f32>,
    dnarrow: Vec<f32>,
    dwide: Vec<f32>,
    dstream2: Vec<f32>,
    clock: [f64; KERNELS.len()],
    step: u32,
    workspace: Workspace,
}

/// Seconds since the first call.
fn now() -> f64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_secs_f64()
}

fn noise(state: &mut u64) -> f32 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 40) as f32 / 8_388_608.0 - 1.0
}

impl Model {
    /// Token table, position table, blocks, final norm, readout.
    fn sizes(w: usize) -> Vec<usize> {
        let block = [w, w, w * 3 * w, 3 * w, w * w, w, w, w, w * 4 * w, 4 * w, 4 * w * w, w];
        let mut sizes = vec![VOCABULARY * w, LENGTH * w];
        for _ in 0..DEPTH {
            sizes.extend(block);
        }
        sizes.extend([w, w, w * VOCABULARY]);
        sizes
    }

    fn new(width: usize, workspace: Workspace) -> Self {
        let sizes = Self::sizes(width);
        let zeros = || sizes.iter().map(|&n| vec![0.0; n]).collect::<Vec<_>>();
        let mut weights = zeros();
        let mut state = 1;
        for w in &mut weights {
            let scale = if w.len() > 4 * width { 1.0 / (width as f32).sqrt() } else { 0.0 };
            w.fill_with(|| noise(&mut state) * scale);
        }
        let gains = (0..DEPTH).flat_map(|b| [2 + b * OF_BLOCK, 2 + b * OF_BLOCK + 6]).chain([2 + DEPTH * OF_BLOCK]);
        for g in gains {
            weights[g].fill(1.0);
        }
        if let Ok(file) = std::env::var("GPT_WEIGHTS") {
            let bytes = std::fs::read(file).unwrap();
            let mut numbers = bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
            for w in weights.iter_mut().flatten() {
                *w = numbers.next().unwrap();
            }
        }
        let rows = |columns: usize| vec![0.0; TOKENS * columns];
        let saved = || Saved {
            input: rows(width),
            normed: rows(width),
            mean: rows(1),
            inverse: rows(1),
            qkv: rows(3 * width),
            attended: rows(width),
            log_sums: rows(width / HEAD_DIM),
            middle: rows(width),
            normed2: rows(width),
            mean2: rows(1),
            inverse2: rows(1),
            slope: rows(4 * width),
            hidden: rows(4 * width),
        };
        Self {
            width,
            weights,
            gradients: zeros(),
            means: zeros(),
            squares: zeros(),
            saved: (0..DEPTH).map(|_| saved()).collect(),
            output: rows(width),
            normed: rows(width),
            mean: rows(1),
            inverse: rows(1),
            logits: rows(VOCABULARY),
            dlogits: rows(VOCABULARY),
            dstream: rows(width),
            dnarrow: rows(width),
            dwide: rows(4 * width),
            dstream2: rows(width),
            clock: [0.0; KERNELS.len()],
            step: 0,
            workspace,
        }
    }

    /// One step on `tokens`, predicting `targets`; returns the loss.
    fn train(&mut self, tokens: &[u32], targets: &[u32]) -> f32 {
        let Self { width: w, weights, gradients, saved, clock, workspace: ws, .. } = self;
        let w = *w;
        let attention = Attention {
            batch: BATCH,
            length: LENGTH,
            heads: w / HEAD_DIM,
            head_dim: HEAD_DIM,
            scale: 1.0 / (HEAD_DIM as f32).sqrt(),
            causal: true,
        };
        let mut last = now();
        let mut timed = |kernel: usize| {
            let time = now();
            clock[kernel] += time - last;
            last = time;
        };

        // Forward.
        embedding_forward(ws, &weights[0], w, tokens, &mut saved[0].input);
        for sequence in saved[0].input.chunks_exact_mut(LENGTH * w) {
            sequence.iter_mut().zip(&weights[1]).for_each(|(x, position)| *x += position);
        }
        timed(9);
        for b in 0..DEPTH {
            let [g1, b1, wqkv, bqkv, wo, bo, g2, b2, wi, bi, wd, bd] = &weights[2 + b * OF_BLOCK..][..OF_BLOCK] else {
                unreachable!()
            };
            let (here, after) = saved[b..].split_first_mut().unwrap();
            let statistics = Statistics { mean: &mut here.mean, inverse_deviation: &mut here.inverse };
            layer_norm_forward(ws, &here.input, g1, b1, EPSILON, &mut here.normed, statistics);
            timed(5);
            linear_forward(
                ws,
                1.0,
                rows(&here.normed, w),
                Matrix::new(wqkv, w, 3 * w),
                Some(bqkv),
                None,
                MatrixMut::new(&mut here.qkv, TOKENS, 3 * w),
            );
            timed(0);
            let out = MatrixMut::new(&mut here.attended, TOKENS, w);
            attention_forward(ws, attention, heads(&here.qkv, w), out, &mut here.log_sums);
            timed(3);
            let out = MatrixMut::new(&mut here.middle, TOKENS, w);
            linear_forward(
                ws,
                1.0,
                rows(&here.attended, w),
                Matrix::new(wo, w, w),
                Some(bo),
                Some(rows(&here.input, w)),
                out,
            );
            timed(0);
            let statistics = Statistics { mean: &mut here.mean2, inverse_deviation: &mut here.inverse2 };
            layer_norm_forward(ws, &here.middle, g2, b2, EPSILON, &mut here.normed2, statistics);
            timed(5);
            let out = MatrixMut::new(&mut here.slope, TOKENS, 4 * w);
            linear_forward(ws, 1.0, rows(&here.normed2, w), Matrix::new(wi, w, 4 * w), Some(bi), None, out);
            timed(0);
            gelu_forward_with_slope(ws, Gelu::Exact, &mut here.slope, &mut here.hidden);
            timed(7);
            let next = if b + 1 < DEPTH { &mut after[0].input } else { &mut self.output };
            let out = MatrixMut::new(next, TOKENS, w);
            linear_forward(
                ws,
                1.0,
                rows(&here.hidden, 4 * w),
                Matrix::new(wd, 4 * w, w),
                Some(bd),
                Some(rows(&here.middle, w)),
                out,
            );
            timed(0);
        }
        let [gain, bias, readout] = &weights[2 + DEPTH * OF_BLOCK..] else { unreachable!() };
        let statistics = Statistics { mean: &mut self.mean, inverse_deviation: &mut self.inverse };
        layer_norm_forward(ws, &self.output, gain, bias, EPSILON, &mut self.normed, statistics);
        timed(5);
        let readout = Matrix::new(readout, w, VOCABULARY);
        linear_forward(
            ws,
            1.0,
            rows(&self.normed, w),
            readout,
            None,
            None,
            MatrixMut::new(&mut self.logits, TOKENS, VOCABULARY),
        );
        timed(0);
        let loss = cross_entropy(ws, &self.logits, targets, Some(&mut self.dlogits));
        timed(8);

        // Backward.
        let [dgain, dbias, dreadout] = &mut gradients[2 + DEPTH * OF_BLOCK..] else { unreachable!() };
        let dlogits = rows(&self.dlogits, VOCABULARY);
        linear_backward_weight(ws, 1.0, rows(&self.normed, w), dlogits, MatrixMut::new(dreadout, w, VOCABULARY), None);
        timed(2);
        linear_backward_input(ws, 1.0, dlogits, readout, MatrixMut::new(&mut self.dnarrow, TOKENS, w));
        timed(1);
        let to = NormGradients { x: &mut self.dstream, residual: None, gain: dgain, bias: dbias };
        layer_norm_backward(ws, &self.output, gain, &self.mean, &self.inverse, &self.dnarrow, to);
        timed(6);
        for b in (0..DEPTH).rev() {
            let [g1, _, wqkv, _, wo, _, g2, _, wi, _, wd, _] = &weights[2 + b * OF_BLOCK..][..OF_BLOCK] else {
                unreachable!()
            };
            let [dg1, db1, dwqkv, dbqkv, dwo, dbo, dg2, db2, dwi, dbi, dwd, dbd] =
                &mut gradients[2 + b * OF_BLOCK..][..OF_BLOCK]
            else {
                unreachable!()
            };
            let here = &mut saved[b];
            let stream = rows(&self.dstream, w);
            linear_backward_weight(
                ws,
                1.0,
                rows(&here.hidden, 4 * w),
                stream,
                MatrixMut::new(dwd, 4 * w, w),
                Some(dbd),
            );
            timed(2);
            linear_backward_input(
                ws,
                1.0,
                stream,
                Matrix::new(wd, 4 * w, w),
                MatrixMut::new(&mut self.dwide, TOKENS, 4 * w),
            );
            timed(1);
            multiply(ws, &here.slope, &self.dwide, &mut here.hidden);
            timed(7);
            let dhidden = rows(&here.hidden, 4 * w);
            linear_backward_weight(ws, 1.0, rows(&here.normed2, w), dhidden, MatrixMut::new(dwi, w, 4 * w), Some(dbi));
            timed(2);
            linear_backward_input(
                ws,
                1.0,
                dhidden,
                Matrix::new(wi, w, 4 * w),
                MatrixMut::new(&mut self.dnarrow, TOKENS, w),
            );
            timed(1);
            let to = NormGradients { x: &mut self.dstream2, residual: Some(&self.dstream), gain: dg2, bias: db2 };
            layer_norm_backward(ws, &here.middle, g2, &here.mean2, &here.inverse2, &self.dnarrow, to);
            timed(6);
            let stream = rows(&self.dstream2, w);
            linear_backward_weight(ws, 1.0, rows(&here.attended, w), stream, MatrixMut::new(dwo, w, w), Some(dbo));
            timed(2);
            linear_backward_input(ws, 1.0, stream, Matrix::new(wo, w, w), MatrixMut::new(&mut self.dnarrow, TOKENS, w));
            timed(1);
            let dqkv = MatrixMut::with_stride(&mut self.dwide, TOKENS, 3 * w, 3 * w);
            let (q, rest) = dqkv.split_columns(w);
            let (k, v) = rest.split_columns(w);
            let (attended, dattended) = (rows(&here.attended, w), rows(&self.dnarrow, w));
            attention_backward(
                ws,
                attention,
                heads(&here.qkv, w),
                attended,
                &here.log_sums,
                dattended,
                HeadsMut { q, k, v },
            );
            timed(4);
            let dqkv = rows(&self.dwide, 3 * w);
            linear_backward_weight(ws, 1.0, rows(&here.normed, w), dqkv, MatrixMut::new(dwqkv, w, 3 * w), Some(dbqkv));
            timed(2);
            linear_backward_input(
                ws,
                1.0,
                dqkv,
                Matrix::new(wqkv, w, 3 * w),
                MatrixMut::new(&mut self.dnarrow, TOKENS, w),
            );
            timed(1);
            let to = NormGradients { x: &mut self.dstream, residual: Some(&self.dstream2), gain: dg1, bias: db1 };
            layer_norm_backward(ws, &here.input, g1, &here.mean, &here.inverse, &self.dnarrow, to);
            timed(6);
        }
        let [dtokens, dpositions, ..] = &mut gradients[..] else { unreachable!() };
        embedding_backward(ws, &self.dstream, w, tokens, dtokens);
        dpositions.fill(0.0);
        for sequence in self.dstream.chunks_exact(LENGTH * w) {
            dpositions.iter_mut().zip(sequence).for_each(|(d, x)| *d += x);
        }
        timed(9);

        // Update.
        self.step += 1;
        let moments = self.means.iter_mut().zip(&mut self.squares);
        for ((weights, gradient), (mean, square)) in weights.iter_mut().zip(&*gradients).zip(moments) {
            adam_step(ws, ADAM, self.step, weights, gradient, mean, square);
        }
        timed(10);
        loss
    }
}

/// `[tokens, columns]`
fn rows(data: &[f32], columns: usize) -> Matrix<'_> {
    Matrix::new(data, TOKENS, columns)
}

fn heads(qkv: &[f32], width: usize) -> Heads<'_> {
    let part = |i: usize| Matrix::with_stride(&qkv[i * width..], TOKENS, width, 3 * width);
    Heads { q: part(0), k: part(1), v: part(2) }
}

/// The machine's rate of matrix products in flops per second: the best of a few shapes.
fn ceiling(workspace: &mut Workspace, a: &[f32], b: &[f32], c: &mut [f32]) -> f64 {
    let mut best = 0.0_f64;
    for n in [64, 128, 256] {
        let time = now();
        for _ in 0..512 / n {
            matmul(workspace, 1.0, Matrix::new(a, TOKENS, n), Matrix::new(b, n, n), 0.0, MatrixMut::new(c, TOKENS, n));
        }
        best = best.max(2.0 * (TOKENS * n * n * (512 / n)) as f64 / (now() - time));
    }
    best
}

/// Flops of a step: six per weight and token, and the visible half of the attention.
fn flops(width: usize) -> f64 {
    let weights: usize = DEPTH * 12 * width * width + width * VOCABULARY;
    let attention = 3.0 * 4.0 * (LENGTH * LENGTH / 2 * width * BATCH * DEPTH) as f64;
    6.0 * (weights * TOKENS) as f64 + attention
}

fn peak_megabytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let width: usize = arguments.get(1).map_or(64, |a| a.parse().unwrap());
    let isa = std::env::var("GPT_ISA").ok();
    let isa = Isa::available().into_iter().find(|i| Some(i.name()) == isa.as_deref()).unwrap_or(Isa::detect());
    let mut model = Model::new(width, Workspace::with_isa(isa));
    // The sequence that PyTorch gets too: a linear congruence.
    let mut state = 12_345_u32;
    let mut token = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % 64 + (state >> 28) % 4 * 64
    };
    let sequence: Vec<u32> = (0..=TOKENS).map(|_| token()).collect();
    let (tokens, targets) = (&sequence[..TOKENS], &sequence[1..]);
    if arguments.get(2).is_some_and(|a| a == "serve") {
        for line in std::io::stdin().lock().lines() {
            let steps: usize = line.unwrap().trim().parse().unwrap();
            let time = now();
            let mut loss = f32::NAN;
            for _ in 0..steps {
                loss = model.train(tokens, targets);
            }
            println!("{} {loss} {}", now() - time, peak_megabytes());
        }
        return;
    }
    let steps: usize = arguments.get(2).map_or(20, |a| a.parse().unwrap());
    let (a, b, mut c) = (vec![0.5; TOKENS * 256], vec![0.5; 256 * 256], vec![0.0; TOKENS * 256]);
    let (mut times, mut parts, mut peak, mut shares) = (vec![], vec![vec![]; KERNELS.len()], 0.0_f64, vec![]);
    let mut loss = 0.0;
    for i in 0..steps + 2 {
        let rate = ceiling(&mut model.workspace, &a, &b, &mut c);
        model.clock.fill(0.0);
        let time = now();
        loss = model.train(tokens, targets);
        let time = now() - time;
        if i >= 2 {
            times.push(time);
            shares.push(flops(width) / time / rate);
            peak = peak.max(rate);
            parts.iter_mut().zip(model.clock).for_each(|(part, time)| part.push(time));
        }
    }
    let sorted = |times: &mut Vec<f64>| times.sort_by(f64::total_cmp);
    sorted(&mut times);
    sorted(&mut shares);
    let (best, median) = (times[0], times[steps / 2]);
    println!(
        "width {width}: best {:.2} ms, median {:.2} ms, {:.1} GFLOP/s of {:.1}: {:.0} % (median pairwise {:.0} %), {:.0} MB, loss {loss:.4}",
        best * 1e3,
        median * 1e3,
        flops(width) / best / 1e9,
        peak / 1e9,
        100.0 * flops(width) / best / peak,
        100.0 * shares[steps / 2],
        peak_megabytes()
    );
    for (name, part) in KERNELS.iter().zip(&mut parts) {
        sorted(part);
        print!("  {name} {:.2}", part[0] * 1e3);
    }
    println!();
}
