//! Rules alone: the numbers of a large model from the shapes of a small one.
//!
//! ```text
//! parameter         dims         role   init std   multiplier learning rate
//! embedding.weight  [256, 1024]  input  1          1          0.01
//! mlp.bias          [4096]       vector            1          0.01
//! mlp.weight        [1024, 4096] hidden 0.03125    1          0.000625
//! readout.weight    [4096, 256]  output 0.0625     0.0625     0.01
//! ```
#![expect(clippy::print_stdout, reason = "an example shows its numbers")]

use mutransfer::{Axes, Error, Hyper, Optimizer, Plan, Rule, Shape, Shapes, Widths};

/// A network of one width. Weights are stored as `[fan_in, fan_out]`; an embedding sums over
/// nothing, so it has a fan-out only.
fn shapes(width: usize) -> Shapes {
    let weight = |dims: [usize; 2]| Shape::new(dims).with_axes(Axes::IN_OUT);
    Shapes::from_iter([
        (
            "embedding.weight",
            Shape::new([256, width]).with_axes(Axes::LOOKUP),
        ),
        ("mlp.weight", weight([width, 4 * width])),
        ("mlp.bias", Shape::vector(4 * width)),
        ("readout.weight", weight([4 * width, 256])),
    ])
}

fn main() -> Result<(), Error> {
    // Two sizes say what grows; the first one is the base, at which every rule is the standard one.
    let widths = Widths::between(&shapes(64), &shapes(128))?;
    let target = shapes(1024);
    let plan = Plan::new(&widths, &target, Rule::Mup, Optimizer::AdamW)?;

    // What was tuned at width 64 is carried over as it is; the plan scales it tensor by tensor.
    let hyper = Hyper {
        learning_rate: 0.01,
        ..Hyper::default()
    };
    println!("parameter         dims         role   init std   multiplier learning rate");
    for (name, param) in plan.params() {
        let setting = param.setting(&hyper);
        let std = setting
            .init_std
            .map_or(String::new(), |std| std.to_string());
        println!(
            "{:17} {:12} {:6} {std:10} {:<10} {}",
            name.to_string(),
            format!("{:?}", target.get(name.as_str()).expect("in the plan").dims),
            param.role.to_string(),
            setting.multiplier,
            setting.learning_rate,
        );
    }
    Ok(())
}
