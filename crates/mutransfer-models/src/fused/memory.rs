//! Memory that the operations of one step leave to those of the next.
//!
//! The tensors of a training step have the same sizes again and again. Their memory is not given back to the system,
//! but kept for the next tensor of the same size, the most recently used first, as it is still in the caches. What a
//! thread keeps is what it once used at the same time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::mem::{MaybeUninit, size_of, take};
use std::ops::{Deref, DerefMut};

use burn::backend::flex::{FlexTensor, Layout};
use burn::tensor::{AllocationProperty, Bytes, DType, Shape};
use burn_std::{AccessError, AccessPolicy, AllocationController};

/// A cache line: vectors of any instruction set lie in one.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

thread_local! {
    /// Free memory by its number of lines.
    static FREE: RefCell<BTreeMap<usize, Vec<Vec<Line>>>> = const { RefCell::new(BTreeMap::new()) };
}

/// Numbers that begin a cache line. A new buffer holds anything.
pub(super) struct Buffer {
    lines: Vec<Line>,
    len: usize,
}

impl Buffer {
    pub(super) fn new(len: usize) -> Self {
        let count = len.div_ceil(16);
        let free = FREE.with_borrow_mut(|free| free.get_mut(&count)?.pop());
        let lines = free.unwrap_or_else(|| {
            #[cfg(test)]
            super::tests::ALLOCATED.set(super::tests::ALLOCATED.get() + 1);
            vec![Line([0.0; 16]); count]
        });
        Self { lines, len }
    }

    pub(super) fn tensor(self, shape: impl Into<Shape>) -> FlexTensor {
        let bytes = self.len * size_of::<f32>();
        // SAFETY: a buffer is initialised memory of that many bytes.
        let bytes = unsafe { Bytes::from_controller(Box::new(self), bytes) };
        FlexTensor::new(bytes, Layout::contiguous(shape.into()), DType::F32)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let lines = take(&mut self.lines);
        // While the thread ends there may be no list any more.
        let _ = FREE.try_with(|free| free.borrow_mut().entry(lines.len()).or_default().push(lines));
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: the lines are at least `len` numbers, one after the other.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

impl Clone for Buffer {
    fn clone(&self) -> Self {
        let mut copy = Self::new(self.len);
        copy.copy_from_slice(self);
        copy
    }
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Buffer of {} numbers", self.len)
    }
}

impl AllocationController for Buffer {
    fn alloc_align(&self) -> usize {
        // The most that burn asks of an allocation.
        align_of::<u128>()
    }

    fn property(&self) -> AllocationProperty {
        AllocationProperty::Other
    }

    unsafe fn memory_mut(&mut self, _: AccessPolicy) -> Result<&mut [MaybeUninit<u8>], AccessError> {
        let bytes = self.len * size_of::<f32>();
        // SAFETY: the buffer's own memory; the caller writes initialised bytes, and any are numbers.
        Ok(unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), bytes) })
    }

    fn memory(&self, _: AccessPolicy) -> Result<&[MaybeUninit<u8>], AccessError> {
        let bytes = self.len * size_of::<f32>();
        // SAFETY: the buffer's own memory.
        Ok(unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), bytes) })
    }
}
