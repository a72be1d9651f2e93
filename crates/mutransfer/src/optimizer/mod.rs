//! Optimizers, as far as scaling is concerned.

mod decay;
mod family;

pub use decay::Decay;
pub use family::Family;

use num_rational::Rational32;
use serde::{Deserialize, Serialize};
use strum::VariantArray;

use crate::names::UnknownName;
use crate::role::Role;

macro_rules! optimizers {
    ($($(#[$attribute:meta])* $name:ident, $family:ident, $decay:ident;)*) => {
        /// The optimizers that plans can be made for. An optimizer that is not here is refused
        /// rather than guessed.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
            strum::Display, strum::EnumString, VariantArray,
        )]
        #[serde(try_from = "String", into = "String")]
        #[strum(
            serialize_all = "lowercase",
            parse_err_ty = UnknownName,
            parse_err_fn = unknown_optimizer
        )]
        pub enum Optimizer {
            $($(#[$attribute])* $name,)*
        }

        impl Optimizer {
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
    };
}

optimizers! {
    /// Stochastic gradient descent, with or without momentum.
    Sgd, RawGradient, L2;
    /// SGD with momentum, by its other name.
    Momentum, RawGradient, L2;
    /// SGD with Nesterov's momentum.
    Nesterov, RawGradient, L2;
    /// Adam, with weight decay added to the gradient.
    Adam, Entrywise, L2;
    /// Adam with decoupled weight decay.
    AdamW, Entrywise, TimesLr;
    /// Adam with Nesterov's momentum.
    NAdam, Entrywise, L2;
    /// Adam with rectified variance; it steps like SGD at first, where its rule would be that of
    /// SGD (TP5 B.3).
    RAdam, Entrywise, L2;
    /// Adam with the infinity norm.
    Adamax, Entrywise, L2;
    /// Gradient divided by a running root mean square.
    RmsProp, Entrywise, L2;
    /// Gradient divided by the root of all past squares.
    Adagrad, Entrywise, L2;
    /// Sign of the gradient.
    SignSgd, Entrywise, L2;
    /// Sign of an interpolated momentum.
    Lion, Entrywise, TimesLr;
    /// Momentum over a diagonal Hessian times `rho`, clipped; `rho` scales too, see
    /// [`Table::rho_at`](crate::Table::rho_at).
    Sophia, Entrywise, TimesLr;
    /// Adafactor as published, its steps proportional to the parameter's root mean square. Its
    /// decay `times-lr` is torch's; fairseq and Transformers multiply it by that root mean square
    /// too, optax by neither. That root mean square has a floor, which a readout that starts as
    /// `1/m_in` meets first.
    Adafactor, Frobenius, TimesLr;
    /// Adafactor without parameter scaling, whose factored moments scale as Adam's (2308.01814
    /// section 2.10.3).
    #[strum(to_string = "adafactor-unscaled")]
    AdafactorUnscaled, Entrywise, TimesLr;
    /// Layerwise trust ratio on the gradient.
    Lars, Frobenius, L2;
    /// Layerwise trust ratio on Adam's direction; its decay is added to that direction.
    Lamb, Frobenius, L2;
    /// Layerwise rotation of fixed size, for which decay changes nothing.
    Layca, Frobenius, L2;
    /// Relative steps with weights kept in norm.
    Fromage, Frobenius, L2;
    /// Muon with the factor `√(fan_out/fan_in)` (2512.05620, 2502.07529).
    Muon, Spectral, TimesLr;
    /// Muon without a factor: the orthogonalised momentum itself.
    #[strum(to_string = "muon-plain")]
    MuonPlain, Spectral, TimesLr;
    /// Muon with Keller Jordan's factor `√max(1, fan_out/fan_in)`.
    #[strum(to_string = "muon-keller-jordan")]
    MuonKellerJordan, Spectral, TimesLr;
    /// Muon with Moonlight's factor `0.2·√max(fan_out, fan_in)` (2502.16982); its decay uses the
    /// unadjusted rate.
    #[strum(to_string = "muon-moonlight")]
    MuonMoonlight, Spectral, TimesLr;
}

/// Known optimizers for which no table can be right, and why.
const REFUSED: [(&str, &str); 2] = [
    (
        "adadelta",
        "one epsilon is below both of its roots, and the two would have to scale apart; take \
         rmsprop or adam",
    ),
    (
        "nero",
        "it keeps the norm of every neuron's weights, which init and multipliers of a rule would \
         change; take lamb or adam",
    ),
];

fn unknown_optimizer(name: &str) -> UnknownName {
    UnknownName::new("optimizer", Optimizer::VARIANTS, name).unless_refused(&REFUSED)
}

impl Optimizer {
    /// All of them.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// The kind of update it makes to a parameter of this role: Muon leaves all but hidden matrices
    /// to Adam.
    pub fn family_of(self, role: Role) -> Family {
        self.family().at(role)
    }

    /// Whether its epsilon is added to the norm of a whole tensor, rather than to the root of a
    /// squared entry.
    pub(crate) fn eps_meets_norm(self, role: Role) -> bool {
        match self.family_of(role) {
            Family::Spectral => true,
            Family::Frobenius => !matches!(self, Self::Lamb | Self::Adafactor),
            Family::RawGradient | Family::Entrywise => false,
        }
    }

    /// Whether weight decay in the gradient is lost in a normalisation of the entries, so that no
    /// scaling of it transfers. A trust ratio takes one norm of the whole tensor.
    pub(crate) fn normalises_entries(self) -> bool {
        match self.family() {
            Family::Entrywise | Family::Spectral => true,
            Family::Frobenius => self == Self::Adafactor,
            Family::RawGradient => false,
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

impl TryFrom<String> for Optimizer {
    type Error = UnknownName;

    fn try_from(name: String) -> Result<Self, UnknownName> {
        name.parse()
    }
}

impl From<Optimizer> for String {
    fn from(optimizer: Optimizer) -> Self {
        optimizer.to_string()
    }
}
