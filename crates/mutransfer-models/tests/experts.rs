//! What a model with mixtures of experts is equal to, and what it does not depend on.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use mutransfer::theory::Quantity;
use mutransfer::{Hyper, Optimizer, Rule};
use mutransfer_models::data::{Corpus, Dataset, Language};
use mutransfer_models::{
    Architecture, Batches, Error, Experts, Heads, Kind, Training, Variant, Variants, trainer,
};
use mutransfer_study::subject::State;

const BATCHES: Batches = Batches {
    size: 4,
    seed: 1,
    is_fixed: false,
};

fn dataset() -> Dataset {
    Dataset::Text(Corpus::Synthetic(Language::new(0)))
}

/// As wide together, where active, as a dense layer.
fn experts(count: usize, active: usize) -> Experts {
    Experts {
        count,
        active,
        width: None,
        shared: 0,
        groups: 1,
        auxiliary: None,
        at: 8,
    }
}

fn model(kind: Kind, experts: Option<Experts>) -> Architecture {
    Architecture {
        heads: Heads::Dim(8),
        context: 16,
        experts,
        ..Architecture::new(kind, dataset().format())
    }
}

/// A model that is to learn fast, with weight decay.
fn start<'a>(
    architecture: &Architecture,
    rule: Rule,
    [base, width]: [usize; 2],
    dataset: &'a Dataset,
) -> Box<dyn Training + 'a> {
    let plan = architecture
        .plan(base, width, rule, Optimizer::AdamW)
        .unwrap();
    let hyper = Hyper {
        learning_rate: 0.01,
        weight_decay: 0.1,
        ..Hyper::default()
    };
    trainer(architecture, width, &plan, &hyper, dataset, BATCHES).unwrap()
}

/// Bits of the losses of five steps and of the validation loss.
fn bits(trainer: &mut dyn Training) -> Vec<u64> {
    let mut losses: Vec<u64> = (0..5).map(|_| trainer.step(1.0).to_bits()).collect();
    losses.push(trainer.validation_loss().to_bits());
    losses
}

/// Also where the sums of a layer are made in two parts, at 160 times four.
#[test]
fn one_expert_of_one_is_the_dense_model_to_the_bit() {
    let dataset = dataset();
    let dense = model(Kind::Gpt, None);
    let single = model(Kind::Moe, Some(experts(1, 1)));
    for rule in [Rule::Sp, Rule::Mup, Rule::CompleteMuE] {
        for widths in [[24, 24], [8, 24], [160, 160]] {
            let [dense, single] =
                [&dense, &single].map(|model| bits(start(model, rule, widths, &dataset).as_mut()));
            assert_eq!(dense, single, "{rule} {widths:?}");
        }
    }
}

/// `blocks.0.mlp.PART` for every block, with what the numbers of one expert are to it.
fn of_experts(state: &mut State, count: usize, change: impl Fn(&str, &mut Vec<f32>)) {
    for (name, values) in state.iter_mut() {
        if name.contains(".mlp.") && values.len().is_multiple_of(count) {
            change(name, values);
        }
    }
}

/// The numbers with experts in another order: they are the last axis of a router, and the first of
/// all else that has one.
fn reordered(name: &str, values: &[f32], order: &[usize]) -> Vec<f32> {
    let count = order.len();
    if name.contains(".down.bias") {
        values.to_vec()
    } else if name.contains(".router.") {
        let rows = values.chunks_exact(count);
        rows.flat_map(|row| order.iter().map(|at| row[*at]))
            .collect()
    } else {
        let each = values.len() / count;
        let blocks = order.iter().flat_map(|at| &values[at * each..][..each]);
        blocks.copied().collect()
    }
}

#[test]
fn the_order_of_the_experts_changes_nothing() {
    let (dataset, order) = (dataset(), [2, 0, 3, 1]);
    let model = model(Kind::Moe, Some(experts(4, 2)));
    let [mut own, mut other] =
        [(); 2].map(|()| start(&model, Rule::CompleteMuE, [8, 24], &dataset));
    for _ in 0..3 {
        own.step(1.0);
    }
    let mut state = own.state().unwrap();
    of_experts(&mut state, 4, |name, values| {
        *values = reordered(name, values, &order);
    });
    assert_ne!(Some(&state), own.state().as_ref());
    other.restore(3, state).unwrap();
    let losses = [&own, &other].map(|trainer| trainer.validation_loss().to_bits());
    assert_eq!(losses[0], losses[1]);
    for step in 3..6 {
        let [one, two] = [&mut own, &mut other].map(|trainer| trainer.step(1.0));
        assert!((one - two).abs() < 1e-5, "step {step}: {one}, {two}");
    }
}

