//! A rule with the choices that complete it: form, decay convention, options.

use std::sync::Arc;

use crate::custom;
use crate::error::{Error, RuleError};
use crate::form::Form;
use crate::law::{Law, Laws, Table};
use crate::optimizer::{Decay, Family, Optimizer};
use crate::options::{
    Attention, Clip, DecayDepth, EmbeddingRate, Eps, FinalNormEps, Options, SgdHidden, TrustReadout,
};
use crate::power::Power;
use crate::role::Role;
use crate::roles::Roles;
use crate::rules::{Definition, Rule};

/// What a plan applies. A published [`Rule`] becomes one by `into()`, a user's table by
/// [`Parametrization::from_toml`].
///
/// ```
/// use mutransfer::{Form, Optimizer, Parametrization, Role, Rule};
///
/// let table3 = Parametrization::from(Rule::Mup).with_form(Form::Table3).table(Optimizer::Adam)?;
/// assert_eq!(table3.law(Role::Output).learning_rate.to_string(), "m_in^-1");
/// # Ok::<(), mutransfer::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Parametrization {
    name: String,
    definition: Arc<Definition>,
    form: Option<Form>,
    decay: Option<Decay>,
    options: Options,
}

impl From<Rule> for Parametrization {
    fn from(rule: Rule) -> Self {
        Self::new(rule.to_string(), rule.definition())
    }
}

impl Parametrization {
    fn new(name: String, definition: Definition) -> Self {
        Self {
            name,
            definition: Arc::new(definition),
            form: None,
            decay: None,
            options: Options::default(),
        }
    }

    /// A user's table; `name` is used where the text gives none. `docs/rules.md` has the format.
    ///
    /// # Errors
    /// When the text is no such table, with the line.
    pub fn from_toml(name: &str, text: &str) -> Result<Self, Error> {
        let (name, definition) = custom::parse(name, text)?;
        Ok(Self::new(name, definition))
    }

    /// In another form; without this the rule's own.
    pub fn with_form(mut self, form: Form) -> Self {
        self.form = Some(form);
        self
    }

    /// For another decay convention than the optimizer's usual one.
    pub fn with_decay(mut self, decay: Decay) -> Self {
        self.decay = Some(decay);
        self
    }

    /// With these choices where the literature disagrees.
    pub fn with_options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Its name, as typed.
    pub fn name(&self) -> String {
        self.name.clone()
    }

    /// The form its tables come in.
    pub fn form(&self) -> String {
        self.form
            .map_or_else(|| self.definition.form.to_string(), |form| form.to_string())
    }

    /// The choices made.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// What it is without the choices made.
    pub(crate) fn definition(&self) -> &Definition {
        &self.definition
    }

    /// Whether epsilon is a choice of the user's, in a table or an option.
    pub(crate) fn chooses_eps(&self) -> bool {
        self.definition.chooses_eps || self.options.eps != Eps::Faithful
    }

    /// The laws of every role for an optimizer.
    ///
    /// # Errors
    /// When the rule has no table for the optimizer's family.
    pub fn table(&self, optimizer: Optimizer) -> Result<Table, Error> {
        let decay = self.decay.unwrap_or(optimizer.decay());
        let laws = Roles::try_from_fn(|role| self.law(role, optimizer, decay))?;
        Ok(Table {
            outside: laws.map_with_role(|role, law| self.outside(role, law)),
            block: laws.map_with_role(|role, law| self.in_block(role, law, optimizer, decay)),
            clip: laws.map_with_role(|role, law| self.clip(role, law.multiplier)),
            attention: match self.options.attention {
                Attention::Rule => self.definition.attention,
                Attention::Root => Power::ONE,
            },
            residual: self.definition.depth.residual(self.options.depth),
            decay,
        })
    }

    /// The law of a role in the form asked for, before depth and the choices about epsilon.
    fn law(&self, role: Role, optimizer: Optimizer, decay: Decay) -> Result<Law, Error> {
        let family = optimizer.family_of(role);
        let mut law = self.laws(family, optimizer)?[role];
        law.learning_rate = law.learning_rate * self.rate_factor(role, family);
        let rotate =
            |law: Law, to: Power| law.rotated(to / law.multiplier, family, optimizer, decay);
        // Decay in the gradient is defined in the form of Table 8, whose gradients have the size of
        // the base's.
        let mut canonical = rotate(law, self.canonical(role));
        if !self.definition.states_decay[role] {
            canonical.weight_decay = self.decay_of(role, canonical.learning_rate, decay);
        }
        Ok(rotate(canonical, self.multiplier(role, law)))
    }

