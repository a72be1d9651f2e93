//! The dynamical dichotomy: every table is unstable, trivial, in the kernel regime, or learns
//! features.
//!
//! Raw gradient: TP4 (arXiv 2011.14522) section 3 and 5. Entrywise: 2308.01814 section 2.8. The
//! other families reduce to entrywise ones: an update with the norm of the weights has entries
//! `n^-(b+c)`; one of spectral norm one moves the output of a square matrix as aligned entries of
//! size `1/n` do.

use num_rational::Rational32;

use super::exponents::{Abcd, Exponents, Layers};
use crate::error::{Error, RuleError};
use crate::optimizer::{Family, Optimizer};
use crate::parametrization::Parametrization;
use crate::role::Role;

/// What a network of infinite width does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, strum::Display)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Regime {
    /// Activations or logits blow up, at init or after an update.
    Unstable,
    /// Stable, but its output does not change.
    Trivial,
    /// Its output changes, its features do not: kernel regression.
    Kernel,
    /// Its features change.
    Features,
}

/// One inequality or equation that a table meets or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The role of the layer it is about.
    pub layer: Role,
    /// As the paper writes it.
    pub statement: &'static str,
    /// The left side.
    pub value: Rational32,
    /// Whether it is met.
    pub holds: bool,
    /// What happens if it is not.
    pub otherwise: &'static str,
}

/// The classification of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Theory {
    /// The exponents it was read from.
    pub exponents: Exponents,
    /// `r_l`: the layer's updates change its output as `n^-r_l`. For the readout: its logits.
    pub updates: Layers<Rational32>,
    /// The same for biases and gains.
    pub vector_update: Rational32,
    /// `r`: the last activations change as `n^-r`.
    pub r: Rational32,
    /// `a + b + r` of the readout: the change of activations moves logits as `n^(1 - that)`.
    pub propagated: Rational32,
    /// Everything stability asks.
    pub stability: Vec<Condition>,
    /// What epsilon must be so that gradients enter at order one; empty for a raw gradient.
    pub faithfulness: Vec<Condition>,
    /// Whether logits change by order one.
    pub is_nontrivial: bool,
    /// Which layers' updates are as large as they can be.
    pub is_maximal: Layers<bool>,
    /// Whether the readout's init is as large as it can be.
    pub is_maximal_init: bool,
    /// The verdict.
    pub regime: Regime,
    /// Attention logits grow as this power of a head's size, once queries and keys have aligned.
    pub attention: Rational32,
}

const ZERO: Rational32 = Rational32::new_raw(0, 1);
const HALF: Rational32 = Rational32::new_raw(1, 2);
const ONE: Rational32 = Rational32::new_raw(1, 1);

impl Theory {
    /// Classifies a rule under an optimizer.
    ///
    /// # Errors
    /// When the rule has no table for the optimizer, or scales its backward pass apart from its
    /// forward pass, as u-μP does, which only shows under a raw gradient.
    pub fn of_rule(rule: &Parametrization, optimizer: Optimizer) -> Result<Self, Error> {
        let table = rule.table(optimizer)?;
        if rule.definition().own_backward && optimizer.family() == Family::RawGradient {
            return Err(RuleError::NotClassified {
                rule: rule.name(),
                optimizer: optimizer.to_string(),
            }
            .into());
        }
        Ok(Self::of(Exponents::of(&table, optimizer)))
    }

    /// Classifies exponents.
    pub fn of(exponents: Exponents) -> Self {
        let output = exponents.layers.output;
        let (updates, vector_update) = updates(&exponents);
        let r = updates.input.min(updates.hidden);
        let propagated = output.a + output.b + r;
        let mut stability = stable_init(exponents.layers).to_vec();
        stability.extend(stable_updates(updates, vector_update, propagated));
        stability.extend(stable_backward(&exponents));
        let is_nontrivial = propagated == ONE || updates.output == ZERO;
        let is_stable = stability.iter().all(|condition| condition.holds);
        let regime = match (is_stable, is_nontrivial) {
            (false, _) => Regime::Unstable,
            (true, false) => Regime::Trivial,
            (true, true) if r == ZERO => Regime::Features,
            (true, true) => Regime::Kernel,
        };
        Self {
            exponents,
            updates,
            vector_update,
            r,
            propagated,
            stability,
            faithfulness: faithfulness(&exponents),
            is_nontrivial,
            is_maximal: updates.map(|update| update == ZERO),
            is_maximal_init: propagated == ONE,
            regime,
            attention: HALF + exponents.attention,
        }
    }

    /// Whether it is the maximal update parametrization up to the symmetry (TP4 theorem 5.6):
    /// stable, every layer updated maximally, the readout initialised maximally.
    pub fn is_mup(&self) -> bool {
        let is_maximal = self.slow_layers().next().is_none();
        self.regime == Regime::Features && is_maximal && self.is_maximal_init
    }

    /// The layers whose updates are not as large as they can be.
    pub fn slow_layers(&self) -> impl Iterator<Item = Role> {
        let layers = self.is_maximal.named().into_iter();
        layers
            .filter(|(_, maximal)| !maximal)
            .map(|(layer, _)| layer)
    }

