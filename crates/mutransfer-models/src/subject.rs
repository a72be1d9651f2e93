//! The built-in models as a subject of studies.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use mutransfer::{Gate, Hyper, Optimizer, Parametrization, Plan, Role};
use mutransfer_study::checkpoint::resume;
use mutransfer_study::coordinates::follow;
use mutransfer_study::data::{Data, DataKind};
use mutransfer_study::error::RunError;
use mutransfer_study::subject::{
    Augmentation, Batches, Description, Listener, Measurement, Measuring, ModelSizes, Problem,
    Session, Site, Subject, UsualCheck,
};
use mutransfer_study::trial::{Outcome, Trial};

use crate::architecture::Architecture;
use crate::data::{Corpus, Dataset, Images, Language, Text};
use crate::error::Error;
use crate::kind::Kind;
use crate::trainer::trainer;
use crate::variant::{Variant, Variants};

/// A model of this crate on its data.
#[derive(Clone, Debug)]
pub struct BuiltIn {
    kind: Kind,
    variants: Variants,
    description: Description,
    data: Data,
    dataset: Arc<Dataset>,
}

/// The subject of a description, on the text or images at a path, or on what is built in.
///
/// # Errors
/// When there is no such family or variant, or no such data.
pub fn open(description: &Description, path: Option<&Path>) -> Result<Box<dyn Subject>, Problem> {
    Ok(Box::new(BuiltIn::new(description, path)?))
}

impl BuiltIn {
    /// The model of a description, on the text or images at a path, or on what is built in.
    ///
    /// # Errors
    /// When there is no such family or variant, or no such data.
    pub fn new(description: &Description, path: Option<&Path>) -> Result<Self, Error> {
        let kind: Kind = description.family.parse()?;
        let variants = description
            .variants
            .iter()
            .map(|name| name.parse::<Variant>())
            .collect::<Result<_, _>>()?;
        let (data_kind, dataset) = read(kind, path)?;
        let dataset = augmented(dataset, kind, description.augmentation)?;
        let data = Data {
            kind: data_kind,
            path: path.map(absolute),
            fingerprint: dataset.fingerprint(),
        };
        Ok(Self {
            kind,
            variants: Variants(variants),
            description: description.clone(),
            data,
            dataset: Arc::new(dataset),
        })
    }

    /// The model family at a depth and context.
    fn architecture(&self, sizes: &ModelSizes) -> Architecture {
        let usual = Architecture::new(self.kind, self.dataset.format());
        Architecture {
            kind: self.kind,
            depth: sizes.depth,
            base_depth: sizes.base_depth(),
            heads: self.description.heads,
            variants: self.variants.clone(),
            data: self.dataset.format(),
            context: sizes.context,
            experts: sizes.experts.or(usual.experts),
            base_experts: sizes.base_experts,
            zero_readout: self.description.zero_readout,
            zero_query: self.description.zero_query,
        }
    }

    /// A new model, initialised by its plan and ready to train.
    fn session<'a>(
        &'a self,
        sizes: &ModelSizes,
        plan: &Plan,
        hyper: &Hyper,
        batches: Batches,
    ) -> Result<Box<dyn Session + 'a>, RunError> {
        let architecture = self.architecture(sizes);
        let dataset = &*self.dataset;
        let session = trainer(&architecture, sizes.width, plan, hyper, dataset, batches);
        Ok(session.map_err(|error| RunError::Subject(error.into()))?)
    }

    /// The forward pass multiplies embeddings and first layers, readouts and attention.
    fn check_multipliers(&self, hyper: &Hyper) -> Result<(), Error> {
        let unused = |what: String| Error::NoUse {
            kind: self.kind,
            what,
        };
        for (role, factors) in hyper.factors.iter() {
            if ![Role::Input, Role::Output].contains(&role) && factors.multiplier != 1.0 {
                return Err(unused(format!("a multiplier on {role} parameters")));
            }
        }
        if hyper.attention != 1.0 && !self.kind.is_transformer() {
            return Err(unused("a factor on attention".to_owned()));
        }
        Ok(())
    }

    /// Gates are normalised over the active experts, of which there are several: what is for others
    /// would scale their sum wrongly.
    fn check_gate(&self, gate: Gate, plan: &Plan) -> Result<(), Error> {
        let Some(experts) = plan.forward().experts else {
            return Ok(());
        };
        let is_single = experts.active[1] == 1;
        let is_own = gate == Gate::SigmoidNormalised || (is_single && gate == Gate::Sigmoid);
        if self.kind != Kind::Moe || (is_own && (is_single || experts.route >= 1.0)) {
            return Ok(());
        }
        Err(Error::NoUse {
            kind: self.kind,
            what: "a rule or a choice for other gates, as its own are sigmoids over their sum"
                .to_owned(),
        })
    }
}

fn read(kind: Kind, path: Option<&Path>) -> Result<(DataKind, Dataset), Error> {
    Ok(match path {
        None if kind.is_transformer() => {
            let language = Corpus::Synthetic(Language::new(0));
            (DataKind::Synthetic, Dataset::Text(language))
        }
        None => (DataKind::Synthetic, Dataset::Images(Images::synthetic(0))),
        Some(path) if Images::recognises(path) => {
            (DataKind::Images, Dataset::Images(Images::read(path)?))
        }
        Some(path) => {
            let text = Corpus::Text(Text::read(path)?);
            (DataKind::Text, Dataset::Text(text))
        }
    })
}

