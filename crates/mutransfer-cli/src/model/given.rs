//! The hyperparameters typed, for all parameters or for some.

use std::str::FromStr;

use mutransfer::error::WidthsError;
use mutransfer::{Error, Given, Init, OwnBase, Plan};

use crate::args::HyperOptions;
use crate::failure::Failure;

/// `0.01`, or `embed.*=0.2` for what matches, or `hidden=0.02` for a role.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    of: Option<String>,
    number: f64,
}

impl FromStr for Value {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (of, number) = match text.rsplit_once('=') {
            Some((of, number)) => (Some(of.to_owned()), number),
            None => (None, text),
        };
        let number = number
            .trim()
            .parse()
            .map_err(|_| format!("`{number}` is no number"))?;
        Ok(Self { of, number })
    }
}

/// A quantity: its flag, what was typed, whether it must be positive, and where it goes.
type Quantity<'a> = (
    &'a str,
    &'a [Value],
    bool,
    fn(&mut OwnBase) -> &mut Option<f64>,
);

/// The hyperparameters typed, which must be numbers that make sense. Biases and gains are decayed
/// only where that is asked for; without a decay there are scales, which decay nothing.
// Long, as it is one table: every flag beside its place.
pub(crate) fn given(options: &HyperOptions) -> Result<Given, Failure> {
    let quantities: [Quantity; 4] = [
        ("--lr", &options.lr, true, |own| &mut own.lr),
        ("--weight-decay", &options.weight_decay, false, |own| {
            &mut own.weight_decay
        }),
        ("--eps", &options.eps, false, |own| &mut own.eps),
        ("--init-std", &options.init_std, false, |own| {
            &mut own.init_std
        }),
    ];
    let (mut all, mut own) = (OwnBase::default(), Vec::new());
    for (flag, values, is_positive, place) in quantities {
        for value in values {
            check(flag, value.number, is_positive)?;
            let Some(of) = value.of.clone() else {
                *place(&mut all) = Some(value.number);
                continue;
            };
            own.push(OwnBase {
                of,
                ..OwnBase::default()
            });
            *place(own.last_mut().unwrap_or(&mut all)) = Some(value.number);
        }
    }
    let mut given = Given {
        lr: all.lr,
        weight_decay: all.weight_decay,
        eps: all.eps,
        init: all.init_std.map(Init::Constant),
        own,
        ..Given::default()
    };
    let decays = !options.weight_decay.is_empty();
    if decays && !options.decay_vectors {
        given.factors.vector.weight_decay = 0.0;
        given.factors.fixed.weight_decay = 0.0;
    }
    Ok(given)
}

fn check(flag: &str, value: f64, is_positive: bool) -> Result<(), Failure> {
    if value.is_finite() && value >= 0.0 && !(is_positive && value == 0.0) {
        return Ok(());
    }
    let wanted = if is_positive {
        "a positive number"
    } else {
        "zero or a positive number"
    };
    Err(Failure::usage(
        format!("{flag} is {value}; it must be {wanted}"),
        None,
    ))
}

/// Whether every value for some parameters is for one that the plan has.
pub(crate) fn have_parameters(given: &Given, plan: &Plan) -> Result<(), Failure> {
    let has = |own: &OwnBase| {
        plan.params()
            .any(|(name, param)| own.is_of(name, param.role))
    };
    match given.own.iter().find(|own| !has(own)) {
        Some(own) => {
            let pattern = own.of.clone();
            Err(Error::from(WidthsError::NoMatch { pattern }).into())
        }
        None => Ok(()),
    }
}
