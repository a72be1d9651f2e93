//! G11: factors that Muon's variants have built in, and what is left for the plan.

use crate::common;

use common::{close, law};
use mutransfer::{Axes, Family, Optimizer, Plan, Role, Rule, Shape, Shapes, Widths};

const VARIANTS: [Optimizer; 4] = [
    Optimizer::MuonPlain,
    Optimizer::MuonKellerJordan,
    Optimizer::Muon,
    Optimizer::MuonMoonlight,
];

#[test]
fn own_factors() {
    let cases = [
        ([4096.0, 1024.0], [2.0, 2.0, 12.8]),
        ([1024.0, 4096.0], [1.0, 0.5, 12.8]),
        ([1024.0; 2], [1.0, 1.0, 6.4]),
    ];
    for ([rows, columns], expected) in cases {
        for (variant, expected) in VARIANTS[1..].iter().zip(expected) {
            close(variant.own_factor(rows, columns), expected);
        }
        assert_eq!(VARIANTS[0].own_factor(rows, columns), 1.0);
    }
}

/// From base [256, 256], rows = fan_out.
#[test]
fn what_is_left_for_the_plan() {
    let shapes = |dims: [usize; 2]| {
        Shapes::from_iter([("matrix", Shape::new(dims).with_axes(Axes::OUT_IN))])
    };
    let widths = Widths::between(&shapes([256, 256]), &shapes([512, 512])).unwrap();
    let cases = [
        ([1024, 1024], [1.0, 1.0, 1.0, 0.5]),
        ([1024, 256], [2.0, 1.0, 1.0, 1.0]),
        ([256, 1024], [0.5, 0.5, 1.0, 0.25]),
    ];
    for (dims, expected) in cases {
        for (variant, expected) in VARIANTS.into_iter().zip(expected) {
            let plan = Plan::new(&widths, &shapes(dims), Rule::Mup, variant).unwrap();
            close(plan.param("matrix").unwrap().scales.learning_rate, expected);
        }
    }
}

/// Muon trains the matrices inside, those of experts too; what is left is Adam's, as in 2512.05620.
#[test]
fn all_but_matrices_inside_are_adams() {
    for variant in VARIANTS {
        for role in Role::ALL {
            let spectral = role == Role::Hidden || role.is_of_experts();
            let family = if spectral {
                Family::Spectral
            } else {
                Family::Entrywise
            };
            assert_eq!(variant.family_of(role), family, "{variant} {role}");
            let [own, adams] =
                [variant, Optimizer::AdamW].map(|optimizer| law(Rule::Mup, optimizer, role));
            assert_eq!(own == adams, !spectral, "{variant} {role}");
        }
        let expected = ["1", "m_in^-1/2", "m_in^-1/2 m_out^1/2 m_own^-1"];
        assert_eq!(law(Rule::Mup, variant, Role::Hidden)[..3], expected);
        assert_eq!(
            law(Rule::Mup, variant, Role::Hidden)[4],
            "m_in^1/2 m_out^-1/2"
        );
    }
}
