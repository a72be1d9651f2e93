//! Nothing that comes from outside makes anything panic: any text, any bytes, valid texts with
//! mistakes, any sizes. Worth running without optimisation too, where overflow panics.

use std::str::FromStr;

use mutransfer::theory::{Exponents, Theory};
use mutransfer::{
    Axes, Clip, Form, HiddenDecay, Hyper, Init, Layout, Optimizer, Options, Parametrization, Plan,
    Power, Rule, Settings, Shape, Shapes, Size, Sizes, Widths,
};
use proptest::prelude::*;
use proptest::sample::select;

/// Reads a text in every way there is; what can be read is planned, printed and judged.
fn read_everything(text: &str) {
    let _ = Shapes::from_json(text).map(|shapes| plan_everything(&shapes, &shapes, &shapes));
    let _ = Widths::from_bsh(text).map(|widths| widths.to_bsh());
    let _ = Shapes::from_safetensors(text.as_bytes());
    let _ = Settings::from_json(text);
    let _ = Options::from_pairs(text.lines().filter_map(|line| line.split_once('=')));
    let _ = Rule::from_str(text).map(|rule| judge(&rule.into()));
    let _ = Power::from_str(text).map(|power| power.to_string());
    let _ = Parametrization::from_toml("a table", text).map(|rule| judge(&rule));
}

fn judge(rule: &Parametrization) {
    let options = Options {
        hidden_decay: HiddenDecay::Sqrt,
        ..Options::default()
    };
    let rule = rule.clone().with_options(options);
    for &optimizer in Optimizer::ALL {
        let forms = Form::ALL.map(|form| rule.clone().with_form(form));
        for rule in forms.iter().chain([&rule]) {
            let table = rule.table(optimizer);
            let _ = table.map(|table| Theory::of(Exponents::of(&table, optimizer)));
        }
    }
}

fn plan_everything(base: &Shapes, delta: &Shapes, target: &Shapes) {
    let _ = target.entries();
    let Ok(widths) = Widths::between(base, delta) else {
        return;
    };
    let _ = widths.to_bsh();
    for layout in Layout::ALL {
        let widths = widths.clone().with_layout(layout);
        for rule in Rule::NAMED {
            for optimizer in [
                Optimizer::Sgd,
                Optimizer::AdamW,
                Optimizer::Lamb,
                Optimizer::MuonMoonlight,
            ] {
                let options = Options {
                    clip: Clip::Update,
                    ..Options::default()
                };
                let rule = Parametrization::from(rule).with_options(options);
                let Ok(plan) = Plan::new(&widths, target, rule.clone(), optimizer) else {
                    continue;
                };
                for init in [
                    Init::FanIn(1.0),
                    Init::FanOut(1.0),
                    Init::Xavier(1.0),
                    Init::Constant(1.0),
                ] {
                    let _ = plan.to_json(&Hyper {
                        init,
                        ..Hyper::default()
                    });
                    let _ = plan
                        .params()
                        .filter_map(|(_, param)| {
                            param.init_factor(&Hyper {
                                init,
                                ..Hyper::default()
                            })
                        })
                        .sum::<f64>();
                }
                let _ = (
                    plan.hash(),
                    plan.groups(&Hyper::default()),
                    plan.growing_gradients(),
                );
                let heads = Sizes::NONE.with(Size::HeadDim, 1, usize::MAX).unwrap();
                let widths = widths.clone().with_sizes(heads);
                let _ = Plan::new(&widths, target, rule, optimizer)
                    .map(|plan| plan.document(&Hyper::default()));
            }
        }
    }
}

const VALID: &[&str] = &[
    r#"{"w": {"dims": [64, 10], "fan_in": 0, "fan_out": 1}, "b": [10], "s": []}"#,
    "# a comment\nw.0:\n- 64\n- null\n'1':\n- 64\n? long\n:   - 8\n    - 8\n\"\\x41\": []\n",
    "name = 'mine'\nfamily = 'entrywise'\nattention = 'm_in^-1/2'\ninput = {lr = 'm_out'}\n\
     hidden = {b = '1/2', c = '0.307', weight_decay = 'm_in'}\noutput = {multiplier = 'm_in^-1 m_L^(1/2)', eps = '1'}\n",
    r#"{"params": {"w": {"lr": 0.1, "weight_decay": null, "init_std": 1e-3}}, "forward": {"readout": {"w": 2}}}"#,
    "hidden-decay=sqrt\ndepth=1/2\nclip=update",
    "m_in^-1/2 m_out*m_L^(2/3)·m_aspect m_own^0.25",
    "uniform:1/4",
    "sp+embedding+last",
    "mup-norm-attention",
];

