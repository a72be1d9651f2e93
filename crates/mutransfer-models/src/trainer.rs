//! Trains any of the models by its plan.

use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor, TensorData};
use mutransfer::{Hyper, Plan};
use mutransfer_burn::{Probe, initialize};
use mutransfer_fused::{Moments, Optimizer, cross_entropy};
use mutransfer_study::subject::{Batches, Measurement, Problem, Session, State};

use crate::architecture::Architecture;
use crate::cnn::{Cnn, VisionConfig};
use crate::data::{Corpus, Dataset, Images};
use crate::error::Error;
use crate::experts::Mixture;
use crate::feed_forward::{Feed, FeedForward};
use crate::kind::Kind;
use crate::mlp::Mlp;
use crate::multipliers::Multipliers;
use crate::resnet::ResNet;
use crate::task::{Batch, Classify, Masked, NextToken, Task};
use crate::transformer::Transformer;

/// A model in training, whose parameters can be looked at.
pub trait Training: Session {
    /// Every parameter by name, row by row.
    fn parameters(&self) -> Vec<(String, Vec<f32>)>;

    /// The residual stream after the last block, on the first batch; none in a model without one.
    fn stream(&self) -> Option<Vec<f32>>;
}

/// A new model of `width`, initialised and ready to train.
///
/// # Errors
/// When the plan is for another model, for an optimizer that burn does not have, or the data for
/// another task.
pub fn trainer<'a>(
    architecture: &Architecture,
    width: usize,
    plan: &Plan,
    hyper: &Hyper,
    dataset: &'a Dataset,
    batches: Batches,
) -> Result<Box<dyn Training + 'a>, Error> {
    let device = Device::flex().autodiff();
    let start = Start {
        architecture,
        width,
        forward: Multipliers::of(plan, hyper)?,
        plan,
        hyper,
        batches,
        optimizer: Optimizer::new(plan, hyper, &device)?,
        device,
    };
    match dataset {
        Dataset::Text(corpus) => start.on_text(corpus),
        Dataset::Images(images) => start.on_images(images),
    }
}

/// What training starts from, whatever the model.
struct Start<'p> {
    architecture: &'p Architecture,
    width: usize,
    forward: Multipliers,
    plan: &'p Plan,
    hyper: &'p Hyper,
    batches: Batches,
    optimizer: Optimizer,
    device: Device,
}

impl Start<'_> {
    fn on_text<'a>(self, corpus: &'a Corpus) -> Result<Box<dyn Training + 'a>, Error> {
        let context = self.architecture.context;
        match self.architecture.kind {
            Kind::Gpt => {
                let gpt = self.transformer::<FeedForward>()?;
                self.run(gpt, NextToken { corpus, context })
            }
            Kind::Bert => {
                let bert = self.transformer::<FeedForward>()?;
                self.run(bert, Masked { corpus, context })
            }
            Kind::Moe => {
                let moe = self.transformer::<Mixture>()?;
                self.run(moe, NextToken { corpus, context })
            }
            Kind::Mlp => {
                let mlp = self.mlp();
                self.run(mlp, NextToken { corpus, context })
            }
            kind => Err(Error::WrongData {
                kind,
                wanted: "images",
                given: "text",
            }),
        }
    }

    fn on_images<'a>(self, images: &'a Images) -> Result<Box<dyn Training + 'a>, Error> {
        match self.architecture.kind {
            Kind::Mlp => {
                let mlp = self.mlp();
                self.run(mlp, Classify(images))
            }
            Kind::Cnn => {
                let cnn = Cnn::new(&self.vision()?, &self.device);
                self.run(cnn, Classify(images))
            }
            Kind::ResNet => {
                let resnet = ResNet::new(&self.vision()?, &self.device);
                self.run(resnet, Classify(images))
            }
            kind => Err(Error::WrongData {
                kind,
                wanted: "text",
                given: "images",
            }),
        }
    }

    fn transformer<F: Feed>(&self) -> Result<Transformer<F>, Error> {
        let mut config = self.architecture.transformer(self.width, self.forward)?;
        // A check of coordinates follows what the updates of the weights do, and nothing else.
        config.is_balanced = !self.batches.is_fixed;
        Ok(Transformer::new(&config, &self.device))
    }

    fn mlp(&self) -> Mlp {
        Mlp::new(
            &self.architecture.mlp(self.width, self.forward),
            &self.device,
        )
    }

    fn vision(&self) -> Result<VisionConfig, Error> {
        self.architecture.vision(self.width, self.forward)
    }

    /// Such a model, initialised, with its task.
    fn run<'a, M, T>(self, model: M, task: T) -> Result<Box<dyn Training + 'a>, Error>
    where
        M: Model<T::Input> + 'a,
        T: Task + 'a,
    {
        let model = Some(initialize(model, self.plan, self.hyper, self.batches.seed)?);
        Ok(Box::new(Run {
            model,
            task,
            optimizer: self.optimizer,
            batches: self.batches,
            step: 0,
            device: self.device,
            probe: Probe::on(),
        }))
    }
}

