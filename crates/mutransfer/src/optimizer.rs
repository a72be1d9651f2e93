//! Optimizers, as far as scaling is concerned.

use std::fmt;
use std::str::FromStr;

use num_rational::Rational32;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::role::Role;

/// What an optimizer's update looks like. Each family has its own table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// The update is linear in the gradient.
    RawGradient,
    /// The update's entries are of order one whatever the gradient's size (2308.01814 section 2.1).
    Entrywise,
    /// The update has the Frobenius norm of the weights (TP5 B.3).
    Frobenius,
    /// The update has spectral norm one, times the optimizer's own factor.
    Spectral,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::RawGradient,
        Self::Entrywise,
        Self::Frobenius,
        Self::Spectral,
    ];
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RawGradient => "raw-gradient",
            Self::Entrywise => "entrywise",
            Self::Frobenius => "frobenius",
            Self::Spectral => "spectral",
        })
    }
}

impl FromStr for Family {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        crate::error::named("optimizer family", &Self::ALL, name)
    }
}

/// How weight decay enters the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Decay {
    /// `g ← g + wd·w` before the optimizer sees the gradient.
    L2,
    /// `w ← w·(1 − lr·wd)`, with the learning rate of the step.
    TimesLr,
    /// `w ← w·(1 − s·wd)`, with the schedule's factor `s` only.
    Independent,
}

impl Decay {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::L2, Self::TimesLr, Self::Independent];
}

impl fmt::Display for Decay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::L2 => "l2",
            Self::TimesLr => "times-lr",
            Self::Independent => "independent",
        })
    }
}

impl FromStr for Decay {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        crate::error::named("weight decay", &Self::ALL, name)
    }
}

macro_rules! optimizers {
    ($($(#[$doc:meta])* $name:ident, $text:literal, $family:ident, $decay:ident;)*) => {
        /// The optimizers that plans can be made for. An optimizer that is not here is refused
        /// rather than guessed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub enum Optimizer {
            $($(#[$doc])* $name,)*
        }

        impl Optimizer {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The kind of update it makes to hidden matrices.
            pub fn family(self) -> Family {
                match self {
                    $(Self::$name => Family::$family,)*
                }
            }

            /// How it applies weight decay, as usually implemented.
            pub fn decay(self) -> Decay {
                match self {
                    $(Self::$name => Decay::$decay,)*
                }
            }
        }

        impl fmt::Display for Optimizer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self {
                    $(Self::$name => $text,)*
                })
            }
        }
    };
}

optimizers! {
    /// Stochastic gradient descent, with or without momentum.
    Sgd, "sgd", RawGradient, L2;
    /// SGD with momentum, by its other name.
    Momentum, "momentum", RawGradient, L2;
    /// SGD with Nesterov's momentum.
    Nesterov, "nesterov", RawGradient, L2;
    /// Adam, with weight decay added to the gradient.
    Adam, "adam", Entrywise, L2;
    /// Adam with decoupled weight decay.
    AdamW, "adamw", Entrywise, TimesLr;
    /// Adam with Nesterov's momentum.
    NAdam, "nadam", Entrywise, L2;
    /// Adam with rectified variance; it steps like SGD at first, where its rule would be that of
    /// SGD (TP5 B.3).
    RAdam, "radam", Entrywise, L2;
    /// Adam with the infinity norm.
    Adamax, "adamax", Entrywise, L2;
    /// Gradient divided by a running root mean square.
    RmsProp, "rmsprop", Entrywise, L2;
    /// Gradient divided by the root of all past squares.
    Adagrad, "adagrad", Entrywise, L2;
    /// RMSProp times the running root mean square of updates.
    Adadelta, "adadelta", Entrywise, L2;
    /// Sign of the gradient.
    SignSgd, "signsgd", Entrywise, L2;
    /// Sign of an interpolated momentum.
    Lion, "lion", Entrywise, TimesLr;
    /// Momentum over a clipped diagonal Hessian.
    Sophia, "sophia", Entrywise, TimesLr;
    /// Adafactor as published, its steps proportional to the parameter's root mean square.
    Adafactor, "adafactor", Frobenius, TimesLr;
    /// Adafactor without parameter scaling, whose factored moments scale as Adam's (2308.01814
    /// section 2.10.3).
    AdafactorUnscaled, "adafactor-unscaled", Entrywise, TimesLr;
    /// Layerwise trust ratio on the gradient.
    Lars, "lars", Frobenius, L2;
    /// Layerwise trust ratio on Adam's direction; its decay is added to that direction.
    Lamb, "lamb", Frobenius, L2;
    /// Layerwise rotation of fixed size.
    Layca, "layca", Frobenius, L2;
    /// Relative steps with weights kept in norm.
    Fromage, "fromage", Frobenius, L2;
    /// Relative steps per neuron.
    Nero, "nero", Frobenius, L2;
    /// Muon with the factor `√(fan_out/fan_in)` (2512.05620, 2502.07529).
    Muon, "muon", Spectral, TimesLr;
    /// Muon without a factor: the orthogonalised momentum itself.
    MuonPlain, "muon-plain", Spectral, TimesLr;
    /// Muon with Keller Jordan's factor `√max(1, fan_out/fan_in)`.
    MuonKellerJordan, "muon-keller-jordan", Spectral, TimesLr;
    /// Muon with Moonlight's factor `0.2·√max(fan_out, fan_in)` (2502.16982); its decay uses the
    /// unadjusted rate.
    MuonMoonlight, "muon-moonlight", Spectral, TimesLr;
}

impl Optimizer {
    /// The kind of update it makes to a parameter of this role: Muon leaves all but hidden matrices
    /// to Adam.
    pub fn family_of(self, role: Role) -> Family {
        match (self.family(), role) {
            (Family::Spectral, Role::Hidden) => Family::Spectral,
            (Family::Spectral, _) => Family::Entrywise,
            (family, _) => family,
        }
    }

    /// The factor it puts on the update of a matrix by itself.
    pub fn own_factor(self, fan_out: f64, fan_in: f64) -> f64 {
        match self {
            Self::Muon => (fan_out / fan_in).sqrt(),
            Self::MuonKellerJordan => (fan_out / fan_in).max(1.0).sqrt(),
            Self::MuonMoonlight => 0.2 * fan_out.max(fan_in).sqrt(),
            _ => 1.0,
        }
    }

    /// Exponent of that factor in the width of a square matrix.
    pub(crate) fn own_exponent(self) -> Rational32 {
        match self {
            Self::MuonMoonlight => Rational32::new_raw(1, 2),
            _ => Rational32::new_raw(0, 1),
        }
    }

    /// Exponent of `theta` in a weight decay of the convention when weights are multiplied by
    /// `1/theta` (lemma J.1 of TP5, carried on to decay).
    pub(crate) fn decay_rotation(self, family: Family, decay: Decay) -> i32 {
        match (decay, family) {
            (Decay::Independent, _) | (Decay::TimesLr, Family::Frobenius) => 0,
            (Decay::TimesLr, Family::RawGradient) | (Decay::L2, _) if self != Self::Lamb => 2,
            (Decay::TimesLr | Decay::L2, _) => 1,
        }
    }
}

impl FromStr for Optimizer {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        crate::error::named("optimizer", Self::ALL, name)
    }
}

impl TryFrom<String> for Optimizer {
    type Error = Error;

    fn try_from(name: String) -> Result<Self, Error> {
        name.parse()
    }
}

impl From<Optimizer> for String {
    fn from(optimizer: Optimizer) -> Self {
        optimizer.to_string()
    }
}