/// Experts of which all are active, alike in weight, are one layer as wide as all together.
#[test]
fn all_experts_active_are_the_wide_dense_layer() {
    let dataset = dataset();
    let [wide, mut split] = [1, 4].map(|count| {
        let model = model(Kind::Moe, Some(experts(count, count)));
        start(&model, Rule::CompleteMuE, [24, 24], &dataset)
    });
    let (mut state, [width, own]) = (wide.state().unwrap(), [24, 24]);
    let routers: Vec<String> = state
        .keys()
        .filter(|name| name.contains(".router."))
        .cloned()
        .collect();
    for name in routers {
        // Nothing tells them apart.
        state.insert(name, vec![0.0; width * 4]);
    }
    for (name, values) in &mut state {
        if name.ends_with("running_load") {
            *values = vec![0.0; 4];
        } else if name.ends_with(".mlp.up.weight") {
            // Columns of each expert together; rows of the other matrix lie so already.
            let part = |expert: usize, row: usize| &values[row * 4 * own + expert * own..][..own];
            let all = (0..4).flat_map(|expert| (0..width).map(move |row| (expert, row)));
            *values = all
                .flat_map(|(expert, row)| part(expert, row).to_vec())
                .collect();
        }
    }
    split.restore(0, state).unwrap();
    let losses = [&wide, &split].map(|trainer| trainer.validation_loss());
    assert!((losses[0] - losses[1]).abs() < 1e-5, "{losses:?}");
}

/// One measured quantity of the first block: its root mean square.
fn measured(trainer: &mut dyn Training, module: &str) -> f64 {
    let coordinates = trainer.coordinates();
    let found = coordinates.iter().find(|seen| seen.module == module);
    found.unwrap().l2
}

#[test]
fn offsets_even_out_the_load() {
    let dataset = dataset();
    let mut model = start(
        &model(Kind::Moe, Some(experts(8, 2))),
        Rule::Mup,
        [16, 16],
        &dataset,
    );
    let mut loads = vec![measured(model.as_mut(), "blocks.0.mlp.load")];
    for _ in 0..100 {
        model.step(0.3);
    }
    loads.push(measured(model.as_mut(), "blocks.0.mlp.load"));
    // The root mean square over the mean is 1 where all have the same load.
    assert!(loads[0] > 1.1 && loads[1] < 1.05, "{loads:?}");
}

#[test]
fn an_auxiliary_loss_evens_out_the_load_and_is_in_no_loss() {
    let dataset = dataset();
    let start = |auxiliary| {
        let experts = Experts {
            auxiliary,
            ..experts(8, 2)
        };
        start(
            &model(Kind::Moe, Some(experts)),
            Rule::Mup,
            [16, 16],
            &dataset,
        )
    };
    let [mut without, mut with] = [Some(0.0), Some(0.1)].map(start);
    let [first, other] = [&mut without, &mut with].map(|model| model.step(0.3).to_bits());
    assert_eq!(first, other);
    let loads = [without, with].map(|mut model| {
        for _ in 0..100 {
            model.step(0.3);
        }
        let state = model.state().unwrap();
        let offsets = state
            .iter()
            .find(|(name, _)| name.ends_with("running_load"));
        assert!(offsets.unwrap().1.iter().all(|load| *load == 0.0));
        measured(model.as_mut(), "blocks.0.mlp.load")
    });
    assert!(loads[1] < 1.05 && loads[0] > 1.2, "{loads:?}");
}

#[test]
fn groups_have_the_same_load() {
    let dataset = dataset();
    let experts = Experts {
        groups: 4,
        ..experts(4, 4)
    };
    // A group of one expert goes to every token.
    let [mut grouped, mut all] = [
        experts,
        Experts {
            groups: 1,
            ..experts
        },
    ]
    .map(|experts| {
        start(
            &model(Kind::Moe, Some(experts)),
            Rule::CompleteMuE,
            [16, 16],
            &dataset,
        )
    });
    let loads = measured(grouped.as_mut(), "blocks.0.mlp.load");
    assert_eq!(loads, 1.0);
    let losses = [&mut grouped, &mut all].map(|model| {
        model.step(0.3);
        model.validation_loss()
    });
    assert!((losses[0] - losses[1]).abs() < 1e-5, "{losses:?}");
}

