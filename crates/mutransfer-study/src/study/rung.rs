//! From a size as it is written to one that can be trained.

use std::path::Path;

use super::file::{ExpertsFile, StudyFile};
use super::sizes::{Amount, DEPTH, SizesFile};
use crate::axis::Rung;
use crate::error::ReadError;
use crate::limits::{self, BadSize};
use crate::subject::ModelSizes;
use crate::trial::{BaseBudget, Budget};

/// What the keys of a size are called in messages.
pub(super) struct Keys {
    width: &'static str,
    depth: &'static str,
    batch: &'static str,
    tokens: &'static str,
}

const PROXY: Keys = Keys {
    width: "proxies.width",
    depth: "proxies.depth",
    batch: "proxies.batch",
    tokens: "proxies.tokens",
};
const TARGET: Keys = Keys {
    width: "target.width",
    depth: "target.depth",
    batch: "target.batch",
    tokens: "target.tokens",
};
/// In the short forms, which give a width only.
const SHORT: Keys = Keys {
    width: "widths",
    depth: "depth",
    batch: "batch",
    tokens: "steps",
};
const SHORT_TARGET: Keys = Keys {
    width: "target_width",
    ..SHORT
};

impl Keys {
    pub(super) fn of_proxies(file: &StudyFile) -> &'static Self {
        file.proxies.as_ref().map_or(&SHORT, |_| &PROXY)
    }

    pub(super) fn of_target(file: &StudyFile) -> &'static Self {
        file.target.as_ref().map_or(&SHORT_TARGET, |_| &TARGET)
    }
}

/// What sizes are relative to, and what they are where they are not given.
pub(super) struct Base<'a> {
    file: &'a StudyFile,
    width: usize,
    depth: usize,
    budget: Budget,
}

impl<'a> Base<'a> {
    /// That of a study, which trains as `budget` says.
    pub(super) fn of(file: &'a StudyFile, budget: &Budget, path: &Path) -> Result<Self, ReadError> {
        if file.proxy_sizes().is_empty() {
            let key = if file.proxies.is_some() {
                "proxies"
            } else {
                "widths"
            };
            let problem = "is empty; give the sizes of the proxies";
            return Err(ReadError::value(path, key, problem));
        }
        let own = file.base.unwrap_or_default();
        let typed = own.width.or(file.base_width);
        let Some(width) = typed.or_else(|| narrowest(file)) else {
            let problem = "is missing, and no proxy says its own width";
            return Err(ReadError::value(path, "base.width", problem));
        };
        let depth = own.depth.or(file.base_depth).or(file.depth);
        let base = Self {
            file,
            width,
            depth: depth.unwrap_or(DEPTH),
            budget: *budget,
        };
        let of_width = match (own.width, file.base_width) {
            (Some(_), _) => "base.width",
            (None, Some(_)) => "base_width",
            (None, None) => Keys::of_proxies(file).width,
        };
        let of_depth = match (own.depth, file.base_depth) {
            (Some(_), _) => "base.depth",
            (None, Some(_)) => "base_depth",
            (None, None) => "depth",
        };
        limits::check_width(of_width, base.width)
            .and_then(|()| limits::check_depth(of_depth, base.depth))
            .map_err(|error| bad_size(path, error))?;
        Ok(base)
    }

    /// A size of the study, within reason.
    pub(super) fn rung(
        &self,
        own: &SizesFile,
        keys: &Keys,
        path: &Path,
    ) -> Result<Rung, ReadError> {
        let rung = self.sizes(own, keys).and_then(|sizes| {
            let budget = self.budget(own, keys)?;
            Ok(Rung { sizes, budget })
        });
        rung.map_err(|error| bad_size(path, error))
    }

    fn sizes(&self, own: &SizesFile, keys: &Keys) -> Result<ModelSizes, BadSize> {
        let file = self.file;
        let usual = file.depth.unwrap_or(self.depth);
        let width = whole(keys.width, own.width, self.width, self.width)?;
        let depth = whole(keys.depth, own.depth, self.depth, usual)?;
        let typed = file.base.and_then(|base| base.depth).or(file.base_depth);
        let at = |experts: ExpertsFile| experts.at(self.width);
        let sizes = ModelSizes {
            base_width: self.width,
            width,
            depth,
            base_depth: typed.or((depth != self.depth).then_some(self.depth)),
            context: file.context,
            experts: own.experts.or(file.experts).map(at),
            base_experts: file.own_experts().map(at),
        };
        limits::check_width(keys.width, width)?;
        limits::check_depth(keys.depth, depth)?;
        limits::check_sizes(&sizes)?;
        Ok(sizes)
    }

    /// As many steps as see the same number of examples, times `tokens`.
    fn budget(&self, own: &SizesFile, keys: &Keys) -> Result<Budget, BadSize> {
        let base = self.budget;
        let batch = whole(keys.batch, own.batch, base.batch, base.batch)?;
        limits::check_batch(keys.batch, batch)?;
        let times = times(own.tokens, keys)?;
        let steps = base.examples() as f64 * times / batch as f64;
        if steps.fract() != 0.0 {
            let what = if own.batch.is_some() {
                keys.batch
            } else {
                keys.tokens
            };
            let problem = format!("makes {steps} steps of batch {batch}, which is no whole number");
            return Err(BadSize { what, problem });
        }
        let budget = Budget {
            steps: steps as usize,
            batch,
            warmup: (base.warmup as f64 * steps / base.steps as f64).round() as usize,
            ..base
        };
        let of_base = BaseBudget {
            steps: base.steps,
            batch: base.batch,
        };
        let is_base = budget == base;
        limits::check_budget(&budget)?;
        Ok(Budget {
            base: (!is_base).then_some(of_base),
            ..budget
        })
    }
}

/// How many times the examples of the base are seen.
fn times(tokens: Option<Amount>, keys: &Keys) -> Result<f64, BadSize> {
    match tokens {
        None => Ok(1.0),
        Some(Amount::Times(times)) => Ok(times),
        Some(Amount::Number(number)) => Err(BadSize {
            what: keys.tokens,
            problem: format!(
                "is {number}; it must be a factor such as \"4x\", as `steps` and `batch` say what \
                 the base sees"
            ),
        }),
    }
}

/// The smallest width that a proxy has by itself.
fn narrowest(file: &StudyFile) -> Option<usize> {
    let widths = file.proxy_sizes().into_iter().map(|sizes| sizes.width);
    let numbers = widths.filter_map(|width| match width? {
        Amount::Number(number) => Some(number),
        Amount::Times(_) => None,
    });
    numbers.min()
}

/// A size that is written as it is, or as a factor on that of the base; `usual` if not given.
fn whole(
    what: &'static str,
    amount: Option<Amount>,
    base: usize,
    usual: usize,
) -> Result<usize, BadSize> {
    let times = match amount {
        None => return Ok(usual),
        Some(Amount::Number(number)) => return Ok(number),
        Some(Amount::Times(times)) => times,
    };
    let size = base as f64 * times;
    if size.fract() == 0.0 {
        return Ok(size as usize);
    }
    let problem = format!("is {times} times {base}, which is no whole number");
    Err(BadSize { what, problem })
}

fn bad_size(path: &Path, error: BadSize) -> ReadError {
    ReadError::value(path, error.what, error.problem)
}
