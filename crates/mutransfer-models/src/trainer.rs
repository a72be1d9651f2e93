//! Trains any of the models by its plan.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor, TensorData};
use mutransfer::{Hyper, Plan};
use mutransfer_burn::{Measurement, Probe, initialize};

use crate::data::Corpus;
use crate::fused::{Optimizer, cross_entropy};
use crate::{Architecture, Error, Gpt, Kind, Mlp};

/// Which sequences a trial sees.
#[derive(Clone, Copy, Debug)]
pub struct Batches {
    /// Sequences in a batch.
    pub size: usize,
    /// Seed of the draws.
    pub seed: u64,
}

/// A model in training.
pub trait Trainer {
    /// One update at `factor` times the peak learning rates; the loss of its batch before the update, in nats per token.
    fn step(&mut self, factor: f64) -> f64;
    /// Loss on the held-out data, in nats per token.
    fn validation_loss(&self) -> f64;
    /// What a probe sees of each module on the batch of step 0; the first call is what later ones are compared with.
    fn coordinates(&mut self) -> Vec<Measurement>;
    /// Every parameter by name, row by row.
    fn parameters(&self) -> Vec<(String, Vec<f32>)>;
}

/// A new model of `width`, initialised and ready to train.
///
/// # Errors
/// When the plan is for another model, or for an optimizer that burn does not have.
pub fn trainer<'a>(
    architecture: &Architecture,
    width: usize,
    plan: &Plan,
    hyper: &Hyper,
    corpus: &'a Corpus,
    batches: Batches,
) -> Result<Box<dyn Trainer + 'a>, Error> {
    let device = Device::flex().autodiff();
    let attention_scale = plan.forward().attention.unwrap_or(1.0);
    let readout_multiplier = plan.param("readout.weight").map_or(1.0, |param| param.scales.multiplier);
    let context = architecture.context;
    let optimizer = Optimizer::new(plan, hyper, &device)?;
    macro_rules! run {
        ($model:expr) => {{
            let model = Some(initialize($model, plan, hyper, batches.seed)?);
            Box::new(Run { model, optimizer, corpus, batches, context, step: 0, device, probe: Probe::on() })
        }};
    }
    Ok(match architecture.kind {
        Kind::Gpt => run!(Gpt::new(&architecture.gpt(width, attention_scale, readout_multiplier)?, &device)),
        Kind::Mlp => run!(Mlp::new(&architecture.mlp(width, readout_multiplier), &device)),
    })
}

/// A model that predicts the next token.
trait LanguageModel: Module {
    /// `[batch, time]` to `[batch, time, vocabulary]`.
    fn logits(&self, tokens: Tensor<2, Int>, probe: &mut Probe) -> Tensor<3>;
}

impl LanguageModel for Gpt {
    fn logits(&self, tokens: Tensor<2, Int>, probe: &mut Probe) -> Tensor<3> {
        self.forward(tokens, probe)
    }
}

impl LanguageModel for Mlp {
    fn logits(&self, tokens: Tensor<2, Int>, probe: &mut Probe) -> Tensor<3> {
        self.forward(tokens, probe)
    }
}

struct Run<'a, M> {
    /// Always there, but for the moment in which burn's optimizer maps the old model to the new one.
    model: Option<M>,
    optimizer: Optimizer,
    corpus: &'a Corpus,
    batches: Batches,
    context: usize,
    step: usize,
    device: Device,
    probe: Probe,
}

impl<M: LanguageModel> Run<'_, M> {
    fn model(&self) -> &M {
        self.model.as_ref().expect("a step leaves a model behind")
    }

    /// Inputs and targets, one token apart, `[batch, context]` each.
    fn tensors(&self, sequences: &[Vec<u8>], device: &Device) -> (Tensor<2, Int>, Tensor<2, Int>) {
        let tensor = |from: usize| {
            let tokens =
                sequences.iter().flat_map(|s| s[from..from + self.context].iter().map(|&token| i32::from(token)));
            let data = TensorData::new(tokens.collect::<Vec<_>>(), [sequences.len(), self.context]);
            Tensor::from_data(data, device)
        };
        (tensor(0), tensor(1))
    }

    fn batch(&self, step: usize) -> Vec<Vec<u8>> {
        self.corpus.batch(self.batches.seed, step, self.batches.size, self.context + 1)
    }
}

impl<M: LanguageModel> Trainer for Run<'_, M> {
    fn step(&mut self, factor: f64) -> f64 {
        let (tokens, targets) = self.tensors(&self.batch(self.step), &self.device);
        let loss = next_token_loss(self.model().logits(tokens, &mut Probe::off()), targets);
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
        let sequences = self.corpus.validation(self.context + 1);
        let total: f64 = sequences
            .chunks(self.batches.size)
            .map(|chunk| {
                let (tokens, targets) = self.tensors(chunk, &device);
                let loss = next_token_loss(model.logits(tokens, &mut Probe::off()), targets);
                scalar(&loss) * chunk.len() as f64
            })
            .sum();
        total / sequences.len() as f64
    }

    fn coordinates(&mut self) -> Vec<Measurement> {
        let device = self.device.clone().inner();
        let (tokens, _) = self.tensors(&self.batch(0), &device);
        let model = self.model().valid();
        model.logits(tokens, &mut self.probe);
        self.probe.take()
    }

    fn parameters(&self) -> Vec<(String, Vec<f32>)> {
        let mut reader = Reader::default();
        self.model().visit(&mut reader);
        reader.found
    }
}

/// Reads the parameters of a module.
#[derive(Default)]
struct Reader {
    path: Vec<String>,
    found: Vec<(String, Vec<f32>)>,
}

impl ModuleVisitor for Reader {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let values = param.val().into_data().try_to_vec().expect("parameters are f32");
        self.found.push((self.path.join("."), values));
    }
}

/// Mean of −log p(target), in nats per token.
fn next_token_loss(logits: Tensor<3>, targets: Tensor<2, Int>) -> Tensor<1> {
    let [batch, time, vocabulary] = logits.dims();
    cross_entropy(logits.reshape([batch * time, vocabulary]), targets.reshape([batch * time]))
}

fn scalar(tensor: &Tensor<1>) -> f64 {
    let value: f32 = tensor.clone().into_scalar();
    f64::from(value)
}
