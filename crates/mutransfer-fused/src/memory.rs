//! Memory that the operations of one step leave to those of the next.
//!
//! The tensors of a training step have the same sizes again and again. Their memory does not go
//! back to the system, but is kept for the next tensor of the same size, the most recently used
//! first, as it is still in the caches.
//!
//! # Who owns what
//!
//! - A [`Slab`] is one allocation of the system's allocator: made in [`Slab::new`], given back in
//!   its `drop`, with the same layout, and never read or written by itself.
//! - A [`Piece`] is a range of numbers of a slab that no other piece has a number of. It keeps its
//!   slab alive, so a slab goes back to the system when the last of its pieces does. A piece is
//!   neither cloned nor split; it is to its numbers what a `Box<[f32]>` is.
//! - [`Memory`] holds the pieces that nobody uses and the slab that new pieces are cut from. There
//!   is one in a process, behind a mutex, because a tensor may be dropped by another thread than
//!   the one that made it.
//! - A [`Buffer`] has a piece and puts it back when it is dropped. A tensor of burn owns its buffer
//!   as its allocation, from which it cannot be detached. No reference into a piece outlives the
//!   buffer, as all are borrowed from it.
//!
//! So everything unsafe here is in making pieces that do not overlap, and in showing a buffer to
//! burn as bytes.
//!
//! # How much is kept
//!
//! All pieces together, used and kept, are at most [`SPARE`] times what was once in use at the same
//! time, however many models of however many sizes a process trains: a new piece that would exceed
//! it lets all kept ones go. In a training the kept pieces are those of its step, which are all in
//! use at once but for a few, so it never comes to that. Slabs round pieces up by a quarter at
//! most, and one whose neighbours in time are still in use stays until they are not.
//!
//! What is kept when the process ends is given back with the process: a static is not dropped, and
//! the destructors of other threads may still put buffers back.

use std::alloc::{Layout as Allocation, alloc, dealloc, handle_alloc_error};
use std::collections::BTreeMap;
use std::mem::{MaybeUninit, size_of, size_of_val};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
/// How many times what was once in use at the same time all pieces may come to.
const SPARE: usize = 2;

static MEMORY: Mutex<Memory> = Mutex::new(Memory::new());

fn memory() -> MutexGuard<'static, Memory> {
    // Nothing here leaves half a change behind where it panics.
    MEMORY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The pieces that nobody uses, and what new ones are cut from.
struct Memory {
    /// Kept pieces by their length.
    kept: BTreeMap<usize, Vec<Piece>>,
    kept_bytes: usize,
    used_bytes: usize,
    /// The most that `used_bytes` has been.
    most_bytes: usize,
    slab: Option<Cut>,
}

impl Memory {
    const fn new() -> Self {
        Self {
            kept: BTreeMap::new(),
            kept_bytes: 0,
            used_bytes: 0,
            most_bytes: 0,
            slab: None,
        }
    }

    /// A piece of this length, which holds any numbers.
    fn lend(&mut self, len: usize) -> Piece {
        let bytes = len * size_of::<f32>();
        let used = self.used_bytes + bytes;
        let most = self.most_bytes.max(used);
        let piece = match self.kept.get_mut(&len).and_then(Vec::pop) {
            Some(piece) => {
                self.kept_bytes -= bytes;
                piece
            }
            None => {
                if used + self.kept_bytes > SPARE * most {
                    self.kept.clear();
                    self.kept_bytes = 0;
                }
                self.cut(len)
            }
        };
        (self.used_bytes, self.most_bytes) = (used, most);
        piece
    }

    fn take_back(&mut self, piece: Piece) {
        let bytes = size_of_val(&*piece);
        self.used_bytes -= bytes;
        self.kept_bytes += bytes;
        self.kept.entry(piece.len).or_default().push(piece);
    }

    /// A new piece. Small ones share a slab.
    fn cut(&mut self, len: usize) -> Piece {
        let bytes = len * size_of::<f32>();
        if bytes > SLAB / 4 {
            return Cut::new(bytes).piece(len);
        }
        match &mut self.slab {
            Some(slab) if slab.left() >= bytes => slab.piece(len),
            slab => slab.insert(Cut::new(SLAB)).piece(len),
        }
    }
}

