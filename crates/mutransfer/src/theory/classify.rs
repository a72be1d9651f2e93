//! The dynamical dichotomy: every table is unstable, trivial, in the kernel regime, or learns
//! features.
//!
//! Raw gradient: TP4 (arXiv 2011.14522) section 3 and 5. Entrywise: 2308.01814 section 2.8. The
//! other families reduce to entrywise ones: an update with the norm of the weights has entries
//! `n^-(b+c)`; one of spectral norm one moves the output of a square matrix as aligned entries of
//! size `1/n` do.

use num_rational::Rational32;

use super::{Abcd, Exponents, Layers};
use crate::{Error, Family, Optimizer, Parametrization};

/// What a network of infinite width does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
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

impl std::fmt::Display for Regime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unstable => "unstable",
            Self::Trivial => "trivial",
            Self::Kernel => "kernel",
            Self::Features => "features",
        })
    }
}

/// One inequality or equation that a table meets or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The layer it is about: vector, input, hidden or output.
    pub layer: &'static str,
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
        match rule.is_absolute() && optimizer.family() == Family::RawGradient {
            true => Err(Error::NotClassified {
                rule: rule.name(),
                optimizer: optimizer.to_string(),
            }),
            false => Ok(Self::of(Exponents::of(&table, optimizer))),
        }
    }

    /// Classifies exponents.
    pub fn of(exponents: Exponents) -> Self {
        let Layers {
            input,
            hidden,
            output,
        } = exponents.layers;
        let (updates, vector_update) = updates(&exponents);
        let r = updates.input.min(updates.hidden);
        let propagated = output.a + output.b + r;
        let must = |layer, statement, value: Rational32, holds, otherwise| Condition {
            layer,
            statement,
            value,
            holds,
            otherwise,
        };
        let grow = "its updates change activations more the wider the network is";
        let mut stability = vec![
            must(
                "input",
                "a + b = 0",
                input.a + input.b,
                input.a + input.b == ZERO,
                SIZE_AT_INIT,
            ),
            must(
                "hidden",
                "a + b = 1/2",
                hidden.a + hidden.b,
                hidden.a + hidden.b == HALF,
                SIZE_AT_INIT,
            ),
            must(
                "output",
                "a + b >= 1/2",
                output.a + output.b,
                output.a + output.b >= HALF,
                "logits grow at init",
            ),
            must(
                "vector",
                "r >= 0",
                vector_update,
                vector_update >= ZERO,
                grow,
            ),
            must(
                "input",
                "r >= 0",
                updates.input,
                updates.input >= ZERO,
                grow,
            ),
            must(
                "hidden",
                "r >= 0",
                updates.hidden,
                updates.hidden >= ZERO,
                grow,
            ),
            must(
                "output",
                "r >= 0",
                updates.output,
                updates.output >= ZERO,
                "its updates make logits grow with width",
            ),
            must(
                "output",
                "a + b + r >= 1",
                propagated,
                propagated >= ONE,
                "it passes changes of activations on too strongly",
            ),
        ];
        let is_raw = exponents.family == Family::RawGradient;
        if !is_raw {
            let slack = entries(&exponents, output, false) - output.b;
            let statement = "c - b >= 0";
            let meaning =
                "its updates outgrow its init, so that the gradients of earlier layers change size";
            stability.push(must("output", statement, slack, slack >= ZERO, meaning));
        }
        let is_stable = stability.iter().all(|condition| condition.holds);
        let is_nontrivial = propagated == ONE || updates.output == ZERO;
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
            faithfulness: if is_raw {
                Vec::new()
            } else {
                faithfulness(&exponents)
            },
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
        let all = self
            .is_maximal
            .named()
            .into_iter()
            .all(|(_, maximal)| maximal);
        self.regime == Regime::Features && all && self.is_maximal_init
    }

    /// The conditions that are not met.
    pub fn broken(&self) -> impl Iterator<Item = &Condition> {
        self.stability.iter().filter(|condition| !condition.holds)
    }
}

const SIZE_AT_INIT: &str = "activations change size with width at init";

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
    let c = |layer: Abcd, is_hidden| entries(exponents, layer, is_hidden);
    let layers = Layers::new(
        c(input, false) + input.a,
        c(hidden, true) + hidden.a - ONE,
        c(output, false) + output.a - ONE,
    );
    (layers, exponents.vector_c)
}

/// 2308.01814 lemma 2.8.11. Muon normalises a whole matrix, for whose norm other exponents hold.
fn faithfulness(exponents: &Exponents) -> Vec<Condition> {
    let wanted = exponents.faithful().named();
    let conditions =
        exponents
            .layers
            .named()
            .into_iter()
            .zip(wanted)
            .map(|((layer, own), (_, wanted))| Condition {
                layer,
                statement: if layer == "output" {
                    "d - a = 0"
                } else {
                    "d - a - a_out - b_out = 0"
                },
                value: own.d - wanted,
                holds: own.d == wanted,
                otherwise: if own.d < wanted {
                    "gradients fall below epsilon as the network grows"
                } else {
                    "epsilon falls faster than gradients"
                },
            });
    conditions
        .filter(|condition| exponents.family != Family::Spectral || condition.layer != "hidden")
        .collect()
}
