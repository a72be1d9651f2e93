//! Weights `[outputs, inputs, window, window]` as the right operand of a product, and back.
//!
//! All taps of one pair of channels lie side by side, while a row of a product has one tap. A line
//! of a row is copied at a time: rows of different taps lie so far apart that caches hold too few
//! of them together.

use crate::convolution::Convolution;
use crate::convolution::windows::Tap;
use crate::packed::{Right, RightMut};
use crate::simd::Isa;

/// Numbers in a cache line.
const LINE: usize = 16;

/// Packs the weights of some taps with rows `[taps, inputs]` and a column for each output, or where
/// they are flipped with rows `[taps, outputs]` and a column for each input.
pub(crate) fn pack_weight<'a>(
    isa: Isa,
    weight: &[f32],
    sizes: &Convolution,
    taps: &[Tap],
    is_flipped: bool,
    buffer: &'a mut Vec<f32>,
) -> Right<'a> {
    let (by_output, by_input) = (sizes.inputs * sizes.taps(), sizes.taps());
    let (rows, by_row, columns, by_column) = if is_flipped {
        (sizes.outputs, by_output, sizes.inputs, by_input)
    } else {
        (sizes.inputs, by_input, sizes.outputs, by_output)
    };
    let mut packed = RightMut::new(isa, taps.len() * rows, columns, buffer);
    for first in (0..columns).step_by(LINE) {
        let count = LINE.min(columns - first);
        for row in 0..rows {
            let from = &weight[row * by_row + first * by_column..];
            for (place, tap) in taps.iter().enumerate() {
                let to = packed.line(place * rows + row, first, count);
                let from = from[tap.weight..].iter().step_by(by_column);
                to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
            }
        }
    }
    packed.finish()
}

/// Reads weights, all taps in order, from `[taps, inputs, outputs]`.
pub(crate) fn from_rows(rows: &[f32], sizes: &Convolution, weight: &mut [f32]) {
    let (inputs, outputs, taps) = (sizes.inputs, sizes.outputs, sizes.taps());
    for first in (0..outputs).step_by(LINE) {
        let count = LINE.min(outputs - first);
        for (input, tap) in (0..inputs).flat_map(|i| (0..taps).map(move |tap| (i, tap))) {
            let from = &rows[(tap * inputs + input) * outputs + first..][..count];
            let to = &mut weight[(first * inputs + input) * taps + tap..];
            let to = to.iter_mut().step_by(inputs * taps);
            to.zip(from).for_each(|(to, from)| *to = *from);
        }
    }
}