/// An allocation that pieces are cut from.
struct Slab {
    start: NonNull<f32>,
    layout: Allocation,
}

// SAFETY: a slab is an address and a size that never change. It does not touch the memory behind
// the address until its drop, when nothing refers to that memory any more.
unsafe impl Send for Slab {}
// SAFETY: as above.
unsafe impl Sync for Slab {}

impl Slab {
    /// At least this many bytes, and not none, in whole pages.
    fn new(bytes: usize) -> Self {
        let bytes = bytes.max(1).next_multiple_of(PAGE);
        let layout = Allocation::from_size_align(bytes, PAGE)
            .expect("a tensor is smaller than the address space");
        // SAFETY: the size is a positive multiple of a page.
        let start = unsafe { alloc(layout) };
        let Some(start) = NonNull::new(start.cast()) else {
            handle_alloc_error(layout)
        };
        advise_huge_pages(start, bytes);
        Self { start, layout }
    }
}

impl Drop for Slab {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout, and freed only here. Every piece, and the
        // cut that makes them, holds an `Arc` of its slab, so none is left.
        unsafe { dealloc(self.start.as_ptr().cast(), self.layout) }
    }
}

/// Asks for huge pages where the system has them; that it may refuse does no harm.
#[cfg(target_os = "linux")]
fn advise_huge_pages(start: NonNull<f32>, bytes: usize) {
    // SAFETY: the caller has just allocated these bytes from a page's beginning on, and the advice
    // changes nothing that a program can see of them.
    unsafe {
        libc::madvise(start.as_ptr().cast(), bytes, libc::MADV_HUGEPAGE);
    }
}

#[cfg(not(target_os = "linux"))]
fn advise_huge_pages(_start: NonNull<f32>, _bytes: usize) {}

/// A slab and how much of it has been cut off.
struct Cut {
    slab: Arc<Slab>,
    /// Bytes before this one belong to pieces; those from it on were never used.
    at: usize,
}

impl Cut {
    fn new(bytes: usize) -> Self {
        Self {
            slab: Arc::new(Slab::new(bytes)),
            at: 0,
        }
    }

    /// Bytes that are left.
    fn left(&self) -> usize {
        self.slab.layout.size() - self.at
    }

    /// Cuts off a piece, of zeros.
    fn piece(&mut self, len: usize) -> Piece {
        let bytes = len * size_of::<f32>();
        assert!(self.left() >= bytes, "a piece is cut where there is room");
        // SAFETY: the slab has `left` bytes from `at` on, aligned for numbers, as `at` is a sum of
        // whole numbers' sizes; no piece has them, as `at` only grows, and by all that a piece
        // gets. Zeros are valid numbers, so from here on the piece is initialised.
        let start = unsafe {
            let start = self.slab.start.byte_add(self.at);
            start.write_bytes(0, len);
            start
        };
        self.at += bytes;
        Piece {
            start,
            len,
            _slab: Arc::clone(&self.slab),
        }
    }
}

/// Initialised numbers of a slab that nobody else has.
struct Piece {
    start: NonNull<f32>,
    len: usize,
    _slab: Arc<Slab>,
}

// SAFETY: a piece owns its numbers, as a `Box<[f32]>` does.
unsafe impl Send for Piece {}
// SAFETY: as above; shared, it only lets its numbers be read.
unsafe impl Sync for Piece {}

impl Deref for Piece {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: `Cut::piece` initialised these numbers and gave them to this piece alone; the
        // slab lives as long as it. The slice is borrowed from the piece.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl DerefMut for Piece {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above, and borrowed mutably from the piece.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

/// Numbers that begin a cache line. A new buffer holds any.
pub(crate) struct Buffer {
    /// Always there until the buffer is dropped.
    piece: Option<Piece>,
    len: usize,
}

impl Buffer {
    pub(crate) fn new(len: usize) -> Self {
        Self {
            piece: Some(memory().lend(len.next_multiple_of(LINE))),
            len,
        }
    }

