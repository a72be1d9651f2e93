//! The analysis as JSON: the form that other programs read.

use serde_json::{Map, Value, json};

use super::judgement::{Analysis, Best, Carried, RuleAnalysis};
use super::measured::{Measured, Number};
use super::prediction::Prediction;

/// `{"axis", "sweep", "reference", "tolerance", "rows", "along", "rules": {NAME: {...}}}`. A number
/// is plain or, where it has an interval, `{"value", "interval": [low, high]}`, with `"lost"` where
/// resampled tables had no such number; one that could not be estimated is null. Losses are in
/// nats.
pub fn analysis_json(analysis: &Analysis) -> Value {
    let rules = analysis
        .rules
        .iter()
        .map(|(name, rule)| (name.clone(), rule_json(analysis, rule)));
    let rows = analysis.rows;
    json!({
        "axis": analysis.axis,
        "sweep": analysis.sweep,
        "reference": analysis.reference,
        "tolerance": analysis.tolerance,
        "rows": {
            "read": rows.read, "failed": rows.failed, "diverged": rows.diverged, "repeated": rows.repeated,
        },
        "along": analysis.along,
        "rules": rules.collect::<Map<_, _>>(),
    })
}

fn rule_json(analysis: &Analysis, rule: &RuleAnalysis) -> Value {
    let numbers =
        Number::ALL.map(|(number, name, _)| (name.to_owned(), measured(rule.numbers.get(&number))));
    let rest = [
        ("optima", rule.optima.iter().map(|best| best_json(analysis, best)).collect()),
        ("fast", json!(rule.fast)),
        (
            "joint",
            rule.joint.as_ref().map_or(
                Value::Null,
                |joint| json!({ "points": joint.points, "parameters": super::PARAMETERS, "by_width": joint.by_width }),
            ),
        ),
        ("prediction", rule.prediction.as_ref().map_or(Value::Null, |found| prediction_json(analysis, found))),
        ("transfer", rule.carried.as_ref().map_or(Value::Null, |carried| carried_json(analysis, carried))),
        ("verdict", json!(rule.verdict)),
        ("flags", json!(rule.flags)),
        ("replicates", json!(rule.replicates)),
    ];
    numbers
        .into_iter()
        .chain(rest.map(|(name, value)| (name.to_owned(), value)))
        .collect::<Map<_, _>>()
        .into()
}

fn measured(measured: Option<&Measured>) -> Value {
    match measured {
        None => Value::Null,
        Some(Measured {
            value,
            interval: None,
            ..
        }) => json!(value),
        Some(Measured {
            value,
            interval,
            lost: 0.0,
        }) => json!({ "value": value, "interval": interval }),
        Some(
            found @ Measured {
                value,
                interval,
                lost,
            },
        ) => {
            json!({ "value": value, "interval": interval, "lost": lost, "unreliable": found.is_unreliable() })
        }
    }
}

fn best_json(analysis: &Analysis, best: &Best) -> Value {
    let optimum = &best.optimum;
    let named = [
        (analysis.axis.clone(), json!(best.at)),
        (analysis.sweep.clone(), json!(optimum.lr)),
        (
            format!("log2_{}", analysis.sweep),
            measured(best.log2.as_ref()),
        ),
        (
            format!("raw_log2_{}", analysis.sweep),
            json!(optimum.raw_log2_lr),
        ),
        (
            format!("whole_valley_log2_{}", analysis.sweep),
            json!(optimum.whole_valley_log2_lr),
        ),
    ];
    let rest = [
        ("loss", measured(best.loss.as_ref())),
        ("raw_loss", json!(optimum.raw_loss)),
        ("curvature", measured(best.curvature.as_ref())),
        ("flags", json!(optimum.flags)),
        ("fitted", json!(best.fitted)),
        ("tried", json!(optimum.tried)),
        ("diverged", json!(optimum.diverged)),
        ("seeds", json!(best.seeds)),
    ];
    named
        .into_iter()
        .chain(rest.map(|(name, value)| (name.to_owned(), value)))
        .collect::<Map<_, _>>()
        .into()
}

fn prediction_json(analysis: &Analysis, prediction: &Prediction) -> Value {
    let named = [
        (analysis.axis.clone(), json!(prediction.target)),
        (analysis.sweep.clone(), json!(prediction.log2.value.exp2())),
        (
            format!("log2_{}", analysis.sweep),
            measured(Some(&prediction.log2)),
        ),
        ("expected_excess_loss".to_owned(), json!(prediction.excess)),
        ("extrapolation".to_owned(), json!(prediction.extrapolation)),
        ("widths".to_owned(), json!(prediction.widths)),
    ];
    Value::Object(named.into_iter().collect())
}

fn carried_json(analysis: &Analysis, carried: &Carried) -> Value {
    let named = [
        (format!("log2_{}", analysis.sweep), json!(carried.log2)),
        ("from".to_owned(), json!(carried.from)),
        ("to".to_owned(), json!(carried.to)),
        ("loss".to_owned(), json!(carried.loss)),
        ("measured".to_owned(), json!(carried.measured)),
        ("diverged".to_owned(), json!(carried.diverged)),
    ];
    Value::Object(named.into_iter().collect())
}
