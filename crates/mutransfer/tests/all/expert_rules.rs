//! MG7, MG8: other rules for experts, and the choices about Complete-muE.

use crate::common;

use common::{close, digits, law, options, rule};
use mutransfer::{
    Axes, Law, Optimizer, Parametrization, Place, Plan, Power, Ratio, Ratios, Role, Rule, Shape,
    Shapes, Size, Sizes, Widths,
};

/// Blocks of a model of 2601.20205: width, width of an expert, and blocks.
fn shapes([width, expert, depth]: [usize; 3]) -> Shapes {
    let weight = |fan_in, fan_out| Shape::new([fan_in, fan_out]).with_axes(Axes::IN_OUT);
    let block = |number: usize| {
        [
            ("query.weight", weight(width, width)),
            ("query.bias", Shape::vector(width)),
            ("router.weight", weight(width, 8)),
            ("up.weight", weight(width, expert)),
            ("down.weight", weight(expert, width)),
        ]
        .map(|(name, shape)| (format!("blocks.{number}.{name}"), shape))
    };
    let ends = [
        (
            "embedding.weight",
            Shape::new([50, width]).with_axes(Axes::LOOKUP),
        ),
        ("head.weight", weight(width, 50)),
    ];
    let ends = ends.map(|(name, shape)| (name.to_owned(), shape));
    (0..depth).flat_map(block).chain(ends).collect()
}

fn jiang(experts: [usize; 2], active: [usize; 2]) -> Result<Plan, mutransfer::Error> {
    let (base, target) = (shapes([16, 32, 2]), shapes([32, 96, 4]));
    let sizes = Sizes::NONE
        .with(Size::Experts, experts[0], experts[1])?
        .with(Size::Active, active[0], active[1])?
        .with(Size::ExpertWidth, 32, 96)?;
    let widths = Widths::inferred(&base, &target)?
        .declare("blocks.*.router.weight", Role::Router)?
        .declare("blocks.*.up.weight", Role::ExpertIn)?
        .declare("blocks.*.down.weight", Role::ExpertOut)?
        .declare("head.weight", Role::Output)?
        .with_sizes(sizes);
    Plan::new(&widths, &target, Rule::JiangMoe, Optimizer::AdamW)
}

/// The reference (L2, D16, M32, E4, A1) to (L4, D32, M96, E8, A2), without the tuned 1/16.
#[test]
fn mg7() {
    let plan = jiang([4, 8], [1, 2]).unwrap();
    let scales = |name: &str| plan.param(name).unwrap().scales;
    let rate = |name: &str| 0.01 * scales(name).learning_rate;
    close(rate("embedding.weight"), 0.01);
    close(rate("blocks.3.query.bias"), 0.01);
    close(rate("blocks.3.query.weight") / 16.0, 0.000_312_5);
    close(rate("blocks.3.router.weight") / 16.0, 0.000_312_5);
    close(rate("blocks.3.up.weight"), 0.005);
    digits(rate("blocks.3.down.weight") / 16.0, 2.083_333e-4);
    for (name, eps) in [
        ("blocks.0.router.weight", 0.25),
        ("blocks.0.up.weight", 1.0 / 6.0),
        ("blocks.0.down.weight", 1.0 / 9.0),
        ("blocks.0.query.bias", 0.5),
    ] {
        close(scales(name).eps, eps);
    }
    digits(scales("blocks.0.down.weight").init_std, 0.471_404_5);
    close(scales("blocks.0.router.weight").init_std, 0.5);
    // Decay by D, by M, and not at all.
    close(scales("blocks.0.up.weight").weight_decay, 2.0);
    close(scales("blocks.0.down.weight").weight_decay, 3.0);
    close(scales("embedding.weight").weight_decay, 1.0);
    let experts = plan.forward().experts.unwrap();
    close(experts.route, 0.5);
    assert_eq!(plan.forward().residual, Some(0.5));
}

#[test]
fn mg7_another_share_of_active_experts() {
    let error = jiang([4, 8], [1, 1]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "1 of 4 experts are active in the base and 1 of 8 in the target, and another share is \
         forbidden"
    );
}

/// Ratios of width, in as many directions as the role has, and of experts.
fn at(power: Power, width: f64, experts: f64) -> f64 {
    let ratios = Ratios::ONE
        .with(Ratio::FanIn, width)
        .with(Ratio::FanOut, width);
    power.at(ratios.with(Ratio::Experts, experts))
}

fn block(name: &str, role: Role) -> Law {
    let table = Parametrization::from(rule(name)).table(Optimizer::AdamW);
    *table.unwrap().law_at(role, Place::Block)
}

