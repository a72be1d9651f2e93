//! Milliseconds for the plan of a model of 100,000 tensors: `cargo bench --workspace --bench plan`.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::hint::black_box;
use std::time::Instant;

use mutransfer::{Axes, Error, Optimizer, ParamName, Plan, Rule, Shape, Shapes, Widths};

const TENSORS: usize = 100_000;
const ROUNDS: usize = 15;

fn main() -> Result<(), Error> {
    let (base, delta, target) = (model(64), model(128), model(4096));
    let mut milliseconds = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let widths = Widths::between(&base, &delta)?;
        milliseconds[0].push(begun.elapsed().as_secs_f64() * 1e3);
        let begun = Instant::now();
        black_box(Plan::new(&widths, &target, Rule::Mup, Optimizer::AdamW)?);
        milliseconds[1].push(begun.elapsed().as_secs_f64() * 1e3);
    }
    for (what, mut milliseconds) in ["widths", "plan"].into_iter().zip(milliseconds) {
        milliseconds.sort_by(f64::total_cmp);
        println!(
            "{TENSORS} tensors, {what}: {:.1} ms (median of {ROUNDS})",
            milliseconds[ROUNDS / 2]
        );
    }
    Ok(())
}

/// Layers of a matrix and a bias.
fn model(width: usize) -> Shapes {
    let layer = |index: usize| {
        let matrix = Shape::new([width, width]).with_axes(Axes::IN_OUT);
        let name = |part: &str| ParamName::from(format!("blocks.{index}.{part}"));
        [
            (name("weight"), matrix),
            (name("bias"), Shape::new([width])),
        ]
    };
    (0..TENSORS / 2).flat_map(layer).collect()
}
