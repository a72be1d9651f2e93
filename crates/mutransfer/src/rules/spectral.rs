//! The spectral condition: weights and updates have spectral norm √(fan_out/fan_in) (arXiv
//! 2310.17813).
//!
//! # Init
//! Standard deviation 1/√fan_in · min(1, √(fan_out/fan_in)), which μP has too where a readout is
//! narrower than its input.
//! # Multiplier
//! None: this is the form of TP5 Table 3.
//! # Learning rate
//! SGD fan_out/fan_in; Adam 1/fan_in.
//! # Epsilon
//! As μP's in this form: 1/m_out, and 1 for the readout.

use super::definition::{Definition, DepthLaw, OwnForm, Tables};
use super::mup;
use crate::form::Form;
use crate::law::{Law, Laws};
use crate::power::Power;
use crate::roles::Roles;

pub(super) const SPECTRAL: Definition = Definition {
    name: "spectral",
    summary: "spectral condition",
    source: "2310.17813",
    form: OwnForm::Named(Form::Table3),
    tables: Tables::new([
        laws(mup::RAW_GRADIENT, PER_IN),
        laws(mup::ENTRYWISE, PER_IN),
        laws(mup::FROBENIUS, Power::ONE),
        laws(mup::SPECTRAL, PER_IN),
    ]),
    attention: mup::ATTENTION,
    depth: DepthLaw::COMPLETE,
    entry_eps: Roles::all(true),
    ..Definition::PLAIN
};

const INIT: Power = Power::fan_in(-1, 2).and(Power::aspect(1, 2));
const PER_IN: Power = Power::fan_in(-1, 1);

const fn laws(base: Laws, output_rate: Power) -> Laws {
    Laws {
        hidden: Law {
            init_std: INIT,
            ..base.hidden
        },
        output: Law {
            init_std: INIT,
            learning_rate: output_rate,
            ..Law::ONE
        },
        ..base
    }
}
