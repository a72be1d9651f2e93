//! Where the lab meets the models: a trial of the one is a training run of the other.

use std::path::Path;

use mutransfer::{Hyper, Init, Plan};
use mutransfer_models::data::{Corpus, Dataset, Images, Language, Text};
use mutransfer_models::{Architecture, Batches, Heads, Kind, Trainer, Variant, Variants, trainer};
use mutransfer_study::trial::{Data, Model, Session, Trial};

use crate::failure::Failure;

/// Everything needed to train at any width.
pub(crate) struct Subject {
    architecture: Architecture,
    dataset: Dataset,
}

impl Subject {
    /// The model family on its data.
    pub(crate) fn new(model: &Model, data: &Data) -> Result<Self, Failure> {
        let kind: Kind = model.family.parse()?;
        let dataset = match data {
            Data::Synthetic if kind.is_transformer() => {
                Dataset::Text(Corpus::Synthetic(Language::new(0)))
            }
            Data::Synthetic => Dataset::Images(Images::synthetic(0)),
            Data::Text { path, .. } => Dataset::Text(Corpus::Text(Text::read(Path::new(path))?)),
            Data::Images { path, .. } => Dataset::Images(Images::read(Path::new(path))?),
        };
        let variants = model
            .variants
            .iter()
            .map(|name| name.parse::<Variant>())
            .collect::<Result<_, _>>()?;
        let architecture = Architecture {
            kind,
            depth: model.depth,
            heads: model.heads.map_or_else(
                || Heads::Dim(model.head_dim.unwrap_or_default()),
                Heads::Count,
            ),
            variants: Variants(variants),
            data: dataset.format(),
            context: model.context,
            zero_readout: model.zero_readout,
            zero_query: model.zero_query,
        };
        Ok(Self {
            architecture,
            dataset,
        })
    }

    /// Checks everything that could stop a trial later.
    pub(crate) fn check(
        &self,
        widths: &[usize],
        base_width: usize,
        batch: usize,
    ) -> Result<(), Failure> {
        for &width in widths.iter().chain([&base_width]) {
            self.architecture.shapes(width)?;
        }
        match &self.dataset {
            Dataset::Text(Corpus::Text(text)) => {
                Ok(text.check(batch, self.architecture.context + 1)?)
            }
            Dataset::Text(Corpus::Synthetic(_)) => Ok(()),
            Dataset::Images(images) => Ok(images.check(batch)?),
        }
    }

    /// The lowest loss there is, where it is known.
    pub(crate) fn floor(&self) -> Option<f64> {
        self.dataset.floor(self.architecture.kind)
    }

    /// Tokens in a sequence, where there are sequences.
    pub(crate) fn sequence(&self) -> Option<usize> {
        matches!(self.dataset, Dataset::Text(_)).then_some(self.architecture.context)
    }

    /// Numbers to train at a width, a measure of the cost of a step.
    pub(crate) fn entries(&self, width: usize) -> usize {
        self.architecture
            .shapes(width)
            .map_or(0, |shapes| shapes.entries())
    }

    /// The plan of a trial.
    pub(crate) fn plan(&self, trial: &Trial) -> Result<Plan, Failure> {
        Ok(self.architecture.plan(
            trial.base_width,
            trial.width,
            trial.parametrization()?,
            trial.optimizer,
        )?)
    }

    /// A model in training.
    pub(crate) fn trainer(&self, trial: &Trial) -> Result<Box<dyn Trainer + '_>, Failure> {
        let batches = Batches {
            size: trial.batch,
            seed: trial.seed,
            is_fixed: trial.one_batch,
        };
        let plan = self.plan(trial)?;
        Ok(trainer(
            &self.architecture,
            trial.width,
            &plan,
            &hyper(trial),
            &self.dataset,
            batches,
        )?)
    }
}

/// The data at a path, or what is built in.
pub(crate) fn data(path: Option<&Path>) -> Result<Data, Failure> {
    let Some(path) = path else {
        return Ok(Data::Synthetic);
    };
    let name = std::path::absolute(path)
        .unwrap_or_else(|_| path.to_owned())
        .to_string_lossy()
        .into_owned();
    Ok(match Images::recognises(path) {
        true => Data::Images {
            hash: Images::read(path)?.fingerprint(),
            path: name,
        },
        false => Data::Text {
            hash: Text::read(path)?.fingerprint(),
            path: name,
        },
    })
}

/// What is tuned and carried over.
pub(crate) fn hyper(trial: &Trial) -> Hyper {
    Hyper {
        learning_rate: trial.lr,
        weight_decay: trial.weight_decay,
        init: trial.init_std.map_or(Init::FanIn(1.0), Init::Constant),
        momentum: 0.9,
        ..Hyper::default()
    }
}

/// A trainer as the lab sees it.
pub(crate) struct InTraining<'a>(pub(crate) Box<dyn Trainer + 'a>);

impl Session for InTraining<'_> {
    fn step(&mut self, factor: f64) -> f64 {
        self.0.step(factor)
    }

    fn validation_loss(&self) -> f64 {
        self.0.validation_loss()
    }
}
