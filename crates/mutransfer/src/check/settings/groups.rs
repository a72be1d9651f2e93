//! Groups of parameters as torch's optimizers keep them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{FORMAT, ParamSettings, syntax};
use crate::error::ShapesError;

/// A group; torch keeps names where the optimizer was given `named_parameters`.
#[derive(Deserialize)]
struct Group {
    lr: Option<f64>,
    weight_decay: Option<f64>,
    eps: Option<f64>,
    #[serde(default)]
    params: Vec<Value>,
    param_names: Option<Vec<String>>,
}

/// The groups of a state or of a part of it; none of something else.
pub(super) fn of(value: &Value) -> Option<&Value> {
    match value {
        Value::Object(state) => state.get("param_groups"),
        list => list.is_array().then_some(list),
    }
}

/// The numbers of every parameter in a group.
pub(super) fn read(groups: &Value) -> Result<BTreeMap<String, ParamSettings>, ShapesError> {
    let groups = Vec::<Group>::deserialize(groups).map_err(|error| syntax(&error))?;
    let mut params = BTreeMap::new();
    for (at, group) in groups.into_iter().enumerate() {
        let names = match group.param_names {
            Some(names) => names,
            None => named(&group.params).ok_or(ShapesError::NamelessGroup { group: at })?,
        };
        for name in names {
            let own = ParamSettings {
                lr: group.lr,
                weight_decay: group.weight_decay,
                eps: group.eps,
                init_std: None,
                multiplier: None,
            };
            if params.insert(name.clone(), own).is_some() {
                let name = name.into();
                return Err(ShapesError::GivenTwice {
                    format: FORMAT,
                    name,
                });
            }
        }
    }
    if params.is_empty() {
        return Err(ShapesError::NothingToCompare { format: FORMAT });
    }
    Ok(params)
}

fn named(params: &[Value]) -> Option<Vec<String>> {
    params
        .iter()
        .map(|name| Some(name.as_str()?.to_owned()))
        .collect()
}
