//! mup's own oracles (its tests 4 and 5): a wider model has the lower loss, and a zero readout
//! answers exactly zero.
#![allow(
    clippy::print_stderr,
    reason = "what was measured is shown where it fails"
)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write;
use std::path::Path;

use mutransfer::{Hyper, Optimizer, Rule};
use mutransfer_models::data::{Dataset, Images};
use mutransfer_models::{Architecture, Batches, Kind, trainer};

const WIDTHS: [usize; 3] = [64, 256, 1024];
const BASE: usize = 64;

/// A model and how it is trained. The convolutional network learns a batch by heart: 200 batches
/// teach it too little to tell widths apart.
struct Case(Kind, Optimizer, f64, usize, bool);

const CASES: [Case; 4] = [
    Case(Kind::Mlp, Optimizer::Adam, 0.002, 64, false),
    Case(Kind::Mlp, Optimizer::Sgd, 0.02, 64, false),
    Case(Kind::Cnn, Optimizer::Adam, 0.0007, 32, true),
    Case(Kind::Cnn, Optimizer::Sgd, 0.01, 32, true),
];

/// Losses of the first step, and means over the twenty steps before the 100th and the 200th.
fn losses(case: &Case, dataset: &Dataset, width: usize) -> [f64; 3] {
    let Case(kind, optimizer, learning_rate, size, is_fixed) = *case;
    let architecture = Architecture {
        zero_readout: true,
        ..Architecture::new(kind, dataset.format())
    };
    let plan = architecture
        .plan(BASE, width, Rule::Mup, optimizer)
        .unwrap();
    let hyper = Hyper {
        learning_rate,
        momentum: 0.9,
        ..Hyper::default()
    };
    let batches = Batches {
        size,
        seed: 0,
        is_fixed,
    };
    let mut trainer = trainer(&architecture, width, &plan, &hyper, dataset, batches).unwrap();
    let logits = trainer
        .coordinates()
        .into_iter()
        .find(|seen| seen.module == "readout")
        .unwrap();
    assert_eq!(logits.l1, 0.0, "{kind} {optimizer}: the first logits");
    let losses: Vec<f64> = (0..200).map(|_| trainer.step(1.0)).collect();
    let mean = |end: usize| losses[end - 20..end].iter().sum::<f64>() / 20.0;
    [losses[0], mean(100), mean(200)]
}

fn wider_is_better(dataset: &Dataset, cases: &[Case]) {
    for case in cases {
        let all = WIDTHS.map(|width| losses(case, dataset, width));
        let name = format!("{} {}", case.0, case.1);
        eprintln!("{name}: {all:.4?}");
        for [narrow, wide] in [[all[0], all[1]], [all[1], all[2]]] {
            assert_eq!(narrow[0], wide[0], "{name}: zero logits give one loss");
            assert!(
                wide[1] < narrow[1] && wide[2] < narrow[2],
                "{name}: {all:?}"
            );
        }
    }
}

#[test]
fn on_synthetic_images() {
    wider_is_better(&Dataset::Images(Images::synthetic(0)), &CASES);
}

#[test]
fn on_handwritten_digits() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/images");
    if !path.exists() {
        // Not `eprintln`, which a test that passes keeps to itself.
        let place = path.display();
        writeln!(
            std::io::stderr(),
            "SKIPPED: no handwritten digits at {place}"
        )
        .unwrap();
        return;
    }
    wider_is_better(&Dataset::Images(Images::read(&path).unwrap()), &CASES[..2]);
}
