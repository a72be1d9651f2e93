//! Weights `[outputs, inputs, window, window]` as the right operand of a product, and back.
//!
//! All taps of one pair of channels lie side by side, while a row of a product has one tap and a
//! column for each output or input. Squares of numbers are turned in registers; what they leave
//! goes number by number.

use crate::convolution::Convolution;
use crate::convolution::windows::Tap;
use crate::pack::transpose_square;
use crate::packed::{Line, Right, RightMut};
use crate::simd::{Isa, Simd, kernel};

/// Numbers of the largest square.
const SQUARE: usize = 16 * 16;

/// Packs the weights of some taps with rows `[taps, inputs]` and a column for each output, or where
/// they are flipped with rows `[taps, outputs]` and a column for each input. Of several sets of
/// taps each is an operand, and no tap is in two of them.
pub(crate) fn pack_weight<'a>(
    isa: Isa,
    weight: &[f32],
    sizes: &Convolution,
    taps: &[&[Tap]],
    is_flipped: bool,
    buffer: &'a mut Vec<f32>,
) -> Vec<Right<'a>> {
    let (channels, columns) = if is_flipped {
        (sizes.outputs, sizes.inputs)
    } else {
        (sizes.inputs, sizes.outputs)
    };
    let depths: Vec<usize> = taps.iter().map(|taps| taps.len() * channels).collect();
    let mut packed = RightMut::new(isa, &depths, columns, buffer);
    let order = Order::of(sizes, taps, is_flipped, &packed);
    pack_columns(isa, weight, &order, &mut packed);
    packed.finish()
}

/// Where the numbers of weights go.
#[derive(Debug)]
struct Order {
    /// Where each number of a column goes, channel by channel and tap by tap; none for a tap that
    /// is not packed.
    lines: Vec<Option<Line>>,
    /// Distance of one column to the next.
    by_column: usize,
    /// Numbers of a column that lie side by side, and the distance to those that follow.
    run: usize,
    by_run: usize,
}

impl Order {
    fn of(sizes: &Convolution, taps: &[&[Tap]], is_flipped: bool, packed: &RightMut<'_>) -> Self {
        let by_output = sizes.inputs * sizes.taps();
        let (channels, by_column, run) = if is_flipped {
            (sizes.outputs, sizes.taps(), sizes.taps())
        } else {
            (sizes.inputs, by_output, by_output)
        };
        let place = |tap| {
            let mut operands = taps.iter().enumerate();
            operands.find_map(|(operand, taps)| {
                let place = taps.iter().position(|other| other.weight == tap)?;
                Some((operand, place))
            })
        };
        let places: Vec<Option<(usize, usize)>> = (0..sizes.taps()).map(place).collect();
        let line = |channel, (operand, place)| packed.line(operand, place * channels + channel);
        let of_channel = |channel| places.iter().map(move |at| at.map(|at| line(channel, at)));
        Self {
            lines: (0..channels).flat_map(of_channel).collect(),
            by_column,
            run,
            by_run: by_output,
        }
    }
}

kernel! {
    fn pack_columns(weight: &[f32], order: &Order, packed: &mut RightMut<'_>) = pack_columns_body
}

#[inline(always)]
fn pack_columns_body<S: Simd>(s: S, weight: &[f32], order: &Order, packed: &mut RightMut<'_>) {
    for first in (0..packed.columns()).step_by(S::LANES) {
        for (run, lines) in order.lines.chunks(order.run).enumerate() {
            let from = &weight[run * order.by_run + first * order.by_column..];
            pack_run(s, from, order.by_column, lines, first, packed);
        }
    }
}

/// Packs what lies side by side in each of some columns.
#[inline(always)]
fn pack_run<S: Simd>(
    s: S,
    from: &[f32],
    by_column: usize,
    lines: &[Option<Line>],
    first: usize,
    packed: &mut RightMut<'_>,
) {
    let (place, count) = (packed.place(first), packed.columns() - first);
    let mut square = [0.0; SQUARE];
    let mut at = 0;
    while at < lines.len() {
        let (from, left) = (&from[at..], &lines[at..]);
        // A square may reach beyond what is needed, where there is something.
        let is_inside = from.len() >= (S::LANES - 1) * by_column + S::LANES;
        let is_square = count >= S::LANES && 2 * left.len() >= S::LANES && is_inside;
        if is_square {
            transpose_square(s, (from, by_column), (&mut square, S::LANES));
            for (line, turned) in left
                .iter()
                .zip(square.chunks_exact(S::LANES).take(S::LANES))
            {
                if let Some(line) = *line {
                    packed.numbers(line, place)[..S::LANES].copy_from_slice(&turned[..S::LANES]);
                }
            }
            at += S::LANES;
        } else {
            if let Some(line) = left[0] {
                let to = packed.numbers(line, place)[..count.min(S::LANES)].iter_mut();
                let column = from.iter().step_by(by_column);
                to.zip(column).for_each(|(to, from)| *to = *from);
            }
            at += 1;
        }
    }
}

kernel! {
    pub(crate) fn from_rows(rows: &[f32], sizes: &Convolution, weight: &mut [f32]) = from_rows_body
}

/// Reads weights, all taps in order, from `[taps, inputs, outputs]`.
#[inline(always)]
fn from_rows_body<S: Simd>(s: S, rows: &[f32], sizes: &Convolution, weight: &mut [f32]) {
    let (inputs, outputs, taps) = (sizes.inputs, sizes.outputs, sizes.taps());
    let by_output = inputs * taps;
    let row = |at: usize| (at % taps * inputs + at / taps) * outputs;
    let (whole, whole_outputs) = (
        by_output / S::LANES * S::LANES,
        outputs / S::LANES * S::LANES,
    );
    let mut square = [0.0; SQUARE];
    for first in (0..whole_outputs).step_by(S::LANES) {
        for at in (0..whole).step_by(S::LANES) {
            for (line, to) in square.chunks_exact_mut(S::LANES).take(S::LANES).enumerate() {
                to.copy_from_slice(&rows[row(at + line) + first..][..S::LANES]);
            }
            let to = &mut weight[first * by_output + at..];
            transpose_square(s, (&square, S::LANES), (to, by_output));
        }
    }
    for output in 0..outputs {
        let done = if output < whole_outputs { whole } else { 0 };
        for at in done..by_output {
            weight[output * by_output + at] = rows[row(at) + output];
        }
    }
}
