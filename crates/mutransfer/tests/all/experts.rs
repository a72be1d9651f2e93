//! Experts: roles, sizes and, for a table without laws of its own for them, what they are then.

use mutransfer::{
    Axes, Family, Hyper, Optimizer, Parametrization, Plan, Role, Rule, Shape, Shapes, Size, Sizes,
    Widths,
};

const EXPERTS: [Role; 3] = [Role::Router, Role::ExpertIn, Role::ExpertOut];

#[test]
fn experts_are_hidden_matrices_to_a_table_without_them() {
    for rule in Rule::NAMED {
        for optimizer in Optimizer::ALL {
            let Ok(table) = Parametrization::from(rule).table(*optimizer) else {
                continue;
            };
            if table.roles().contains(&Role::Router) {
                continue;
            }
            for role in EXPERTS {
                assert_eq!(table.law(role), table.law(Role::Hidden), "{rule} {role}");
            }
        }
    }
}

#[test]
fn a_table_of_a_user_has_laws_of_experts_where_it_states_them() {
    let plain = "[input]\n[hidden]\nlr = \"m_in^-1\"\n[output]\n";
    let table = |text: &str| {
        let rule = Parametrization::from_toml("own", text).expect("a table");
        rule.table(Optimizer::Adam).expect("for every family")
    };
    let without = table(plain);
    assert_eq!(without.roles().len(), 5);
    assert_eq!(
        without.law(Role::ExpertOut).learning_rate.to_string(),
        "m_in^-1"
    );
    let stated = "[router]\nlr = \"1\"\n[expert-out]\nmultiplier = \"m_out m_H^-1\"\n";
    let with = table(&format!("{plain}{stated}"));
    assert_eq!(with.roles(), Role::ALL);
    assert_eq!(with.law(Role::Router).learning_rate.to_string(), "1");
    assert_eq!(
        with.law(Role::ExpertIn).learning_rate.to_string(),
        "m_in^-1"
    );
    assert_eq!(
        with.law(Role::ExpertOut).multiplier.to_string(),
        "m_out m_H^-1"
    );
}

#[test]
fn matrices_of_experts_have_the_family_of_hidden_ones() {
    for role in EXPERTS {
        assert_eq!(Optimizer::Muon.family_of(role), Family::Spectral);
        assert_eq!(Optimizer::AdamW.family_of(role), Family::Entrywise);
    }
}

/// H_act = a h and the shared widths; what is not given is that of a dense layer.
#[test]
fn active_width() {
    let dense = Sizes::NONE
        .with(Size::ExpertWidth, 512, 128)
        .expect("positive");
    assert_eq!(Sizes::NONE.active_width(), None);
    assert_eq!(dense.active_width(), Some([512, 128]));
    let sparse = dense.with(Size::Active, 1, 8).expect("positive");
    assert_eq!(sparse.active_width(), Some([512, 1024]));
    let hybrid = sparse.with(Size::SharedWidth, 0, 256).expect("may be zero");
    assert_eq!(hybrid.active_width(), Some([512, 1280]));
}

#[test]
fn a_size_of_zero_is_refused() {
    for (size, message) in [
        (Size::Experts, "a number of experts of zero experts"),
        (Size::Active, "a number of active experts of zero experts"),
        (Size::ExpertWidth, "a width of an expert of zero entries"),
    ] {
        let error = Sizes::NONE.with(size, 1, 0).expect_err("zero");
        assert_eq!(error.to_string(), message);
    }
}

/// A model of width `width` with experts in one tensor, or the first of them in one of its own.
fn model(width: usize, experts: Option<usize>) -> Shapes {
    let matrix = |fan_in, fan_out| match experts {
        Some(experts) => Shape::new([experts, fan_in, fan_out]).with_axes(Axes {
            fan_in: Some(1),
            fan_out: Some(2),
        }),
        None => Shape::new([fan_in, fan_out]).with_axes(Axes::IN_OUT),
    };
    Shapes::from_iter([
        ("blocks.0.up.weight", matrix(width, 4 * width)),
        ("blocks.0.down.weight", matrix(4 * width, width)),
    ])
}

/// As many as there are in one tensor, each is drawn and learns as it would alone.
#[test]
fn experts_in_one_tensor_are_matrices_of_their_own() {
    let plan = |experts| {
        let widths = Widths::between(&model(16, experts), &model(32, experts))
            .and_then(|widths| widths.declare("blocks.0.up.weight", Role::ExpertIn))
            .and_then(|widths| widths.declare("blocks.0.down.weight", Role::ExpertOut));
        let target = model(64, experts);
        Plan::new(&widths.expect("found"), &target, Rule::Mup, Optimizer::Muon).expect("planned")
    };
    let (alone, together) = (plan(None), plan(Some(8)));
    let hyper = Hyper::default();
    for name in ["blocks.0.up.weight", "blocks.0.down.weight"] {
        let of = |plan: &Plan| plan.setting(name, &hyper).expect("planned");
        assert_eq!(of(&alone), of(&together), "{name}");
    }
}
