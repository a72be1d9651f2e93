//! Which experts a token goes to, and how much each of them counts.

use super::rows::sigmoids;
use crate::matrix::Workspace;

/// How much an active expert counts, from its score, the sigmoid of its logit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// The score over the sum of the scores of the token's active experts.
    Normalised,
    /// The score itself: with one active expert the normalised gate is 1, and the router would
    /// learn nothing from the loss.
    Score,
}

/// How a token chooses its experts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// How much each of them counts.
    pub gate: Gate,
    /// Experts of a token.
    pub active: usize,
    /// Groups of neighbouring experts, of each of which a token has as many: with a group on every
    /// device, all have the same load (2505.21411). One where it may have any.
    pub groups: usize,
}

impl Choice {
    #[track_caller]
    fn check(self, experts: usize) {
        let Self { active, groups, .. } = self;
        assert!(
            0 < active && active <= experts,
            "{active} of {experts} experts cannot be active"
        );
        assert!(
            groups > 0 && experts.is_multiple_of(groups) && active.is_multiple_of(groups),
            "{groups} groups do not divide {experts} experts, {active} of them active"
        );
    }
}

/// The experts of each token of a batch, and the tokens of each expert.
///
/// A pair of a token and one of its experts is a *row*. Rows are in the order of their experts, and
/// those of an expert in the order of their tokens.
#[derive(Clone, Debug)]
pub struct Routing {
    gate: Gate,
    experts: usize,
    active: usize,
    /// Sigmoids of all logits, `[tokens, experts]`.
    scores: Vec<f32>,
    /// Experts of each token, best first in each group, `[tokens, active]`.
    chosen: Vec<u32>,
    /// What they count, `[tokens, active]`.
    gates: Vec<f32>,
    /// Their rows, `[tokens, active]`.
    rows: Vec<u32>,
    /// Token and place among the token's experts of each row.
    pairs: Vec<[u32; 2]>,
    /// First row of each expert, and the number of all rows.
    starts: Vec<usize>,
}

impl Routing {
    /// Sends each token to the experts with the highest sums of score and offset, in each group; of
    /// equal ones to the first. Offsets choose, but do not count in the gates: they balance the
    /// load.
    ///
    /// `logits`: `[tokens, experts]`; `offsets`: one number an expert.
    ///
    /// # Panics
    /// If a length does not fit, groups do not divide the experts and the active ones, or a token
    /// has more active experts than there are, or none.
    #[must_use]
    #[track_caller]
    pub fn new(workspace: &mut Workspace, choice: Choice, logits: &[f32], offsets: &[f32]) -> Self {
        let experts = offsets.len();
        choice.check(experts);
        assert!(
            logits.len().is_multiple_of(experts),
            "the logits are no whole rows"
        );
        let Choice {
            gate,
            active,
            groups,
        } = choice;
        let pairs = logits.len() / experts * active;
        let mut scores = vec![0.0; logits.len()];
        sigmoids(workspace.isa(), logits, &mut scores);
        let mut chosen = vec![0; pairs];
        let own = experts / groups;
        let parts = scores.chunks_exact(own).zip((0..groups).cycle());
        for ((scores, group), chosen) in parts.zip(chosen.chunks_exact_mut(active / groups)) {
            let first = group * own;
            choose(scores, &offsets[first..][..own], chosen);
            chosen.iter_mut().for_each(|expert| *expert += first as u32);
        }
        let mut routing = Self {
            gate,
            experts,
            active,
            scores,
            chosen,
            gates: vec![0.0; pairs],
            rows: vec![0; pairs],
            pairs: vec![[0; 2]; pairs],
            starts: vec![0; experts + 1],
        };
        routing.weigh();
        routing.group();
        routing
    }

    fn weigh(&mut self) {
        let tokens = self.chosen.chunks_exact(self.active);
        let tokens = tokens.zip(self.scores.chunks_exact(self.experts));
        for ((chosen, scores), gates) in tokens.zip(self.gates.chunks_exact_mut(self.active)) {
            let score = |expert: &u32| scores[*expert as usize];
            let sum = match self.gate {
                Gate::Normalised => chosen.iter().map(score).sum(),
                Gate::Score => 1.0,
            };
            for (gate, expert) in gates.iter_mut().zip(chosen) {
                *gate = score(expert) / sum;
            }
        }
    }

    /// Puts the pairs in the order of their experts by counting.
    fn group(&mut self) {
        for expert in &self.chosen {
            self.starts[*expert as usize + 1] += 1;
        }
        for expert in 0..self.experts {
            self.starts[expert + 1] += self.starts[expert];
        }
        let mut next = self.starts.clone();
        for (pair, (expert, row)) in self.chosen.iter().zip(&mut self.rows).enumerate() {
            let at = next[*expert as usize];
            next[*expert as usize] += 1;
            *row = at as u32;
            self.pairs[at] = [pair / self.active, pair % self.active].map(|part| part as u32);
        }
    }

