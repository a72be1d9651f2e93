//! A user's table, written in TOML.

use num_rational::Rational32;
use serde::Deserialize;

use crate::law::Laws;
use crate::power::exponent_from;
use crate::{Error, Family, Law, Power, Role};

/// Laws as a user wrote them.
#[derive(Clone, Debug)]
pub(crate) struct Custom {
    pub(crate) name: String,
    pub(crate) laws: Laws,
    pub(crate) attention: Power,
    family: Option<Family>,
    decays: [bool; 5],
    /// Whether the table says anything about epsilon.
    pub(crate) gives_eps: bool,
}

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

impl Custom {
    pub(crate) fn parse(name: &str, text: &str) -> Result<Self, Error> {
        let table = |message: String| Error::BadTable {
            name: name.to_owned(),
            message,
        };
        let written: Written = toml::from_str(text).map_err(|error| table(error.to_string()))?;
        let family = written
            .family
            .as_deref()
            .map(str::parse)
            .transpose()
            .map_err(|error: Error| table(error.to_string()))?;
        let vector = written
            .vector
            .clone()
            .unwrap_or_else(|| written.input.for_vectors());
        let rows = [
            written.fixed.unwrap_or_default(),
            vector,
            written.input,
            written.hidden,
            written.output,
        ];
        let mut laws = [Law::ONE; 5];
        // Biases last: what is wrong with `[input]`, which they follow, is to be said of `[input]`.
        for role in [
            Role::Input,
            Role::Hidden,
            Role::Output,
            Role::Fixed,
            Role::Vector,
        ] {
            let row = &rows[role as usize];
            laws[role as usize] = row
                .law(role)
                .map_err(|error| table(format!("[{role}] {error}")))?;
        }
        let [fixed, vector, input, hidden, output] = laws;
        Ok(Self {
            name: written.name.unwrap_or_else(|| name.to_owned()),
            laws: Laws {
                fixed,
                vector,
                input,
                hidden,
                output,
            },
            attention: written
                .attention
                .as_deref()
                .map_or(Ok(Power::ONE), str::parse)
                .map_err(|error: Error| table(format!("attention: {error}")))?,
            family,
            gives_eps: rows.iter().any(|row| row.eps.is_some() || row.d.is_some()),
            decays: rows.map(|row| row.weight_decay.is_some()),
        })
    }

    pub(crate) fn is_for(&self, family: Family) -> bool {
        self.family.is_none_or(|own| own == family)
    }

    /// Whether the table states the weight decay of a role; else it follows from the learning rate.
    pub(crate) fn gives_decay(&self, role: Role) -> bool {
        self.decays[role as usize]
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

    fn law(&self, role: Role) -> Result<Law, Error> {
        let (width, gradient) = match role {
            Role::Output => (Power::fan_in(1, 1), Power::fan_in(1, 1)),
            Role::Hidden => (Power::fan_in(1, 1), Power::fan_out(1, 1)),
            Role::Fixed => (Power::ONE, Power::ONE),
            Role::Vector | Role::Input => (Power::fan_out(1, 1), Power::fan_out(1, 1)),
        };
        let power = |name: &str,
                     written: &Option<String>,
                     letter: &str,
                     exponent: &Option<String>,
                     of: Power| match (written, exponent) {
            (None, None) => Ok(Power::ONE),
            (Some(power), None) => power.parse(),
            (None, Some(text)) => exponent_from(text)
                .map(|exponent| of.raised(Rational32::from(0) - exponent))
                .ok_or_else(|| Error::BadPower { text: text.clone() }),
            (Some(_), Some(_)) => Err(Error::Twice {
                name: name.to_owned(),
                letter: letter.to_owned(),
            }),
        };
        Ok(Law {
            multiplier: power("multiplier", &self.multiplier, "a", &self.a, width)?,
            init_std: power("init_std", &self.init_std, "b", &self.b, width)?,
            learning_rate: power("lr", &self.lr, "c", &self.c, width)?,
            weight_decay: power("weight_decay", &self.weight_decay, "", &None, width)?,
            eps: power("eps", &self.eps, "d", &self.d, gradient)?,
        })
    }
}