/// A model that answers such inputs.
trait Model<I>: Module {
    /// A row of logits for every answer.
    fn logits(&self, input: I, probe: &mut Probe) -> Tensor<2>;

    /// The residual stream after the last block, where there is one.
    fn stream(&self, _: I) -> Option<Tensor<1>> {
        None
    }
}

impl<F: Feed> Model<Tensor<2, Int>> for Transformer<F> {
    fn logits(&self, tokens: Tensor<2, Int>, probe: &mut Probe) -> Tensor<2> {
        self.forward(tokens, probe).flatten(0, 1)
    }

    fn stream(&self, tokens: Tensor<2, Int>) -> Option<Tensor<1>> {
        Some(Self::stream(self, tokens, &mut Probe::off()).flatten(0, 2))
    }
}

impl Model<Tensor<2, Int>> for Mlp {
    fn logits(&self, tokens: Tensor<2, Int>, probe: &mut Probe) -> Tensor<2> {
        self.forward(tokens, probe).flatten(0, 1)
    }
}

impl Model<Tensor<4>> for Mlp {
    fn logits(&self, images: Tensor<4>, probe: &mut Probe) -> Tensor<2> {
        self.classify(images, probe)
    }
}

impl Model<Tensor<4>> for Cnn {
    fn logits(&self, images: Tensor<4>, probe: &mut Probe) -> Tensor<2> {
        self.forward(images, probe)
    }
}

impl Model<Tensor<4>> for ResNet {
    fn logits(&self, images: Tensor<4>, probe: &mut Probe) -> Tensor<2> {
        self.forward(images, probe)
    }
}

struct Run<M, T> {
    /// Always there, but for the moment in which burn's optimizer maps the old model to the new
    /// one.
    model: Option<M>,
    task: T,
    optimizer: Optimizer,
    batches: Batches,
    step: usize,
    device: Device,
    probe: Probe,
}

impl<M, T: Task> Run<M, T> {
    fn model(&self) -> &M {
        self.model.as_ref().expect("a step leaves a model behind")
    }

    fn batch(&self, step: usize) -> Batch<T::Input> {
        self.task
            .batch(self.batches.seed, step, self.batches.size, &self.device)
    }
}

impl<M: Model<T::Input>, T: Task> Session for Run<M, T> {
    fn step(&mut self, factor: f64) -> f64 {
        let batch = self.batch(if self.batches.is_fixed { 0 } else { self.step });
        let loss = loss(self.model(), batch);
        let value = scalar(&loss);
        if let Some(model) = self.model.take() {
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            self.model = Some(self.optimizer.step(factor, model, gradients));
        }
        self.step += 1;
        value
    }

    fn validation_loss(&self) -> f64 {
        let model = self.model().valid();
        let device = self.device.clone().inner();
        let batches = self.task.validation(self.batches.size, &device);
        let rows = |batch: &Batch<T::Input>| batch.targets.dims()[0] as f64;
        let all: f64 = batches.iter().map(rows).sum();
        let total: f64 = batches
            .into_iter()
            .map(|batch| rows(&batch) * scalar(&loss(&model, batch)))
            .sum();
        total / all
    }

