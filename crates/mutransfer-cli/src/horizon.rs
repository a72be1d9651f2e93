//! What batch and duration add to a plan.

use mutransfer::{Horizon, Parametrization, PlanDocument, Size, Sizes, TrainingDocument};
use mutransfer_study::study::Study;

use crate::args::HorizonOptions;
use crate::failure::Failure;
use crate::model::base_and_target;
use crate::plan::number;
use crate::say::{note, say};

/// How the target is trained beside the proxy.
pub(crate) struct Horizons {
    law: Horizon,
    /// None where neither batch nor tokens are given.
    sizes: Option<Sizes>,
    betas: [Option<f64>; 2],
    steps: Option<u64>,
}

impl Horizons {
    pub(crate) fn of(options: &HorizonOptions) -> Result<Self, Failure> {
        let law = Horizon {
            batch_law: options.batch_law,
            tokens_exponent: Horizon::tokens_exponent(&options.tokens_law)
                .map_err(mutransfer::Error::from)?,
        };
        let given = [
            ("--batch", Size::Batch, &options.batch),
            ("--tokens", Size::Tokens, &options.tokens),
        ];
        let mut sizes = None;
        for (flag, size, text) in given {
            if let Some(text) = text {
                let (base, target) = base_and_target(text, flag)?;
                sizes = Some(sizes.unwrap_or(Sizes::NONE).with(size, base, target)?);
            }
        }
        let betas = [("--beta1", options.beta1), ("--beta2", options.beta2)];
        for (flag, beta) in betas {
            if let Some(beta) = beta.filter(|beta| !(0.0..1.0).contains(beta)) {
                let message = format!("options: {flag} is {beta}; it must be from 0 to below 1");
                return Err(Failure::usage(message, None));
            }
        }
        Ok(Self {
            law,
            sizes,
            betas: betas.map(|(_, beta)| beta),
            steps: options.steps,
        })
    }

    /// Those that were typed, or else of the target of a study where the rule has a law of them,
    /// with so many tokens in an example.
    pub(crate) fn or_of_study(
        self,
        study: &Study,
        rule: &Parametrization,
        tokens: usize,
    ) -> Result<Self, Failure> {
        let budget = study.target().budget;
        match (rule.horizon(), budget.base) {
            (Some(law), Some(base)) if !self.is_given() => {
                let hyper = study.hyper(1.0);
                Ok(Self {
                    law,
                    sizes: Some(budget.sizes(tokens)?),
                    betas: [hyper.beta1, hyper.beta2].map(Some),
                    steps: Some(base.steps as u64),
                })
            }
            _ => Ok(self),
        }
    }

    pub(crate) fn is_given(&self) -> bool {
        self.sizes.is_some()
    }

    /// Says where the numbers no longer keep the noise of training.
    pub(crate) fn note(&self) {
        if self.is_given() && !self.law.keeps_noise() {
            note!(
                "note: only the learning rate follows these laws; betas, epsilon and decay keep \
                 sqrt and iso-horizon, so the noise of training changes"
            );
        }
    }

    pub(crate) fn applied(&self, document: PlanDocument) -> Result<PlanDocument, Failure> {
        match self.sizes {
            Some(sizes) => Ok(document.trained(&self.law, sizes, self.betas)?),
            None => Ok(document),
        }
    }

    /// What a trainer sets beside the parameters.
    pub(crate) fn print(&self, document: &PlanDocument) {
        let Some(training) = &document.training else {
            return;
        };
        let sizes = [("batch", training.batch), ("tokens", training.tokens)];
        let grown = sizes.into_iter().filter_map(|(what, pair)| {
            pair.map(|[base, target]| format!("{what} {base} to {target}"))
        });
        say!(
            "{}: learning rates times {}, weight decay times {}, epsilon times {}",
            grown.collect::<Vec<_>>().join(", "),
            number(training.lr),
            number(training.weight_decay),
            number(training.eps)
        );
        self.print_schedule(training);
    }

    fn print_schedule(&self, training: &TrainingDocument) {
        let times = number(training.one_minus_beta);
        let betas = [("beta1", training.beta1), ("beta2", training.beta2)];
        for (name, beta) in betas {
            match beta {
                Some(beta) => say!("{name} {}", number(beta)),
                None => say!("1 - {name} times {times}"),
            }
        }
        match self.steps {
            Some(steps) => say!("steps {}", number((steps as f64 * training.steps).round())),
            None => say!("steps times {}", number(training.steps)),
        }
    }
}
