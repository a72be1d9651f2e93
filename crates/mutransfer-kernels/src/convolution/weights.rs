//! Weights `[outputs, inputs, window, window]` as the rows of a matrix product, and back.
//!
//! All taps of one pair of channels lie side by side, while a row of a product has one tap. Some
//! channels at a time keep the lines that are written near.

use crate::convolution::Convolution;
use crate::convolution::windows::Tap;

/// Numbers in a cache line.
const LINE: usize = 16;

/// Writes the weights of some taps as `[taps, inputs, outputs]`, or where they are flipped as
/// `[taps, outputs, inputs]`.
pub(crate) fn to_rows(
    weight: &[f32],
    sizes: &Convolution,
    taps: &[Tap],
    is_flipped: bool,
    rows: &mut [f32],
) {
    let (inputs, outputs) = (sizes.inputs, sizes.outputs);
    // Distances of taps, and of neighbours among outputs and inputs, within the rows.
    let (by_output, by_input) = if is_flipped {
        (inputs, 1)
    } else {
        (1, outputs)
    };
    for_each_pair(sizes, |output, input| {
        let from = &weight[(output * inputs + input) * sizes.taps()..][..sizes.taps()];
        let at = output * by_output + input * by_input;
        for (place, tap) in taps.iter().enumerate() {
            rows[place * inputs * outputs + at] = from[tap.weight];
        }
    });
}

/// Reads weights, all taps in order, from `[taps, inputs, outputs]`.
pub(crate) fn from_rows(rows: &[f32], sizes: &Convolution, weight: &mut [f32]) {
    let (inputs, outputs, taps) = (sizes.inputs, sizes.outputs, sizes.taps());
    for_each_pair(sizes, |output, input| {
        let to = &mut weight[(output * inputs + input) * taps..][..taps];
        for (tap, to) in to.iter_mut().enumerate() {
            *to = rows[(tap * inputs + input) * outputs + output];
        }
    });
}

/// Calls `f` with every output and input, a line of outputs at a time.
fn for_each_pair(sizes: &Convolution, mut f: impl FnMut(usize, usize)) {
    for first in (0..sizes.outputs).step_by(LINE) {
        for input in 0..sizes.inputs {
            for output in first..sizes.outputs.min(first + LINE) {
                f(output, input);
            }
        }
    }
}
