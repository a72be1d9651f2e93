//! How large the experts of a model are, and what a plan is told of them.

use mutransfer::{Axes, Role, Size, Sizes, Widths};
use mutransfer_study::subject::Experts;

use crate::architecture::{Architecture, divides};
use crate::error::Error;
use crate::feed_forward::DENSE;

/// Eight experts, two of them active.
pub(crate) const USUAL_EXPERTS: Experts = Experts {
    count: 8,
    active: 2,
    width: None,
    shared: 0,
    groups: 1,
    auxiliary: None,
    at: 1,
};

/// Experts of a mixture, at the width of the model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ExpertSizes {
    /// How many there are.
    pub(crate) count: usize,
    /// To how many a token goes.
    pub(crate) active: usize,
    /// Hidden units of one.
    pub(crate) width: usize,
    /// Hidden units of all shared ones together.
    pub(crate) shared: usize,
    /// Groups, of each of which a token has as many.
    pub(crate) groups: usize,
    /// Factor on the loss that balances the load, in place of offsets.
    pub(crate) auxiliary: Option<f64>,
}

impl ExpertSizes {
    /// One expert as wide as a dense layer.
    pub(crate) fn dense(width: usize) -> Self {
        Self {
            count: 1,
            active: 1,
            width: DENSE * width,
            shared: 0,
            groups: 1,
            auxiliary: None,
        }
    }
}

impl Architecture {
    /// With the tensors of another: as many experts in one, and shared ones if that has some. No
    /// law sees them but in the sizes.
    pub(crate) fn with_tensors_of(&self, other: &Self) -> Self {
        let as_other = |own: Experts, other: Experts| {
            // How wide an expert is by itself no longer says how many are active.
            let at = own.at * own.active;
            let shared = match (own.shared, other.shared) {
                (_, 0) => 0,
                (0, _) => at,
                (units, _) => units * own.active,
            };
            Experts {
                count: other.count,
                active: 1,
                width: Some(own.width.map_or(DENSE * own.at, |units| units * own.active)),
                shared,
                groups: 1,
                auxiliary: None,
                at,
            }
        };
        let experts = self.experts.zip(other.experts);
        Self {
            experts: experts.map(|(own, other)| as_other(own, other)),
            ..self.clone()
        }
    }

    /// Experts at a width; a dense layer where there are none.
    pub(crate) fn experts(&self, width: usize) -> Result<ExpertSizes, Error> {
        let Some(experts) = self.experts else {
            return Ok(ExpertSizes::dense(width));
        };
        check(experts)?;
        let Experts {
            count, active, at, ..
        } = experts;
        let scaled = |what: &'static str, units: usize| {
            divides(what, units * width, "base_width", at)?;
            Ok::<_, Error>(units * width / at)
        };
        let own = match experts.width {
            Some(0) => {
                return Err(Error::Zero {
                    what: "expert_width",
                });
            }
            Some(units) => scaled("expert_width times width", units)?,
            None => {
                divides("4 times width", DENSE * width, "active", active)?;
                DENSE * width / active
            }
        };
        Ok(ExpertSizes {
            count,
            active,
            width: own,
            shared: scaled("shared_width times width", experts.shared)?,
            groups: experts.groups,
            auxiliary: experts.auxiliary,
        })
    }
}

/// Checks what does not depend on the width of the model.
fn check(experts: Experts) -> Result<(), Error> {
    let Experts {
        count,
        active,
        groups,
        at,
        ..
    } = experts;
    let sizes = [
        ("experts", count),
        ("active", active),
        ("groups", groups),
        ("base_width", at),
    ];
    if let Some((what, _)) = sizes.into_iter().find(|(_, size)| *size == 0) {
        return Err(Error::Zero { what });
    }
    if active > count {
        return Err(Error::Active { active, count });
    }
    divides("the number of experts", count, "groups", groups)?;
    divides("the number of active experts", active, "groups", groups)?;
    match experts.auxiliary {
        Some(factor) if !(factor.is_finite() && factor >= 0.0) => Err(Error::Auxiliary { factor }),
        _ => Ok(()),
    }
}

/// Says what the matrices of experts are, and how many there are in base and target.
pub(crate) fn with_experts(
    widths: Widths,
    sizes: Sizes,
    [base, target]: [ExpertSizes; 2],
) -> Result<Widths, Error> {
    let sizes = sizes
        .with(Size::Experts, base.count, target.count)?
        .with(Size::Active, base.active, target.active)?
        .with(Size::ExpertWidth, base.width, target.width)?
        .with(Size::SharedWidth, base.shared, target.shared)?;
    // [experts, fan_in, fan_out]
    let axes = Axes {
        fan_in: Some(1),
        fan_out: Some(2),
    };
    let mut widths = widths
        .with_sizes(sizes)
        .with_axes("blocks.*.mlp.up.weight", axes)?
        .with_axes("blocks.*.mlp.down.weight", axes)?
        .declare("blocks.*.mlp.up.weight", Role::ExpertIn)?
        .declare("blocks.*.mlp.up.bias", Role::Vector)?
        .declare("blocks.*.mlp.down.weight", Role::ExpertOut)?
        .declare("blocks.*.mlp.router.weight", Role::Router)?;
    if target.shared > 0 {
        widths = widths
            .declare("blocks.*.mlp.shared.up.weight", Role::ExpertIn)?
            .declare("blocks.*.mlp.shared.down.weight", Role::ExpertOut)?
            .with_branch_ends("blocks.*.mlp.shared.down.*")?;
    }
    Ok(widths)
}