    /// Number of tokens.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.chosen.len() / self.active
    }

    /// Number of pairs of a token and one of its experts.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Experts of each token, best first in each group, `[tokens, active]`.
    #[must_use]
    pub fn chosen(&self) -> &[u32] {
        &self.chosen
    }

    /// What each of them counts, `[tokens, active]`.
    #[must_use]
    pub fn gates(&self) -> &[f32] {
        &self.gates
    }

    /// Token and place among the token's experts of each row of an expert.
    #[must_use]
    pub fn pairs_of(&self, expert: usize) -> &[[u32; 2]] {
        &self.pairs[self.range(expert)]
    }

    /// Tokens of each expert.
    pub fn loads(&self) -> impl Iterator<Item = usize> {
        self.starts.windows(2).map(|ends| ends[1] - ends[0])
    }

    pub(super) fn experts(&self) -> usize {
        self.experts
    }

    /// The rows of an expert.
    pub(super) fn range(&self, expert: usize) -> std::ops::Range<usize> {
        self.starts[expert]..self.starts[expert + 1]
    }

    /// Token of a row.
    pub(super) fn token(&self, row: usize) -> usize {
        self.pairs[row][0] as usize
    }

    /// What the expert of a row counts for its token.
    pub(super) fn gate(&self, row: usize) -> f32 {
        let [token, place] = self.pairs[row];
        self.gates[token as usize * self.active + place as usize]
    }

    /// Rows and gates of a token, in the order of its experts.
    pub(super) fn of_token(&self, token: usize) -> (&[u32], &[f32]) {
        let pairs = token * self.active..(token + 1) * self.active;
        (&self.rows[pairs.clone()], &self.gates[pairs])
    }

    /// The gradient of the logits from that of the gates, a number for each row. No gradient goes
    /// through the choice.
    pub(super) fn backward(&self, dgates: &[f32], dlogits: &mut [f32]) {
        dlogits.fill(0.0);
        for (token, dlogits) in dlogits.chunks_exact_mut(self.experts).enumerate() {
            let (rows, gates) = self.of_token(token);
            let slopes = rows.iter().map(|row| dgates[*row as usize]);
            let mean: f32 = match self.gate {
                Gate::Normalised => slopes
                    .clone()
                    .zip(gates)
                    .map(|(slope, gate)| slope * gate)
                    .sum(),
                Gate::Score => 0.0,
            };
            let chosen = &self.chosen[token * self.active..][..self.active];
            for ((expert, slope), gate) in chosen.iter().zip(slopes).zip(gates) {
                let expert = *expert as usize;
                // With s the score: s' = s (1 - s), and s over the sum of scores is the gate.
                let rest = 1.0 - self.scores[token * self.experts + expert];
                dlogits[expert] = (slope - mean) * gate * rest;
            }
        }
    }
}

impl Routing {
    /// How unevenly the experts are used: `Σ_i f_i P_i`, with `f_i` the tokens of expert i over
    /// their mean, and `P_i` the mean over tokens of its score over the sum of all scores
    /// (2412.19437, equations 17 to 20). It is 1 where all are used alike.
    #[must_use]
    pub fn unevenness(&self) -> f64 {
        let loads = self.relative_loads();
        let tokens = self.scores.chunks_exact(self.experts);
        let sum: f64 = tokens.map(|scores| mean_load(scores, &loads).0).sum();
        sum / self.tokens() as f64
    }

    /// Adds the gradient of `factor` times [`Self::unevenness`] to that of the logits, `[tokens,
    /// experts]`: through the scores, as the loads are counts.
    ///
    /// # Panics
    /// If the length does not fit.
    #[track_caller]
    pub fn add_balance(&self, factor: f64, dlogits: &mut [f32]) {
        assert_eq!(dlogits.len(), self.scores.len(), "not a number a score");
        let loads = self.relative_loads();
        let factor = factor / self.tokens() as f64;
        let tokens = self.scores.chunks_exact(self.experts);
        for (scores, dlogits) in tokens.zip(dlogits.chunks_exact_mut(self.experts)) {
            let (mean, sum) = mean_load(scores, &loads);
            for ((score, load), dlogit) in scores.iter().zip(&loads).zip(dlogits) {
                let score = f64::from(*score);
                *dlogit += (factor * (load - mean) * score * (1.0 - score) / sum) as f32;
            }
        }
    }

    /// Tokens of each expert over their mean.
    fn relative_loads(&self) -> Vec<f64> {
        let mean = self.rows() as f64 / self.experts as f64;
        self.loads().map(|load| load as f64 / mean).collect()
    }
}

/// The mean of the loads, weighed by scores, and the sum of these.
fn mean_load(scores: &[f32], loads: &[f64]) -> (f64, f64) {
    let sum: f64 = scores.iter().copied().map(f64::from).sum();
    let weighed = scores.iter().zip(loads);
    let weighed: f64 = weighed.map(|(score, load)| f64::from(*score) * load).sum();
    (weighed / sum, sum)
}

/// The places of the highest sums of score and offset, highest first, of equal ones the first.
fn choose(scores: &[f32], offsets: &[f32], chosen: &mut [u32]) {
    let key = |expert: u32| scores[expert as usize] + offsets[expert as usize];
    let mut found = 0;
    for expert in 0..scores.len() as u32 {
        // What is not a number is above nothing, so it is chosen only where there is nothing else.
        let mut at = found;
        while at > 0 && key(expert) > key(chosen[at - 1]) {
            at -= 1;
        }
        if at == chosen.len() {
            continue;
        }
        found = chosen.len().min(found + 1);
        chosen.copy_within(at..found - 1, at + 1);
        chosen[at] = expert;
    }
}