/// Images as they are to be seen.
fn augmented(dataset: Dataset, kind: Kind, augmentation: Augmentation) -> Result<Dataset, Error> {
    match dataset {
        Dataset::Images(images) => Ok(Dataset::Images(images.augmented(augmentation))),
        text if augmentation.is_none() => Ok(text),
        Dataset::Text(_) => Err(Error::NoUse {
            kind,
            what: "crops and mirrors of text".to_owned(),
        }),
    }
}

fn absolute(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute.to_string_lossy().into_owned()
}

impl Subject for BuiltIn {
    fn data(&self) -> &Data {
        &self.data
    }

    fn check(&self, sizes: &ModelSizes, hyper: &Hyper, batch: usize) -> Result<(), Problem> {
        let architecture = self.architecture(sizes);
        for width in [sizes.width, sizes.base_width] {
            architecture.shapes(width)?;
        }
        self.check_multipliers(hyper)?;
        match &*self.dataset {
            Dataset::Text(Corpus::Text(text)) => text.check(batch, sizes.context + 1)?,
            Dataset::Text(Corpus::Synthetic(_)) => {}
            Dataset::Images(images) => images.check(batch)?,
        }
        Ok(())
    }

    fn plan(
        &self,
        sizes: &ModelSizes,
        rule: &Parametrization,
        optimizer: Optimizer,
    ) -> Result<Plan, Problem> {
        let architecture = self.architecture(sizes);
        let plan = architecture.plan(sizes.base_width, sizes.width, rule.clone(), optimizer)?;
        self.check_gate(rule.options().gate, &plan)?;
        Ok(plan)
    }

    fn parameters(&self, sizes: &ModelSizes) -> usize {
        self.architecture(sizes)
            .shapes(sizes.width)
            .map_or(0, |shapes| shapes.entries())
    }

    fn has_sequences(&self) -> bool {
        matches!(*self.dataset, Dataset::Text(_))
    }

    fn floor(&self) -> Option<f64> {
        self.dataset.floor(self.kind)
    }

    fn with_zero_start(&self) -> Box<dyn Subject> {
        let mut started = self.clone();
        started.description.zero_readout = true;
        started.description.zero_query = true;
        Box::new(started)
    }

    /// What an update does to the other inputs of its batch, which a narrow model cannot tell
    /// apart, falls as width^-1/2 and bends the line; so they are few, and attention is over few of
    /// them. Of 64 tokens BERT guesses ten, and with fewer its updates are all scatter. Every
    /// position of an image is an input of a convolution, and a projection shortcut sees few: one
    /// image is enough for it. A width of a CNN is four times its channels.
    ///
    /// The widest takes most of the time, and a minute is enough: half as wide with four times as
    /// many seeds tells more, until the narrowest bend the line.
    ///
    /// Where an update does little, what it does to a layer of experts is what the few tokens see
    /// that go to another one, which takes many seeds to know; so SGD makes larger ones there.
    fn usual_check(&self) -> UsualCheck {
        let batch = match (self.kind, self.data.kind) {
            (Kind::Gpt, _) | (Kind::Mlp, DataKind::Text) => 1,
            (Kind::Moe, _) => 4,
            (Kind::Bert | Kind::Mlp, _) => 8,
            (Kind::Cnn, _) => 4,
            (Kind::ResNet, _) => 1,
        };
        let sgd_rate = if self.kind == Kind::Moe { 0.3 } else { 0.1 };
        let (widths, depth, seeds) = match self.kind {
            Kind::Mlp => (vec![64, 128, 256, 512, 1024], 2, 512),
            Kind::Gpt => (vec![128, 256, 512, 768], 2, 128),
            Kind::Moe => (vec![64, 128, 256, 512], 2, 64),
            Kind::Bert => (vec![128, 256, 512, 768], 2, 80),
            Kind::Cnn => (vec![128, 256, 512, 1024, 2048], 2, 128),
            Kind::ResNet => (vec![32, 64, 128, 256], 1, 128),
        };
        UsualCheck {
            widths,
            depth,
            batch,
            context: 8,
            seeds,
            sgd_rate,
        }
    }

    /// Nothing: the worker makes the plan from the trial.
    fn prepare(&self, _: &Trial, _: &Path) -> Result<(), Problem> {
        Ok(())
    }

    fn train(
        &self,
        trial: &Trial,
        site: &Site,
        listener: &mut dyn Listener,
    ) -> Result<Outcome, RunError> {
        let (sizes, rule) = (&trial.sizes, &trial.rule.parametrization());
        let plan = self.plan(sizes, rule, trial.optimizer);
        let plan = plan.map_err(RunError::Subject)?;
        if plan.hash() != trial.plan {
            return Err(RunError::PlanChanged { id: trial.id() });
        }
        let hyper = trial.trains_with()?;
        let mut session = self.session(sizes, &plan, &hyper, trial.batches())?;
        Ok(resume(trial, session.as_mut(), site, listener)?)
    }

    fn measure(
        &self,
        of: &Measuring,
        stop: &AtomicBool,
    ) -> Result<Vec<(usize, Measurement)>, RunError> {
        let mut session = self.session(of.sizes, of.plan, of.hyper, of.batches)?;
        follow(session.as_mut(), of.steps, stop)
    }
}
