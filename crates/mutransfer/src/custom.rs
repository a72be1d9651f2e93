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
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    name: Option<String>,
    family: Option<String>,
    attention: Option<Text>,
    fixed: Option<WrittenLaw>,
    vector: Option<WrittenLaw>,
    input: WrittenLaw,
    hidden: WrittenLaw,
    output: WrittenLaw,
    router: Option<WrittenLaw>,
    expert_in: Option<WrittenLaw>,
    expert_out: Option<WrittenLaw>,
}

/// A law by its powers, or by the exponents of the literature: multiplier n^-a, init n^-b, learning
/// rate n^-c, gradient times n^d, which is epsilon times n^-d.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLaw {
    multiplier: Option<Text>,
    init_std: Option<Text>,
    lr: Option<Text>,
    weight_decay: Option<Text>,
    eps: Option<Text>,
    a: Option<Text>,
    b: Option<Text>,
    c: Option<Text>,
    d: Option<Text>,
}

/// A power or an exponent, which may be a number: `"-1/2"`, `-0.5`, `0`.
#[derive(Clone, Deserialize)]
#[serde(from = "TextOrNumber")]
struct Text(String);

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected text or a number, such as \"-1/2\" or -0.5"
)]
enum TextOrNumber {
    Text(String),
    Integer(i64),
    Float(f64),
}

impl From<TextOrNumber> for Text {
    fn from(written: TextOrNumber) -> Self {
        Self(match written {
            TextOrNumber::Text(text) => text,
            TextOrNumber::Integer(number) => number.to_string(),
            TextOrNumber::Float(number) => number.to_string(),
        })
    }
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
        let laws = Roles::try_from_fn(|role| {
            rows[role].law(role).map_err(|error| TableFlaw::Law {
                role,
                error: Box::new(error),
            })
        })?;
        let all = Tables::same(laws);
        let vector_as_input = self.vector.is_none();
        let stated = |is_stated: fn(&WrittenLaw) -> bool| {
            let mut stated = Roles::from_fn(|role| is_stated(&rows[role]));
            if vector_as_input {
                stated.vector = stated.input;
            }
            stated
        };
        Ok(Definition {
            name: "FILE.toml",
            summary: "a table of your own",
            tables: family.map_or(all, |family: Family| all.only(family)),
            attention: self.attention()?,
            depth: DepthLaw::COMPLETE,
            states_decay: stated(|row| row.weight_decay.is_some()),
            chooses_eps: rows
                .iter()
                .any(|(_, row)| row.eps.is_some() || row.d.is_some()),
            entry_eps: stated(|row| row.d.is_some()),
            states_experts: [&self.router, &self.expert_in, &self.expert_out]
                .iter()
                .any(|law| law.is_some()),
            vector_as_input,
            ..Definition::PLAIN
        })
    }

    fn rows(&self) -> Roles<WrittenLaw> {
        Roles {
            fixed: self.fixed.clone().unwrap_or_default(),
            vector: self.vector.clone().unwrap_or_default(),
            input: self.input.clone(),
            hidden: self.hidden.clone(),
            output: self.output.clone(),
            router: self.of_experts(self.router.as_ref()),
            expert_in: self.of_experts(self.expert_in.as_ref()),
            expert_out: self.of_experts(self.expert_out.as_ref()),
        }
    }

    /// A law of experts, which is that of hidden matrices where it is not written.
    fn of_experts(&self, written: Option<&WrittenLaw>) -> WrittenLaw {
        written.unwrap_or(&self.hidden).clone()
    }

    fn attention(&self) -> Result<Power, TableFlaw> {
        self.attention
            .as_ref()
            .map_or(Ok(Power::ONE), |Text(power)| power.parse())
            .map_err(|error| TableFlaw::Attention(Box::new(error)))
    }
}

impl WrittenLaw {
    fn law(&self, role: Role) -> Result<Law, RuleError> {
        let (width, gradient) = match role {
            Role::Output => (Power::fan_in(1, 1), Power::fan_in(1, 1)),
            Role::Hidden | Role::Router | Role::ExpertIn | Role::ExpertOut => {
                (Power::fan_in(1, 1), Power::fan_out(1, 1))
            }
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
    (name, power): (&str, &Option<Text>),
    (letter, exponent): (&str, &Option<Text>),
    size: Power,
) -> Result<Power, RuleError> {
    match (power, exponent) {
        (None, None) => Ok(Power::ONE),
        (Some(Text(power)), None) => power.parse(),
        (None, Some(Text(text))) => exponent_from(text)
            .map(|exponent| size.raised(Rational32::from(0) - exponent))
            .ok_or_else(|| RuleError::BadExponent { text: text.clone() }),
        (Some(_), Some(_)) => Err(RuleError::Twice {
            name: name.to_owned(),
            letter: letter.to_owned(),
        }),
    }
}
