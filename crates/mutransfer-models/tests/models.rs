//! The models have the parametrization they claim, and train.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use mutransfer::theory::Quantity;
use mutransfer::{Factors, Form, Hyper, Optimizer, Parametrization, Role, Roles, Rule};
use mutransfer_models::data::{Corpus, Dataset, Images, Language};
use mutransfer_models::{
    Architecture, Batches, Error, Heads, Kind, Training, Variant, Variants, trainer,
};

fn architecture(kind: Kind, heads: Heads) -> Architecture {
    Architecture {
        heads,
        context: 16,
        ..Architecture::new(kind, dataset(kind).format())
    }
}

/// The built-in data for a model.
fn dataset(kind: Kind) -> Dataset {
    match kind {
        Kind::Gpt | Kind::Bert | Kind::Moe => Dataset::Text(Corpus::Synthetic(Language::new(0))),
        Kind::Mlp | Kind::Cnn | Kind::ResNet => Dataset::Images(Images::synthetic(0)),
    }
}

const BATCHES: Batches = Batches {
    size: 4,
    seed: 1,
    is_fixed: false,
};

fn hyper() -> Hyper {
    Hyper {
        learning_rate: 0.01,
        momentum: 0.9,
        ..Hyper::default()
    }
}

struct Setup {
    architecture: Architecture,
    rule: Rule,
    optimizer: Optimizer,
    base: usize,
    width: usize,
}

impl Setup {
    fn trainer<'a>(&self, dataset: &'a Dataset) -> Box<dyn Training + 'a> {
        let plan = self
            .architecture
            .plan(self.base, self.width, self.rule, self.optimizer)
            .unwrap();
        trainer(
            &self.architecture,
            self.width,
            &plan,
            &hyper(),
            dataset,
            BATCHES,
        )
        .unwrap()
    }

    /// Bits of the losses of five steps and of the validation loss.
    fn losses(&self) -> Vec<u64> {
        let dataset = dataset(self.architecture.kind);
        let mut trainer = self.trainer(&dataset);
        let mut losses: Vec<u64> = (0..5).map(|_| trainer.step(1.0).to_bits()).collect();
        losses.push(trainer.validation_loss().to_bits());
        losses
    }
}

const BOTH_WAYS: [Heads; 2] = [Heads::Dim(8), Heads::Count(2)];

/// Every model, and the transformers with every variant by itself and with all of them that go
/// together.
fn every_model() -> Vec<Architecture> {
    let kinds = Kind::ALL
        .iter()
        .map(|kind| architecture(*kind, BOTH_WAYS[0]));
    let single = Variant::ALL.iter().map(|variant| vec![*variant]);
    let all = Variant::ALL.iter().copied();
    let variants = single
        .chain([all.filter(|variant| *variant != Variant::NoNorm).collect()])
        .map(|variants| Architecture {
            variants: Variants(variants),
            ..architecture(Kind::Gpt, BOTH_WAYS[1])
        });
    kinds
        .chain([architecture(Kind::Gpt, BOTH_WAYS[1])])
        .chain(variants)
        .collect()
}

#[test]
fn at_the_base_width_mup_and_sp_train_bit_identically() {
    for architecture in every_model() {
        for optimizer in mutransfer_burn::OPTIMIZERS {
            let name = format!(
                "{} {:?} {optimizer}",
                architecture.kind, architecture.variants
            );
            // 24 over 2 heads or heads of 8: no power of two hides a rounding error.
            let at = |rule, base, width| {
                let architecture = architecture.clone();
                Setup {
                    architecture,
                    rule,
                    optimizer,
                    base,
                    width,
                }
                .losses()
            };
            let width = if architecture.heads == Heads::Dim(8) {
                24
            } else {
                12
            };
            assert_eq!(
                at(Rule::Mup, width, width),
                at(Rule::Sp, width, width),
                "{name}"
            );
            assert_ne!(
                at(Rule::Mup, 8, width),
                at(Rule::Sp, 8, width),
                "{name}: away from the base"
            );
        }
    }
}

#[test]
fn the_same_trial_gives_the_same_bits() {
    let setup = || Setup {
        architecture: architecture(Kind::Gpt, BOTH_WAYS[0]),
        rule: Rule::Mup,
        optimizer: Optimizer::AdamW,
        base: 8,
        width: 32,
    };
    assert_eq!(setup().losses(), setup().losses());
}