    /// The buffer as a tensor, to whose last user it belongs from now on.
    pub(crate) fn tensor(self, shape: impl Into<Shape>) -> FlexTensor {
        let bytes = size_of_val(&*self);
        // SAFETY: the memory of the controller is that many bytes, all initialised, as they are
        // those of numbers.
        let bytes = unsafe { Bytes::from_controller(Box::new(self), bytes) };
        FlexTensor::new(bytes, Layout::contiguous(shape.into()), DType::F32)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(piece) = self.piece.take() {
            memory().take_back(piece);
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        let piece = self.piece.as_ref().expect("not dropped yet");
        &piece[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        let piece = self.piece.as_mut().expect("not dropped yet");
        &mut piece[..self.len]
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
        // SAFETY: the buffer's own numbers, seen as bytes and borrowed from it; a byte needs no
        // alignment. The caller promises to write initialised bytes, and any four are a number.
        Ok(unsafe { std::slice::from_raw_parts_mut(self.as_mut_ptr().cast(), bytes) })
    }

    fn memory(&self, _: AccessPolicy) -> Result<&[MaybeUninit<u8>], AccessError> {
        // SAFETY: as above; what is only read stays initialised.
        Ok(unsafe { std::slice::from_raw_parts(self.as_ptr().cast(), size_of_val(&**self)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: usize = size_of::<f32>();

    #[test]
    fn a_piece_is_lent_again_at_its_length() {
        let mut memory = Memory::new();
        let piece = memory.lend(LINE);
        let start = piece.start;
        memory.take_back(piece);
        assert_ne!(memory.lend(2 * LINE).start, start);
        assert_eq!(memory.lend(LINE).start, start);
    }

    #[test]
    fn pieces_begin_a_line_and_do_not_overlap() {
        let mut memory = Memory::new();
        let lens = [LINE, SLAB / NUMBER, 5 * LINE, 0, SLAB / 8 / NUMBER, LINE];
        let mut pieces: Vec<Piece> = lens.iter().map(|len| memory.lend(*len)).collect();
        for (index, piece) in pieces.iter_mut().enumerate() {
            assert!(piece.start.as_ptr().addr().is_multiple_of(LINE * NUMBER));
            assert!(piece.iter().all(|number| *number == 0.0));
            piece.fill(index as f32);
        }
        for (index, piece) in pieces.iter().enumerate() {
            assert!(piece.iter().all(|number| *number == index as f32));
        }
    }

    #[test]
    fn what_is_kept_is_bounded_over_any_number_of_sizes() {
        let mut memory = Memory::new();
        for size in 1..200 {
            let pieces = [1, 2, 3].map(|part| memory.lend(part * size * 64 * LINE));
            assert!(memory.used_bytes + memory.kept_bytes <= SPARE * memory.most_bytes);
            for piece in pieces {
                memory.take_back(piece);
            }
        }
        assert_eq!(memory.used_bytes, 0);
        let kept: usize = memory
            .kept
            .values()
            .flatten()
            .map(|piece| size_of_val(&**piece))
            .sum();
        assert_eq!(memory.kept_bytes, kept);
    }

    #[test]
    #[expect(clippy::used_underscore_binding, reason = "only a test looks at it")]
    fn a_slab_goes_with_its_last_piece() {
        let mut memory = Memory::new();
        let [first, second] = [LINE, 2 * LINE].map(|len| memory.lend(len));
        let slab = Arc::downgrade(&first._slab);
        memory.slab = None;
        drop(first);
        assert!(slab.upgrade().is_some());
        drop(second);
        assert!(slab.upgrade().is_none());
    }

    #[test]
    fn buffers_travel_between_threads() {
        let buffer = Buffer::new(100);
        let other = std::thread::spawn(move || {
            let mut buffer = buffer;
            buffer.fill(2.0);
            buffer
        });
        let buffer = other.join().expect("nothing panics there");
        assert_eq!(*buffer, [2.0; 100]);
    }
}
