//! Steps of a training find their memory where the step before left it. Alone in its process, as it
//! counts all of it.
#![expect(unsafe_code, reason = "an allocator that counts is one")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, Ordering};

use mutransfer::{Hyper, Optimizer, Rule};
use mutransfer_models::data::{Corpus, Dataset, Language};
use mutransfer_models::{Architecture, Batches, Heads, Kind, trainer};

/// Bytes that are allocated now.
static LIVE: AtomicIsize = AtomicIsize::new(0);

struct Counting;

// SAFETY: the system's allocator does the work.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: passed on.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn memory_does_not_grow_over_steps() {
    let dataset = Dataset::Text(Corpus::Synthetic(Language::new(0)));
    let architecture = Architecture {
        heads: Heads::Dim(32),
        context: 128,
        ..Architecture::new(Kind::Gpt, dataset.format())
    };
    let plan = architecture
        .plan(64, 128, Rule::Mup, Optimizer::AdamW)
        .unwrap();
    let batches = Batches {
        size: 16,
        seed: 0,
        is_fixed: false,
    };
    let mut trainer = trainer(
        &architecture,
        128,
        &plan,
        &Hyper::default(),
        &dataset,
        batches,
    )
    .unwrap();
    let mut after = |steps: usize| {
        (0..steps).for_each(|_| _ = trainer.step(1.0));
        LIVE.load(Ordering::Relaxed)
    };
    let warm = after(3);
    assert!(warm > 20 << 20, "activations of {warm} bytes are not kept");
    let grown = after(12) - warm;
    assert!(
        grown.abs() < 64 << 10,
        "twelve steps left {grown} bytes more"
    );
}