#[test]
fn every_model_learns_a_batch_by_heart() {
    for architecture in every_model() {
        for optimizer in [Optimizer::AdamW, Optimizer::Sgd] {
            let name = format!(
                "{} {:?} {optimizer}",
                architecture.kind, architecture.variants
            );
            let dataset = dataset(architecture.kind);
            let plan = architecture.plan(8, 16, Rule::Mup, optimizer).unwrap();
            let batches = Batches {
                is_fixed: true,
                ..BATCHES
            };
            let mut trainer =
                trainer(&architecture, 16, &plan, &hyper(), &dataset, batches).unwrap();
            let before = trainer.step(1.0);
            let after = (0..60).map(|_| trainer.step(1.0)).last().unwrap();
            assert!(after < 0.9 * before, "{name}: {before} to {after}");
        }
    }
}

#[test]
fn training_lowers_the_loss_but_not_below_the_floor() {
    for optimizer in [Optimizer::AdamW, Optimizer::Sgd] {
        let dataset = dataset(Kind::Gpt);
        let architecture = architecture(Kind::Gpt, BOTH_WAYS[0]);
        let setup = Setup {
            architecture,
            rule: Rule::Mup,
            optimizer,
            base: 8,
            width: 16,
        };
        let mut trainer = setup.trainer(&dataset);
        let before = trainer.validation_loss();
        for _ in 0..60 {
            trainer.step(1.0);
        }
        let after = trainer.validation_loss();
        assert!(after < before - 0.1, "{optimizer}: {before} to {after}");
        assert!(
            after > dataset.floor(Kind::Gpt).unwrap(),
            "{optimizer}: {after}"
        );
    }
}

#[test]
fn the_plan_comes_from_the_modules() {
    let heads_of_eight = architecture(Kind::Gpt, Heads::Dim(8));
    let plan = heads_of_eight
        .plan(16, 64, Rule::Mup, Optimizer::AdamW)
        .unwrap();
    let role = |name: &str| plan.param(name).unwrap_or_else(|| panic!("no {name}")).role;
    assert_eq!(role("tokens.weight"), Role::Input);
    assert_eq!(role("positions.weight"), Role::Input);
    assert_eq!(role("blocks.1.attention.query.weight"), Role::Hidden);
    assert_eq!(role("blocks.0.mlp.down.weight"), Role::Hidden);
    assert_eq!(role("blocks.0.attention_norm.gamma"), Role::Vector);
    assert_eq!(role("readout.weight"), Role::Output);
    assert_eq!(
        plan.param("readout.weight").unwrap().scales.multiplier,
        0.25
    );
    // Heads that stay the same size keep the standard scale; heads that grow get √base/size.
    let close = |a: Option<f64>, b: f64| assert!((a.unwrap() - b).abs() < 1e-15);
    close(plan.forward().attention, 1.0 / 8f64.sqrt());
    let two_heads = architecture(Kind::Gpt, Heads::Count(2))
        .plan(16, 64, Rule::Mup, Optimizer::AdamW)
        .unwrap();
    close(two_heads.forward().attention, 8f64.sqrt() / 32.0);
}

#[test]
fn zero_readout_gives_zero_logits_and_zero_query_zero_attention_logits() {
    let dataset = dataset(Kind::Gpt);
    let zero = Architecture {
        zero_readout: true,
        zero_query: true,
        ..architecture(Kind::Gpt, BOTH_WAYS[0])
    };
    let setup = Setup {
        architecture: zero,
        rule: Rule::Mup,
        optimizer: Optimizer::AdamW,
        base: 8,
        width: 16,
    };
    let mut trainer = setup.trainer(&dataset);
    let zeros = [
        "readout",
        "blocks.0.attention.logits",
        "blocks.1.attention.logits",
    ];
    let sizes = sizes(trainer.as_mut());
    for module in zeros {
        assert_eq!(sizes[module], 0.0, "{module}");
    }
    assert!((trainer.step(1.0) - (Language::VOCABULARY as f64).ln()).abs() < 1e-5);
    trainer.step(1.0);
    let sizes = self::sizes(trainer.as_mut());
    for module in zeros {
        assert!(sizes[module] > 0.0, "{module}");
    }
}

/// Mean absolute activation of every module.
fn sizes(trainer: &mut dyn Training) -> BTreeMap<String, f64> {
    let measured = trainer.coordinates().into_iter();
    let activations = measured.filter(|measured| measured.quantity == Quantity::Activation);
    activations
        .map(|measured| (measured.module, measured.l1))
        .collect()
}

