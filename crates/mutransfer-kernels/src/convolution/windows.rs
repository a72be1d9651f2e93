//! Windows of images as the rows of a matrix that is never written.
//!
//! A number of it is found by adding the place of a tap to the place where a window begins, as
//! neighbouring windows share most of their numbers.

use crate::convolution::frame::{Frame, Framed};
use crate::left::Gathered;

/// Numbers of a block of windows: an eighth of a megabyte, were they written.
const BLOCK: usize = 1 << 15;
/// Windows of a block at least, that the product repays reading its weights.
const FEWEST: usize = 96;

/// A number of a window, for each channel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tap {
    /// Where it is read, from where the window begins.
    pub(crate) row: isize,
    pub(crate) column: isize,
    /// The place of its weight within the window.
    pub(crate) weight: usize,
}

/// A grid of windows over each of some images.
#[derive(Debug)]
pub(crate) struct Windows<'a> {
    /// `[images, size, channels]`
    pub(crate) source: &'a [f32],
    pub(crate) images: usize,
    pub(crate) size: [usize; 2],
    pub(crate) channels: usize,
    pub(crate) grid: [usize; 2],
    /// Distance of one window to the next.
    pub(crate) step: usize,
    /// In the order of the columns of the matrix.
    pub(crate) taps: Vec<Tap>,
}

impl Windows<'_> {
    /// Numbers of a window.
    pub(crate) fn len(&self) -> usize {
        self.taps.len() * self.channels
    }

    /// Windows of an image.
    fn positions(&self) -> usize {
        self.grid[0] * self.grid[1]
    }

    /// The image, the row and the column of a window.
    pub(crate) fn place(&self, index: usize) -> [usize; 3] {
        let (image, within) = (index / self.positions(), index % self.positions());
        [image, within / self.grid[1], within % self.grid[1]]
    }

    /// Calls `f` with block after block of windows, and the index of the first of them.
    pub(crate) fn blocks(&self, buffer: &mut Vec<f32>, mut f: impl FnMut(usize, Gathered<'_>)) {
        let (all, positions) = (self.images * self.positions(), self.positions());
        if all == 0 {
            return;
        }
        let count = (BLOCK / self.len().max(1)).max(FEWEST).min(all);
        // The images that a block can touch.
        let kept = ((count + positions - 2) / positions + 1).min(self.images);
        let frame = Frame::of(self);
        let (starts, places) = (self.starts(&frame, kept, count), self.places(&frame));
        let mut images = Framed::new(self, frame, kept, buffer);
        for first in (0..all).step_by(count) {
            let count = count.min(all - first);
            let data = images.lend(first / positions, (first + count - 1) / positions);
            let starts = &starts[first % (kept * positions)..][..count];
            f(first, Gathered::new(data, starts, &places));
        }
    }

    /// Where the windows of so many images begin, and then those of a block more, which follow in
    /// the same places if they are read from copies.
    fn starts(&self, frame: &Frame, kept: usize, count: usize) -> Vec<u32> {
        let images = kept + count.div_ceil(self.positions());
        let mut starts = Vec::with_capacity(images * self.positions());
        for image in 0..images {
            let place = if frame.is_copied() {
                image % kept
            } else {
                image
            };
            for row in 0..self.grid[0] {
                let start = |column| offset(place * frame.len() + frame.start(row, column));
                starts.extend((0..self.grid[1]).map(start));
            }
        }
        starts
    }

    /// Where the numbers of a window are, from where it begins.
    fn places(&self, frame: &Frame) -> Vec<u32> {
        let pixel = |tap| (0..self.channels).map(move |channel| frame.place(tap) + channel);
        self.taps.iter().flat_map(pixel).map(offset).collect()
    }
}

fn offset(place: usize) -> u32 {
    u32::try_from(place).expect("a few images have fewer numbers than 2^32")
}
