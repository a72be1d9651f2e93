//! What should follow the depth of a residual network at fixed width: the change of the last
//! residual, and how far the weights of a block move.

use num_rational::Rational32;
use serde::Serialize;

use crate::law::{Law, Table};
use crate::optimizer::{Family, Optimizer};
use crate::power::Ratio;
use crate::role::{Place, Role};

/// Slopes of sizes against depth, both in logarithms, after a few updates whose entries are of
/// order one.
///
/// Every block adds to the last residual what its updates do, times its multiplier, and these add
/// up over blocks: without a law of depth it changes as depth. A rule over depth keeps it, whatever
/// its alpha (2310.02244; 2505.01618). What tells one alpha from another is how far weights move
/// relative to what they were: as the learning rate over the initial standard deviation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct DepthSlopes {
    /// Of the change of the last residual, which is to stay.
    pub change: f64,
    /// Of the relative change of the matrices inside of branches.
    pub inside: f64,
    /// Of the relative change of the matrices that end branches.
    pub ends: f64,
}

impl DepthSlopes {
    /// What a table says of the weights, and what it should keep of the residual; none for
    /// optimizers whose updates are of another size.
    pub fn of(table: &Table, optimizer: Optimizer) -> Option<Self> {
        let moves = |place| {
            let law: &Law = table.law_at(Role::Hidden, place);
            number(law.learning_rate.exponent(Ratio::Depth) - law.init_std.exponent(Ratio::Depth))
        };
        (optimizer.family() == Family::Entrywise).then(|| Self {
            change: 0.0,
            inside: moves(Place::Block),
            ends: moves(Place::BranchEnd),
        })
    }
}

fn number(exponent: Rational32) -> f64 {
    f64::from(*exponent.numer()) / f64::from(*exponent.denom())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parametrization::Parametrization;
    use crate::rules::Rule;

    fn slopes(rule: Rule, optimizer: Optimizer) -> Option<[f64; 3]> {
        let table = Parametrization::from(rule)
            .table(optimizer)
            .expect("a table");
        let slopes = DepthSlopes::of(&table, optimizer)?;
        Some([slopes.change, slopes.inside, slopes.ends])
    }

    #[test]
    fn alphas_differ_in_how_far_weights_move() {
        let adam = |rule| slopes(rule, Optimizer::AdamW).expect("entrywise");
        assert_eq!(adam(Rule::Sp), [0.0, 0.0, 0.0]);
        assert_eq!(adam(Rule::SpDepthInit), [0.0, 0.0, 0.5]);
        assert_eq!(adam(Rule::DepthMup), [0.0, -0.5, -0.5]);
        assert_eq!(adam(Rule::CompleteP), [0.0, 0.0, 0.0]);
        assert_eq!(slopes(Rule::CompleteP, Optimizer::Sgd), None);
    }
}