/// Under SP the update of a hidden layer makes its output grow with width, under μP it does not
/// (TP5 figure 5).
#[test]
fn activations_grow_with_width_under_sp_and_not_under_mup() {
    let dataset = dataset(Kind::Gpt);
    let size = |rule, width| {
        let setup = Setup {
            architecture: architecture(Kind::Gpt, BOTH_WAYS[0]),
            rule,
            optimizer: Optimizer::AdamW,
            base: 16,
            width,
        };
        let mut trainer = setup.trainer(&dataset);
        for _ in 0..3 {
            trainer.step(1.0);
        }
        sizes(trainer.as_mut())["blocks.1.mlp"]
    };
    let growth = |rule| size(rule, 128) / size(rule, 16);
    assert!(
        growth(Rule::Sp) > 2.0 * growth(Rule::Mup),
        "SP {} μP {}",
        growth(Rule::Sp),
        growth(Rule::Mup)
    );
    assert!(
        (0.5..1.5).contains(&growth(Rule::Mup)),
        "{}",
        growth(Rule::Mup)
    );
}

#[test]
fn variants_and_data_that_do_not_fit_are_errors() {
    let with = |kind, heads, variant| Architecture {
        variants: Variants(vec![variant]),
        ..architecture(kind, heads)
    };
    let error =
        |architecture: Architecture, width| architecture.shapes(width).unwrap_err().to_string();
    let odd = with(Kind::Gpt, Heads::Dim(8), Variant::GroupedKv);
    assert_eq!(
        error(odd, 24),
        "the number of heads 3 is not divisible by grouped-kv's group of 2"
    );
    let rope = with(Kind::Gpt, Heads::Dim(9), Variant::Rope);
    assert_eq!(
        error(rope, 18),
        "the size of a head 9 is not divisible by rope's pairs of 2"
    );
    let mlp = with(Kind::Mlp, Heads::Dim(8), Variant::Rope);
    assert_eq!(
        error(mlp, 16),
        "`rope` is a variant of transformers, and mlp is none"
    );
    let text = Architecture::new(Kind::ResNet, dataset(Kind::Gpt).format());
    assert_eq!(
        error(text, 16),
        "the model resnet needs images, and the data is text"
    );
    let images = Architecture::new(Kind::Bert, dataset(Kind::Cnn).format());
    assert_eq!(
        error(images, 16),
        "the model bert needs text, and the data is images"
    );
}

#[test]
fn a_tied_readout_is_the_embedding_with_a_multiplier() {
    let tied = Architecture {
        variants: Variants(vec![Variant::Tied]),
        ..architecture(Kind::Gpt, BOTH_WAYS[0])
    };
    let plan = tied.plan(16, 64, Rule::Mup, Optimizer::AdamW).unwrap();
    assert!(plan.param("readout.weight").is_none());
    assert_eq!(plan.param("tokens.weight").unwrap().role, Role::Input);
    let multipliers: Vec<_> = plan
        .forward()
        .readout
        .iter()
        .map(|(name, factor)| (name.as_str(), *factor))
        .collect();
    assert_eq!(multipliers, [("readout.weight", 0.25)]);
}

#[test]
fn sizes_that_do_not_fit_are_errors() {
    let error = |kind, heads, width| {
        architecture(kind, heads)
            .shapes(width)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        error(Kind::Gpt, Heads::Dim(16), 40),
        "width 40 is not divisible by head_dim 16"
    );
    assert_eq!(
        error(Kind::Gpt, Heads::Count(3), 40),
        "width 40 is not divisible by heads 3"
    );
    assert_eq!(error(Kind::Gpt, Heads::Dim(0), 40), "head_dim is zero");
    assert_eq!(error(Kind::Mlp, Heads::Dim(16), 0), "width is zero");
    assert!(architecture(Kind::Mlp, Heads::Dim(16)).shapes(40).is_ok());
    let bad = architecture(Kind::Gpt, Heads::Dim(16))
        .plan(16, 40, Rule::Mup, Optimizer::AdamW)
        .unwrap_err();
    assert!(matches!(bad, Error::NotDivisible { size: 40, .. }));
}

/// Bits of the losses of five steps of SGD.
fn losses_of_sgd(architecture: &Architecture, rule: Parametrization, hyper: &Hyper) -> Vec<u64> {
    let dataset = dataset(architecture.kind);
    let plan = architecture.plan(8, 16, rule, Optimizer::Sgd).unwrap();
    let mut trainer = trainer(architecture, 16, &plan, hyper, &dataset, BATCHES).unwrap();
    (0..5).map(|_| trainer.step(1.0).to_bits()).collect()
}

