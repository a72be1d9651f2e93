//! A number that a recipe is expected to measure.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::gain::Gain;
use super::quantity::{Found, Quantity};
use crate::study::Study;

/// A claim about one number of an analysis, or about the difference of two.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Expected {
    claim: String,
    quantity: Quantity,
    minus: Option<Quantity>,
    low: Option<f64>,
    high: Option<f64>,
}

/// As in the file: either a value with a tolerance, or one or two bounds.
#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a table with claim, quantity and bounds"
)]
pub(super) struct ExpectedFile {
    claim: String,
    quantity: String,
    minus: Option<String>,
    value: Option<f64>,
    tolerance: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
}

impl ExpectedFile {
    fn bounds(&self) -> Result<(Option<f64>, Option<f64>), String> {
        let quantity = &self.quantity;
        let (low, high) = match (self.value, self.tolerance, self.low, self.high) {
            (Some(value), Some(tolerance), None, None) => {
                (Some(value - tolerance), Some(value + tolerance))
            }
            (None, None, low, high) if low.or(high).is_some() => (low, high),
            _ => {
                return Err(format!(
                    "`{quantity}` needs `value` and `tolerance`, or `low`, or `high`, or both of \
                     these"
                ));
            }
        };
        // Neither is there a number between bounds the wrong way round, nor one within a bound that
        // is none.
        if low.unwrap_or(f64::MIN) <= high.unwrap_or(f64::MAX) {
            Ok((low, high))
        } else {
            Err(format!(
                "no number can be what `{quantity}` is expected to be"
            ))
        }
    }
}

/// What became of an expectation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// What was expected.
    #[serde(flatten)]
    pub expected: Expected,
    /// What was measured; none where it could not be estimated.
    pub value: Option<f64>,
    /// Its 95% interval.
    pub interval: Option<[f64; 2]>,
    /// Whether the value is as expected.
    pub ok: bool,
}

impl Expected {
    /// What is written, if the study measures it.
    pub(super) fn of(file: ExpectedFile, study: &Study, has_gains: bool) -> Result<Self, String> {
        let (low, high) = file.bounds()?;
        let quantity = |text: &str| {
            Quantity::of(text, study, has_gains)
                .ok_or_else(|| format!("names `{text}`, which the study does not measure"))
        };
        Ok(Self {
            quantity: quantity(&file.quantity)?,
            minus: file.minus.as_deref().map(quantity).transpose()?,
            claim: file.claim,
            low,
            high,
        })
    }

    /// What it shows, in words.
    pub fn claim(&self) -> &str {
        &self.claim
    }

    /// What it looks at, and what is subtracted from it.
    pub fn quantities(&self) -> impl Iterator<Item = &Quantity> {
        [Some(&self.quantity), self.minus.as_ref()]
            .into_iter()
            .flatten()
    }

    /// The least and the most that is as expected.
    pub fn bounds(&self) -> (Option<f64>, Option<f64>) {
        (self.low, self.high)
    }

    /// Compares it with an analysis as JSON, and with what training curves gain.
    pub fn judge(&self, analysis: &Value, gains: &[Gain]) -> Finding {
        let found = self.quantity.look_up(analysis, gains);
        let measured = match &self.minus {
            None => found,
            Some(other) => found
                .zip(other.look_up(analysis, gains))
                .map(|(one, other)| difference(one, other)),
        };
        let (value, interval) = measured.unzip();
        Finding {
            expected: self.clone(),
            value,
            interval: interval.flatten(),
            ok: value.is_some_and(|value| self.admits(value)),
        }
    }

    fn admits(&self, value: f64) -> bool {
        self.low.is_none_or(|low| value >= low) && self.high.is_none_or(|high| value <= high)
    }
}

/// The distances to the ends add as squares (Zou and Donner 2008), as if the two had nothing in
/// common. Rules share their seeds, which makes the true interval shorter if anything.
fn difference((one, its): Found, (other, others): Found) -> Found {
    let add = |a: f64, b: f64| a.hypot(b);
    let interval = its
        .zip(others)
        .map(|([low, high], [other_low, other_high])| {
            [
                one - other - add(one - low, other_high - other),
                one - other + add(high - one, other - other_low),
            ]
        });
    (one - other, interval)
}
