//! Where a number stands among what a study measures.

use std::fmt;

use mutransfer_analysis::{Number, WINDOWS};
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::gain::Gain;
use crate::study::Study;

/// Parts of an analysis that hold several numbers.
const GROUPS: [&str; 3] = ["optima", "prediction", "transfer"];

/// The place of a number, written `rules.RULE.PLACE` in the analysis of a rule, such as
/// `rules.mup.optima.0.log2_lr`, or `gains.RULE.NARROW-WIDE.WINDOW` among the comparisons of
/// training curves. What stands for the rule is its name, whatever characters it has.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantity {
    text: String,
    rule: String,
    place: Place,
}

#[derive(Clone, Debug, PartialEq)]
enum Place {
    /// Keys and indices within the analysis of the rule.
    Analysis(Vec<String>),
    /// A window of the comparison of two sizes along the axis of the study.
    Gain {
        narrow: usize,
        wide: usize,
        window: usize,
    },
}

/// A number and its interval, if it has one. What is true or not, as whether training diverged, is
/// 1 or 0.
pub(super) type Found = (f64, Option<[f64; 2]>);

impl Quantity {
    /// The place that is meant, if the study measures it; `has_gains` where training curves are
    /// compared.
    pub(super) fn of(text: &str, study: &Study, has_gains: bool) -> Option<Self> {
        let (kind, rest) = text.split_once('.')?;
        study.rules().iter().find_map(|rule| {
            let place = rest.strip_prefix(rule.name())?.strip_prefix('.')?;
            Some(Self {
                text: text.to_owned(),
                rule: rule.name().to_owned(),
                place: match kind {
                    "rules" => analysis_place(place)?,
                    "gains" if has_gains => gain_place(place, study)?,
                    _ => return None,
                },
            })
        })
    }

    /// The number there, of an analysis as JSON.
    pub(super) fn look_up(&self, analysis: &Value, gains: &[Gain]) -> Option<Found> {
        match &self.place {
            Place::Gain {
                narrow,
                wide,
                window,
            } => {
                let is_meant = |gain: &&Gain| {
                    gain.rule == self.rule && (gain.narrow, gain.wide) == (*narrow, *wide)
                };
                let window = gains.iter().find(is_meant)?.windows.get(*window)?;
                Some((window.value, window.interval))
            }
            Place::Analysis(steps) => {
                let own = analysis.get("rules")?.get(&self.rule)?;
                number(
                    steps
                        .iter()
                        .try_fold(own, |value, step| child(value, step))?,
                )
            }
        }
    }
}

fn child<'a>(value: &'a Value, step: &str) -> Option<&'a Value> {
    match value {
        Value::Array(_) => value.get(step.parse::<usize>().ok()?),
        _ => value.get(step),
    }
}

fn number(found: &Value) -> Option<Found> {
    let ends = found.get("interval");
    let end = |index: usize| ends?.get(index)?.as_f64();
    let interval = end(0).zip(end(1)).map(|(low, high)| [low, high]);
    let value = found.get("value").unwrap_or(found);
    let value = match value {
        Value::Bool(is_so) => f64::from(u8::from(*is_so)),
        _ => value.as_f64()?,
    };
    Some((value, interval))
}

fn analysis_place(place: &str) -> Option<Place> {
    let mut steps = place.split('.');
    let is_group = GROUPS.contains(&steps.next()?) && steps.next().is_some();
    let is_known = is_group || Number::named(place).is_some();
    is_known.then(|| Place::Analysis(place.split('.').map(str::to_owned).collect()))
}

fn gain_place(place: &str, study: &Study) -> Option<Place> {
    let (pair, window) = place.split_once('.')?;
    let (narrow, wide) = pair.split_once('-')?;
    let (narrow, wide): (usize, usize) = (narrow.parse().ok()?, wide.parse().ok()?);
    let window = window.parse().ok().filter(|window| *window < WINDOWS)?;
    let sizes: Vec<f64> = study
        .swept()
        .iter()
        .map(|rung| study.at(rung).get())
        .collect();
    let are_neighbours = sizes
        .windows(2)
        .any(|pair| pair == [narrow as f64, wide as f64]);
    are_neighbours.then_some(Place::Gain {
        narrow,
        wide,
        window,
    })
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}
