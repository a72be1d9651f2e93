//! A number that a recipe is expected to measure.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A claim about one number of an analysis, or about the difference of two.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct Expected {
    /// What it shows, in words.
    pub claim: String,
    /// Where it stands in the analysis as JSON, such as `rules.mup.regret` or
    /// `rules.sp.optima.0.log2_lr`.
    pub quantity: String,
    /// What is subtracted from it.
    pub minus: Option<String>,
    /// The least that is as expected.
    pub low: Option<f64>,
    /// The most that is.
    pub high: Option<f64>,
}

/// As in the file: either a value with a tolerance, or one or two bounds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    claim: String,
    quantity: String,
    minus: Option<String>,
    value: Option<f64>,
    tolerance: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
}

impl TryFrom<Written> for Expected {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written {
            claim,
            quantity,
            minus,
            value,
            tolerance,
            low,
            high,
        } = written;
        let (low, high) = match (value, tolerance, low, high) {
            (Some(value), Some(tolerance), None, None) => {
                (Some(value - tolerance), Some(value + tolerance))
            }
            (None, None, low, high) if low.or(high).is_some() => (low, high),
            _ => {
                return Err(format!(
                    "`{quantity}` needs `value` and `tolerance`, or `low`, or `high`, or both of these"
                ));
            }
        };
        // Neither is there a number between bounds the wrong way round, nor one within a bound that
        // is none.
        match low.unwrap_or(f64::MIN) <= high.unwrap_or(f64::MAX) {
            true => Ok(Self {
                claim,
                quantity,
                minus,
                low,
                high,
            }),
            false => Err(format!(
                "no number can be what `{quantity}` is expected to be"
            )),
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
    /// All that it looks at.
    pub fn quantities(&self) -> impl Iterator<Item = &str> {
        [Some(&self.quantity), self.minus.as_ref()]
            .into_iter()
            .flatten()
            .map(String::as_str)
    }

    /// Compares it with an analysis, see [`mutransfer_analysis::analysis_json`].
    pub fn judge(&self, analysis: &Value) -> Finding {
        let found = look_up(analysis, &self.quantity);
        let measured = match &self.minus {
            None => found,
            Some(other) => found
                .zip(look_up(analysis, other))
                .map(|(one, other)| difference(one, other)),
        };
        let (value, interval) = measured.unzip();
        let interval = interval.flatten();
        let within = |value: f64| {
            self.low.is_none_or(|low| value >= low) && self.high.is_none_or(|high| value <= high)
        };
        Finding {
            expected: self.clone(),
            value,
            interval,
            ok: value.is_some_and(within),
        }
    }
}

/// A number and its interval, if it has one.
type Found = (f64, Option<[f64; 2]>);

fn look_up(analysis: &Value, quantity: &str) -> Option<Found> {
    let found = analysis.pointer(&format!("/{}", quantity.replace('.', "/")))?;
    Some((
        found.get("value").unwrap_or(found).as_f64()?,
        interval(found),
    ))
}

fn interval(found: &Value) -> Option<[f64; 2]> {
    let ends = found.get("interval")?;
    Some([ends.get(0)?.as_f64()?, ends.get(1)?.as_f64()?])
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