fn text() -> impl Strategy<Value = String> {
    let special: Vec<char> =
        "{}[]()\"':,.-+*/^_=#&?!|>~0123456789 \n\t\\eEmnw·é\u{0}\u{85}\u{feff}𝄞"
            .chars()
            .collect();
    let of = |chars: Vec<char>| chars.into_iter().collect::<String>();
    prop_oneof![
        prop::collection::vec(any::<char>(), 0..40).prop_map(of),
        prop::collection::vec(select(special), 0..40).prop_map(of),
    ]
}

/// A valid text with a part of it replaced by something else, now and then twice.
fn nearly_valid() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        3 => text().prop_map(|text| text.chars().take(3).collect::<String>()),
        1 => select(&["", "-", "999999999999", "18446744073709551615", "1e999", "null", "[[[", "nan", "1/0", "/"][..])
            .prop_map(str::to_owned),
        1 => select(VALID).prop_map(str::to_owned),
    ];
    let edits = prop::collection::vec((any::<prop::sample::Index>(), 0usize..4, part), 1..3);
    (select(VALID), edits).prop_map(|(text, edits)| {
        edits
            .into_iter()
            .fold(text.to_owned(), |text, (at, length, part)| {
                let chars: Vec<char> = text.chars().collect();
                let at = at.index(chars.len() + 1);
                let rest = chars.iter().skip(at + length);
                chars[..at]
                    .iter()
                    .copied()
                    .chain(part.chars())
                    .chain(rest.copied())
                    .collect()
            })
    })
}

/// A table of a user, with exponents as odd as they come.
fn table() -> impl Strategy<Value = String> {
    let exponent = || {
        prop_oneof![
            8 => (-10i32..11, 1i32..13).prop_map(|(numerator, denominator)| format!("{numerator}/{denominator}")),
            8 => (-5000i32..5000).prop_map(|thousandths| (f64::from(thousandths) / 1000.0).to_string()),
            1 => (-1000i32..1000, 1i32..1001).prop_map(|(numerator, denominator)| format!("{numerator}/{denominator}")),
        ]
    };
    let names = select(&["m_in", "m_out", "m_L", "m_aspect", "m_own"][..]);
    let factor = (names, exponent()).prop_map(|(name, exponent)| format!("{name}^{exponent}"));
    let power = prop::collection::vec(factor, 1..3).prop_map(|factors| factors.join(" "));
    let law = prop_oneof![
        prop::collection::vec(power, 4..5).prop_map(|powers| {
            let [multiplier, init, rate, eps] = &powers[..] else {
                unreachable!("four powers")
            };
            format!(
                "{{multiplier = '{multiplier}', init_std = '{init}', lr = '{rate}', eps = '{eps}'}}"
            )
        }),
        prop::collection::vec(exponent(), 4..5).prop_map(|exponents| {
            let letters = ["a", "b", "c", "d"].into_iter().zip(exponents);
            let pairs: Vec<String> = letters
                .map(|(letter, exponent)| format!("{letter} = '{exponent}'"))
                .collect();
            format!("{{{}}}", pairs.join(", "))
        }),
    ];
    prop::collection::vec(law, 3..4).prop_map(|laws| {
        format!(
            "input = {}\nhidden = {}\noutput = {}",
            laws[0], laws[1], laws[2]
        )
    })
}

/// Sizes at which products, sums and conversions to floats go wrong.
fn size() -> impl Strategy<Value = usize> {
    const LARGEST: usize = usize::MAX;
    prop_oneof![
        0usize..4,
        select(
            &[
                1 << 16,
                1 << 31,
                (1 << 32) + 1,
                1 << 53,
                LARGEST / 2,
                LARGEST - 1,
                LARGEST
            ][..]
        )
    ]
}

