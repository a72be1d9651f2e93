//! Numbers, texts and pictures as the page shows them.

use minijinja::{Value, context};

use crate::tell::figures::figure::Figure;

/// Stands in tables where there is no value.
pub(crate) const ABSENT: &str = "–";

/// Only what we drew ourselves goes into the page as it is; the library escapes the text inside.
pub(crate) fn picture(figure: &Figure) -> Value {
    context! {
        wide => Value::from_safe_string(figure.svg.clone()),
        narrow => Value::from_safe_string(figure.narrow_svg.clone()),
    }
}

pub(crate) fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or(ABSENT.to_owned(), |value| {
        minus(&format!("{value:.decimals$}"))
    })
}

/// With the sign that is as wide as a digit and that no line ends after, where a number begins.
pub(crate) fn minus(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for character in text.chars() {
        let begins = written.is_empty() || written.ends_with([' ', '(']);
        written.push(if character == '-' && begins {
            '−'
        } else {
            character
        });
    }
    written
}

/// Three significant digits without an exponent: learning rates are read as decimals.
pub(crate) fn three_digits(value: f64) -> String {
    let decimals = (2.0 - value.log10().floor()).max(0.0) as usize;
    format!("{value:.decimals$}")
}
