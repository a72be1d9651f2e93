//! The names of what is estimated.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::statistics::measured::Measured;

/// What is estimated for every rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Number {
    /// Log2 of the best hyperparameter at the widest minus at the narrowest width with an optimum.
    #[serde(rename = "drift_octaves")]
    Drift,
    /// Its slope against log2 of the width: -beta.
    DriftRate,
    /// Exponent of the loss: `loss = L_inf + A width^-alpha`.
    Alpha,
    /// Exponent of the best hyperparameter: `best = B width^-beta`.
    Beta,
    /// Exponent of the curvature in ln of the hyperparameter: `S = S0 width^s`.
    S,
    /// Exponent of the curvature in the hyperparameter itself: s + 2 beta.
    Gamma,
    /// Exponent of what an error of the hyperparameter costs, relative to the reducible loss: alpha
    /// + s.
    Kappa,
    /// The same with alpha from the lowest losses of the grids.
    #[serde(rename = "kappa_code")]
    KappaOfGrid,
    /// Error of one joint fit over all widths and values, in nats.
    #[serde(rename = "E")]
    Error,
    /// That of the rule divided by that of the reference.
    #[serde(rename = "E_ratio")]
    ErrorRatio,
    /// The loss at infinite width, in nats.
    #[serde(rename = "L_inf")]
    Limit,
    /// That of the rule minus that of the reference, in nats.
    #[serde(rename = "R_inf")]
    LimitGap,
    /// Exponent of the distance of the best hyperparameter from its limit.
    GapExponent,
    /// That minus alpha/2: positive where transfer is fast.
    GapMargin,
    /// Log2 of the best hyperparameter at the target minus at the proxy.
    #[serde(rename = "shift_octaves")]
    Shift,
    /// Loss at the target with the proxy's best hyperparameter, minus with its own, in nats.
    Regret,
    /// Loss at the target with its own best hyperparameter, in nats.
    TargetLoss,
    /// The regret as a share of what growing from proxy to target gains.
    RelativeRegret,
}

impl Number {
    /// All, with their names in JSON and in tables.
    pub const ALL: [(Self, &'static str, &'static str); 18] = [
        (Self::Drift, "drift_octaves", "drift in octaves"),
        (Self::DriftRate, "drift_rate", "drift per doubling"),
        (Self::Alpha, "alpha", "alpha: exponent of the loss"),
        (Self::Beta, "beta", "beta: exponent of the optimum"),
        (Self::S, "s", "s: exponent of the curvature"),
        (Self::Gamma, "gamma", "gamma: s + 2 beta"),
        (Self::Kappa, "kappa", "kappa: alpha + s"),
        (Self::KappaOfGrid, "kappa_code", "kappa from lowest losses"),
        (Self::Error, "E", "E: error of the joint fit"),
        (Self::ErrorRatio, "E_ratio", "E over that of the reference"),
        (Self::Limit, "L_inf", "L_inf: loss at infinite size"),
        (Self::LimitGap, "R_inf", "R_inf: L_inf minus reference"),
        (
            Self::GapExponent,
            "gap_exponent",
            "b: exponent of the optimum's gap",
        ),
        (Self::GapMargin, "gap_margin", "b - alpha/2"),
        (Self::Shift, "shift_octaves", "shift from proxy to target"),
        (Self::Regret, "regret", "regret in nats"),
        (
            Self::TargetLoss,
            "target_loss",
            "loss at the target, tuned there",
        ),
        (Self::RelativeRegret, "relative_regret", "regret over gain"),
    ];

    /// The number of a name in JSON.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|(_, known, _)| *known == name)
            .map(|(number, ..)| number)
    }

    /// Decimals worth showing: errors and regrets in nats are small.
    pub fn decimals(self) -> usize {
        if matches!(self, Self::Error | Self::Regret) {
            5
        } else {
            3
        }
    }
}

/// Numbers that could be estimated.
pub type Numbers = BTreeMap<Number, Measured>;

/// The form of [`Numbers`] in JSON: all keys, null where there is no number.
pub(crate) mod all_keys {
    use super::{BTreeMap, Deserialize, Deserializer, Measured, Number, Numbers, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        numbers: &Numbers,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(Number::ALL.map(|(number, ..)| (number, numbers.get(&number))))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Numbers, D::Error> {
        let all = BTreeMap::<Number, Option<Measured>>::deserialize(deserializer)?;
        let found = all.into_iter();
        Ok(found
            .filter_map(|(number, measured)| Some((number, measured?)))
            .collect())
    }
}

#[cfg(test)]
pub(crate) mod schema {
    use std::borrow::Cow;

    use schemars::{JsonSchema, Schema, SchemaGenerator};
    use serde_json::{Map, json};

    use super::{Measured, Number};

    /// The keys that [`Number`]s have in JSON, all of them always there.
    pub(crate) struct AllNumbers;

    impl JsonSchema for AllNumbers {
        fn schema_name() -> Cow<'static, str> {
            "Numbers".into()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            let measured = generator.subschema_for::<Option<Measured>>();
            let mut properties = Map::new();
            for (_, name, meaning) in Number::ALL {
                let mut property = measured.clone();
                property.insert("description".to_owned(), meaning.into());
                properties.insert(name.to_owned(), property.into());
            }
            let names = Number::ALL.map(|(_, name, _)| name);
            let value = json!({ "type": "object", "properties": properties, "required": names });
            value.try_into().expect("an object")
        }
    }
}
