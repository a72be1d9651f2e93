//! The dynamical dichotomy: every table is unstable, trivial, in the kernel regime, or learns
//! features.
//!
//! Raw gradient: TP4 (arXiv 2011.14522) section 3 and 5. Entrywise: 2308.01814 section 2.8. The
//! other families reduce to entrywise ones: an update with the norm of the weights has entries
//! `n^-(b+c)`; one of spectral norm one moves the output of a square matrix as aligned entries of
//! size `1/n` do.

use num_rational::Rational32;

use super::conditions::{Condition, faithfulness, stable_backward, stable_init, stable_updates};
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

/// The classification of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Theory {
    /// The exponents it was read from.
    pub exponents: Exponents,
    /// `r_l`: the layer's updates change its output as `n^-r_l`. For the readout: its logits.
    pub updates: Layers<Rational32>,
    /// The same for biases and gains.
    pub vector_update: Rational32,
    /// `r`: the last activations change as `n^-r`, by whatever changes them most, biases and gains
    /// included.
    pub r: Rational32,
    /// `a + b + r` of the readout: the change of activations moves logits as `n^(1 - that)`.
    pub propagated: Rational32,
    /// Everything stability asks.
    pub stability: Vec<Condition>,
    /// What epsilon must be so that gradients enter at order one; empty for a raw gradient.
    pub faithfulness: Vec<Condition>,
    /// Whether logits change by order one.
    pub is_nontrivial: bool,
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
        let r = updates.input.min(updates.hidden).min(vector_update);
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
            is_maximal_init: propagated == ONE,
            regime,
            attention: HALF + exponents.attention,
        }
    }

    /// Whether it is the maximal update parametrization up to the symmetry (TP4 theorem 5.6):
    /// stable, every layer updated maximally, biases and gains too, the readout initialised
    /// maximally.
    pub fn is_mup(&self) -> bool {
        let is_maximal = self.slow_layers().next().is_none();
        self.regime == Regime::Features && is_maximal && self.is_maximal_init
    }

    /// `r_l` of every role that grows, in the order of roles.
    pub fn named_updates(&self) -> [(Role, Rational32); 4] {
        let [input, hidden, output] = self.updates.named();
        [(Role::Vector, self.vector_update), input, hidden, output]
    }

    /// The roles whose updates are not as large as they can be, biases and gains last.
    pub fn slow_layers(&self) -> impl Iterator<Item = Role> {
        let [vector, layers @ ..] = self.named_updates();
        let updates = layers.into_iter().chain([vector]);
        updates.filter(|(_, r)| *r != ZERO).map(|(role, _)| role)
    }

    /// The conditions that are not met.
    pub fn broken(&self) -> impl Iterator<Item = &Condition> {
        self.stability.iter().filter(|condition| !condition.holds)
    }
}

/// `c` as if the update were entrywise.
pub(super) fn entries(exponents: &Exponents, layer: Abcd, is_hidden: bool) -> Rational32 {
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
    let vector = exponents.vector;
    if exponents.family == Family::RawGradient {
        // TP4 proposition 5.3, with one learning rate per layer.
        let signal = (output.a + output.b).min(output.a * 2 + output.c);
        let layers = Layers::new(
            signal + input.c + input.a * 2,
            signal + hidden.c + hidden.a * 2 - ONE,
            output.a * 2 + output.c - ONE,
        );
        return (layers, signal + vector.c + vector.a * 2);
    }
    // 2308.01814 definition 2.8.5.
    let layers = Layers::new(
        entries(exponents, input, false) + input.a,
        entries(exponents, hidden, true) + hidden.a - ONE,
        entries(exponents, output, false) + output.a - ONE,
    );
    (layers, entries(exponents, vector, false) + vector.a)
}