/// Twice the multiplier with half the weights and a quarter of the learning rate is the same
/// training under SGD (TP5 lemma J.1), and with powers of two to the bit.
#[test]
fn factors_on_inputs_and_readouts_apply_to_every_model() {
    let rotated = Factors {
        multiplier: 2.0,
        init_std: 0.5,
        learning_rate: 0.25,
        ..Factors::ONE
    };
    for architecture in every_model() {
        let with = |factors| Hyper { factors, ..hyper() };
        let losses = |hyper: &Hyper| losses_of_sgd(&architecture, Rule::Mup.into(), hyper);
        let name = format!("{} {:?}", architecture.kind, architecture.variants);
        let both = with(Roles {
            input: rotated,
            output: rotated,
            ..Roles::all(Factors::ONE)
        });
        assert_eq!(losses(&hyper()), losses(&both), "{name}");
        let larger = Factors {
            multiplier: 2.0,
            ..Factors::ONE
        };
        let input = with(Roles {
            input: larger,
            ..Roles::all(Factors::ONE)
        });
        assert_ne!(losses(&hyper()), losses(&input), "{name}: larger inputs");
    }
}

#[test]
fn multipliers_that_no_model_applies_are_errors() {
    let architecture = architecture(Kind::Gpt, BOTH_WAYS[0]);
    let mut hyper = hyper();
    hyper.factors.hidden.multiplier = 2.0;
    let plan = architecture
        .plan(8, 16, Rule::Mup, Optimizer::AdamW)
        .unwrap();
    let dataset = dataset(Kind::Gpt);
    let error = trainer(&architecture, 16, &plan, &hyper, &dataset, BATCHES).err();
    assert_eq!(
        error.unwrap().to_string(),
        "`blocks.0.attention.key.weight`, a hidden parameter, is to be multiplied by 2 in the \
         forward pass; the built-in models multiply inputs, the readout, attention and residual \
         branches only"
    );
}

#[test]
fn rules_with_multipliers_inside_the_network_change_their_form_and_others_do_not() {
    let architecture = architecture(Kind::Mlp, BOTH_WAYS[0]);
    let form = |rule: Parametrization| {
        let plan = architecture.plan(8, 16, rule, Optimizer::Sgd).unwrap();
        plan.form().to_owned()
    };
    assert_eq!(form(Rule::Ntk.into()), Form::Table8.to_string());
    assert_eq!(form(Rule::MeanField.into()), Form::Table8.to_string());
    for kept in [Form::Table3, Form::Table9] {
        let rule = Parametrization::from(Rule::Mup).with_form(kept);
        assert_eq!(form(rule), kept.to_string());
    }
}

/// Every form that the models apply is the same training, but for rounding.
#[test]
fn forms_train_alike() {
    for architecture in every_model() {
        let losses = |form| {
            let rule = Parametrization::from(Rule::Mup).with_form(form);
            losses_of_sgd(&architecture, rule, &hyper())
        };
        let own = losses(Form::Table8);
        for form in [Form::Table3, Form::Table9] {
            // Without a multiplier nothing tells the two uses of a tied tensor apart.
            if architecture.variants.has(Variant::Tied) && form == Form::Table3 {
                continue;
            }
            for (own, other) in own.iter().zip(losses(form)) {
                let (own, other) = (f64::from_bits(*own), f64::from_bits(other));
                assert!(
                    (own - other).abs() < 1e-4 * own,
                    "{} {:?} {form}: {own} and {other}",
                    architecture.kind,
                    architecture.variants
                );
            }
        }
    }
}

/// Rules over depth are the standard parametrization at the base's width and depth, to the last bit.
#[test]
fn at_the_base_depth_rules_over_depth_and_sp_train_bit_identically() {
    for architecture in every_model() {
        let at = |rule, base_depth| {
            let architecture = Architecture {
                base_depth,
                ..architecture.clone()
            };
            Setup {
                architecture,
                rule,
                optimizer: Optimizer::AdamW,
                base: 8,
                width: 8,
            }
            .losses()
        };
        let name = format!("{} {:?}", architecture.kind, architecture.variants);
        let sp = at(Rule::Sp, architecture.depth);
        for rule in [
            Rule::CompleteP,
            Rule::CompleteDP,
            Rule::DepthMup,
            Rule::SpDepthInit,
        ] {
            let tied = architecture.variants.has(Variant::Tied);
            if tied && rule == Rule::CompleteDP {
                continue;
            }
            assert_eq!(at(rule, architecture.depth), sp, "{name} {rule}");
            let has_depth = match architecture.kind {
                // Its branches end in norms, which start at one.
                Kind::ResNet => rule != Rule::SpDepthInit,
                kind => kind.is_transformer() && !architecture.variants.has(Variant::PostNorm),
            };
            if has_depth {
                assert_ne!(at(rule, 1), sp, "{name} {rule}");
            }
        }
    }
}

