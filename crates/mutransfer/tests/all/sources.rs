//! Shapes from JSON and safetensors: what is read, and the error for each mistake.

use mutransfer::{Axes, Layout, Optimizer, Plan, Role, Rule, Shape, Shapes, Size, Sizes, Widths};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

#[test]
fn json_with_and_without_axes() {
    let text = r#"{
        "linear": {"dims": [64, 10], "fan_in": 0, "fan_out": 1},
        "table": {"dims": [50, 64], "fan_out": 1},
        "conv": [64, 3, 5, 5],
        "bare": {"dims": [64, 64]},
        "bias": [10],
        "scalar": []
    }"#;
    let expected = Shapes::from_iter([
        ("linear", Shape::new([64, 10]).with_axes(Axes::IN_OUT)),
        ("table", Shape::new([50, 64]).with_axes(Axes::LOOKUP)),
        (
            "conv",
            Shape {
                dims: vec![64, 3, 5, 5],
                axes: None,
            },
        ),
        (
            "bare",
            Shape {
                dims: vec![64, 64],
                axes: None,
            },
        ),
        (
            "bias",
            Shape {
                dims: vec![10],
                axes: Some(Axes::VECTOR),
            },
        ),
        (
            "scalar",
            Shape {
                dims: vec![],
                axes: None,
            },
        ),
    ]);
    assert_eq!(Shapes::from_json(text).unwrap(), expected);
}

