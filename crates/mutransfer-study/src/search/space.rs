//! Coordinates in which the optimum of one hyperparameter depends little on the others.

use serde::{Deserialize, Serialize};

use super::axis::Axis;
use super::error::SearchError;

/// What a hyperparameter is, which says what its coordinate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A learning rate: log2 of it, over the root of the batch size where that is searched too.
    LearningRate,
    /// A batch size: log2 of it.
    Batch,
    /// Weight decay that is multiplied by the learning rate: log2 of learning rate × decay × steps,
    /// which is how many times over the weights decay in a training.
    Decay,
    /// Anything else that is positive: log2 of it. Multipliers, initial sizes, decay by itself.
    Factor,
    /// A mean over the past, as Adam's betas: log2 of one minus it.
    Average,
}

/// A hyperparameter to be found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hyperparameter {
    /// What it is called.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Its value where the search begins.
    pub start: f64,
    /// Its smallest value, if it has one.
    pub from: Option<f64>,
    /// Its largest value, if it has one.
    pub to: Option<f64>,
    /// Octaves between its values, where it is a grid of all that is to be run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<f64>,
}

/// Hyperparameters to be found, and what is fixed that their coordinates depend on.
#[derive(Clone, Debug, PartialEq)]
pub struct Space {
    parameters: Vec<Hyperparameter>,
    learning_rate: Option<usize>,
    batch: Option<usize>,
}

impl Space {
    /// A space of hyperparameters. The learning rate, if it is among them, comes first.
    ///
    /// # Errors
    /// Where a start or the end of a range is not what its kind can be, or a start is out of range;
    /// where some are grids and others are not, and where grids have too many points.
    pub fn new(mut parameters: Vec<Hyperparameter>) -> Result<Self, SearchError> {
        parameters.sort_by_key(|parameter| parameter.kind != Kind::LearningRate);
        for parameter in &parameters {
            parameter.check()?;
        }
        check_grids(&parameters)?;
        let find = |kind| {
            parameters
                .iter()
                .position(|parameter| parameter.kind == kind)
        };
        Ok(Self {
            learning_rate: find(Kind::LearningRate),
            batch: find(Kind::Batch),
            parameters,
        })
    }

    /// The hyperparameters, in the order of their axes.
    pub fn parameters(&self) -> &[Hyperparameter] {
        &self.parameters
    }

    /// Their axes. Ranges of those whose coordinate depends on another are kept by
    /// [`values`](Self::values).
    pub fn axes(&self) -> Vec<Axis> {
        let starts: Vec<f64> = self
            .parameters
            .iter()
            .map(|parameter| parameter.start)
            .collect();
        let axis = |(index, parameter): (usize, &Hyperparameter)| {
            let scaled = |value: f64| self.shift(index, &starts) + parameter.kind.log2(value);
            let (from, to) = (parameter.from.map(scaled), parameter.to.map(scaled));
            // One minus a mean falls where the mean rises.
            let (low, high) = if parameter.kind == Kind::Average {
                (to, from)
            } else {
                (from, to)
            };
            let start = scaled(parameter.start);
            let name = parameter.name.clone();
            let is_free = self.depends(index);
            Axis {
                name,
                start,
                low: low.filter(|_| !is_free),
                high: high.filter(|_| !is_free),
            }
        };
        self.parameters.iter().enumerate().map(axis).collect()
    }

    /// Every point of the grid that all of them are together, the first the fastest; none where
    /// they are to be searched for.
    pub fn grid(&self) -> Vec<Vec<f64>> {
        let Some(sizes) = sizes(&self.parameters) else {
            return Vec::new();
        };
        let places = (0..sizes.iter().product()).map(|place: usize| {
            let mut rest = place;
            let digit = |size: &usize| {
                let digit = rest % size;
                rest /= size;
                digit
            };
            sizes.iter().map(digit).collect::<Vec<usize>>()
        });
        places.map(|place| self.grid_point(&place)).collect()
    }

    fn grid_point(&self, place: &[usize]) -> Vec<f64> {
        let both = || self.parameters.iter().zip(place);
        let values: Vec<f64> = both().map(|(parameter, at)| parameter.nth(*at)).collect();
        let coordinate = |(index, value): (usize, &f64)| {
            self.shift(index, &values) + self.parameters[index].kind.log2(*value)
        };
        values.iter().enumerate().map(coordinate).collect()
    }

    /// Whether a value at a point is within so many octaves of an end of its range.
    pub(super) fn is_at_edge(&self, point: &[f64], octaves: f64) -> bool {
        let mut values = self.parameters.iter().zip(self.values(point));
        values.any(|(parameter, value)| {
            let kind = parameter.kind;
            let mut ends = parameter.from.iter().chain(&parameter.to);
            ends.any(|end| (kind.log2(*end) - kind.log2(value)).abs() <= octaves)
        })
    }

