//! How large a trial is, and along which axis the trials of a study grow.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::subject::{Experts, ModelSizes};
use crate::trial::{Budget, Trial};

/// The sizes of a trial: of its model, and of its training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rung {
    /// How large the model is.
    pub sizes: ModelSizes,
    /// How long it trains, and on how much.
    pub budget: Budget,
}

/// What grows from the proxies to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Axis {
    /// Entries of the model's dimension.
    Width,
    /// Residual blocks.
    Depth,
    /// Examples in a batch, at the same number of examples in all.
    Batch,
    /// Examples in all of the training, over those of the base.
    Tokens,
    /// Experts that a token is routed to.
    Active,
    /// Hidden units of an expert, over those of a dense layer.
    #[serde(rename = "expert_width")]
    ExpertWidth,
    /// Experts of a block.
    Experts,
    /// Several of these at once: operations of the matrices in blocks over those of the base, which
    /// go as width² times depth times tokens, and times what active experts have of a dense layer.
    Compute,
}

impl Axis {
    /// Those that a study grows along by themselves.
    pub(crate) const SINGLE: [Self; 7] = [
        Self::Width,
        Self::Depth,
        Self::Batch,
        Self::Tokens,
        Self::Active,
        Self::ExpertWidth,
        Self::Experts,
    ];

    /// Those along which these differ.
    pub fn growing(rungs: &[Rung]) -> Vec<Self> {
        let differ = |axis: &Self| {
            rungs
                .windows(2)
                .any(|pair| axis.differs(&pair[0], &pair[1]))
        };
        Self::SINGLE.into_iter().filter(differ).collect()
    }

    /// The one along which these differ, or the one that combines several; width where all are the
    /// same. Where nothing else grows, experts are told by how many are active, if that differs.
    pub fn of(rungs: &[Rung]) -> Self {
        match Self::growing(rungs)[..] {
            [] => Self::Width,
            [only] => only,
            [first, ..] if first.is_of_experts() => first,
            _ => Self::Compute,
        }
    }

    fn is_of_experts(self) -> bool {
        [Self::Active, Self::ExpertWidth, Self::Experts].contains(&self)
    }

    /// Its name in tables and sentences, and of its column.
    pub fn name(self) -> &'static str {
        match self {
            Self::Width => "width",
            Self::Depth => "depth",
            Self::Batch => "batch",
            Self::Tokens => "tokens",
            Self::Active => "active",
            Self::ExpertWidth => "expert_width",
            Self::Experts => "experts",
            Self::Compute => "compute",
        }
    }

    /// How large something is along it.
    pub fn at(self, rung: &Rung) -> At {
        let Rung { sizes, budget } = rung;
        let over = |size: usize, base: usize| size as f64 / base as f64;
        At(match self {
            Self::Width => sizes.width as f64,
            Self::Depth => sizes.depth as f64,
            Self::Batch => budget.batch as f64,
            Self::Tokens => over(budget.examples(), budget.base().examples()),
            Self::Active => sizes.experts.map_or(1.0, |experts| experts.active as f64),
            Self::ExpertWidth => sizes.experts.map_or(1.0, Experts::layers_of_one),
            Self::Experts => sizes.experts.map_or(1.0, |experts| experts.count as f64),
            Self::Compute => {
                let width = over(sizes.width, sizes.base_width);
                let depth = over(sizes.depth, sizes.base_depth());
                let [own, base] = [sizes.experts, sizes.base_experts()].map(block);
                width * width * depth * (own / base) * Self::Tokens.at(rung).0
            }
        })
    }

    fn differs(self, one: &Rung, other: &Rung) -> bool {
        self.at(one) != self.at(other)
    }

    /// Whether training curves of different sizes along it can be compared step by step: a longer
    /// training is at another point of its schedule.
    pub fn keeps_steps(rungs: &[Rung]) -> bool {
        let steps = |rung: &Rung| rung.budget.steps;
        rungs
            .windows(2)
            .all(|pair| steps(&pair[0]) == steps(&pair[1]))
    }
}

/// Operations of a block over those of its attention: a dense layer takes twice as many.
fn block(experts: Option<Experts>) -> f64 {
    1.0 + 2.0 * experts.map_or(1.0, Experts::layers)
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Rung {
    /// Those of trials, each once.
    pub fn distinct<'a>(trials: impl IntoIterator<Item = &'a Trial>) -> Vec<Self> {
        let mut found = Vec::new();
        for trial in trials {
            trial.rung().join(&mut found);
        }
        found
    }

    /// Adds it to those that were found, unless it was.
    pub(crate) fn join(self, found: &mut Vec<Self>) {
        if !found.contains(&self) {
            found.push(self);
        }
    }

    /// How large it is along each of these, such as `width 64, depth 2`.
    pub fn along(&self, axes: &[Axis]) -> String {
        let sizes = axes.iter().map(|axis| {
            let times = if *axis == Axis::Tokens { "x" } else { "" };
            format!("{axis} {}{times}", axis.at(self))
        });
        sizes.collect::<Vec<_>>().join(", ")
    }

    /// Whether it is as large as another along every axis.
    pub(crate) fn contains(&self, other: &Self) -> bool {
        let is_as_large = |axis: Axis| axis.at(self) >= axis.at(other);
        let mut axes = Axis::SINGLE.into_iter();
        // Where there are more experts each may be narrower.
        axes.all(|axis| axis == Axis::ExpertWidth || is_as_large(axis))
    }
}