fn axes() -> impl Strategy<Value = Option<Axes>> {
    let axis = || prop::option::of(prop_oneof![0usize..4, Just(usize::MAX)]);
    prop::option::of((axis(), axis()).prop_map(|(fan_in, fan_out)| Axes { fan_in, fan_out }))
}

/// A parameter of three models, of which two dimensions at most grow.
fn parameter() -> impl Strategy<Value = [Shape; 3]> {
    let dim = (size(), prop::option::weighted(0.6, [size(), size()]));
    (prop::collection::vec(dim, 0..5), axes()).prop_map(|(dims, axes)| {
        [0, 1, 2].map(|model| {
            let of = |(base, others): &(usize, Option<[usize; 2]>)| match (model, others) {
                (1 | 2, Some(others)) => others[model - 1],
                _ => *base,
            };
            Shape {
                dims: dims.iter().map(of).collect(),
                axes,
            }
        })
    })
}

proptest! {
    #[test]
    fn any_text(text in text()) {
        read_everything(&text);
    }

    #[test]
    fn nearly_valid_texts(text in nearly_valid()) {
        read_everything(&text);
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..64), is_header in any::<bool>()) {
        let length = (bytes.len() as u64).to_le_bytes();
        let start: &[u8] = if is_header { &length } else { &[] };
        let _ = Shapes::from_safetensors(&[start, &bytes[..]].concat());
    }

    #[test]
    fn any_table(text in table()) {
        if let Ok(rule) = Parametrization::from_toml("a table", &text) {
            judge(&rule);
        }
    }

    #[test]
    fn any_sizes(params in prop::collection::vec(parameter(), 1..3), depth in (size(), size())) {
        let [base, delta, target] = [0, 1, 2].map(|model| {
            let named = params.iter().enumerate().map(|(at, shapes)| (format!("blocks.{at}.w"), shapes[model].clone()));
            named.collect::<Shapes>()
        });
        plan_everything(&base, &delta, &target);
        plan_everything(&target, &base, &delta);
        if let (Ok(widths), Ok(sizes)) = (Widths::between(&base, &delta), Sizes::NONE.with(Size::Depth, depth.0, depth.1)) {
            let deep = widths.with_sizes(sizes);
            let _ = Plan::new(&deep, &target, Rule::UnitMup, Optimizer::Adam).map(|plan| plan.hash());
        }
    }
}

/// The strategy above would be of no use if it never got to a plan.
#[test]
fn the_largest_sizes_are_planned() {
    let shapes = |width: usize| {
        let weight = Shape::new([width, width, usize::MAX]).with_axes(Axes::OUT_IN);
        Shapes::from_iter([("w", weight), ("b", Shape::vector(width))])
    };
    assert_eq!(shapes(usize::MAX).entries(), usize::MAX);
    let widths = Widths::between(&shapes(1), &shapes(2)).unwrap();
    let plan = Plan::new(&widths, &shapes(usize::MAX), Rule::Mup, Optimizer::AdamW).unwrap();
    let rate = plan.param("w").unwrap().scales.learning_rate;
    assert_eq!(rate, 1.0 / usize::MAX as f64);
    assert!(plan.to_json(&Hyper::default())["params"]["w"]["lr"].is_number());
}

/// Exponents that sum up to fractions no integer holds, from factors that are small each.
#[test]
fn powers_of_many_factors_end_somewhere() {
    let cases = [
        ("m_in^10".to_owned(), true),
        ("m_in^10 m_in".to_owned(), false),
        ("m_in^10 m_in^-10 ".repeat(1000), true),
        (
            "m_in^9.999 m_in^(1/7) m_in^(1/9) m_in^(1/11) m_in^(1/16) ".repeat(100),
            false,
        ),
        (
            "m_in^(1/997) m_in^(1/991) m_in^(1/983) m_in^(1/977)".to_owned(),
            false,
        ),
        ("m_in^2147483647/2147483647".to_owned(), true),
        ("m_in^-2147483648/2147483647".to_owned(), false),
    ];
    for (text, is_power) in cases {
        assert_eq!(Power::from_str(&text).is_ok(), is_power, "{}", &text[..10]);
    }
}
