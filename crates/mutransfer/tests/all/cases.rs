//! Models as others publish them: what grows, what is data, what counts blocks. Sizes are those of
//! the models' configuration files, which the comments name.

use crate::common;

use common::scales;
use mutransfer::{Error, Fix, Hyper, Layout, Optimizer, Plan, Role, Rule, Shape, Shapes, Widths};

const EMBEDDING: &str = "model.embed_tokens.weight";
const READOUT: &str = "lm_head.weight";

/// Qwen2.5 (Qwen/Qwen2.5-*, config.json), the tensors outside of its blocks and those of the first:
/// vocabulary (padded), hidden_size, size of keys and values, intermediate_size.
fn qwen([words, width, keys, feed]: [usize; 4]) -> Shapes {
    let block = [
        ("self_attn.q_proj.weight", vec![width, width]),
        ("self_attn.k_proj.weight", vec![keys, width]),
        ("self_attn.v_proj.weight", vec![keys, width]),
        ("self_attn.o_proj.weight", vec![width, width]),
        ("self_attn.q_proj.bias", vec![width]),
        ("self_attn.k_proj.bias", vec![keys]),
        ("self_attn.v_proj.bias", vec![keys]),
        ("mlp.gate_proj.weight", vec![feed, width]),
        ("mlp.up_proj.weight", vec![feed, width]),
        ("mlp.down_proj.weight", vec![width, feed]),
        ("input_layernorm.weight", vec![width]),
        ("post_attention_layernorm.weight", vec![width]),
    ];
    let ends = [
        (EMBEDDING.to_owned(), vec![words, width]),
        (READOUT.to_owned(), vec![words, width]),
        ("model.norm.weight".to_owned(), vec![width]),
    ];
    let block = block.map(|(name, dims)| (format!("model.layers.0.{name}"), dims));
    let all = ends.into_iter().chain(block);
    all.map(|(name, dims)| (name, Shape::new(dims))).collect()
}

const HALF: [usize; 4] = [151_936, 896, 128, 4864];
const SMALL: [usize; 4] = [151_936, 1536, 256, 8960];
const LARGE: [usize; 4] = [152_064, 3584, 512, 18_944];

/// 1.5B to 7B, whose vocabularies are padded to 151,936 and 152,064.
fn planned(widths: Widths, declared: bool) -> Result<Plan, Error> {
    let mut widths = widths.with_layout(Layout::OutIn);
    if declared {
        widths = widths
            .declare(EMBEDDING, Role::Input)?
            .declare(READOUT, Role::Output)?;
    }
    Plan::new(&widths, &qwen(LARGE), Rule::Mup, Optimizer::AdamW)
}

#[test]
fn a_padded_vocabulary_is_no_width() {
    let delta = Widths::between(&qwen(SMALL), &qwen(HALF)).unwrap();
    let alone = Widths::inferred(&qwen(SMALL), &qwen(LARGE)).unwrap();
    for widths in [delta, alone] {
        let plan = planned(widths, true).unwrap();
        let of = |name: &str| (plan.param(name).unwrap().role, scales(&plan, name));
        let (role, [_, _, rate, ..]) = of(EMBEDDING);
        assert_eq!((role, rate), (Role::Input, 1.0));
        let (role, [multiplier, _, rate, ..]) = of(READOUT);
        assert_eq!((role, rate), (Role::Output, 1.0));
        assert!((multiplier - 0.428_571).abs() < 1e-6);
        let (role, [_, _, rate, ..]) = of("model.layers.0.mlp.down_proj.weight");
        assert_eq!((role, rate), (Role::Hidden, 8960.0 / 18_944.0));
    }
}

#[test]
fn undeclared_a_padded_vocabulary_is_refused() {
    let alone = Widths::inferred(&qwen(SMALL), &qwen(LARGE)).unwrap();
    let error = planned(alone, false).unwrap_err();
    assert_eq!(
        error.to_string(),
        "axis 0 of parameter `lm_head.weight` grows from 151936 to 152064, and nothing shows that \
         it is a width: widths grow by 2, 2.1143, 2.3333"
    );
    assert_eq!(error.fix(), Some(Fix::DeclareRole));
}

