//! Tables of runs, in: columns, settings, curves, and what can be wrong with them.

pub(crate) mod columns;
pub(crate) mod error;
pub(crate) mod kind;
pub(crate) mod read;
pub(crate) mod row;
pub(crate) mod run;
pub(crate) mod settings;
pub(crate) mod sweep;
pub(crate) mod text;
