//! The trials of a study for other programs.

mod jsonl;

pub use jsonl::jsonl;
