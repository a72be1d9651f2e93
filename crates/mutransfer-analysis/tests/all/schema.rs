//! What is written is what the schemas in `docs/` say.

use crate::tables;

use std::collections::BTreeMap;

use mutransfer::theory::{Expectation, Layer, Quantity, Theory};
use mutransfer::{Optimizer, Rule};
use mutransfer_analysis::{Analysis, Coordinate, Judgement, Request, judge};
use serde_json::Value;
use tables::{Law, analysis, header};

/// Whether a value is as a schema says; the keywords are those that the schemas use. Keys that the
/// schema does not name are wrong unless it has a schema for them.
fn fits(root: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    if let Some(name) = schema["$ref"].as_str() {
        return fits(root, root.pointer(&name[1..]).unwrap(), value);
    }
    for choice in ["anyOf", "oneOf"] {
        if let Some(choices) = schema[choice].as_array() {
            let fitting = choices.iter().any(|one| fits(root, one, value).is_ok());
            if !fitting {
                return Err(format!("{value} fits none of {choices:?}"));
            }
        }
    }
    let is_known = |allowed: &Vec<Value>| allowed.contains(value);
    if !schema["enum"].as_array().is_none_or(is_known)
        || !schema.get("const").is_none_or(|one| one == value)
    {
        return Err(format!("{value} is not in {schema}"));
    }
    if !schema.get("type").is_none_or(|kinds| is_of(kinds, value)) {
        return Err(format!("{value} is no {}", schema["type"]));
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        let place = schema["prefixItems"].get(index).unwrap_or(&schema["items"]);
        fits(root, place, item)?;
    }
    match value.as_object() {
        Some(object) if !schema["type"].is_null() => keys_fit(root, schema, object),
        _ => Ok(()),
    }
}

fn keys_fit(
    root: &Value,
    schema: &Value,
    object: &serde_json::Map<String, Value>,
) -> Result<(), String> {
    for name in schema["required"].as_array().into_iter().flatten() {
        if !object.contains_key(name.as_str().unwrap()) {
            return Err(format!("{name} is missing"));
        }
    }
    for (name, value) in object {
        let named = schema["properties"].get(name);
        let other = schema.get("additionalProperties");
        let place = named
            .or(other)
            .ok_or(format!("{name} is not a known key"))?;
        fits(root, place, value).map_err(|why| format!("{name}: {why}"))?;
    }
    Ok(())
}

fn is_of(kinds: &Value, value: &Value) -> bool {
    let kinds = kinds.as_array().cloned().unwrap_or(vec![kinds.clone()]);
    kinds.iter().any(|kind| match kind.as_str().unwrap() {
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.is_u64(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        _ => value.is_object(),
    })
}

fn page(name: &str) -> Value {
    let path = format!(
        "{}/../../docs/{name}.schema.json",
        env!("CARGO_MANIFEST_DIR")
    );
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Two rules with everything that can be estimated, and a table in which everything diverged.
fn analyses() -> [Analysis; 2] {
    let law = Law {
        limit: 2.0,
        amplitude: 30.0,
        alpha: 0.5,
        curvature: 0.2,
        s: 0.0,
        best: 3.0,
        beta: 1.0,
    };
    let other = law.table("mup", 3, 0.01, 2).replace(&header(), "");
    let request = Request {
        target: Some(2048.0),
        replicates: 50,
        ..Request::default()
    };
    let table = law.table("sp", 3, 0.01, 1) + &other;
    let diverged = header() + "mup,64,1,0,nan\nmup,128,1,0,inf\n";
    [table, diverged].map(|table| analysis(&table, &request))
}

fn checks() -> Vec<mutransfer_analysis::Check> {
    let rule: Rule = "mup".parse().unwrap();
    let theory = Theory::of_rule(&rule.into(), Optimizer::AdamW).unwrap();
    let expected = BTreeMap::from([("mup".to_owned(), Expectation::of(&theory, false))]);
    let mut rows = Vec::new();
    for (module, size) in [("a", 1.0), ("b", f64::NAN)] {
        for width in [64, 128, 256] {
            rows.push(Coordinate {
                rule: "mup".into(),
                width,
                seed: 0,
                step: 1,
                module: module.into(),
                layer: Layer::Hidden,
                quantity: Quantity::Change,
                l1: size,
                l2: size,
                std: size,
            });
        }
    }
    judge(&rows, &expected, &mutransfer_analysis::Looks::default()).unwrap()
}

#[test]
fn an_analysis_is_as_its_schema_says() {
    let schema = page("analysis");
    for analysis in analyses() {
        let value = serde_json::to_value(&analysis).unwrap();
        assert_eq!(fits(&schema, &schema, &value), Ok(()));
        // The check itself must be able to fail.
        let mut wrong = value.clone();
        wrong["rules"]["mup"]["regret"] = 1.into();
        assert!(fits(&schema, &schema, &wrong).is_err());
        let mut unknown = value;
        unknown["rules"]["mup"]["width"] = 64.into();
        assert!(fits(&schema, &schema, &unknown).is_err());
    }
}

#[test]
fn a_summary_is_as_its_schema_says() {
    let schema = page("summary");
    let [analysis, _] = analyses();
    for checks in [Ok(checks()), Err("no rows to analyse".to_owned())] {
        let judgement = Judgement {
            analysis: analysis.clone(),
            coordinate_checks: checks.into(),
        };
        let text = serde_json::to_string(&judgement).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(fits(&schema, &schema, &value), Ok(()));
        assert_eq!(serde_json::from_str::<Analysis>(&text).unwrap(), analysis);
    }
}
