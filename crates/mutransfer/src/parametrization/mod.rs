//! A rule with the choices that complete it: form, decay convention, options.

mod decay;
mod table;

use std::sync::Arc;

use crate::custom;
use crate::error::Error;
use crate::form::Form;
use crate::horizon::Horizon;
use crate::optimizer::Decay;
use crate::options::{Density, Eps, Options};
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
            form: definition.usual_form,
            definition: Arc::new(definition),
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

    /// How the hyperparameters of its target follow batch and duration; none where its tables do
    /// not say, and they are carried as they are.
    ///
    /// ```
    /// use mutransfer::{Horizon, Parametrization, Rule};
    ///
    /// let horizon = |rule: Rule| Parametrization::from(rule).horizon();
    /// assert_eq!(horizon(Rule::CompleteDP), Some(Horizon::ISO));
    /// assert_eq!(horizon(Rule::CompleteP), None);
    /// ```
    pub fn horizon(&self) -> Option<Horizon> {
        self.definition.horizon
    }

    /// What it is without the choices made.
    pub(crate) fn definition(&self) -> &Definition {
        &self.definition
    }

    /// Whether epsilon is a choice of the user's, in a table or an option.
    pub(crate) fn chooses_eps(&self) -> bool {
        self.definition.chooses_eps || ![Eps::Rule, Eps::Faithful].contains(&self.options.eps)
    }

    /// What to do where the share of active experts changes: as an option says, else as the rule
    /// has it.
    pub(crate) fn density(&self) -> Density {
        match self.options.density {
            Density::Rule => self.definition.density,
            chosen => chosen,
        }
    }

    /// How epsilon follows the sizes: as an option says, else as the rule has it.
    pub(crate) fn eps(&self) -> Eps {
        match self.options.eps {
            Eps::Rule => self.definition.eps,
            chosen => chosen,
        }
    }
}