#[test]
fn mg8() {
    let all = |role| block("mssp", role);
    for role in [Role::Router, Role::ExpertIn, Role::ExpertOut, Role::Hidden] {
        close(at(all(role).learning_rate, 4.0, 32.0), 0.25);
    }
    close(at(all(Role::Input).learning_rate, 4.0, 32.0), 1.0);
    for (role, eps) in [
        (Role::Router, 1.0 / 32.0),
        (Role::ExpertIn, 1.0 / 32_768.0),
        (Role::ExpertOut, 1.0 / 32_768.0),
        (Role::Hidden, 1.0 / 1024.0),
        (Role::Output, 1.0),
    ] {
        close(at(all(role).eps, 1024.0, 32.0), eps);
    }
    let down = block("mssp-bottleneck", Role::ExpertOut);
    let narrow = Ratios::ONE
        .with(Ratio::FanIn, 16.0)
        .with(Ratio::Experts, 256.0);
    close(down.init_std.at(narrow), 4.0);
    close(down.learning_rate.at(narrow), 1.0);
}

/// The columns of section 11 that MG8 does not meet.
#[test]
fn mssp_regimes() {
    let eps = |name, role| block(name, role).eps.to_string();
    for (name, [router, reads, writes]) in [
        ("mssp-fixed-experts", ["1", "m_in^-1", "m_out^-1"]),
        ("mssp", ["m_E^-1", "m_in^-1 m_E^-1", "m_out^-1 m_E^-1"]),
        ("mssp-bottleneck", ["m_E^-1", "m_E^-1", "m_out^-1 m_E^-1"]),
    ] {
        assert_eq!(eps(name, Role::Router), router);
        assert_eq!(eps(name, Role::ExpertIn), reads);
        assert_eq!(eps(name, Role::ExpertOut), writes);
    }
    let init = |name, role| block(name, role).init_std.to_string();
    assert_eq!(init("mssp-fixed-experts", Role::Router), "m_in^-1");
    assert_eq!(init("mssp", Role::Router), "m_in^-1/2");
    assert_eq!(init("mssp", Role::ExpertOut), "m_in^-1/2");
}

fn chosen<const N: usize>(pairs: [(&str, &str); N]) -> Parametrization {
    Parametrization::from(Rule::CompleteMuE).with_options(options(pairs))
}

fn chosen_law(pair: (&str, &str), role: Role) -> [String; 5] {
    law(chosen([pair]), Optimizer::AdamW, role)
}

#[test]
fn router_init() {
    let init = |value| chosen_law(("router-init", value), Role::Router)[1].clone();
    assert_eq!(
        [init("rule"), init("inverse-width")],
        ["m_in^-1/2", "m_in^-1"]
    );
}

#[test]
fn expert_eps() {
    let eps = |value, role| chosen_law(("expert-eps", value), role)[4].clone();
    assert_eq!(eps("rule", Role::ExpertIn), "m_in^-1");
    assert_eq!(eps("gradient", Role::ExpertIn), "m_H^-1 m_a m_E^-1");
    assert_eq!(eps("gradient", Role::ExpertOut), "m_H^-1 m_a m_E^-1");
    assert_eq!(eps("gradient", Role::Hidden), "m_out^-1");
}

/// Shift of log2 of the learning rate at a share of active experts of 1/2 to 1/64.
#[test]
fn sparsity_law() {
    let table = chosen([("sparsity-law", "activation-ratio")]).table(Optimizer::AdamW);
    let table = table.unwrap();
    for (experts, shift) in [(2, -0.14), (4, -0.27), (8, -0.41), (16, -0.54), (64, -0.82)] {
        for role in Role::ALL {
            let ratios = Ratios::ONE.with(Ratio::Experts, f64::from(experts));
            let found = table.law(role).learning_rate.at(ratios).log2();
            assert!((found - shift).abs() < 0.005, "{role}: {found}");
        }
    }
}

fn route<const N: usize>(
    active: usize,
    pairs: [(&str, &str); N],
) -> Result<f64, mutransfer::Error> {
    let sizes = Sizes::NONE
        .with(Size::Experts, 1, 16)?
        .with(Size::Active, 1, active)?
        .with(Size::ExpertWidth, 32, 8)?;
    let weight = Shape::new([32, 8]).with_axes(Axes::IN_OUT);
    let shapes = Shapes::from_iter([("up", weight)]);
    let widths = Widths::unchanged(&shapes)?.with_sizes(sizes);
    let plan = Plan::new(&widths, &shapes, chosen(pairs), Optimizer::AdamW)?;
    Ok(plan.forward().experts.unwrap().route)
}

/// R brings the mean weight of an active expert to order one.
#[test]
fn gates() {
    for (gate, expected) in [
        ("sigmoid-normalised", 4.0),
        ("top-k-softmax", 4.0),
        ("sigmoid", 1.0),
        ("sqrt-gate", 2.0),
    ] {
        assert_eq!(route(4, [("gate", gate)]).unwrap(), expected, "{gate}");
    }
    assert_eq!(route(8, [("route-groups", "4")]).unwrap(), 2.0);
    assert_eq!(
        route(6, [("route-groups", "4")]).unwrap_err().to_string(),
        "6 active experts do not divide into 4 groups"
    );
}

#[test]
fn density() {
    assert!(route(4, []).is_ok());
    let error = route(4, [("density", "forbid")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "1 of 1 experts are active in the base and 4 of 16 in the target, and another share is \
         forbidden"
    );
    assert!(route(16, [("density", "forbid")]).is_ok());
}
