//! Where windows are read: copies of images with zeros around them, so that no window reaches over
//! an end, or the images themselves.

use crate::convolution::windows::{Tap, Windows};
use crate::matrix::reserve;

/// Numbers from one window to the next from which on pixels are copied with a gap, and those of
/// windows of one pixel are brought together: eight of them to a page fill too few cache sets.
const FAR: usize = 128;
/// Numbers of the gap: a cache line.
const GAP: usize = 16;

/// The layout of an image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    /// Rows above and columns before the image.
    before: [usize; 2],
    /// Rows and columns, with those of zeros.
    size: [usize; 2],
    channels: usize,
    /// Distance of one pixel to the next.
    pixel: usize,
    /// Distance of one window to the next.
    step: usize,
    /// Distance of rows and columns that are copied.
    thinning: usize,
    is_copied: bool,
}

impl Frame {
    /// The layout that takes in all windows.
    pub(crate) fn of(windows: &Windows<'_>) -> Self {
        let (rows, columns) = (margins(windows, 0), margins(windows, 1));
        let ([height, width], channels, step) = (windows.size, windows.channels, windows.step);
        let is_inside = rows == (0, 0) && columns == (0, 0);
        let is_far = step * channels >= FAR;
        let is_thin = is_inside && is_far && step > 1 && windows.taps.len() == 1;
        let is_copied = !is_inside || is_thin;
        let (size, thinning) = if is_thin {
            (windows.grid, step)
        } else {
            let height = rows.0 + height + rows.1;
            ([height, columns.0 + width + columns.1], 1)
        };
        Self {
            before: [rows.0, columns.0],
            size,
            channels,
            pixel: channels + if is_copied && is_far { GAP } else { 0 },
            step: step / thinning,
            thinning,
            is_copied,
        }
    }

    /// Whether the images are read from copies.
    pub(crate) fn is_copied(&self) -> bool {
        self.is_copied
    }

    /// Distance of one row to the next.
    fn line(&self) -> usize {
        self.size[1] * self.pixel
    }

    /// Numbers of an image.
    pub(crate) fn len(&self) -> usize {
        self.size[0] * self.line()
    }

    /// Where a window of an image begins.
    pub(crate) fn start(&self, row: usize, column: usize) -> usize {
        self.step * (row * self.line() + column * self.pixel)
    }

    /// Where the first window has a tap.
    pub(crate) fn place(&self, tap: &Tap) -> usize {
        let row = self.before[0].strict_add_signed(tap.row);
        let column = self.before[1].strict_add_signed(tap.column);
        row * self.line() + column * self.pixel
    }

    /// Copies the pixels of a line that are read.
    fn copy_line(&self, from: &[f32], to: &mut [f32]) {
        if self.pixel == self.channels && self.thinning == 1 {
            return to[..from.len()].copy_from_slice(from);
        }
        let pixels = from.chunks_exact(self.channels).step_by(self.thinning);
        for (from, to) in pixels.zip(to.chunks_mut(self.pixel)) {
            to[..self.channels].copy_from_slice(from);
        }
    }
}

/// Rows or columns that windows reach before and after an image.
fn margins(windows: &Windows<'_>, axis: usize) -> (usize, usize) {
    let taps = windows.taps.iter();
    let taps = taps.map(|tap| [tap.row, tap.column][axis]);
    let (first, last) = (taps.clone().min().unwrap_or(0), taps.max().unwrap_or(0));
    let begin = windows.grid[axis].saturating_sub(1) * windows.step;
    let after = begin as isize + last + 1 - windows.size[axis] as isize;
    (first.min(0).unsigned_abs(), after.max(0) as usize)
}

/// Images in their layout. Each is copied when a window first needs it, to the place of one that
/// none needs any more: a few stay near, and the zeros around them are written once.
#[derive(Debug)]
pub(crate) struct Framed<'a> {
    frame: Frame,
    source: &'a [f32],
    size: [usize; 2],
    /// Images that there is a place for.
    kept: usize,
    copies: &'a mut [f32],
    /// Images that have been copied.
    copied: usize,
}

impl<'a> Framed<'a> {
    /// Nothing is copied yet.
    pub(crate) fn new(
        windows: &Windows<'a>,
        frame: Frame,
        kept: usize,
        buffer: &'a mut Vec<f32>,
    ) -> Self {
        let len = if frame.is_copied {
            kept * frame.len()
        } else {
            0
        };
        let copies = reserve(buffer, len);
        copies.fill(0.0);
        Self {
            frame,
            source: windows.source,
            size: windows.size,
            kept,
            copies,
            copied: 0,
        }
    }

    /// As many images as there are places for, some of which are in their place afterwards.
    pub(crate) fn lend(&mut self, first: usize, last: usize) -> &[f32] {
        if !self.frame.is_copied {
            let place = first / self.kept * self.kept;
            return &self.source[place * self.frame.len()..];
        }
        while self.copied <= last {
            self.copy(self.copied);
            self.copied += 1;
        }
        self.copies
    }

    fn copy(&mut self, image: usize) {
        let (frame, [height, width]) = (self.frame, self.size);
        let row = width * frame.channels;
        let from = &self.source[image * height * row..][..height * row];
        let before = frame.before[0] * frame.line() + frame.before[1] * frame.pixel;
        let begin = image % self.kept * frame.len() + before;
        for (index, line) in (0..height).step_by(frame.thinning).enumerate() {
            let to = &mut self.copies[begin + index * frame.line()..];
            frame.copy_line(&from[line * row..][..row], to);
        }
    }
}