    fn laws(&self, family: Family, optimizer: Optimizer) -> Result<Laws, Error> {
        self.definition
            .laws(family, self.options.alignment)
            .ok_or_else(|| {
                let (rule, optimizer) = (self.name(), optimizer.to_string());
                RuleError::NoTable {
                    rule,
                    optimizer,
                    family,
                }
                .into()
            })
    }

    /// What the choices change of a learning rate in the rule's own form.
    fn rate_factor(&self, role: Role, family: Family) -> Power {
        let Options {
            embedding_lr,
            sgd_hidden,
            trust_readout,
            ..
        } = self.options;
        match (role, family) {
            (Role::Input, _) if embedding_lr == EmbeddingRate::InverseSqrt => Power::fan_out(-1, 2),
            (Role::Hidden, Family::RawGradient)
                if sgd_hidden == SgdHidden::One && !self.definition.is_standard() =>
            {
                Power::fan_in(1, 1) * Power::fan_out(-1, 1)
            }
            (Role::Output, Family::Frobenius) if trust_readout == TrustReadout::FanIn => {
                Power::fan_in(-1, 2)
            }
            _ => Power::ONE,
        }
    }

    /// The multiplier of a role in the form of Table 8.
    fn canonical(&self, role: Role) -> Power {
        if self.definition.is_standard() {
            Power::ONE
        } else {
            Form::Table8.multiplier(role)
        }
    }

    fn multiplier(&self, role: Role, own: Law) -> Power {
        match self.form {
            None => own.multiplier,
            Some(_) if self.definition.is_standard() => Power::ONE,
            Some(form) => form.multiplier(role),
        }
    }

    /// What clipping multiplies the gradient norm of a role by, so that it is that of Table 8, or
    /// the threshold of its update: vector-like tensors grow as n^1/2 in norm, matrices as n
    /// (2308.01814 section 2.10.2).
    fn clip(&self, role: Role, multiplier: Power) -> Power {
        match self.options.clip {
            Clip::Constant => Power::ONE,
            Clip::Invariant => self.canonical(role) / multiplier,
            Clip::Update => Power::fan_in(1, 2) * Power::fan_out(1, 2),
        }
    }

    /// Decay per step over learning rate, or the decay per step itself where it is independent of
    /// the rate.
    fn decay_of(&self, role: Role, learning_rate: Power, decay: Decay) -> Power {
        let per_step = if role == Role::Hidden {
            self.options.hidden_decay.per_step(learning_rate)
        } else {
            Power::ONE
        };
        if decay == Decay::Independent {
            per_step
        } else {
            per_step / learning_rate
        }
    }

    fn outside(&self, role: Role, law: Law) -> Law {
        let Options {
            eps,
            final_norm_eps,
            ..
        } = self.options;
        let constant_norm = final_norm_eps == FinalNormEps::Constant || eps == Eps::CompleteDP;
        let eps = match eps {
            Eps::Faithful | Eps::CompleteDP if role == Role::Vector && constant_norm => Power::ONE,
            Eps::Faithful | Eps::CompleteDP => law.eps,
            Eps::FanIn => Power::fan_in(-1, 1),
            Eps::CompleteP | Eps::Constant => Power::ONE,
        };
        Law { eps, ..law }
    }

    fn in_block(&self, role: Role, law: Law, optimizer: Optimizer, decay: Decay) -> Law {
        let (family, alpha) = (optimizer.family_of(role), self.options.depth);
        let depth = self.definition.depth;
        let rate = depth.learning_rate(family, alpha);
        let keeps = decay != Decay::Independent
            && (self.options.decay_depth == DecayDepth::KeepProduct || depth.keeps_decay(family));
        let made_up = if keeps { rate } else { Power::ONE };
        let eps = match self.options.eps {
            Eps::Faithful | Eps::CompleteDP => law.eps * depth.eps(family, alpha),
            Eps::FanIn => Power::fan_in(-1, 1),
            Eps::CompleteP if role == Role::Fixed => depth.residual(alpha),
            Eps::CompleteP => Power::fan_out(-1, 1) * depth.residual(alpha),
            Eps::Constant => Power::ONE,
        };
        Law {
            learning_rate: law.learning_rate * rate,
            weight_decay: law.weight_decay / made_up,
            eps,
            ..law
        }
    }
}
