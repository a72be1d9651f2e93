//! The largest stable learning rate of every layer under an assumption on alignment (arXiv
//! 2407.05872).

use num_rational::Rational32;

use super::exponents::Layers;
use crate::optimizer::Family;
use crate::options::Alignment;

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
    let [zero, half, one] =
        [(0, 1), (1, 2), (1, 1)].map(|(top, bottom)| Rational32::new(top, bottom));
    let init = ab.map(|(a, b)| a + b);
    if init.input != zero || init.hidden != half || init.output < half {
        return Err(UNSTABLE);
    }
    // alpha: update times activation; omega: weight times change of activation; u: update times
    // change of activation. With r of all earlier layers at 0, a layer's own update is what bounds
    // its rate: the larger of alpha and u.
    let (bound, omega) = match alignment {
        Alignment::Full => (one, half),
        Alignment::None => (half, half),
    };
    if init.output < omega {
        return Err("the readout amplifies changes of activations");
    }
    let a = ab.map(|(a, _)| a);
    let solved = match family {
        Family::Spectral => return Err("no constraints are published for spectral updates"),
        Family::Entrywise => Layers::new(-a.input, bound - a.hidden, bound - a.output),
        Family::Frobenius => Layers::new(
            zero,
            (bound - half).max(zero),
            (bound - init.output).max(zero),
        ),
        Family::RawGradient => raw_gradient(a, init.output, bound, backward),
    };
    Ok(solved.map(|c| -c))
}

const UNSTABLE: &str = "the init is unstable: a+b must be 0 for the input, 1/2 for hidden layers, \
                        at least 1/2 for the readout";

fn raw_gradient(
    a: Layers<Rational32>,
    init: Rational32,
    bound: Rational32,
    backward: Backward,
) -> Layers<Rational32> {
    // The readout's rate must keep its logits, and the backward signal as the init set it.
    let readout = bound.max(init) - a.output * 2;
    let updated = a.output * 2 + readout;
    let signal = match backward {
        Backward::Min => init.min(updated),
        Backward::Max => init.max(updated),
    };
    Layers::new(
        -a.input * 2 - signal,
        bound - a.hidden * 2 - signal,
        readout,
    )
}
