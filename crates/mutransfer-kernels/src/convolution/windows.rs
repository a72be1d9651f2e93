//! Windows of images as the rows of a matrix.

use crate::convolution::{BLOCK, FEWEST};
use crate::matrix::{Matrix, reserve};
use crate::simd::{Isa, Simd, kernel, spans};

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

/// Taps that are neighbours in a row of an image, and so lie side by side.
#[derive(Clone, Copy, Debug)]
struct Run {
    row: isize,
    column: isize,
    taps: usize,
}

impl Windows<'_> {
    /// Numbers of a window.
    pub(crate) fn len(&self) -> usize {
        self.taps.len() * self.channels
    }

    /// The image, the row and the column of a window.
    pub(crate) fn place(&self, index: usize) -> [usize; 3] {
        let [rows, columns] = self.grid;
        let (image, within) = (index / (rows * columns), index % (rows * columns));
        [image, within / columns, within % columns]
    }

    /// Calls `f` with block after block of windows, and the index of the first of them.
    pub(crate) fn blocks(
        &self,
        isa: Isa,
        buffer: &mut Vec<f32>,
        mut f: impl FnMut(usize, Matrix<'_>),
    ) {
        let (all, len) = (self.images * self.grid[0] * self.grid[1], self.len());
        let count = (BLOCK / len.max(1)).max(FEWEST);
        let runs = self.runs();
        for first in (0..all).step_by(count) {
            let count = count.min(all - first);
            let block = reserve(buffer, count * len);
            if len > 0 {
                copy_windows(isa, self, &runs, first, block);
            }
            f(first, Matrix::new(block, count, len));
        }
    }

    fn runs(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for tap in &self.taps {
            match runs.last_mut() {
                Some(run) if run.row == tap.row && run.column + run.taps as isize == tap.column => {
                    run.taps += 1;
                }
                _ => runs.push(Run {
                    row: tap.row,
                    column: tap.column,
                    taps: 1,
                }),
            }
        }
        runs
    }

    /// Writes the windows from the first on, until the block is full, those of one row of the grid
    /// at a time.
    #[inline(always)]
    fn copy<S: Simd>(&self, s: S, runs: &[Run], first: usize, block: &mut [f32]) {
        let (len, [height, width]) = (self.len(), self.size);
        let (count, mut at) = (block.len() / len, 0);
        while at < count {
            let [image, row, column] = self.place(first + at);
            let columns = (self.grid[1] - column).min(count - at);
            let part = &mut block[at * len..][..columns * len];
            let mut begin = 0;
            for run in runs {
                let row = (row * self.step) as isize + run.row;
                let line = (0..height as isize).contains(&row).then(|| {
                    let begin = (image * height + row as usize) * width * self.channels;
                    &self.source[begin..][..width * self.channels]
                });
                let column = (column * self.step) as isize + run.column;
                self.copy_run(
                    s,
                    line,
                    column,
                    &mut part[begin..],
                    run.taps * self.channels,
                );
                begin += run.taps * self.channels;
            }
            at += columns;
        }
    }

    /// Writes one run of neighbouring windows, the first of which has it at this column of the
    /// line; zeros where there is no line, or beyond its ends.
    #[inline(always)]
    fn copy_run<S: Simd>(
        &self,
        s: S,
        line: Option<&[f32]>,
        column: isize,
        part: &mut [f32],
        run: usize,
    ) {
        for (index, window) in part.chunks_mut(self.len()).enumerate() {
            let to = &mut window[..run];
            let from = (column + (index * self.step) as isize) * self.channels as isize;
            match line {
                Some(line) if from >= 0 && from as usize + run <= line.len() => {
                    let from = &line[from as usize..][..run];
                    spans!(s, run, |p| p.store(to, p.load(from)));
                }
                Some(line) => copy_over_end(line, from, to),
                None => spans!(s, run, |p| p.store(to, s.splat(0.0))),
            }
        }
    }
}

kernel! {
    fn copy_windows(windows: &Windows<'_>, runs: &[Run], first: usize, block: &mut [f32]) = copy
}

#[inline(always)]
fn copy<S: Simd>(s: S, windows: &Windows<'_>, runs: &[Run], first: usize, block: &mut [f32]) {
    windows.copy(s, runs, first, block);
}

/// Copies the numbers of a line from one on, with zeros for those beyond its ends.
fn copy_over_end(line: &[f32], from: isize, to: &mut [f32]) {
    let len = to.len();
    let before = (-from).clamp(0, len as isize) as usize;
    let begin = from.max(0) as usize;
    let inside = (len - before).min(line.len().saturating_sub(begin));
    to[..before].fill(0.0);
    if inside > 0 {
        to[before..before + inside].copy_from_slice(&line[begin..][..inside]);
    }
    to[before + inside..].fill(0.0);
}