/// A value of an axis, which is finite and above zero.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct At(f64);

impl From<f64> for At {
    fn from(value: f64) -> Self {
        Self(value)
    }
}

impl At {
    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Eq for At {}

#[expect(
    clippy::derive_ord_xor_partial_ord,
    reason = "numbers above zero have one order"
)]
impl Ord for At {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for At {
    /// As a key of JSON, which is text.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::BaseBudget;
    use crate::trial::tests::trial;

    /// Of width 8, depth 1, batch 1 and 12 steps, times these.
    fn rung([width, depth, batch, tokens]: [usize; 4]) -> Rung {
        let mut rung = trial(12).rung();
        rung.sizes.width *= width;
        rung.sizes.base_depth = Some(1);
        rung.sizes.depth *= depth;
        rung.budget.base = Some(BaseBudget {
            steps: rung.budget.steps,
            batch: rung.budget.batch,
        });
        rung.budget.batch *= batch;
        rung.budget.steps = 12 * tokens / batch;
        rung
    }

    #[test]
    fn an_axis_is_what_differs_or_all_of_it_together() {
        let base = [1; 4];
        let cases = [
            ([1, 1, 1, 1], Axis::Width, 8.0),
            ([4, 1, 1, 1], Axis::Width, 32.0),
            ([1, 4, 1, 1], Axis::Depth, 4.0),
            ([1, 1, 4, 1], Axis::Batch, 4.0),
            ([1, 1, 1, 4], Axis::Tokens, 4.0),
            ([4, 1, 4, 1], Axis::Compute, 16.0),
            ([4, 4, 1, 4], Axis::Compute, 256.0),
        ];
        for (grown, axis, at) in cases {
            let rungs = [base, grown].map(rung);
            assert_eq!(Axis::of(&rungs), axis, "{grown:?}");
            assert_eq!(axis.at(&rungs[1]).get(), at, "{grown:?}");
        }
    }

    /// With so many experts, so many of them active, as wide as so many dense layers.
    fn with_experts([count, active]: [usize; 2], width: Option<usize>) -> Rung {
        let mut rung = rung([1; 4]);
        rung.sizes.base_experts = Some(of(1, 1, None));
        rung.sizes.experts = Some(of(count, active, width));
        rung
    }

    fn of(count: usize, active: usize, width: Option<usize>) -> Experts {
        Experts {
            count,
            active,
            width,
            shared: 0,
            groups: 1,
            auxiliary: None,
            at: 8,
        }
    }

    #[test]
    fn experts_are_told_by_what_differs_first() {
        let dense = with_experts([1, 1], None);
        let cases = [
            (
                [16, 4],
                None,
                Axis::Active,
                4.0,
                "active 4, expert_width 0.25, experts 16",
                1.0,
            ),
            (
                [16, 4],
                Some(32),
                Axis::Active,
                4.0,
                "active 4, experts 16",
                3.0,
            ),
            (
                [1, 1],
                Some(8),
                Axis::ExpertWidth,
                0.25,
                "expert_width 0.25",
                0.5,
            ),
            ([16, 1], None, Axis::Experts, 16.0, "experts 16", 1.0),
        ];
        for (counts, width, axis, at, words, compute) in cases {
            let rungs = [dense, with_experts(counts, width)];
            assert_eq!(Axis::of(&rungs), axis, "{words}");
            assert_eq!(axis.at(&rungs[1]).get(), at, "{words}");
            assert_eq!(rungs[1].along(&Axis::growing(&rungs)), words);
            assert_eq!(Axis::Compute.at(&rungs[1]).get(), compute, "{words}");
        }
    }

    #[test]
    fn a_wider_model_of_more_experts_is_larger() {
        let [dense, mut wider] = [[1, 1], [16, 4]].map(|counts| with_experts(counts, None));
        assert!(wider.contains(&dense));
        wider.sizes.width *= 2;
        assert_eq!(Axis::of(&[dense, wider]), Axis::Compute);
    }

    #[test]
    fn a_rung_is_told_by_what_differs() {
        let rungs = [[1; 4], [4, 4, 1, 4]].map(rung);
        let axes = Axis::growing(&rungs);
        assert_eq!(rungs[1].along(&axes), "width 32, depth 4, tokens 4x");
        assert!(rungs[1].contains(&rungs[0]) && !rungs[0].contains(&rungs[1]));
        assert!(!Axis::keeps_steps(&rungs));
        assert!(Axis::keeps_steps(&[[1; 4], [4, 4, 1, 1]].map(rung)));
    }
}
