//! Multi-head attention, one head at a time.
//!
//! The scores of a band of rows stay in the nearest caches and are thrown away; the backward pass
//! computes them again from the logarithm of each row's sum, which is all the forward pass keeps.
//! Writing and reading them back would cost more than the one product and one exponential.
//! With a causal mask, what lies above a band's diagonal block is not computed at all.

mod backward;
mod forward;
mod shape;

pub use backward::attention_backward;
pub use forward::attention_forward;
pub use shape::{Attention, Heads, HeadsMut};
