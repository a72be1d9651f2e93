//! The largest stable learning rate of every layer under an assumption on alignment (arXiv
//! 2407.05872).

use num_rational::Rational32;

use super::{Abcd, Layers};
use crate::{Alignment, Family};

/// Which term sets the size of the gradient that reaches a layer (O11 of the literature's
/// disagreements).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backward {
    /// The larger of the readout's init and its update, that is, the smaller exponent (TP4's
    /// definition of r).
    #[default]
    Min,
    /// The larger exponent, as the paper prints it.
    Max,
}

/// Exponents `x` of the largest stable learning rates `n^x`, or why there are none.
pub type Solved = Result<Layers<Rational32>, &'static str>;

/// Solves the paper's constraints for multipliers `n^-a` and standard deviations `n^-b`: every
/// activation and every logit changes by order one and not more.
///
/// # Errors
/// When the init itself is unstable, or when the family has no such constraints (spectral).
pub fn largest_stable_rates(
    ab: Layers<(Rational32, Rational32)>,
    family: Family,
    alignment: Alignment,
    backward: Backward,
) -> Solved {
    let [zero, half, one] = [
        Rational32::from(0),
        Rational32::new(1, 2),
        Rational32::from(1),
    ];
    let layers = ab.map(|(a, b)| Abcd {
        a,
        b,
        c: zero,
        d: zero,
    });
    let Layers {
        input,
        hidden,
        output,
    } = layers;
    if input.a + input.b != zero || hidden.a + hidden.b != half || output.a + output.b < half {
        return Err(
            "the init is unstable: a+b must be 0 for the input, 1/2 for hidden layers, at least 1/2 for the readout",
        );
    }
    // alpha: update times activation; omega: weight times change of activation; u: update times
    // change of activation.
    let (alpha, omega, u) = match alignment {
        Alignment::Full => (one, half, one),
        Alignment::None => (half, half, half),
    };
    // With r of all earlier layers at 0, a layer's own update is what bounds its rate.
    let bound = alpha.max(u);
    if output.a + output.b < omega {
        return Err("the readout amplifies changes of activations");
    }
    let solved = match family {
        Family::Spectral => return Err("no constraints are published for spectral updates"),
        Family::Entrywise => Layers::new(-input.a, bound - hidden.a, bound - output.a),
        Family::Frobenius => {
            let at_least_zero = |c: Rational32| c.max(zero);
            Layers::new(
                zero,
                at_least_zero(bound - half),
                at_least_zero(bound - (output.a + output.b)),
            )
        }
        Family::RawGradient => {
            let initial = output.a + output.b;
            // The readout's rate must keep its logits, and the backward signal as the init set it.
            let readout = (bound - output.a * 2).max(initial - output.a * 2);
            let updated = output.a * 2 + readout;
            let signal = match backward {
                Backward::Min => initial.min(updated),
                Backward::Max => initial.max(updated),
            };
            let gradient = |layer: Abcd| signal + layer.a;
            Layers::new(
                -input.a - gradient(input),
                bound - hidden.a - gradient(hidden),
                readout,
            )
        }
    };
    Ok(solved.map(|c| -c))
}