    /// The conditions that are not met.
    pub fn broken(&self) -> impl Iterator<Item = &Condition> {
        self.stability.iter().filter(|condition| !condition.holds)
    }
}

impl Condition {
    fn equal(layer: Role, statement: &'static str, value: Rational32, wanted: Rational32) -> Self {
        Self {
            layer,
            statement,
            value,
            holds: value == wanted,
            otherwise: "activations change size with width at init",
        }
    }

    fn at_least(
        layer: Role,
        statement: &'static str,
        value: Rational32,
        least: Rational32,
        otherwise: &'static str,
    ) -> Self {
        Self {
            layer,
            statement,
            value,
            holds: value >= least,
            otherwise,
        }
    }
}

fn stable_init(layers: Layers<Abcd>) -> [Condition; 3] {
    let init = layers.map(|layer| layer.a + layer.b);
    [
        Condition::equal(Role::Input, "a + b = 0", init.input, ZERO),
        Condition::equal(Role::Hidden, "a + b = 1/2", init.hidden, HALF),
        Condition::at_least(
            Role::Output,
            "a + b >= 1/2",
            init.output,
            HALF,
            "logits grow at init",
        ),
    ]
}

fn stable_updates(
    updates: Layers<Rational32>,
    vector: Rational32,
    propagated: Rational32,
) -> [Condition; 5] {
    let grow = "its updates change activations more the wider the network is";
    [
        Condition::at_least(Role::Vector, "r >= 0", vector, ZERO, grow),
        Condition::at_least(Role::Input, "r >= 0", updates.input, ZERO, grow),
        Condition::at_least(Role::Hidden, "r >= 0", updates.hidden, ZERO, grow),
        Condition::at_least(
            Role::Output,
            "r >= 0",
            updates.output,
            ZERO,
            "its updates make logits grow with width",
        ),
        Condition::at_least(
            Role::Output,
            "a + b + r >= 1",
            propagated,
            ONE,
            "it passes changes of activations on too strongly",
        ),
    ]
}

/// A raw gradient's signal already counts what updates make of the readout.
fn stable_backward(exponents: &Exponents) -> Option<Condition> {
    let output = exponents.layers.output;
    let slack = entries(exponents, output, false) - output.b;
    let otherwise =
        "its updates outgrow its init, so that the gradients of earlier layers change size";
    let condition = Condition::at_least(Role::Output, "c - b >= 0", slack, ZERO, otherwise);
    Some(condition).filter(|_| exponents.family != Family::RawGradient)
}

/// `c` as if the update were entrywise.
fn entries(exponents: &Exponents, layer: Abcd, is_hidden: bool) -> Rational32 {
    match exponents.family {
        Family::Frobenius => layer.c + layer.b,
        Family::Spectral if is_hidden => layer.c + ONE - exponents.own_factor,
        _ => layer.c,
    }
}

/// `r_l` of every layer, and of biases and gains.
fn updates(exponents: &Exponents) -> (Layers<Rational32>, Rational32) {
    let Layers {
        input,
        hidden,
        output,
    } = exponents.layers;
    if exponents.family == Family::RawGradient {
        // TP4 proposition 5.3, with one learning rate per layer.
        let signal = (output.a + output.b).min(output.a * 2 + output.c);
        let layers = Layers::new(
            signal + input.c + input.a * 2,
            signal + hidden.c + hidden.a * 2 - ONE,
            output.a * 2 + output.c - ONE,
        );
        return (layers, signal + exponents.vector_c);
    }
    // 2308.01814 definition 2.8.5.
    let layers = Layers::new(
        entries(exponents, input, false) + input.a,
        entries(exponents, hidden, true) + hidden.a - ONE,
        entries(exponents, output, false) + output.a - ONE,
    );
    (layers, exponents.vector_c)
}

/// 2308.01814 lemma 2.8.11.
fn faithfulness(exponents: &Exponents) -> Vec<Condition> {
    let wanted = exponents.faithful().named();
    let layers = exponents.layers.named().into_iter().zip(wanted);
    layers
        .filter(|((layer, _), _)| meets_epsilon(exponents.family, *layer))
        .map(|((layer, own), (_, wanted))| faithful(layer, own.d, wanted))
        .collect()
}

/// A raw gradient meets no epsilon; Muon normalises a whole matrix, for whose norm other exponents
/// hold.
fn meets_epsilon(family: Family, layer: Role) -> bool {
    match family {
        Family::RawGradient => false,
        Family::Spectral => layer != Role::Hidden,
        Family::Entrywise | Family::Frobenius => true,
    }
}

fn faithful(layer: Role, d: Rational32, wanted: Rational32) -> Condition {
    Condition {
        layer,
        statement: match layer {
            Role::Output => "d - a = 0",
            _ => "d - a - a_out - b_out = 0",
        },
        value: d - wanted,
        holds: d == wanted,
        otherwise: if d < wanted {
            "gradients fall below epsilon as the network grows"
        } else {
            "epsilon falls faster than gradients"
        },
    }
}
