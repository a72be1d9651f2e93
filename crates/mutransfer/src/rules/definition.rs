//! What a rule is: everything that differs between parametrizations, as one constant for each.

use std::fmt;

use num_rational::Rational32;

use crate::experts::RouteScale;
use crate::form::Form;
use crate::horizon::Horizon;
use crate::law::Laws;
use crate::optimizer::Family;
use crate::options::{Alignment, Alpha, Density, Eps};
use crate::power::{Power, Ratio};
use crate::roles::Roles;
use crate::sizes::Base;

/// A parametrization, complete but for the choices that the literature leaves open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Definition {
    /// As typed; the family's name where it has members, such as `uniform:S`.
    pub(crate) name: &'static str,
    /// What it is, in a few words.
    pub(crate) summary: &'static str,
    /// Where it was published.
    pub(crate) source: &'static str,
    /// The rotation that its tables are written in.
    pub(crate) form: OwnForm,
    /// The form that it is used in where none is asked for; none for that of its tables.
    pub(crate) usual_form: Option<Form>,
    /// Its laws, without weight decay unless it is stated, and without depth.
    pub(crate) tables: Tables,
    /// The same where updates do not align with activations, if that makes a difference.
    pub(crate) unaligned: Option<Tables>,
    /// Factor on the attention scale `1/√head_dim`, in the ratio of a head's size as fan-in.
    pub(crate) attention: Power,
    /// What changes in residual blocks.
    pub(crate) depth: DepthLaw,
    /// How hyperparameters follow batch and duration; none where its tables do not say.
    pub(crate) horizon: Option<Horizon>,
    /// How epsilon follows the sizes, where no option says it.
    pub(crate) eps: Eps,
    /// Roles whose weight decay the tables state; for the others it follows from the learning rate.
    pub(crate) states_decay: Roles<bool>,
    /// Whether epsilon is a choice of the table's author, to be judged like one.
    pub(crate) chooses_eps: bool,
    /// Roles whose epsilon is stated as the gradient's entries, for whatever optimizer; one that
    /// adds it to a norm has it times the norm's growth. For the others it is as it stands.
    pub(crate) entry_eps: Roles<bool>,
    /// Whether its tables have laws of their own for experts and their router; else those are
    /// hidden matrices to it.
    pub(crate) states_experts: bool,
    /// What routed experts are multiplied with after their weights.
    pub(crate) route: RouteScale,
    /// What to do where the share of active experts changes, where no option says it.
    pub(crate) density: Density,
    /// Whether biases and gains learn as inputs do, without their multiplier.
    pub(crate) vector_as_input: bool,
    /// What its ratios are relative to.
    pub(crate) base: Base,
    /// Whether inputs learn more slowly than they could, on purpose.
    pub(crate) slow_input: bool,
    /// Whether the backward pass has scales of its own, which show under a raw gradient.
    pub(crate) own_backward: bool,
}

impl Definition {
    /// What a rule has unless its file says otherwise.
    pub(crate) const PLAIN: Self = Self {
        name: "",
        summary: "",
        source: "",
        form: OwnForm::Own,
        usual_form: None,
        tables: Tables::NONE,
        unaligned: None,
        attention: Power::ONE,
        depth: DepthLaw::None,
        horizon: None,
        eps: Eps::Faithful,
        states_decay: Roles::all(false),
        chooses_eps: false,
        entry_eps: Roles::all(false),
        states_experts: false,
        route: RouteScale::One,
        density: Density::Warn,
        vector_as_input: false,
        base: Base::Model,
        slow_input: false,
        own_backward: false,
    };

    /// Its laws for optimizers of a family; none where none is published.
    pub(crate) fn laws(&self, family: Family, alignment: Alignment) -> Option<Laws> {
        let tables = match (alignment, &self.unaligned) {
            (Alignment::None, Some(unaligned)) => unaligned,
            _ => &self.tables,
        };
        tables.of(family)
    }

    /// Whether it is what frameworks do, without multipliers in any form.
    pub(crate) fn is_standard(&self) -> bool {
        self.form == OwnForm::Standard
    }
}

/// The laws for each optimizer family.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tables {
    pub(crate) raw_gradient: Option<Laws>,
    pub(crate) entrywise: Option<Laws>,
    pub(crate) frobenius: Option<Laws>,
    pub(crate) spectral: Option<Laws>,
}

