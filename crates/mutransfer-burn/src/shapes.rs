//! Names, dimensions and orientation of a module's parameters, without initialising any of them.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use mutransfer::{Axes, ParamName, Shape, Shapes};

use crate::path::Path;

/// How burn's own layers store their `weight`. A matrix of any other module has no known
/// orientation.
const WEIGHTS: [(&str, Axes); 5] = [
    ("Struct:Linear", Axes::IN_OUT),
    ("Struct:Embedding", Axes::LOOKUP),
    ("Struct:Conv1d", Axes::OUT_IN),
    ("Struct:Conv2d", Axes::OUT_IN),
    ("Struct:Conv3d", Axes::OUT_IN),
];

/// How the names of statistics begin that a module collects itself. They are no parameters, though
/// burn shows them as such.
const STATISTICS: &str = "running_";

/// The shapes of every float parameter of `module`.
pub fn shapes<M: Module>(module: &M) -> Shapes {
    let mut visitor = Visitor::default();
    module.visit(&mut visitor);
    visitor.found.into_iter().collect()
}

#[derive(Default)]
struct Visitor {
    path: Path,
    found: Vec<(ParamName, Shape)>,
}

impl ModuleVisitor for Visitor {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.path.field().starts_with(STATISTICS) {
            return;
        }
        let dims: [usize; D] = param.lazy_shape().dims();
        let shape = Shape::new(dims);
        let known = WEIGHTS
            .iter()
            .find(|(kind, _)| D > 1 && *kind == self.path.container());
        let shape = match known {
            Some((_, axes)) => shape.with_axes(*axes),
            None => shape,
        };
        self.found.push((ParamName::from(self.path.name()), shape));
    }
}
