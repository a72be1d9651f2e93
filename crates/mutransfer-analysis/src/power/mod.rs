//! What a sweep can be expected to show, before it is run.

pub(crate) mod design;
pub(crate) mod measured;
pub(crate) mod simulate;