/// The model multiplies its branches, or has that in the weights that end them: the same training,
/// but for rounding.
#[test]
fn forms_train_alike_over_depth() {
    let dataset = dataset(Kind::Gpt);
    for variant in [None, Some(Variant::NoNorm), Some(Variant::QkNorm)] {
        let architecture = Architecture {
            depth: 6,
            variants: Variants(variant.into_iter().collect()),
            ..architecture(Kind::Gpt, BOTH_WAYS[0])
        };
        for (optimizer, eps) in [(Optimizer::AdamW, 1e-4), (Optimizer::Sgd, 1e-8)] {
            let hyper = Hyper {
                eps,
                weight_decay: 0.1,
                ..hyper()
            };
            let losses = |form: Option<Form>| -> Vec<f64> {
                let rule = Parametrization::from(Rule::CompleteP);
                let rule = form.map_or(rule.clone(), |form| rule.with_form(form));
                let plan = architecture.plan(8, 16, rule, optimizer).unwrap();
                assert_eq!(
                    plan.forward().residual,
                    form.map_or(Some(1.0 / 3.0), |_| None)
                );
                let mut trainer =
                    trainer(&architecture, 16, &plan, &hyper, &dataset, BATCHES).unwrap();
                (0..8).map(|_| trainer.step(1.0)).collect()
            };
            for (own, folded) in losses(None).into_iter().zip(losses(Some(Form::Folded))) {
                assert!(
                    (own - folded).abs() < 1e-4 * own,
                    "{variant:?} {optimizer}: {own} and {folded}"
                );
            }
        }
    }
}

/// Blocks that differ in size, and projections beside their branches.
#[test]
fn a_residual_network_has_rules_over_depth() {
    let architecture = |base_depth| Architecture {
        depth: 4,
        base_depth,
        ..architecture(Kind::ResNet, BOTH_WAYS[0])
    };
    let planned = |base_depth, rule| architecture(base_depth).plan(8, 8, rule, Optimizer::AdamW);
    let plan = planned(2, Rule::DepthMup).unwrap();
    let root = 0.5f64.sqrt();
    assert!((plan.forward().residual.unwrap() - root).abs() < 1e-12);
    let learning_rate = |name: &str| plan.param(name).unwrap().scales.learning_rate;
    for name in ["first.weight", "second.weight", "second_norm.gamma"] {
        for block in ["blocks.0", "blocks.4", "blocks.7"] {
            let found = learning_rate(&format!("{block}.{name}"));
            assert!((found - root).abs() < 1e-12, "{block}.{name}: {found}");
        }
    }
    for name in [
        "stem.weight",
        "blocks.4.shortcut.weight",
        "blocks.4.shortcut_norm.beta",
    ] {
        assert_eq!(learning_rate(name), 1.0, "{name}");
    }
    // From a base that is deeper.
    let shallower = planned(8, Rule::CompleteP).unwrap();
    assert_eq!(shallower.forward().residual, Some(2.0));
    let error = planned(2, Rule::SpDepthInit).unwrap_err().to_string();
    let expected = "sp-depth-init starts what ends residual branches smaller, and those of resnet \
                    end in norms, whose gains start at 1";
    assert_eq!(error, expected);
}

#[test]
fn depths_without_a_rule_are_errors() {
    let error = |kind, variants| {
        let architecture = Architecture {
            depth: 4,
            variants: Variants(variants),
            ..architecture(kind, BOTH_WAYS[0])
        };
        let plan = architecture.plan(8, 8, Rule::CompleteP, Optimizer::AdamW);
        plan.unwrap_err().to_string()
    };
    assert_eq!(
        error(Kind::Gpt, vec![Variant::PostNorm]),
        "no rule transfers over depth with norms after the branches; the depth is 4, the base's 2"
    );
    for kind in [Kind::Mlp, Kind::Cnn] {
        assert_eq!(
            error(kind, Vec::new()),
            format!("{kind} has no rule over depth: it has no residual branches")
        );
    }
}
