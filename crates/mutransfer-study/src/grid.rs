//! Learning rates: one, as it is written, and a grid of them.

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// A learning rate, written `"2^-12"` or as a number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "String")]
pub struct LearningRate {
    /// Its base-2 logarithm.
    pub log2: f64,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a learning rate such as \"2^-12\" or 0.001")]
enum Written {
    Text(String),
    Number(f64),
}

impl TryFrom<Written> for LearningRate {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let log2 = match &written {
            Written::Number(number) => number.log2(),
            Written::Text(text) => match text.trim().strip_prefix("2^") {
                Some(exponent) => exponent.trim().parse().unwrap_or(f64::NAN),
                None => text.trim().parse::<f64>().map_or(f64::NAN, f64::log2),
            },
        };
        if log2.is_finite() && log2.exp2().is_finite() && log2.exp2() > 0.0 {
            return Ok(Self { log2 });
        }
        let text = match written {
            Written::Text(text) => text,
            Written::Number(number) => number.to_string(),
        };
        Err(format!(
            "not a learning rate: {text}; write \"2^-12\" or a positive number"
        ))
    }
}

impl std::str::FromStr for LearningRate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::try_from(Written::Text(text.to_owned()))
    }
}

impl From<LearningRate> for String {
    fn from(rate: LearningRate) -> Self {
        format!("2^{}", rate.log2)
    }
}

/// The most learning rates in a grid.
const MOST: f64 = 1000.0;

/// Learning rates from `from` to `to` in steps of `step` octaves, or a single one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(into = "WrittenGrid")]
pub struct Grid {
    from: LearningRate,
    to: LearningRate,
    step: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "learning rates such as { from = \"2^-12\", to = \"2^-3\", step = 1 }"
)]
struct WrittenGrid {
    from: LearningRate,
    to: LearningRate,
    #[serde(default = "one_octave")]
    step: f64,
}

fn one_octave() -> f64 {
    1.0
}

impl Default for Grid {
    fn default() -> Self {
        Self {
            from: LearningRate { log2: -12.0 },
            to: LearningRate { log2: -3.0 },
            step: 1.0,
        }
    }
}

impl From<Grid> for WrittenGrid {
    fn from(Grid { from, to, step }: Grid) -> Self {
        Self { from, to, step }
    }
}

impl<'de> Deserialize<'de> for Grid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(GridVisitor)
    }
}

/// Takes a table, or a learning rate in either form.
struct GridVisitor;

impl<'de> Visitor<'de> for GridVisitor {
    type Value = Grid;

    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(
            "learning rates such as { from = \"2^-12\", to = \"2^-3\", step = 1 }, or one such as \
             0.001",
        )
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Grid, M::Error> {
        let written = WrittenGrid::deserialize(MapAccessDeserializer::new(map))?;
        Grid::try_from(written).map_err(M::Error::custom)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Grid, E> {
        Grid::one(Written::Text(text.to_owned())).map_err(E::custom)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Grid, E> {
        Grid::one(Written::Number(number)).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Grid, E> {
        self.visit_f64(number as f64)
    }
}

impl TryFrom<WrittenGrid> for Grid {
    type Error = String;

    fn try_from(WrittenGrid { from, to, step }: WrittenGrid) -> Result<Self, String> {
        let octaves = to.log2 - from.log2;
        if !(step.is_finite() && step > 0.0) {
            return Err(format!(
                "`lr.step` is {step}; it must be a positive number of octaves"
            ));
        }
        if octaves < 0.0 {
            let (from, to) = (String::from(from), String::from(to));
            return Err(format!(
                "`lr` is an empty grid: `from` {from} is above `to` {to}"
            ));
        }
        if octaves / step > MOST {
            return Err(format!(
                "`lr` has more than {MOST} learning rates; raise `step`"
            ));
        }
        Ok(Self { from, to, step })
    }
}

impl Grid {
    fn one(written: Written) -> Result<Self, String> {
        let rate = LearningRate::try_from(written)?;
        let (from, to, step) = (rate, rate, one_octave());
        Ok(Self { from, to, step })
    }

    /// The learning rates, smallest first; the last is at or below the largest asked for.
    pub fn learning_rates(&self) -> Vec<f64> {
        let octaves = self.to.log2 - self.from.log2;
        // A grid such as 2^-3 to 2^-1 by 0.1 must not lose its last point to rounding.
        let count = (octaves / self.step + 1e-9).floor() as usize + 1;
        (0..count)
            .map(|index| (self.from.log2 + index as f64 * self.step).exp2())
            .collect()
    }

    /// The middle, on a logarithmic scale.
    pub fn middle(&self) -> f64 {
        ((self.from.log2 + self.to.log2) / 2.0).exp2()
    }
}