    fn coordinates(&mut self) -> Vec<Measurement> {
        // As in training: batch norm must see this batch, not the mean of earlier ones.
        let batch = self.batch(0);
        let Self { model, probe, .. } = self;
        model
            .as_ref()
            .expect("a step leaves a model behind")
            .logits(batch.input, probe);
        probe.take().into_iter().map(measurement).collect()
    }

    fn state(&self) -> Option<State> {
        let moments = self.optimizer.moments()?;
        let weights = self.parameters().into_iter();
        let mut state: State = weights
            .map(|(name, values)| (format!("{WEIGHTS}{name}"), values))
            .collect();
        for (name, of) in &moments.of {
            for (kind, values) in MOMENTS.into_iter().zip(of) {
                state.insert(format!("{kind}{name}"), values.clone());
            }
        }
        Some(state)
    }

    fn restore(&mut self, steps: usize, state: State) -> Result<(), Problem> {
        let mut moments = Moments {
            steps: steps as u32,
            ..Moments::default()
        };
        for (name, old) in self.parameters() {
            let new = state.get(&format!("{WEIGHTS}{name}"));
            if new.map(Vec::len) != Some(old.len()) {
                return Err(format!("the state has no {name} of this model").into());
            }
            let of = MOMENTS.map(|kind| state.get(&format!("{kind}{name}")).cloned());
            if let [Some(first), Some(second)] = of {
                moments.of.insert(name, [first, second]);
            }
        }
        let mut writer = Writer {
            path: Vec::new(),
            state,
        };
        let model = self.model.take().expect("a step leaves a model behind");
        self.model = Some(model.map(&mut writer));
        self.optimizer.restore(moments);
        self.step = steps;
        Ok(())
    }
}

/// What stands before the names of parameters in a state.
const WEIGHTS: &str = "weights/";
const MOMENTS: [&str; 2] = ["first/", "second/"];

impl<M: Model<T::Input>, T: Task> Training for Run<M, T> {
    fn parameters(&self) -> Vec<(String, Vec<f32>)> {
        mutransfer_burn::parameters(self.model())
    }

    fn stream(&self) -> Option<Vec<f32>> {
        // Looking is no step: a mixture would take the load into account.
        let device = self.device.clone().inner();
        let Batches { seed, size, .. } = self.batches;
        let batch = self.task.batch(seed, 0, size, &device);
        let stream = self.model().valid().stream(batch.input)?;
        stream.into_data().try_to_vec().ok()
    }
}

fn measurement(seen: mutransfer_burn::Measurement) -> Measurement {
    Measurement {
        module: seen.module,
        layer: seen.layer,
        quantity: seen.quantity,
        l1: seen.sizes.l1,
        l2: seen.sizes.l2,
        std: seen.sizes.std,
    }
}

/// Mean of -log p(target), in nats per answer.
fn loss<I>(model: &impl Model<I>, batch: Batch<I>) -> Tensor<1> {
    let logits = model.logits(batch.input, &mut Probe::off());
    let judged = match batch.judged {
        Some(rows) => logits.select(0, rows),
        None => logits,
    };
    cross_entropy(judged, batch.targets)
}

/// Writes the parameters of a module, all of which the state has.
struct Writer {
    path: Vec<String>,
    state: State,
}

impl ModuleMapper for Writer {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.join(".");
        let shape = param.shape();
        let Some(values) = self.state.remove(&format!("{WEIGHTS}{name}")) else {
            return param;
        };
        param.map(|old| {
            let new = Tensor::from_data(TensorData::new(values, shape), &old.device());
            new.set_require_grad(old.is_require_grad())
        })
    }
}

fn scalar(tensor: &Tensor<1>) -> f64 {
    let value: f32 = tensor.clone().into_scalar();
    f64::from(value)
}