/// timm's ConvNeXt (convnext_tiny, convnext_base): widths and blocks of its stages.
fn convnext(width: usize, blocks: [usize; 4]) -> Shapes {
    let mut shapes = vec![
        ("stem.0.weight".to_owned(), vec![width, 3, 4, 4]),
        ("head.norm.weight".to_owned(), vec![8 * width]),
        ("head.fc.weight".to_owned(), vec![1000, 8 * width]),
        ("head.fc.bias".to_owned(), vec![1000]),
    ];
    for (stage, count) in blocks.into_iter().enumerate() {
        let width = width << stage;
        if stage > 0 {
            let name = format!("stages.{stage}.downsample");
            shapes.push((format!("{name}.0.weight"), vec![width / 2]));
            shapes.push((format!("{name}.1.weight"), vec![width, width / 2, 2, 2]));
        }
        for block in 0..count {
            let name = format!("stages.{stage}.blocks.{block}");
            shapes.push((format!("{name}.conv_dw.weight"), vec![width, 1, 7, 7]));
            shapes.push((format!("{name}.norm.weight"), vec![width]));
            shapes.push((format!("{name}.mlp.fc1.weight"), vec![4 * width, width]));
            shapes.push((format!("{name}.mlp.fc2.weight"), vec![width, 4 * width]));
        }
    }
    shapes
        .into_iter()
        .map(|(name, dims)| (name, Shape::new(dims)))
        .collect()
}

const TINY: [usize; 4] = [3, 3, 9, 3];
const BASE: [usize; 4] = [3, 3, 27, 3];

/// Tiny to base: only the third stage has more blocks, and every one of them is 4/3 as wide.
#[test]
fn the_blocks_of_one_stage_grow_in_number() {
    let target = convnext(128, BASE);
    let delta = Widths::between(&convnext(96, TINY), &convnext(128, TINY)).unwrap();
    let alone = Widths::inferred(&convnext(96, TINY), &target).unwrap();
    let said = delta.clone().with_depth("stages.2.blocks", 9, 27).unwrap();
    for widths in [delta, alone, said] {
        let widths = widths.with_layout(Layout::OutIn);
        let widths = widths.declare("head.fc.weight", Role::Output).unwrap();
        let plan = Plan::new(&widths, &target, Rule::Mup, Optimizer::AdamW).unwrap();
        let hyper = Hyper {
            learning_rate: 0.004,
            ..Hyper::default()
        };
        for block in 0..27 {
            let name = format!("stages.2.blocks.{block}.mlp.fc1.weight");
            let setting = plan.setting(&name, &hyper).unwrap();
            assert!((setting.learning_rate - 0.003).abs() < 1e-9, "{name}");
            let [_, init, _, decay, _] = scales(&plan, &name);
            assert!((init - 0.866).abs() < 1e-3 && (decay - 1.333).abs() < 1e-3);
        }
        assert_eq!(scales(&plan, "stem.0.weight")[2], 1.0);
        let forward = plan.forward();
        assert_eq!(forward.residual, None);
        let in_stage = forward.residual_in.get("stages.2.blocks").copied();
        assert_eq!((in_stage, forward.residual_in.len()), (Some(1.0 / 3.0), 1));
    }
}

#[test]
fn a_number_within_a_block_counts_no_blocks() {
    let model = |width: usize, blocks: usize| {
        let ends = [
            ("stem.0.weight".to_owned(), vec![width, 3]),
            ("t_embedder.mlp.0.weight".to_owned(), vec![width, 256]),
            ("t_embedder.mlp.2.weight".to_owned(), vec![width, width]),
            ("classifier.1.weight".to_owned(), vec![10, width]),
        ];
        let block = |at: usize| {
            [
                (format!("h_{at}.mlp.0.weight"), vec![4 * width, width]),
                (format!("h_{at}.mlp.2.weight"), vec![width, 4 * width]),
                (format!("h_{at}.norm.weight"), vec![width]),
            ]
        };
        let all = ends.into_iter().chain((0..blocks).flat_map(block));
        Shapes::from_iter(all.map(|(name, dims)| (name, Shape::new(dims))))
    };
    let widths = Widths::between(&model(64, 2), &model(96, 2)).unwrap();
    let widths = widths.with_layout(Layout::OutIn);
    let widths = widths.declare("classifier.1.weight", Role::Output).unwrap();
    let plan = Plan::new(&widths, &model(128, 8), Rule::Mup, Optimizer::Sgd).unwrap();
    let rate = |name: &str| scales(&plan, name)[2];
    // SGD with alpha = 1: times the depth in the blocks, which are four times as many, and nowhere
    // else.
    for block in 0..8 {
        assert_eq!(rate(&format!("h_{block}.mlp.0.weight")), 4.0);
        assert_eq!(rate(&format!("h_{block}.mlp.2.weight")), 4.0);
        assert_eq!(rate(&format!("h_{block}.norm.weight")), 8.0);
    }
    assert_eq!(rate("stem.0.weight"), 2.0);
    assert_eq!(rate("t_embedder.mlp.2.weight"), 1.0);
    assert_eq!(plan.forward().residual, Some(0.25));
}