#[test]
fn mistakes_in_json_are_named() {
    let shape = r#"expected a list of sizes, or {"dims": [...], "fan_in": axis, "fan_out": axis}, or an object of these"#;
    let wrong = |column: usize| format!("parameter `w`: {shape} at line 1 column {column}");
    let cases = [
        ("", "EOF while parsing a value at line 1 column 0".to_owned()),
        ("{", "EOF while parsing an object at line 1 column 1".to_owned()),
        (
            "[[64]]",
            "invalid type: sequence, expected an object with a shape for each parameter name at line 1 column 0"
                .to_owned(),
        ),
        (r#"{"w": [4], "w": [4]}"#, "parameter `w` is given twice at line 1 column 20".to_owned()),
        (r#"{"w": [4]} x"#, "trailing characters at line 1 column 12".to_owned()),
        (r#"{"w": [4"#, "parameter `w`: EOF while parsing a list at line 1 column 8".to_owned()),
        (r#"{"w": null}"#, wrong(11)),
        (r#"{"w": 64}"#, wrong(9)),
        (r#"{"w": [-1]}"#, wrong(11)),
        (r#"{"w": [1.5]}"#, wrong(12)),
        (r#"{"w": [1e3]}"#, wrong(12)),
        (r#"{"w": ["64"]}"#, wrong(13)),
        (r#"{"w": [[64]]}"#, wrong(13)),
        (r#"{"w": [18446744073709551616]}"#, wrong(29)),
        (r#"{"w": {"fan_in": 0}}"#, wrong(20)),
        (r#"{"w": {"dims": [4], "fanin": 0}}"#, wrong(32)),
        (r#"{"w": {"dims": [4], "fan_in": -1}}"#, wrong(34)),
        (r#"{"w": {"dims": [4], "dims": [4]}}"#, wrong(33)),
    ];
    for (text, message) in cases {
        let error = Shapes::from_json(text).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("shapes in JSON: {message}"),
            "{text}"
        );
    }
}

/// What a list of sizes cannot know, planning finds.
#[test]
fn shapes_that_cannot_be_are_named_when_planned() {
    let message = |base: &str, delta: &str| {
        let [base, delta] = [base, delta].map(|text| Shapes::from_json(text).unwrap());
        let widths = Widths::between(&base, &delta);
        let plan =
            widths.and_then(|widths| Plan::new(&widths, &delta, Rule::Mup, Optimizer::AdamW));
        plan.unwrap_err().to_string()
    };
    let axes = |width: usize, fan_in: usize, fan_out: usize| {
        format!(r#"{{"w": {{"dims": [{width}, 9], "fan_in": {fan_in}, "fan_out": {fan_out}}}}}"#)
    };
    let cases = [
        (
            r#"{"w": [0]}"#.to_owned(),
            r#"{"w": [4]}"#.to_owned(),
            "axis 0 of parameter `w` has size zero in the base model",
        ),
        (
            r#"{"w": [4]}"#.to_owned(),
            r#"{"w": [0]}"#.to_owned(),
            "axis 0 of parameter `w` has size zero in the delta model",
        ),
        (
            axes(4, 0, 2),
            axes(8, 0, 2),
            "parameter `w` has 2 dimensions, its axes name dimension 2",
        ),
        (
            axes(4, 0, 0),
            axes(8, 0, 0),
            "axis 0 of parameter `w` cannot be both fan-in and fan-out",
        ),
        (
            "{}".to_owned(),
            "{}".to_owned(),
            "no dimension grows between the base and the delta model",
        ),
    ];
    for (base, delta, expected) in cases {
        assert_eq!(message(&base, &delta), expected, "{base} {delta}");
    }
}

#[test]
fn a_tie_needs_two_names_and_a_tensor() {
    let shapes = |width: usize| {
        Shapes::from_iter(["a", "b", "c"].map(|name| (name, Shape::new([50, width]))))
    };
    let widths = || {
        Widths::between(&shapes(64), &shapes(96))
            .unwrap()
            .with_layout(Layout::OutIn)
    };
    assert_eq!(
        widths().tie("a", "a").unwrap_err().to_string(),
        "`a` cannot be tied to itself"
    );
    assert_eq!(
        widths().tie("d", "e").unwrap_err().to_string(),
        "no parameter matches `d`"
    );
    // Ties of ties are ties to the one tensor that is left.
    let declared = || widths().declare("c", Role::Input).unwrap();
    let orders = [[("a", "b"), ("b", "c")], [("b", "c"), ("a", "b")]];
    for (widths, [first, second]) in orders
        .into_iter()
        .flat_map(|order| [(widths(), order), (declared(), order)])
    {
        let tied = widths
            .tie(first.0, first.1)
            .and_then(|widths| widths.tie(second.0, second.1))
            .unwrap();
        let plan = Plan::new(&tied, &shapes(128), Rule::Mup, Optimizer::AdamW).unwrap();
        let [(kept, _)] = plan.params().collect::<Vec<_>>()[..] else {
            panic!("{tied:?}")
        };
        assert!(tied.ties().all(|(_, tensor)| tensor == kept), "{tied:?}");
        assert_eq!(
            plan.forward().readout.values().copied().collect::<Vec<_>>(),
            [0.5, 0.5]
        );
    }
}

/// With a depth, names are compared by template only; a tied tensor that the target lacks must not
/// pass.
#[test]
fn a_tied_tensor_is_missed_at_any_depth() {
    let shapes = |width: usize, blocks: usize| {
        let ends = ["a", "b"].map(|name| (name.to_owned(), Shape::new([50, width])));
        let block = |at| (format!("blocks.{at}.norm"), Shape::vector(width));
        Shapes::from_iter(ends.into_iter().chain((0..blocks).map(block)))
    };
    let widths = Widths::between(&shapes(64, 2), &shapes(96, 2))
        .and_then(|widths| widths.tie("a", "b"))
        .unwrap();
    let deep = widths.with_sizes(Sizes::NONE.with(Size::Depth, 2, 4).unwrap());
    let error = Plan::new(
        &deep,
        &shapes(128, 4).without("b"),
        Rule::Mup,
        Optimizer::AdamW,
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "parameter `b` of the base model is missing in the target model"
    );
}

/// A small file with tensors that train and one that does not.
fn safetensors() -> Vec<u8> {
    let data = [0u8; 64];
    let tensors = [
        ("weight", Dtype::F32, vec![4, 2]),
        ("half", Dtype::BF16, vec![3]),
        ("eighth", Dtype::F8_E4M3, vec![2, 1, 5]),
        ("scalar", Dtype::F64, vec![]),
        ("steps", Dtype::I64, vec![1]),
        ("mask", Dtype::BOOL, vec![2, 2]),
    ];
    let view = |dtype: Dtype, shape: Vec<usize>| {
        let bytes = shape.iter().product::<usize>() * dtype.bitsize() / 8;
        TensorView::new(dtype, shape, &data[..bytes]).unwrap()
    };
    safetensors::serialize(
        tensors.map(|(name, dtype, shape)| (name, view(dtype, shape))),
        None,
    )
    .unwrap()
}

fn header_length(file: &[u8]) -> usize {
    8 + usize::try_from(u64::from_le_bytes(file[..8].try_into().unwrap())).unwrap()
}

/// A file of safetensors with this header and no data.
fn with_header(header: &str) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat()
}

#[test]
fn safetensors_give_the_float_tensors() {
    let expected = Shapes::from_iter([
        ("weight", Shape::new([4, 2])),
        ("half", Shape::new([3])),
        ("eighth", Shape::new([2, 1, 5])),
        ("scalar", Shape::new([])),
    ]);
    assert_eq!(Shapes::from_safetensors(&safetensors()).unwrap(), expected);
    assert_eq!(expected.get("weight").unwrap().axes, None);
}

/// Checkpoints are larger than memory; their beginning is enough.
#[test]
fn only_the_header_of_safetensors_is_needed() {
    let file = safetensors();
    let whole = Shapes::from_safetensors(&file).unwrap();
    for length in 0..file.len() {
        let read = Shapes::from_safetensors(&file[..length]);
        if length < header_length(&file) {
            assert_eq!(
                read.unwrap_err().to_string(),
                format!("shapes in safetensors: {length} bytes end within the header")
            );
        } else {
            assert_eq!(read.unwrap(), whole);
        }
    }
}

#[test]
fn damaged_safetensors_are_errors() {
    let tensor = |shape: &str, end: &str| {
        with_header(&format!(
            r#"{{"w":{{"dtype":"F32","shape":{shape},"data_offsets":[0,{end}]}}}}"#
        ))
    };
    assert!(Shapes::from_safetensors(&tensor("[2]", "8")).is_ok());
    let damaged = [
        b"{\"w\": [64, 64]}".to_vec(),
        u64::MAX.to_le_bytes().to_vec(),
        with_header("[]"),
        with_header("{\"w\": 3}"),
        with_header("\u{7f}"),
        tensor("[2]", "9"),
        tensor("[-2]", "8"),
        tensor("[18446744073709551615, 2]", "8"),
        tensor("[[2]]", "8"),
    ];
    for bytes in damaged {
        let message = Shapes::from_safetensors(&bytes).unwrap_err().to_string();
        assert!(message.starts_with("shapes in safetensors: "), "{message}");
    }
    let end_of_memory = (0..9u64).map(|at| {
        let size = (1u64 << 61) - 1;
        let [from, to] = [at, at + 1].map(|at| at.wrapping_mul(size));
        format!(r#""{at}":{{"dtype":"U8","shape":[{size}],"data_offsets":[{from},{to}]}}"#)
    });
    for count in 1..=9 {
        let header = end_of_memory
            .clone()
            .take(count)
            .collect::<Vec<_>>()
            .join(",");
        let _ = Shapes::from_safetensors(&with_header(&format!("{{{header}}}")));
    }
}

fn names(shapes: &Shapes) -> Vec<&str> {
    shapes.iter().map(|(name, _)| name.as_str()).collect()
}

/// A tree as Flax has it, and the header of a safetensors file.
#[test]
fn trees_and_headers_as_json() {
    let tree = r#"{"params": {"h_0": {"attn": {"kernel": [64, 192], "bias": [192]}},
        "wte": {"embedding": {"dims": [50, 64], "fan_out": 1}}}}"#;
    let shapes = Shapes::from_json(tree).unwrap();
    assert_eq!(
        names(&shapes),
        [
            "params.h_0.attn.bias",
            "params.h_0.attn.kernel",
            "params.wte.embedding"
        ]
    );
    assert_eq!(
        shapes.get("params.wte.embedding").unwrap().axes,
        Some(Axes::LOOKUP)
    );
    let header = r#"{"__metadata__": {"format": "pt"},
        "a.weight": {"dtype": "F32", "shape": [4, 8], "data_offsets": [0, 128]}}"#;
    let shapes = Shapes::from_json(header).unwrap();
    assert_eq!(
        (
            names(&shapes),
            shapes.get("a.weight").unwrap().dims.as_slice()
        ),
        (vec!["a.weight"], &[4, 8][..])
    );
}

#[test]
fn what_is_not_trained_is_left_out_and_said() {
    let of = |names: &[&str]| {
        let shapes = names.iter().map(|name| (*name, Shape::new([4, 4])));
        Shapes::from_iter(shapes).trained()
    };
    let (shapes, left) = of(&[
        "module._orig_mod.layers.0._fsdp_wrapped_module.fc.weight",
        "module._orig_mod.bn.running_mean",
        "module._orig_mod.bn.running_var",
        "module._orig_mod.fc.weight_scale",
    ])
    .unwrap();
    assert_eq!(names(&shapes), ["layers.0.fc.weight"]);
    let said: Vec<_> = left.iter().map(|kind| (kind.what, kind.count)).collect();
    assert_eq!(
        said,
        [("quantisation scales", 1), ("running statistics", 2)]
    );
    // A module that is called so itself keeps its name.
    let (shapes, _) = of(&["module.weight", "other.weight"]).unwrap();
    assert_eq!(names(&shapes), ["module.weight", "other.weight"]);
    assert_eq!(
        of(&["model.layers.0.q_proj.qweight"])
            .unwrap_err()
            .to_string(),
        "`model.layers.0.q_proj.qweight` is packed into integers, so that its sizes are not those of its layer"
    );
    let mask = Shapes::from_iter([("h.0.attn.bias", Shape::new([1, 1, 64, 64]))]);
    let (kept, left) = mask.trained().unwrap();
    assert!(kept.is_empty());
    assert_eq!(left[0].what, "masks");
}

/// Experts of a layer in one tensor, and layers that are scanned over.
#[test]
fn axes_of_fused_and_stacked_tensors_are_declared() {
    let model = |width: usize, blocks: usize| {
        Shapes::from_iter([
            ("embed", Shape::new([50, width]).with_axes(Axes::LOOKUP)),
            ("layers.experts", Shape::new([blocks, 8, width, 4 * width])),
            ("layers.query", Shape::new([blocks, width, width])),
            ("layers.norm", Shape::new([blocks, width])),
        ])
    };
    let planned = |widths: Widths| {
        let widths = widths
            .with_layout(Layout::InOut)
            .with_axes(
                "layers.experts",
                Axes {
                    fan_in: Some(2),
                    fan_out: Some(3),
                },
            )?
            .with_stacked("layers.*", 0)?;
        Plan::new(&widths, &model(256, 8), Rule::Mup, Optimizer::Sgd)
    };
    for widths in [
        Widths::between(&model(64, 2), &model(96, 2)).unwrap(),
        Widths::inferred(&model(64, 2), &model(256, 8)).unwrap(),
    ] {
        let plan = planned(widths).unwrap();
        let of = |name: &str| {
            let param = plan.param(name).unwrap();
            (param.role, param.scales.learning_rate)
        };
        // Times the width for vectors and times the depth in blocks, under SGD.
        assert_eq!(of("layers.query"), (Role::Hidden, 4.0));
        assert_eq!(of("layers.experts"), (Role::Hidden, 4.0));
        assert_eq!(of("layers.norm"), (Role::Vector, 16.0));
        assert_eq!(of("embed"), (Role::Input, 4.0));
        assert_eq!(plan.forward().residual, Some(0.25));
        // The fan-in of one block: that of all would be twice as much in the base.
        let hyper = mutransfer::Hyper::default();
        let query = plan.param("layers.query").unwrap();
        assert_eq!(query.setting(&hyper).init_std, Some(1.0 / 16.0));
        assert_eq!(
            plan.param("layers.norm").unwrap().setting(&hyper).init_std,
            None
        );
    }
}

#[test]
fn an_index_names_its_files() {
    let index = r#"{"metadata": {"total_size": 8},
        "weight_map": {"a.weight": "model-00001-of-00002.safetensors"}}"#;
    let shards = mutransfer::shards(index).unwrap();
    assert_eq!(shards["a.weight"], "model-00001-of-00002.safetensors");
    assert_eq!(mutransfer::shards(r#"{"a.weight": [4]}"#), None);
}

/// A reader would take the last of the two.
#[test]
fn a_tensor_that_is_there_twice_is_refused() {
    let tensor = r#""w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#;
    let header = format!("{{{tensor},{tensor}}}");
    let file = [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat();
    let refused = Shapes::from_safetensors(&file).unwrap_err().to_string();
    let expected = "shapes in safetensors: parameter `w` is given twice";
    assert!(refused.starts_with(expected), "{refused}");
}
