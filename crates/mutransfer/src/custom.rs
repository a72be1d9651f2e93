//! A user's table, written in TOML.

use num_rational::Rational32;
use serde::Deserialize;

use crate::error::{RuleError, TableFlaw};
use crate::law::Law;
use crate::optimizer::Family;
use crate::power::{Power, exponent_from};
use crate::role::Role;
use crate::roles::Roles;
use crate::rules::{Definition, DepthLaw, Tables};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: Option<String>,
    family: Option<String>,
    attention: Option<String>,
    fixed: Option<WrittenLaw>,
    vector: Option<WrittenLaw>,
    input: WrittenLaw,
    hidden: WrittenLaw,
    output: WrittenLaw,
}

/// A law by its powers, or by the exponents of the literature: multiplier n^-a, init n^-b, learning
/// rate n^-c, gradient times n^d, which is epsilon times n^-d.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLaw {
    multiplier: Option<String>,
    init_std: Option<String>,
    lr: Option<String>,
    weight_decay: Option<String>,
    eps: Option<String>,
    a: Option<String>,
    b: Option<String>,
    c: Option<String>,
    d: Option<String>,
}

/// Reads a table: its name, which is `name` where the text gives none, and what it defines.
pub(crate) fn parse(name: &str, text: &str) -> Result<(String, Definition), RuleError> {
    let read = toml::from_str(text).map_err(|error| TableFlaw::Syntax(error.to_string()));
    let defined = read.and_then(|written: Written| Ok((written.definition()?, written.name)));
    match defined {
        Ok((definition, own_name)) => Ok((own_name.unwrap_or_else(|| name.to_owned()), definition)),
        Err(flaw) => Err(RuleError::Table {
            name: name.to_owned(),
            flaw,
        }),
    }
}

impl Written {
    fn definition(&self) -> Result<Definition, TableFlaw> {
        let family = match &self.family {
            Some(name) => Some(name.parse().map_err(TableFlaw::Family)?),
            None => None,
        };
        let rows = self.rows();
        let mut laws = Roles::all(Law::ONE);
        // Biases last: what is wrong with `[input]`, which they follow, is to be said of `[input]`.
        for role in [
            Role::Input,
            Role::Hidden,
            Role::Output,
            Role::Fixed,
            Role::Vector,
        ] {
            laws[role] = rows[role].law(role).map_err(|error| TableFlaw::Law {
                role,
                error: Box::new(error),
            })?;
        }
        let all = Tables::same(laws);
        Ok(Definition {
            name: "FILE.toml",
            summary: "a table of your own",
            tables: family.map_or(all, |family: Family| all.only(family)),
            attention: self.attention()?,
            depth: DepthLaw::Alpha,
            states_decay: Roles::from_fn(|role| rows[role].weight_decay.is_some()),
            chooses_eps: rows
                .iter()
                .any(|(_, row)| row.eps.is_some() || row.d.is_some()),
            ..Definition::PLAIN
        })
    }

    fn rows(&self) -> Roles<WrittenLaw> {
        let vector = self.vector.clone();
        Roles {
            fixed: self.fixed.clone().unwrap_or_default(),
            vector: vector.unwrap_or_else(|| self.input.for_vectors()),
            input: self.input.clone(),
            hidden: self.hidden.clone(),
            output: self.output.clone(),
        }
    }

    fn attention(&self) -> Result<Power, TableFlaw> {
        self.attention
            .as_deref()
            .map_or(Ok(Power::ONE), str::parse)
            .map_err(|error| TableFlaw::Attention(Box::new(error)))
    }
}

impl WrittenLaw {
    /// Biases and gains train as inputs, but start at a constant and have no multiplier.
    fn for_vectors(&self) -> Self {
        Self {
            multiplier: None,
            init_std: None,
            a: None,
            b: None,
            ..self.clone()
        }
    }

    fn law(&self, role: Role) -> Result<Law, RuleError> {
        let (width, gradient) = match role {
            Role::Output => (Power::fan_in(1, 1), Power::fan_in(1, 1)),
            Role::Hidden => (Power::fan_in(1, 1), Power::fan_out(1, 1)),
            Role::Fixed => (Power::ONE, Power::ONE),
            Role::Vector | Role::Input => (Power::fan_out(1, 1), Power::fan_out(1, 1)),
        };
        let WrittenLaw { a, b, c, d, .. } = self;
        Ok(Law {
            multiplier: power(("multiplier", &self.multiplier), ("a", a), width)?,
            init_std: power(("init_std", &self.init_std), ("b", b), width)?,
            learning_rate: power(("lr", &self.lr), ("c", c), width)?,
            weight_decay: power(("weight_decay", &self.weight_decay), ("", &None), width)?,
            eps: power(("eps", &self.eps), ("d", d), gradient)?,
        })
    }
}

/// A power by itself, or as the negative exponent of a size.
fn power(
    (name, power): (&str, &Option<String>),
    (letter, exponent): (&str, &Option<String>),
    size: Power,
) -> Result<Power, RuleError> {
    match (power, exponent) {
        (None, None) => Ok(Power::ONE),
        (Some(power), None) => power.parse(),
        (None, Some(text)) => exponent_from(text)
            .map(|exponent| size.raised(Rational32::from(0) - exponent))
            .ok_or_else(|| RuleError::BadPower { text: text.clone() }),
        (Some(_), Some(_)) => Err(RuleError::Twice {
            name: name.to_owned(),
            letter: letter.to_owned(),
        }),
    }
}