impl Tables {
    /// For no family.
    pub(crate) const NONE: Self = Self {
        raw_gradient: None,
        entrywise: None,
        frobenius: None,
        spectral: None,
    };

    /// One for each, in the order of [`Family::ALL`].
    pub(crate) const fn new([raw, entrywise, frobenius, spectral]: [Laws; 4]) -> Self {
        Self {
            raw_gradient: Some(raw),
            entrywise: Some(entrywise),
            frobenius: Some(frobenius),
            spectral: Some(spectral),
        }
    }

    /// The same for all.
    pub(crate) const fn same(laws: Laws) -> Self {
        Self::new([laws; 4])
    }

    fn of(&self, family: Family) -> Option<Laws> {
        match family {
            Family::RawGradient => self.raw_gradient,
            Family::Entrywise => self.entrywise,
            Family::Frobenius => self.frobenius,
            Family::Spectral => self.spectral,
        }
    }

    /// Without those for other families.
    pub(crate) fn only(self, family: Family) -> Self {
        let laws = self.of(family);
        match family {
            Family::RawGradient => Self {
                raw_gradient: laws,
                ..Self::NONE
            },
            Family::Entrywise => Self {
                entrywise: laws,
                ..Self::NONE
            },
            Family::Frobenius => Self {
                frobenius: laws,
                ..Self::NONE
            },
            Family::Spectral => Self {
                spectral: laws,
                ..Self::NONE
            },
        }
    }
}

/// The rotation that a rule's tables are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OwnForm {
    /// One of those that any rule can be brought to.
    Named(Form),
    /// That of a standard parametrization, which has no multipliers in any form.
    Standard,
    /// None of these.
    Own,
}

impl fmt::Display for OwnForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(form) => form.fmt(f),
            Self::Standard => f.pad("standard"),
            Self::Own => f.pad("own"),
        }
    }
}

/// How the numbers of parameters in residual blocks follow the depth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DepthLaw {
    /// Not at all.
    None,
    /// By an exponent alpha, this one unless an option says another: 2505.01618 Table 1; for a raw
    /// gradient 2310.02244 and 2512.05620.
    Alpha(Rational32),
    /// Learning rates fall as the root of the depth, times decay they stay; the model scales its
    /// branches itself, by what is no power.
    InverseRoot,
    /// The matrices that end branches start smaller, by the root of the depth. Nothing else
    /// changes, their updates neither.
    RootInit,
}

impl DepthLaw {
    /// By alpha = 1, which is what most rules take for depth (2505.01618).
    pub(crate) const COMPLETE: Self = Self::Alpha(Rational32::new_raw(1, 1));

    /// On the output of every residual branch.
    pub(crate) fn residual(self, alpha: Alpha) -> Power {
        match self {
            Self::None | Self::InverseRoot | Self::RootInit => Power::ONE,
            Self::Alpha(own) => alpha.power(own, -1, 0),
        }
    }

    /// On the initial matrices that end residual branches.
    pub(crate) fn branch_init(self) -> Power {
        match self {
            Self::RootInit => Power::of(Ratio::Depth, Rational32::new(-1, 2)),
            _ => Power::ONE,
        }
    }

    /// On learning rates in blocks.
    pub(crate) fn learning_rate(self, family: Family, alpha: Alpha) -> Power {
        match (self, family) {
            (Self::None | Self::RootInit, _) => Power::ONE,
            (Self::InverseRoot, _) => Power::of(Ratio::Depth, Rational32::new(-1, 2)),
            (Self::Alpha(own), Family::RawGradient) => alpha.power(own, 2, -1),
            (Self::Alpha(own), _) => alpha.power(own, 1, -1),
        }
    }

    /// On epsilon in blocks, which follows the gradient; a raw gradient meets none.
    pub(crate) fn eps(self, family: Family, alpha: Alpha) -> Power {
        if family == Family::RawGradient {
            Power::ONE
        } else {
            self.residual(alpha)
        }
    }

    /// Whether decay that is multiplied by the learning rate makes up for these factors.
    pub(crate) fn keeps_decay(self, family: Family) -> bool {
        family == Family::RawGradient || self == Self::InverseRoot
    }

    /// Whether the plan has a factor for residual branches.
    pub(crate) fn scales_branches(self) -> bool {
        self != Self::InverseRoot
    }
}
