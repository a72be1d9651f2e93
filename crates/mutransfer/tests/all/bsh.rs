//! `.bsh` files: those of the Python package `mup` byte for byte, any name back as it was, and one
//! error for each mistake.

use crate::reference;

use mutransfer::{BaseShapes, Layout, Optimizer, Plan, Rule, Shape, Shapes, Widths};
use proptest::prelude::*;
use reference::fixtures;

#[test]
fn written_as_mup_writes_it() {
    for fixture in fixtures() {
        assert_eq!(fixture.widths().to_bsh(), fixture.bsh, "{}", fixture.model);
    }
}

/// As PyYAML 6.0.3 writes them: `yaml.dump({name: [8]}, indent=4)`.
#[test]
fn names_that_yaml_takes_for_something_else_are_quoted() {
    let quoted = [
        "0",
        "1_000",
        "-1",
        "+1",
        "0x1F",
        "0b11",
        "017",
        "2.1",
        ".5",
        "-1.5e+3",
        ".inf",
        "-.inf",
        ".nan",
        "2001-01-01",
        "null",
        "Yes",
        "OFF",
        "~",
        "<<",
        "=",
        "-",
        "- a",
        "---",
        "--- a",
        "...",
        " a",
        "a ",
        "a:",
        "a: b",
        "@a",
        "#a",
        "*a",
        "&a",
        "!a",
        "%a",
        "[a",
        "{a",
        "|a",
        ">a",
        "`a",
    ];
    let plain = [
        "w",
        "08",
        "0x",
        "1e5",
        "1.5e3",
        "1.2.3",
        "-.5",
        "_1",
        "2001-1-01",
        "nULL",
        "y",
        "-a",
        ":a",
        "a:b",
        "a b",
        "a+b",
        "it's",
    ];
    let key = |name: &str| {
        let shapes = |width| Shapes::from_iter([(name, Shape::new([width]))]);
        let text = Widths::between(&shapes(8), &shapes(9)).unwrap().to_bsh();
        text.split_once("\"width\"\n").unwrap().1.to_owned()
    };
    for name in quoted {
        assert_eq!(key(name), format!("'{name}':\n- 8\n"));
    }
    for name in plain {
        assert_eq!(key(name), format!("{name}:\n- 8\n"));
    }
    assert_eq!(key("'"), "'''':\n- 8\n");
    assert_eq!(key("a\té"), "\"a\\t\\xE9\":\n- 8\n");
    // Quotes do not count towards the length from which a key has its own line.
    let [short, long] = [122, 123].map(|length| "1".repeat(length));
    assert_eq!(key(&short), format!("'{short}':\n- 8\n"));
    assert_eq!(key(&long), format!("? '{long}'\n:   - 8\n"));
}

#[test]
fn a_file_gives_the_plans_of_base_and_delta() {
    for fixture in fixtures() {
        let read = fixture.declare(Widths::from_bsh(&fixture.bsh).unwrap());
        for target in &fixture.targets {
            let [from_file, from_shapes] =
                [&read, &fixture.declare(fixture.widths())].map(|widths| {
                    Plan::new(widths, &target.shapes(), Rule::Mup, Optimizer::Sgd).unwrap()
                });
            assert_eq!(
                from_file.hash(),
                from_shapes.hash(),
                "{} of width {}",
                fixture.model,
                target.width
            );
        }
    }
}

#[test]
fn a_tied_readout_is_not_written() {
    let shapes = |width: usize| {
        Shapes::from_iter(
            ["embedding", "readout"]
                .map(|name| (format!("{name}.weight"), Shape::new([50, width]))),
        )
    };
    let widths = Widths::between(&shapes(64), &shapes(96)).unwrap();
    let tied = widths
        .tie("readout.weight", "embedding.weight")
        .unwrap()
        .to_bsh();
    assert!(
        tied.ends_with("\"width\"\nembedding.weight:\n- null\n- 64\n"),
        "{tied}"
    );
}

