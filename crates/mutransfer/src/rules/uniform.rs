//! The uniform family UP_s between μP (s = 0) and the neural tangent parametrization (s = 1/2).
//!
//! Features of every layer move as n^-s; the readout is updated maximally. In the form of TP5 Table
//! 8.
//!
//! # Learning rate, init, epsilon
//! SGD: the closed form c = 0, a = (s - 1/2, s, 1/2), b = 1/2 - s, rotated. Entrywise: a = (0, 0,
//! 1), b = (0, 1/2, -s), c = (s, 1 + s, 0), d = (1 - s, 1 - s, 1). Trust ratio and spectral: μP's
//! rates slowed down by n^-s; the readout's relative to its weights, which grow as n^s.
//! # Source
//! TP4 (arXiv 2011.14522) appendix G; 2308.01814 remark 2.8.25, whose r of the readout is
//! misprinted as 1 (it is 0).

use num_rational::Rational32;

use super::mup;
use crate::law::Laws;
use crate::{Family, Law, Power};

pub(super) fn laws(family: Family, s: Rational32) -> Laws {
    let slower = Power::fan_out(-1, 1).raised(s);
    let grown = Power::fan_in(1, 1).raised(s);
    let base = super::of_family(
        [
            mup::RAW_GRADIENT,
            mup::ENTRYWISE,
            mup::FROBENIUS,
            mup::SPECTRAL,
        ],
        family,
    );
    // A raw gradient shows the readout's growth too; epsilon follows the gradient.
    let (rate, eps, output_rate) = match family {
        Family::RawGradient => (slower.raised(2), Power::ONE, Power::ONE),
        Family::Frobenius => (slower, slower.raised(-1), grown.raised(-1)),
        Family::Entrywise | Family::Spectral => (slower, slower.raised(-1), Power::ONE),
    };
    let slowed = |law: Law| Law {
        learning_rate: law.learning_rate * rate,
        eps: law.eps * eps,
        ..law
    };
    Laws {
        fixed: base.fixed,
        vector: slowed(base.vector),
        input: slowed(base.input),
        hidden: slowed(base.hidden),
        output: Law {
            init_std: grown,
            learning_rate: base.output.learning_rate * output_rate,
            ..base.output
        },
    }
}
