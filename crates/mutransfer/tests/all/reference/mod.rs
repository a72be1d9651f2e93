//! What the Python package `mup` computes, read from `tests/data/mup`.
#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::BTreeMap;

use mutransfer::{Hyper, Layout, Optimizer, Plan, Role, Rule, Shapes, Widths};
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Fixture {
    pub(crate) model: String,
    global_lr: f64,
    global_weight_decay: f64,
    base: serde_json::Value,
    delta: serde_json::Value,
    pub(crate) bsh: String,
    pub(crate) targets: Vec<Target>,
}

#[derive(Deserialize)]
pub(crate) struct Target {
    pub(crate) width: usize,
    shapes: serde_json::Value,
    pub(crate) width_mult: BTreeMap<String, f64>,
    pub(crate) infinite_dims: BTreeMap<String, usize>,
    pub(crate) rescale_at_set_base_shapes: BTreeMap<String, Option<f64>>,
    pub(crate) readout_forward_multiplier: BTreeMap<String, f64>,
    pub(crate) optimizers: BTreeMap<String, BTreeMap<String, Numbers>>,
    #[serde(default)]
    pub(crate) initializers: BTreeMap<String, BTreeMap<String, f64>>,
}

#[derive(Deserialize)]
pub(crate) struct Numbers {
    pub(crate) lr: f64,
    pub(crate) weight_decay: f64,
}

/// What a user says of the model: its look-up tables and its readout.
struct Declared {
    model: &'static str,
    tables: &'static [&'static str],
    readout: &'static str,
}

const DECLARED: [Declared; 9] = [
    Declared {
        model: "mlp",
        tables: &[],
        readout: "fc_3.weight",
    },
    Declared {
        model: "cnn",
        tables: &[],
        readout: "readout.weight",
    },
    Declared {
        model: "gpt",
        tables: &["token.weight", "position.weight"],
        readout: "readout.weight",
    },
    Declared {
        model: "gpt-tied",
        tables: &["token.weight", "position.weight"],
        readout: "readout.weight",
    },
    Declared {
        model: "resnet",
        tables: &[],
        readout: "readout.weight",
    },
    Declared {
        model: "gru",
        tables: &[],
        readout: "readout.weight",
    },
    Declared {
        model: "rounded-ffn",
        tables: &["token.weight"],
        readout: "readout.weight",
    },
    Declared {
        model: "grouped-kv",
        tables: &["token.weight"],
        readout: "readout.weight",
    },
    Declared {
        model: "names",
        tables: &["_leading"],
        readout: "readout.weight",
    },
];

pub(crate) fn fixtures() -> impl Iterator<Item = Fixture> {
    DECLARED.iter().map(|declared| fixture(declared.model))
}

pub(crate) fn fixture(model: &str) -> Fixture {
    let path = format!("{}/tests/data/mup/{model}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

impl Fixture {
    fn declared(&self) -> &'static Declared {
        DECLARED
            .iter()
            .find(|declared| declared.model == self.model)
            .unwrap()
    }

    pub(crate) fn is_tied(&self) -> bool {
        self.model == "gpt-tied"
    }

    pub(crate) fn readout(&self) -> &'static str {
        self.declared().readout
    }

    pub(crate) fn is_table(&self, name: &str) -> bool {
        self.declared().tables.contains(&name)
    }

    pub(crate) fn widths(&self) -> Widths {
        Widths::between(&shapes(&self.base), &shapes(&self.delta)).unwrap()
    }

    /// With all that shapes do not tell.
    pub(crate) fn declare(&self, widths: Widths) -> Widths {
        let Declared {
            tables, readout, ..
        } = self.declared();
        let widths = widths.with_layout(Layout::OutIn);
        let widths = tables.iter().fold(widths, |widths, table| {
            widths.declare(table, Role::Input).unwrap()
        });
        if self.is_tied() {
            widths.tie(readout, tables[0]).unwrap()
        } else {
            widths.declare(readout, Role::Output).unwrap()
        }
    }

    pub(crate) fn plan(&self, target: &Target, optimizer: Optimizer) -> Plan {
        Plan::new(
            &self.declare(self.widths()),
            &target.shapes(),
            Rule::Mup,
            optimizer,
        )
        .unwrap()
    }

    pub(crate) fn hyper(&self) -> Hyper {
        Hyper {
            learning_rate: self.global_lr,
            weight_decay: self.global_weight_decay,
            ..Hyper::default()
        }
    }
}

impl Target {
    pub(crate) fn shapes(&self) -> Shapes {
        shapes(&self.shapes)
    }
}

fn shapes(dims: &serde_json::Value) -> Shapes {
    Shapes::from_json(&dims.to_string()).unwrap()
}