/// From a readout at zero the first update moves nothing inside, and no offset sends a token elsewhere.
#[test]
fn a_check_is_not_balanced() {
    let dataset = dataset();
    let architecture = Architecture {
        zero_readout: true,
        ..model(Kind::Moe, Some(experts(8, 2)))
    };
    let plan = architecture.plan(16, 16, Rule::Mup, Optimizer::AdamW);
    let batches = Batches {
        is_fixed: true,
        ..BATCHES
    };
    let (plan, hyper) = (plan.unwrap(), Hyper::default());
    let mut model = trainer(&architecture, 16, &plan, &hyper, &dataset, batches).unwrap();
    model.coordinates();
    model.step(1.0);
    let inside = model.coordinates().into_iter();
    let changes =
        inside.filter(|seen| seen.quantity == Quantity::Change && seen.module != "readout");
    for seen in changes {
        assert_eq!(seen.l2, 0.0, "{}", seen.module);
    }
}

#[test]
fn looking_changes_no_bit_and_neither_do_other_trainings_beside() {
    let dataset = dataset();
    let model = model(
        Kind::Moe,
        Some(Experts {
            shared: 8,
            ..experts(4, 1)
        }),
    );
    let train = |looks: bool| {
        let mut trainer = start(&model, Rule::CompleteMuE, [8, 24], &dataset);
        let looked = |trainer: &mut dyn Training| {
            if looks {
                trainer.coordinates();
                trainer.validation_loss();
                trainer.stream();
            }
            trainer.step(1.0).to_bits()
        };
        (0..5).map(|_| looked(trainer.as_mut())).collect::<Vec<_>>()
    };
    let alone = train(false);
    assert_eq!(alone, train(true));
    let beside = std::thread::scope(|scope| {
        let all = [(); 3].map(|()| scope.spawn(|| train(false)));
        all.map(|one| one.join().unwrap())
    });
    assert_eq!(beside, [(); 3].map(|()| alone.clone()));
}

#[test]
fn a_restored_model_goes_on_with_its_offsets() {
    let dataset = dataset();
    let model = model(Kind::Moe, Some(experts(4, 2)));
    let [mut own, mut other] = [(); 2].map(|()| start(&model, Rule::Mup, [8, 16], &dataset));
    for _ in 0..4 {
        own.step(1.0);
    }
    let state = own.state().unwrap();
    let load = state
        .iter()
        .find(|(name, _)| name.ends_with("running_load"));
    assert!(load.unwrap().1.iter().any(|excess| *excess != 0.0));
    other.restore(4, state).unwrap();
    assert_eq!(bits(own.as_mut()), bits(other.as_mut()));
}

#[test]
fn senseless_experts_are_refused() {
    let refused = |architecture: Architecture| {
        let error = architecture.shapes(24).unwrap_err();
        (error.to_string(), error)
    };
    let of = |experts| refused(model(Kind::Moe, Some(experts))).0;
    assert_eq!(of(experts(4, 5)), "active is 5, and there are 4 experts");
    assert_eq!(of(experts(0, 0)), "experts is zero");
    assert_eq!(of(experts(4, 0)), "active is zero");
    let uneven = Experts {
        width: Some(3),
        at: 10,
        ..experts(4, 2)
    };
    assert_eq!(
        of(uneven),
        "expert_width times width 72 is not divisible by base_width 10"
    );
    let grouped = |groups| Experts {
        groups,
        ..experts(8, 2)
    };
    assert_eq!(
        of(grouped(3)),
        "the number of experts 8 is not divisible by groups 3"
    );
    assert_eq!(
        of(grouped(4)),
        "the number of active experts 2 is not divisible by groups 4"
    );
    let negative = Experts {
        auxiliary: Some(-1.0),
        ..experts(8, 2)
    };
    assert_eq!(
        of(negative),
        "the factor on the auxiliary loss is -1; it must be 0 or more"
    );
    let (_, error) = refused(model(Kind::Gpt, Some(experts(4, 2))));
    assert!(matches!(
        error,
        Error::NoUse {
            kind: Kind::Gpt,
            ..
        }
    ));
    let gated = Architecture {
        variants: Variants(vec![Variant::Swiglu]),
        ..model(Kind::Moe, None)
    };
    assert_eq!(
        refused(gated).0,
        "the model moe has no use for swiglu, as its experts have no gate"
    );
}
