//! What Python calls: conversions to and from the crates, nothing else.
//!
//! Shapes come as `{name: (dims, fan_in, fan_out)}`, choices and results are JSON. Whatever
//! computes runs without the interpreter's lock. A panic becomes a `MutransferError`.

mod bsh;
mod choices;
mod coordinates;
mod error;
mod hint;
mod know;
mod plan;
mod program;
mod search;
mod shapes;

#[pyo3::pymodule]
mod _core {
    #[pymodule_export]
    use super::bsh::{bsh_read, bsh_write};
    #[pymodule_export]
    use super::coordinates::{figure, judge_coordinates, looks};
    #[pymodule_export]
    use super::know::{_panics, explain, lints, matches, optimizers, rules, scales, theory};
    #[pymodule_export]
    use super::plan::{check_settings, plan, read_plan};
    #[pymodule_export]
    use super::program::main;
    #[pymodule_export]
    use super::search::Search;
    #[pymodule_export]
    use super::shapes::{json_shapes, safetensors_shapes};

    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");
}