/// `mup` takes the letters of `module.` off both ends of every name, so that this one becomes
/// `bed.weight`.
#[test]
fn names_keep_their_prefix() {
    let widths = Widths::from_bsh("module.model.embed.weight: [64]").unwrap();
    assert!(
        widths
            .to_bsh()
            .ends_with("\"width\"\nmodule.model.embed.weight:\n- 64\n")
    );
}

/// What people write by hand is read too: flow lists, comments, `~`, the longer form of a key.
#[test]
fn other_spellings_are_read() {
    let spellings = [
        "w:\n- 64\n- null\n",
        "w: [64, null]",
        "w: [64, ~]",
        "{w: [64, null]}",
        "\"w\": [64,\n null] # a first layer",
        "? w\n: - 64\n  -\n",
        "---\nw: [64, null]\n...\n",
        "\u{feff}w: [64, null]",
        "w: [64, null]\r\n",
    ];
    for text in spellings {
        let widths = Widths::from_bsh(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert!(
            widths.to_bsh().ends_with("\"width\"\nw:\n- 64\n- null\n"),
            "{text:?}"
        );
    }
}

#[test]
fn mistakes_are_named() {
    let no_mapping = "shapes in .bsh: expected a list of sizes for each parameter name";
    let no_sizes = "shapes in .bsh: expected a list of sizes or nulls for `w`";
    let no_name = "shapes in .bsh: expected the name of a parameter";
    let cases = [
        ("", no_mapping),
        ("# only a comment", no_mapping),
        ("w", no_mapping),
        ("- w", no_mapping),
        ("[64, 64]", no_mapping),
        ("w:", no_sizes),
        ("w: 64", no_sizes),
        ("w: {fan_in: 64}", no_sizes),
        ("w: [[64]]", no_sizes),
        ("w: [64, x]", no_sizes),
        ("w: [-1]", no_sizes),
        ("w: [64.0]", no_sizes),
        ("w: [6e1]", no_sizes),
        ("w: [18446744073709551616]", no_sizes),
        ("v: &sizes [64]\nw: *sizes", no_sizes),
        ("? [w]\n: [64]", no_name),
        ("v: [64]\n? {w: 1}\n: [64]", no_name),
        (
            "w: [64]\nw: [32]",
            "shapes in .bsh: parameter `w` is given twice",
        ),
        (
            "w: [64]\n---\nv: [64]",
            "shapes in .bsh: expected nothing after the sizes of the last parameter",
        ),
        (
            "w: [64, 0]",
            "axis 1 of parameter `w` has size zero in the base model",
        ),
        (
            "w: [1, 2, null, 3]",
            "axes [0, 1, 3] of parameter `w` grow; at most a fan-in and a fan-out axis can",
        ),
        (
            "{}",
            "no dimension grows between the base and the delta model",
        ),
        (
            "w: [null]\ns: []",
            "no dimension grows between the base and the delta model",
        ),
    ];
    for (text, message) in cases {
        assert_eq!(
            Widths::from_bsh(text).unwrap_err().to_string(),
            message,
            "{text:?}"
        );
    }
}

/// The words are those of the YAML parser; that they say where is ours to ask.
#[test]
fn broken_yaml_is_an_error_with_its_line() {
    for (text, line) in [
        ("w: [64", 2),
        ("v: [64]\nw: \"64", 2),
        ("v: [64]\n}", 2),
        ("v: [64]\n\nw: [64]]", 3),
    ] {
        let message = Widths::from_bsh(text).unwrap_err().to_string();
        assert!(
            message.starts_with("shapes in .bsh: ") && message.contains(&format!("line {line}")),
            "{message}"
        );
    }
}

#[test]
fn deep_nesting_is_an_error() {
    for text in [
        "w: ".to_owned() + &"[".repeat(100_000),
        "{w: ".repeat(100_000),
        "? ".repeat(100_000),
    ] {
        assert!(Widths::from_bsh(&text).is_err(), "{}", &text[..20]);
    }
}

#[test]
fn a_target_that_does_not_fit_a_file_is_refused() {
    let widths = Widths::from_bsh("w: [64, 64]\nb: [64]")
        .unwrap()
        .with_layout(Layout::OutIn);
    let message = |shapes: Shapes| {
        Plan::new(&widths, &shapes, Rule::Mup, Optimizer::AdamW)
            .unwrap_err()
            .to_string()
    };
    let shapes = |weight: &[usize]| {
        Shapes::from_iter([("w", Shape::new(weight)), ("b", Shape::vector(128))])
    };
    assert_eq!(
        message(shapes(&[128, 128]).without("b")),
        "parameter `b` of the base model is missing in the target model"
    );
    assert_eq!(
        message(shapes(&[128])),
        "parameter `w` has dimensions [64, 64] in the base model and [128] in the target model"
    );
}

const WORDS: &[&str] = &[
    "null",
    "~",
    "yes",
    "Off",
    "y",
    "<<",
    "=",
    "0x1F",
    "0b1",
    "1e5",
    "1.5e+3",
    "12:30",
    "2001-01-01",
    ".inf",
    "---",
];

/// Characters that mean something in YAML, words that are no text there, and names too long for one
/// line.
fn name() -> impl Strategy<Value = String> {
    let special: Vec<char> =
        "-?:,[]{}#&*!|>'\"%@`~=<.+_0179exon \t\n\r\\/\u{85}\u{a0}\u{2028}é\u{feff}𝄞"
            .chars()
            .collect();
    let text = |chars: Vec<char>| chars.into_iter().collect::<String>();
    prop_oneof![
        prop::collection::vec(any::<char>(), 0..12).prop_map(text),
        prop::collection::vec(prop::sample::select(special), 0..12).prop_map(text),
        prop::sample::select(WORDS).prop_map(str::to_owned),
        (
            prop::sample::select(&["a", "a ", "é", "'", "0"][..]),
            30usize..200
        )
            .prop_map(|(part, count)| part.repeat(count)),
    ]
}

/// Base, delta and target of parameters whose every size grows.
fn models(params: &[(String, Vec<usize>)]) -> [Shapes; 3] {
    [1, 2, 3].map(|times| {
        let grown = |dims: &[usize]| dims.iter().map(|size| size * times).collect::<Vec<_>>();
        params
            .iter()
            .map(|(name, dims)| (name.clone(), Shape::new(grown(dims))))
            .collect()
    })
}

proptest! {
    #[test]
    fn any_name_comes_back(params in prop::collection::vec((name(), prop::collection::vec(1usize..99, 1..3)), 1..5)) {
        let [base, delta, target] = models(&params);
        let widths = Widths::between(&base, &delta).unwrap();
        let text = widths.to_bsh();
        let read = Widths::from_bsh(&text);
        prop_assert!(read.is_ok(), "{:?} of {text:?}", read);
        let plan = |widths: Widths| {
            Plan::new(&widths.with_layout(Layout::OutIn), &target, Rule::Mup, Optimizer::AdamW).unwrap().hash()
        };
        prop_assert_eq!(plan(read.unwrap()), plan(widths), "{:?}", text);
    }
}

/// What `mup` writes where nothing grows, or where more grows than a plan can place.
#[test]
fn plain_sizes_need_not_grow() {
    let shapes = BaseShapes::from_iter([
        ("b", vec![None]),
        ("k", vec![Some(8), Some(8), Some(3)]),
        ("s", vec![]),
    ]);
    let text = shapes.to_bsh();
    assert!(
        text.ends_with("b:\n- null\nk:\n- 8\n- 8\n- 3\ns: []\n"),
        "{text}"
    );
    assert_eq!(BaseShapes::from_bsh(&text).unwrap(), shapes);
    assert!(Widths::from_bsh(&text).is_err());
    let finite = BaseShapes::from_iter([("b", vec![None])]);
    assert!(Widths::from_bsh(&finite.to_bsh()).is_err());
}
