//! The trials of a study on its subject.

use super::checked::Study;
use super::searched::Setting;
use crate::axis::Rung;
use crate::error::RunError;
use crate::rule::NamedRule;
use crate::subject::Subject;
use crate::trial::Trial;

impl Study {
    /// Checks everything that could stop a trial later, and gives the rules whose plan couples the
    /// weight decay with the width.
    ///
    /// # Errors
    /// When a size, a hyperparameter or a rule does not fit the subject, or its data is not enough.
    pub fn check_on(&self, subject: &dyn Subject) -> Result<Vec<&NamedRule>, RunError> {
        // What is searched is not where it has no effect.
        let usual = self.hyper(1.0);
        let hyper = self
            .searched()
            .map_or(usual, |searched| searched.elsewhere(usual));
        for Rung { sizes, budget } in self.all_sizes() {
            subject
                .check(&sizes, &hyper, budget.batch)
                .map_err(RunError::Subject)?;
        }
        let mut coupled = Vec::new();
        for rule in self.rules() {
            for rung in self.all_sizes() {
                let trials = self.trials(subject, rule, &rung, &[1.0])?;
                trials.first().map(Trial::trains_with).transpose()?;
            }
            let plan = subject
                .plan(
                    &self.target().sizes,
                    &rule.parametrization(),
                    self.optimizer(),
                )
                .map_err(RunError::Subject)?;
            if let Some(key) = self.searched().and_then(|searched| searched.useless(&plan)) {
                return Err(RunError::Useless { key });
            }
            if plan.couples_decay() && hyper.weight_decay != 0.0 {
                coupled.push(rule);
            }
        }
        Ok(coupled)
    }

    /// All trials that do not depend on results: the sweeps at the proxies and, if asked for, at
    /// the target.
    ///
    /// # Errors
    /// When a rule does not fit the subject, or the study is searched in place of swept.
    pub fn sweep(&self, subject: &dyn Subject) -> Result<Vec<Trial>, RunError> {
        if self.searched().is_some() {
            return Err(RunError::Searched);
        }
        let rates = self.grid().learning_rates();
        let mut trials = Vec::new();
        for rule in self.rules() {
            for rung in self.swept() {
                trials.extend(self.trials(subject, rule, &rung, &rates)?);
            }
        }
        Ok(trials)
    }

    /// The zero-shot transfer: the target at the learning rate found on the proxies.
    ///
    /// # Errors
    /// When the rule does not fit the subject.
    pub fn transfer(
        &self,
        subject: &dyn Subject,
        rule: &NamedRule,
        lr: f64,
    ) -> Result<Vec<Trial>, RunError> {
        self.trials(subject, rule, self.target(), &[lr])
    }

    /// Every learning rate with every seed.
    fn trials(
        &self,
        subject: &dyn Subject,
        rule: &NamedRule,
        rung: &Rung,
        rates: &[f64],
    ) -> Result<Vec<Trial>, RunError> {
        let settings: Vec<Setting> = rates.iter().map(|lr| self.hyper(*lr).into()).collect();
        self.trials_of(subject, rule, rung, &settings, self.seeds_at(rung))
    }

    /// All of these settings with so many seeds each.
    ///
    /// # Errors
    /// When the rule does not fit the subject.
    pub(crate) fn trials_of(
        &self,
        subject: &dyn Subject,
        rule: &NamedRule,
        rung: &Rung,
        settings: &[Setting],
        seeds: u64,
    ) -> Result<Vec<Trial>, RunError> {
        let Rung { sizes, budget } = *rung;
        let plan = subject
            .plan(&sizes, &rule.parametrization(), self.optimizer())
            .map_err(RunError::Subject)?;
        let hash = plan.hash();
        let trial = |(setting, seed): (Setting, u64)| Trial {
            subject: self.subject().clone(),
            rule: rule.clone(),
            optimizer: self.optimizer(),
            sizes,
            hyper: setting.hyper,
            budget: setting.warmup.map_or(budget, |steps| budget.warmed(steps)),
            data: subject.data().clone(),
            seed,
            plan: hash.clone(),
            allowance: self.allowance(),
        };
        let seeds = self.first_seed()..self.first_seed() + seeds;
        let pairs = settings
            .iter()
            .flat_map(|&setting| seeds.clone().map(move |seed| (setting, seed)));
        Ok(pairs.map(trial).collect())
    }
}
