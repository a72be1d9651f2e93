//! Memory that the operations of one step leave to those of the next.
//!
//! The tensors of a training step have the same sizes again and again. Their memory is not given
//! back to the system, but kept for the next tensor of the same size, the most recently used first,
//! as it is still in the caches. What a process keeps is what it once used at the same time.

use std::alloc::{Layout as Allocation, alloc, handle_alloc_error};
use std::collections::BTreeMap;
use std::mem::{MaybeUninit, size_of, size_of_val, take};
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

use burn::backend::flex::{FlexTensor, Layout};
use burn::tensor::{AllocationProperty, Bytes, DType, Shape};
use burn_std::{AccessError, AccessPolicy, AllocationController};

/// Numbers in a cache line: vectors of any instruction set lie in one.
const LINE: usize = 16;
/// Bytes of a huge page. With small ones, large models spend a few percent of their time on looking
/// up pages.
const PAGE: usize = 2 << 20;
/// Bytes asked of the system at a time. Those never used cost nothing.
const SLAB: usize = 16 * PAGE;

static MEMORY: Mutex<Memory> = Mutex::new(Memory {
    free: BTreeMap::new(),
    slab: Slab { at: 0, left: 0 },
});

struct Memory {
    /// Free pieces by their length.
    free: BTreeMap<usize, Vec<&'static mut [f32]>>,
    slab: Slab,
}

/// Memory that was never used.
struct Slab {
    /// Address of a cache line.
    at: usize,
    left: usize,
}

impl Memory {
    /// A piece of this length, which holds anything.
    fn piece(&mut self, len: usize) -> &'static mut [f32] {
        if let Some(piece) = self.free.get_mut(&len).and_then(Vec::pop) {
            return piece;
        }
        let bytes = len * size_of::<f32>();
        match bytes > SLAB / 4 {
            true => Slab::new(bytes).piece(len),
            false => {
                if self.slab.left < bytes {
                    self.slab = Slab::new(SLAB);
                }
                self.slab.piece(len)
            }
        }
    }
}

impl Slab {
    fn new(bytes: usize) -> Self {
        let bytes = bytes.next_multiple_of(PAGE);
        let layout = Allocation::from_size_align(bytes, PAGE)
            .expect("a tensor is smaller than the address space");
        // SAFETY: the size is a positive multiple of a page.
        let start = unsafe { alloc(layout) };
        if start.is_null() {
            handle_alloc_error(layout);
        }
        #[cfg(target_os = "linux")]
        // SAFETY: advice about memory just allocated; that a system without huge pages refuses does
        // no harm.
        unsafe {
            libc::madvise(start.cast(), bytes, libc::MADV_HUGEPAGE);
        }
        Self {
            at: start.expose_provenance(),
            left: bytes,
        }
    }

    fn piece(&mut self, len: usize) -> &'static mut [f32] {
        let bytes = len * size_of::<f32>();
        assert!(self.left >= bytes);
        let start = std::ptr::with_exposed_provenance_mut::<f32>(self.at);
        (self.at, self.left) = (self.at + bytes, self.left - bytes);
        // SAFETY: the slab has these numbers left, never freed and lent only once; zeros are valid
        // numbers.
        unsafe {
            start.write_bytes(0, len);
            std::slice::from_raw_parts_mut(start, len)
        }
    }
}

fn memory() -> std::sync::MutexGuard<'static, Memory> {
    MEMORY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Numbers that begin a cache line. A new buffer holds anything.
pub(super) struct Buffer {
    piece: &'static mut [f32],
    len: usize,
}

impl Buffer {
    pub(super) fn new(len: usize) -> Self {
        Self {
            piece: memory().piece(len.next_multiple_of(LINE)),
            len,
        }
    }

    pub(super) fn tensor(self, shape: impl Into<Shape>) -> FlexTensor {
        let bytes = size_of_val(&*self);
        // SAFETY: a buffer is initialised memory of that many bytes.
        let bytes = unsafe { Bytes::from_controller(Box::new(self), bytes) };
        FlexTensor::new(bytes, Layout::contiguous(shape.into()), DType::F32)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let piece = take(&mut self.piece);
        memory().free.entry(piece.len()).or_default().push(piece);
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.piece[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.piece[..self.len]
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

    unsafe fn memory_mut(
        &mut self,
        _: AccessPolicy,
    ) -> Result<&mut [MaybeUninit<u8>], AccessError> {
        let bytes = size_of_val(&**self);
        // SAFETY: the buffer's own memory; the caller writes initialised bytes, and any are
        // numbers.
        Ok(unsafe { std::slice::from_raw_parts_mut(self.as_mut_ptr().cast(), bytes) })
    }

    fn memory(&self, _: AccessPolicy) -> Result<&[MaybeUninit<u8>], AccessError> {
        // SAFETY: the buffer's own memory.
        Ok(unsafe { std::slice::from_raw_parts(self.as_ptr().cast(), size_of_val(&**self)) })
    }
}
