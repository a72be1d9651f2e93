//! A classification as JSON.

use serde_json::{Map, Value, json};

use super::classify::Theory;
use super::conditions::Condition;
use super::exponents::Abcd;
use crate::optimizer::Optimizer;

impl Theory {
    /// What a rule of this name does under an optimizer, with the exponents and updates of every
    /// layer and all conditions. Exponents are fractions as text.
    pub fn to_json(&self, rule: &str, optimizer: Optimizer) -> Value {
        let updates = self.named_updates().into_iter();
        let layers = self.exponents.named().into_iter().zip(updates);
        let layers: Map<String, Value> = layers
            .map(|((layer, own), (_, r))| (layer.to_string(), layer_json(&own, r)))
            .collect();
        let conditions = |all: &[Condition]| all.iter().map(condition_json).collect::<Vec<_>>();
        json!({
            "rule": rule,
            "optimizer": optimizer,
            "regime": self.regime,
            "stable": self.broken().next().is_none(),
            "nontrivial": self.is_nontrivial,
            "maximal_update": self.is_mup(),
            "r": self.r.to_string(),
            "layers": layers,
            "stability": conditions(&self.stability),
            "faithfulness": conditions(&self.faithfulness),
            "attention_growth": self.attention.to_string(),
        })
    }
}

fn layer_json(own: &Abcd, r: num_rational::Rational32) -> Value {
    json!({
        "a": own.a.to_string(),
        "b": own.b.to_string(),
        "c": own.c.to_string(),
        "d": own.d.to_string(),
        "r": r.to_string(),
        "updated_maximally": r == num_rational::Rational32::from(0),
    })
}

fn condition_json(condition: &Condition) -> Value {
    json!({
        "layer": condition.layer,
        "statement": condition.statement,
        "value": condition.value.to_string(),
        "holds": condition.holds,
    })
}
