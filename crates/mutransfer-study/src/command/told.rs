//! What a line of a program tells.

use std::sync::LazyLock;

use mutransfer::theory::{Layer, Quantity};
use regex_lite::Regex;
use serde::Deserialize;

use crate::subject::Measurement;

/// Something that a program has told. A loss that is no number means that it diverged.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Told {
    /// The loss of a step; without a number the one after the last.
    Step(Option<usize>, f64),
    /// The loss at the end.
    Final(f64),
    /// A size of a module after some updates.
    Measured(usize, Measured),
}

/// A size of a module, as a program tells it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Measured {
    pub(super) module: String,
    pub(super) layer: Option<Layer>,
    pub(super) quantity: Quantity,
    pub(super) l1: f64,
    pub(super) l2: f64,
    pub(super) std: f64,
}

impl Measured {
    /// The measurement of a module at this end of the network.
    pub(super) fn at(self, layer: Layer) -> Measurement {
        Measurement {
            module: self.module,
            layer,
            quantity: self.quantity,
            l1: self.l1,
            l2: self.l2,
            std: self.std,
        }
    }
}

/// A line, as it is written. Other keys are ignored.
#[derive(Deserialize)]
struct Line {
    step: Option<usize>,
    loss: Option<f64>,
    #[serde(default, rename = "final")]
    is_final: bool,
    module: Option<String>,
    layer: Option<Layer>,
    quantity: Option<Quantity>,
    l1: Option<f64>,
    l2: Option<f64>,
    std: Option<f64>,
}

/// Numbers that Python writes into JSON and JSON does not have.
static ODD: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"([:\[,]\s*)(?:-?Infinity|NaN)\b").expect("a pattern"));

/// What a JSON line tells; nothing where it is none, or of something else.
pub(super) fn told(line: &str) -> Option<Told> {
    let line = line.trim();
    if !line.starts_with('{') {
        return None;
    }
    let line = ODD.replace_all(line, "${1}null");
    let keys: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&line).ok()?;
    let has_loss = keys.contains_key("loss");
    let line: Line = serde_json::from_value(keys.into()).ok()?;
    if let Some(module) = line.module {
        let measured = Measured {
            module,
            layer: line.layer,
            quantity: line.quantity.unwrap_or(Quantity::Activation),
            l1: line.l1?,
            l2: line.l2.unwrap_or(f64::NAN),
            std: line.std.unwrap_or(f64::NAN),
        };
        return Some(Told::Measured(line.step?, measured));
    }
    let loss = has_loss.then(|| line.loss.unwrap_or(f64::NAN))?;
    Some(if line.is_final {
        Told::Final(loss)
    } else {
        Told::Step(line.step, loss)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_a_step_the_end_or_a_size_of_a_module() {
        assert_eq!(
            told("{\"step\": 10, \"loss\": 3.5, \"lr\": 0.1}"),
            Some(Told::Step(Some(10), 3.5))
        );
        assert_eq!(told(" {\"loss\": 3.5}"), Some(Told::Step(None, 3.5)));
        assert_eq!(
            told("{\"final\": true, \"loss\": 2.5}"),
            Some(Told::Final(2.5))
        );
        let line = "{\"step\": 1, \"module\": \"fc\", \"quantity\": \"change\", \"l1\": 0.5}";
        let Some(Told::Measured(1, measured)) = told(line) else {
            panic!("{line}")
        };
        assert_eq!((measured.quantity, measured.l1), (Quantity::Change, 0.5));
        for other in [
            "step 10",
            "{\"step\": 10}",
            "{\"loss\": \"low\"}",
            "{",
            "[1]",
        ] {
            assert_eq!(told(other), None, "{other}");
        }
    }

    /// Python's json writes NaN and Infinity, which no JSON has.
    #[test]
    fn a_loss_that_is_no_number_is_told_in_any_way() {
        for loss in ["NaN", "Infinity", "-Infinity", "null"] {
            let line = format!("{{\"step\": 3, \"loss\": {loss}}}");
            let Some(Told::Step(Some(3), loss)) = told(&line) else {
                panic!("{line}")
            };
            assert!(loss.is_nan(), "{line}");
        }
    }
}
