//! Wider is always better: whether, under one rule, each wider, or deeper, model has the lower
//! training loss all along.
//!
//! Under μP a wider model should have the lower loss at every step of training, at the same
//! hyperparameters; under SP it does not (TP5, arXiv 2203.03466, section 8 and figure 8). So curves
//! that cross are a sign, long before training ends, that the parametrization is wrong or the
//! learning rate is too large.

pub(crate) mod along;
pub(crate) mod diagnosis;
pub(crate) mod error;
pub(crate) mod loss;
pub(crate) mod monitor;
pub(crate) mod pair;
pub(crate) mod pairing;
pub(crate) mod read;
pub(crate) mod runs;