    /// What is on the axes, where that is not the hyperparameter itself: `lr × weight_decay`.
    pub fn labels(&self) -> Vec<String> {
        let label = |parameter: &Hyperparameter| {
            let name = &parameter.name;
            let other = |of: Option<usize>| of.map(|of| &self.parameters[of].name);
            match (parameter.kind, other(self.batch), other(self.learning_rate)) {
                (Kind::LearningRate, Some(batch), _) => format!("{name} / √{batch}"),
                (Kind::Decay, _, Some(rate)) => format!("{rate} × {name}"),
                (Kind::Average, ..) => format!("1 - {name}"),
                _ => name.clone(),
            }
        };
        self.parameters.iter().map(label).collect()
    }

    /// The values at a point, in the order of the axes, each within its range.
    pub fn values(&self, point: &[f64]) -> Vec<f64> {
        let mut values: Vec<f64> = self
            .parameters
            .iter()
            .map(|parameter| parameter.start)
            .collect();
        // Those that others depend on come first.
        let mut order: Vec<usize> = (0..point.len()).collect();
        order.sort_by_key(|index| match self.parameters[*index].kind {
            Kind::Batch => 0,
            Kind::LearningRate => 1,
            _ => 2,
        });
        for index in order {
            let parameter = &self.parameters[index];
            let value = parameter
                .kind
                .exp2(point[index] - self.shift(index, &values));
            values[index] = parameter.within(value);
        }
        values
    }

    /// Whether its coordinate depends on another hyperparameter.
    fn depends(&self, index: usize) -> bool {
        match self.parameters[index].kind {
            Kind::LearningRate => self.batch.is_some(),
            Kind::Decay => self.learning_rate.is_some(),
            Kind::Batch | Kind::Factor | Kind::Average => false,
        }
    }

    /// What the others add to its coordinate.
    fn shift(&self, index: usize, values: &[f64]) -> f64 {
        let log2 = |of: Option<usize>| of.map_or(0.0, |of| values[of].log2());
        match self.parameters[index].kind {
            Kind::LearningRate => -0.5 * log2(self.batch),
            Kind::Decay => log2(self.learning_rate),
            Kind::Batch | Kind::Factor | Kind::Average => 0.0,
        }
    }
}

impl Kind {
    fn log2(self, value: f64) -> f64 {
        match self {
            Self::Average => (1.0 - value).log2(),
            _ => value.log2(),
        }
    }

    fn exp2(self, coordinate: f64) -> f64 {
        match self {
            Self::Average => 1.0 - coordinate.exp2(),
            _ => coordinate.exp2(),
        }
    }
}

/// Points of a grid at most: a process through more takes minutes.
const MOST: usize = 500;

/// How many values each has, where all are grids.
fn sizes(parameters: &[Hyperparameter]) -> Option<Vec<usize>> {
    parameters.iter().map(Hyperparameter::count).collect()
}

fn check_grids(parameters: &[Hyperparameter]) -> Result<(), SearchError> {
    let of_kind = |is_grid: bool| {
        let mut all = parameters.iter();
        let found = all.find(|parameter| parameter.step.is_some() == is_grid);
        found.map(|parameter| parameter.name.clone())
    };
    if let (Some(grid), Some(auto)) = (of_kind(true), of_kind(false)) {
        return Err(SearchError::Mixed { grid, auto });
    }
    for parameter in parameters {
        if let Some(value) = parameter
            .step
            .filter(|step| !(*step > 0.0 && step.is_finite()))
        {
            return Err(SearchError::Setting {
                key: "step",
                value,
                wanted: "a positive number of octaves",
            });
        }
    }
    let points = sizes(parameters).map(|sizes| sizes.into_iter().fold(1, usize::saturating_mul));
    match points {
        Some(count) if count > MOST => Err(SearchError::Points { count, most: MOST }),
        _ => Ok(()),
    }
}

impl Hyperparameter {
    /// How many values it has, where it is a grid.
    fn count(&self) -> Option<usize> {
        let octaves = self.kind.log2(self.to?) - self.kind.log2(self.from?);
        // As of a grid of learning rates: none is lost to rounding.
        Some((octaves.abs() / self.step? + 1e-9) as usize + 1)
    }

    /// One of its values, from its smallest.
    fn nth(&self, at: usize) -> f64 {
        let from = self.kind.log2(self.from.unwrap_or(self.start));
        let octaves = self.step.unwrap_or(0.0) * at as f64;
        // One minus a mean falls where the mean rises.
        let up = if self.kind == Kind::Average {
            -octaves
        } else {
            octaves
        };
        self.within(self.kind.exp2(from + up))
    }

    fn within(&self, value: f64) -> f64 {
        let at_least = self.from.map_or(value, |from| value.max(from));
        self.to.map_or(at_least, |to| at_least.min(to))
    }

    fn check(&self) -> Result<(), SearchError> {
        let low = self.from.unwrap_or(0.0);
        let most = if self.kind == Kind::Average {
            1.0
        } else {
            f64::INFINITY
        };
        let high = self.to.unwrap_or(most);
        let mut named = self.from.iter().chain(&self.to).chain([&self.start]);
        if named.all(|value| self.kind.log2(*value).is_finite())
            && self.within(self.start) == self.start
        {
            return Ok(());
        }
        Err(SearchError::Range {
            name: self.name.clone(),
            start: self.start,
            low,
            high,
        })
    }
}
