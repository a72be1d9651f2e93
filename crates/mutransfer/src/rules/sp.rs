//! Standard parametrization: what frameworks do by default, and the baseline of every comparison.
//!
//! # Init
//! Variance 1/fan-in; embeddings do not change (TP4, arXiv 2011.14522, Table 1, column SP).
//! # Learning rate, multiplier
//! None changes. Attention logits are divided by `√head_dim`.
//! # Source
//! TP5 (arXiv 2203.03466) Table 8, in parentheses.

use crate::{Law, Power, Table};

const MATRIX: Law = Law { init_std: Power::fan_in(-1, 2), ..Law::ONE };

/// The same for every optimizer family.
pub(crate) const TABLE: Table = Table::new(Law::ONE, Law::ONE, Law::ONE, MATRIX, MATRIX, Power::ONE);
