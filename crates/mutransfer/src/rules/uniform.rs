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

use super::definition::{Definition, DepthLaw, OwnForm, Tables};
use super::mup;
use crate::form::Form;
use crate::law::{Law, Laws};
use crate::power::{Power, exponent_from};
use crate::roles::Roles;

/// The family's name.
pub(super) const NAME: &str = "uniform:S";

/// The `S` of a name, from 0 to 1/2.
pub(super) fn parameter(text: &str) -> Option<Rational32> {
    let range = Rational32::from(0)..=Rational32::new(1, 2);
    exponent_from(text).filter(|s| range.contains(s))
}

/// The member of this `s`, from 0 to 1/2.
pub(super) fn member(s: Rational32) -> Definition {
    let slower = Power::fan_out(-1, 1).raised(s);
    let faster = slower.raised(-1);
    let grown = Power::fan_in(1, 1).raised(s);
    // A raw gradient shows the readout's growth too; epsilon follows the gradient.
    let tables = Tables::new([
        laws(mup::RAW_GRADIENT, slower.raised(2), Power::ONE, grown),
        laws(mup::ENTRYWISE, slower, faster, grown),
        relative(laws(mup::FROBENIUS, slower, faster, grown)),
        laws(mup::SPECTRAL, slower, faster, grown),
    ]);
    Definition {
        name: NAME,
        summary: "uniform family from μP (0) to neural tangent (1/2)",
        source: "TP4 App. G",
        form: OwnForm::Named(Form::Table8),
        tables,
        attention: mup::ATTENTION,
        depth: DepthLaw::COMPLETE,
        entry_eps: Roles::all(true),
        ..Definition::PLAIN
    }
}

/// μP's laws with slower rates and a readout that grows.
fn laws(base: Laws, rate: Power, eps: Power, grown: Power) -> Laws {
    Laws {
        vector: times(base.vector, rate, eps),
        input: times(base.input, rate, eps),
        hidden: times(base.hidden, rate, eps),
        output: Law {
            init_std: grown,
            ..base.output
        },
        ..Laws::ONE
    }
}

fn times(law: Law, rate: Power, eps: Power) -> Law {
    Law {
        learning_rate: law.learning_rate * rate,
        eps: law.eps * eps,
        ..law
    }
}

/// With the readout's rate relative to its weights, which grow.
fn relative(laws: Laws) -> Laws {
    let output = Law {
        learning_rate: laws.output.learning_rate / laws.output.init_std,
        ..laws.output
    };
    Laws { output, ..laws }
}
