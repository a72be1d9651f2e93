//! The sixteen parametrizations between SP and μP, each with some of four ingredients of μP (arXiv
//! 2605.21486).
//!
//! | switch | what it takes from μP |
//! |---|---|
//! | embedding | learning rate of the embedding, times the width relative to SP |
//! | norm | learning rate of gains and biases, times the width relative to SP |
//! | attention | logits divided by `head_dim` instead of its root |
//! | last | init, multiplier and learning rate of the readout |
//!
//! `sp+embedding` is SP with that ingredient, `mup-embedding` is μP without it. The two spellings
//! differ in the unit of the learning rate only: under `sp+…` it is that of the hidden matrices,
//! under `mup-…` theirs times the width, so that `sp+embedding+norm+attention+last` trains as `mup`
//! does at a rate divided by the width, but for scalars, which keep their rate. Epsilon is
//! constant, as published.

use std::fmt;

use super::definition::{Definition, DepthLaw, OwnForm, Tables};
use super::mup;
use crate::law::{Law, Laws};
use crate::names::UnknownName;
use crate::power::Power;

/// Which ingredients of μP a parametrization has, and in which unit its learning rate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ablation {
    /// In the order of [`SWITCHES`].
    taken: [bool; 4],
    from_mup: bool,
}

/// The families' names, without and with μP as their start.
pub(super) const FAMILIES: [&str; 2] = ["sp+SWITCH", "mup-SWITCH"];

/// Names of the four ingredients.
pub const SWITCHES: [&str; 4] = ["embedding", "norm", "attention", "last"];

const ROOT: Power = Power::fan_in(-1, 2);
const IN: Power = Power::fan_in(1, 1);
const OUT: Power = Power::fan_out(1, 1);

impl Ablation {
    /// Those of `sp+…` and `mup-…`; none for any other name.
    pub(super) fn parse(name: &str) -> Option<Result<Self, UnknownName>> {
        let (from_mup, listed) = match (name.strip_prefix("sp+"), name.strip_prefix("mup-")) {
            (Some(listed), _) => (false, listed.split('+')),
            (_, Some(listed)) => (true, listed.split('-')),
            _ => return None,
        };
        let mut taken = [from_mup; 4];
        for switch in listed {
            match SWITCHES.iter().position(|known| *known == switch) {
                Some(at) => taken[at] = !from_mup,
                None => return Some(Err(UnknownName::new("switch", SWITCHES, switch))),
            }
        }
        Some(Ok(Self { taken, from_mup }))
    }

    pub(super) fn definition(self) -> Definition {
        let [_, _, attention, _] = self.taken;
        Definition {
            name: FAMILIES[usize::from(self.from_mup)],
            summary: "between SP and μP, switch by switch",
            source: "2605.21486",
            form: OwnForm::Own,
            // A raw gradient has another rate for the embedding, and no published ablation.
            tables: Tables {
                entrywise: Some(self.laws()),
                ..Tables::NONE
            },
            attention: if attention {
                mup::ATTENTION
            } else {
                Power::ONE
            },
            depth: DepthLaw::COMPLETE,
            ..Definition::PLAIN
        }
    }

    /// For normalised updates.
    fn laws(self) -> Laws {
        let [embedding, norm, _, last] = self.taken;
        let laws = Laws {
            vector: if norm { FASTER } else { Law::ONE },
            input: if embedding { FASTER } else { Law::ONE },
            hidden: MATRIX,
            output: if last { READOUT } else { MATRIX },
            ..Laws::ONE
        };
        if self.from_mup { slower(laws) } else { laws }
    }
}

const FASTER: Law = Law {
    learning_rate: OUT,
    ..Law::ONE
};

const MATRIX: Law = Law {
    init_std: ROOT,
    ..Law::ONE
};

const READOUT: Law = Law {
    multiplier: Power::fan_in(-1, 1),
    learning_rate: IN,
    ..Law::ONE
};

/// Every learning rate divided by the width.
fn slower(laws: Laws) -> Laws {
    Laws {
        vector: per(OUT, laws.vector),
        input: per(OUT, laws.input),
        hidden: per(IN, laws.hidden),
        output: per(IN, laws.output),
        ..Laws::ONE
    }
}

fn per(width: Power, law: Law) -> Law {
    Law {
        learning_rate: law.learning_rate / width,
        ..law
    }
}

impl fmt::Display for Ablation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (start, joint) = if self.from_mup {
            ("mup", "-")
        } else {
            ("sp", "+")
        };
        f.write_str(start)?;
        let mut named = SWITCHES
            .iter()
            .zip(self.taken)
            .filter(|(_, taken)| *taken != self.from_mup);
        named.try_for_each(|(name, _)| write!(f, "{joint}{name}"))
    }
}
