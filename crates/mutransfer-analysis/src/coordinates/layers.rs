//! Which end of the network a module of a foreign table is.
//!
//! The first output of a readout may shrink as width^-1/2 and that of a layer inside may not, so
//! that the verdict hangs on it. It is taken from what says it, in this order: the table, its user,
//! a plan, a number of features that does not grow, a name that only such a layer has. A router
//! has a fixed number too, so its name comes first.

use std::collections::{BTreeMap, BTreeSet};

use mutransfer::theory::Layer;
use mutransfer::{PlanDocument, Role};

use crate::coordinates::error::CoordinateError;

/// What is said of the modules of a table beside what stands in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layers {
    readouts: BTreeSet<String>,
    embeddings: BTreeSet<String>,
    planned: BTreeMap<String, Layer>,
    has_readout: Option<bool>,
    has_embedding: Option<bool>,
}

/// Why a module is taken for an end of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evidence {
    /// A column says it.
    Column,
    /// The user says it.
    Said,
    /// The plan says it.
    Plan,
    /// Its features do not grow.
    Features,
    /// Its name says it.
    Name,
}

impl std::fmt::Display for Evidence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Column => "by the column layer",
            Self::Said => "as said",
            Self::Plan => "by the plan",
            Self::Features => "as its features do not grow",
            Self::Name => "by its name",
        })
    }
}

/// The module that has a parameter.
fn module(name: &str) -> &str {
    name.rsplit_once(['.', '/'])
        .map_or(name, |(module, _)| module)
}

/// Says that there is none.
const NONE: &str = "none";

impl Layers {
    /// The same with a module that is the readout; `none` says that none was measured.
    pub fn with_readout(mut self, module: &str) -> Self {
        self.has_readout = Some(module != NONE);
        self.readouts
            .extend((module != NONE).then(|| module.to_owned()));
        self
    }

    /// The same with a module that is an embedding or a first layer; `none` says that none was
    /// measured.
    pub fn with_embedding(mut self, module: &str) -> Self {
        self.has_embedding = Some(module != NONE);
        self.embeddings
            .extend((module != NONE).then(|| module.to_owned()));
        self
    }

    /// The same with the roles of a plan, whose parameters are called as the modules with a part
    /// more, such as `fc_3.weight`.
    pub fn with_plan(mut self, plan: &PlanDocument) -> Self {
        for (name, param) in &plan.params {
            let layer = match param.role {
                Role::Input => Layer::Input,
                Role::Hidden | Role::ExpertIn | Role::ExpertOut => Layer::Hidden,
                Role::Router => Layer::Router,
                Role::Output => Layer::Output,
                Role::Fixed | Role::Vector => continue,
            };
            self.planned.insert(module(name).to_owned(), layer);
        }
        // Readouts that have an embedding's tensor.
        for name in plan.forward.readout.keys() {
            self.planned.insert(module(name).to_owned(), Layer::Output);
        }
        self
    }

    /// The layer of a module and why; none where nothing says it.
    pub(super) fn of(&self, module: &Module) -> Option<(Layer, Evidence)> {
        let said = if self.readouts.contains(module.name) {
            Some(Layer::Output)
        } else {
            self.embeddings
                .contains(module.name)
                .then_some(Layer::Input)
        };
        let name = named(module.name);
        let sources = [
            (module.column, Evidence::Column),
            (said, Evidence::Said),
            (self.planned.get(module.name).copied(), Evidence::Plan),
            (name.filter(|layer| *layer == Layer::Router), Evidence::Name),
            (module.is_fixed.then_some(Layer::Output), Evidence::Features),
            (name, Evidence::Name),
        ];
        sources
            .into_iter()
            .find_map(|(layer, evidence)| Some((layer?, evidence)))
    }

    /// Whether every module that is named is in the table, and a readout is known or said to be
    /// absent.
    pub(super) fn check(
        &self,
        found: &BTreeMap<&str, Option<(Layer, Evidence)>>,
    ) -> Result<(), CoordinateError> {
        let mut named = self.readouts.iter().chain(&self.embeddings);
        if let Some(module) = named.find(|module| !found.contains_key(module.as_str())) {
            return Err(CoordinateError::NoModule {
                module: module.clone(),
                known: found.keys().map(|name| (*name).to_owned()).collect(),
            });
        }
        let mut layers = found.values().flatten();
        let is_open = self.has_readout.is_none() && !found.is_empty();
        if is_open && !layers.any(|(layer, _)| *layer == Layer::Output) {
            return Err(CoordinateError::NoReadout {
                modules: found.keys().map(|name| (*name).to_owned()).collect(),
            });
        }
        Ok(())
    }

    /// Whether it was said that no embedding was measured.
    pub fn lacks_embedding(&self) -> bool {
        self.has_embedding == Some(false)
    }
}

/// A module as the table shows it.
pub(super) struct Module<'a> {
    pub(super) name: &'a str,
    pub(super) column: Option<Layer>,
    /// Whether it has as many features at every width.
    pub(super) is_fixed: bool,
}

/// Names that only modules at an end of the network have.
const NAMES: [(Layer, &[&str]); 4] = [
    (Layer::Router, &["router"]),
    (Layer::Attention, &["attention.logits", "attn_logits"]),
    (
        Layer::Output,
        &[
            "readout",
            "lm_head",
            "logits",
            "unembed",
            "unembedding",
            "embed_out",
            "classifier",
            "output layer",
            "output_layer",
            "head",
        ],
    ),
    (
        Layer::Input,
        &[
            "embed",
            "embedding",
            "embeddings",
            "embed_tokens",
            "embed_positions",
            "embed_in",
            "wte",
            "wpe",
            "token",
            "position",
            "tok_embeddings",
            "word_embeddings",
            "token_embedding",
            "position_embedding",
            "patch_embed",
            "input",
        ],
    ),
];

/// The end of the network that only a module of this name is. The last part of the name counts, as
/// a norm at the input of a layer is no input of the network.
fn named(module: &str) -> Option<Layer> {
    let lower = module.to_ascii_lowercase();
    let last = lower.rsplit('.').next().unwrap_or(&lower);
    let is = |name: &str| lower == name || last == name || lower.ends_with(&format!(".{name}"));
    let found = NAMES
        .iter()
        .find(|(_, names)| names.iter().any(|name| is(name)));
    found.map(|(layer, _)| *layer)
}
