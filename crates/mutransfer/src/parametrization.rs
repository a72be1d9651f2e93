//! A rule with the choices that complete it: form, decay convention, options.

use std::sync::Arc;

use crate::custom::Custom;
use crate::law::Laws;
use crate::options::{
    Attention, Clip, DecayDepth, EmbeddingRate, Eps, FinalNormEps, HiddenDecay, SgdHidden,
    TrustReadout,
};
use crate::{Decay, Error, Family, Form, Law, Optimizer, Options, Place, Power, Role, Rule, Table};

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
    source: Source,
    form: Option<Form>,
    decay: Option<Decay>,
    options: Options,
}

#[derive(Clone, Debug)]
enum Source {
    Rule(Rule),
    Custom(Arc<Custom>),
}

impl From<Rule> for Parametrization {
    fn from(rule: Rule) -> Self {
        Self::new(Source::Rule(rule))
    }
}

impl Parametrization {
    fn new(source: Source) -> Self {
        Self {
            source,
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
        Ok(Self::new(Source::Custom(Arc::new(Custom::parse(
            name, text,
        )?))))
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
        match &self.source {
            Source::Rule(rule) => rule.to_string(),
            Source::Custom(custom) => custom.name.clone(),
        }
    }

    /// The form its tables come in.
    pub fn form(&self) -> String {
        match (self.form, &self.source) {
            (Some(form), _) => form.to_string(),
            (None, Source::Rule(rule)) => rule.form().to_owned(),
            (None, Source::Custom(_)) => "own".to_owned(),
        }
    }

    /// The choices made.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Whether ratios are the sizes themselves, as in u-μP.
    pub(crate) fn is_absolute(&self) -> bool {
        matches!(self.source, Source::Rule(rule) if rule.is_absolute())
    }

    /// Whether epsilon is a choice of the user's, in a table or an option.
    pub(crate) fn chooses_eps(&self) -> bool {
        let written = matches!(&self.source, Source::Custom(custom) if custom.gives_eps);
        written || self.options.eps != Eps::Faithful
    }

    /// Whether it is a standard parametrization, which has the same form everywhere.
    pub(crate) fn is_standard(&self) -> bool {
        matches!(self.source, Source::Rule(rule) if rule.is_standard())
    }

    /// The laws of every role for an optimizer.
    ///
    /// # Errors
    /// When the rule has no table for the optimizer's family.
    pub fn table(&self, optimizer: Optimizer) -> Result<Table, Error> {
        let decay = self.decay.unwrap_or(optimizer.decay());
        let own = Table {
            laws: [[Law::ONE; 2]; 5],
            clip: [Power::ONE; 5],
            attention: self.attention(),
            residual: self.alpha_power(|alpha| -alpha),
            decay,
        };
        let mut laws = [Law::ONE; 5];
        for role in Role::ALL {
            laws[role as usize] = self.chosen(role, optimizer.family_of(role), optimizer)?;
        }
        let given =
            |role: Role| matches!(&self.source, Source::Custom(custom) if custom.gives_decay(role));
        let mut table = own.map(|role, place, _| {
            let law = laws[role as usize];
            let family = optimizer.family_of(role);
            let rotate =
                |law: Law, to: Power| law.rotated(to / law.multiplier, family, optimizer, decay);
            // Decay in the gradient is defined in the form of Table 8, whose gradients have the
            // size of the base's.
            let mut canonical = rotate(law, self.canonical(role));
            if !given(role) {
                canonical.weight_decay = self.decay_of(role, canonical.learning_rate, decay);
            }
            let rotated = rotate(canonical, self.multiplier(role, law));
            self.with_eps(role, place, self.with_depth(place, family, decay, rotated))
        });
        table.clip = Role::ALL.map(|role| self.clip(role, table.law(role).multiplier));
        Ok(table)
    }

    /// The law of a role in the rule's own form, without decay and depth.
    fn chosen(&self, role: Role, family: Family, optimizer: Optimizer) -> Result<Law, Error> {
        let mut law = self.laws(family, optimizer)?.of(role);
        let per_square_in = Power::fan_in(1, 1) * Power::fan_out(-1, 1);
        let changes = [
            (
                self.options.embedding_lr == EmbeddingRate::InverseSqrt && role == Role::Input,
                Power::fan_out(-1, 2),
            ),
            (
                self.options.sgd_hidden == SgdHidden::One
                    && family == Family::RawGradient
                    && role == Role::Hidden,
                if self.is_standard() {
                    Power::ONE
                } else {
                    per_square_in
                },
            ),
            (
                self.options.trust_readout == TrustReadout::FanIn
                    && family == Family::Frobenius
                    && role == Role::Output,
                Power::fan_in(-1, 2),
            ),
        ];
        for (_, factor) in changes.iter().filter(|(chosen, _)| *chosen) {
            law.learning_rate = law.learning_rate * *factor;
        }
        Ok(law)
    }

    fn laws(&self, family: Family, optimizer: Optimizer) -> Result<Laws, Error> {
        let laws = match &self.source {
            Source::Rule(rule) => rule.laws(family, &self.options),
            Source::Custom(custom) => custom.is_for(family).then_some(custom.laws),
        };
        laws.ok_or_else(|| Error::NoTable {
            rule: self.name(),
            optimizer: optimizer.to_string(),
            family,
        })
    }

    fn attention(&self) -> Power {
        match (&self.source, self.options.attention) {
            (_, Attention::Root) => Power::ONE,
            (Source::Rule(rule), Attention::Rule) => rule.attention(),
            (Source::Custom(custom), Attention::Rule) => custom.attention,
        }
    }

    /// The multiplier of a role in the form of Table 8.
    fn canonical(&self, role: Role) -> Power {
        if self.is_standard() {
            Power::ONE
        } else {
            Form::Table8.multiplier(role)
        }
    }

    fn multiplier(&self, role: Role, own: Law) -> Power {
        match self.form {
            None => own.multiplier,
            Some(_) if self.is_standard() => Power::ONE,
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
        let per_step = match (role, self.options.hidden_decay) {
            (Role::Hidden, HiddenDecay::ConstantLambda | HiddenDecay::IndependentInverseWidth) => {
                learning_rate
            }
            (Role::Hidden, HiddenDecay::Sqrt) => {
                learning_rate.raised(num_rational::Rational32::new(1, 2))
            }
            _ => Power::ONE,
        };
        if decay == Decay::Independent {
            per_step
        } else {
            per_step / learning_rate
        }
    }

    fn alpha_power(
        &self,
        exponent: impl Fn(num_rational::Rational32) -> num_rational::Rational32,
    ) -> Power {
        match self.source {
            Source::Rule(rule) if rule.is_standard() => Power::ONE,
            // u-μP scales a branch by the tau rule, which is no power; its rates by the root of the
            // depth.
            Source::Rule(Rule::UnitMup) => Power::ONE,
            _ => self.options.depth.power(exponent),
        }
    }

    /// The law of a parameter in a residual block: 2505.01618 Table 1; for a raw gradient
    /// 2310.02244 and 2512.05620.
    fn with_depth(&self, place: Place, family: Family, decay: Decay, law: Law) -> Law {
        if place == Place::Outside {
            return law;
        }
        let learning_rate = match (family, &self.source) {
            (_, Source::Rule(Rule::UnitMup)) => Power::depth(num_rational::Rational32::new(-1, 2)),
            (Family::RawGradient, _) => self.alpha_power(|alpha| alpha * 2 - 1),
            _ => self.alpha_power(|alpha| alpha - 1),
        };
        let keeps = decay != Decay::Independent
            && (self.options.decay_depth == DecayDepth::KeepProduct
                || family == Family::RawGradient
                || self.is_absolute());
        Law {
            learning_rate: law.learning_rate * learning_rate,
            weight_decay: if keeps {
                law.weight_decay / learning_rate
            } else {
                law.weight_decay
            },
            eps: if family == Family::RawGradient {
                law.eps
            } else {
                law.eps * self.alpha_power(|alpha| -alpha)
            },
            ..law
        }
    }

    fn with_eps(&self, role: Role, place: Place, law: Law) -> Law {
        let in_block = self.alpha_power(|alpha| -alpha);
        let final_norm = role == Role::Vector && place == Place::Outside;
        let constant_norm = self.options.final_norm_eps == FinalNormEps::Constant
            || self.options.eps == Eps::CompleteDP;
        let eps = match self.options.eps {
            Eps::Faithful | Eps::CompleteDP if final_norm && constant_norm => Power::ONE,
            Eps::Faithful | Eps::CompleteDP => law.eps,
            Eps::FanIn => Power::fan_in(-1, 1),
            Eps::CompleteP if place == Place::Block && role != Role::Fixed => {
                Power::fan_out(-1, 1) * in_block
            }
            Eps::CompleteP if place == Place::Block => in_block,
            Eps::CompleteP | Eps::Constant => Power::ONE,
        };
        Law { eps, ..law }
    }
}
