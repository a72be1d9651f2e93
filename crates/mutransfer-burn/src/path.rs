//! Where a traversal of a module is.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

/// The path of field names, and the kind of module that holds the innermost one: for the visitors
/// and mappers of burn, which tell only where they go in and out.
#[derive(Clone, Debug, Default)]
pub struct Path {
    names: Vec<String>,
    containers: Vec<String>,
}

impl Path {
    /// Goes into a field, as burn's `enter_module` tells.
    pub fn enter(&mut self, name: &str, container: &str) {
        self.names.push(name.to_owned());
        self.containers.push(container.to_owned());
    }

    /// Leaves it, as burn's `exit_module` tells.
    pub fn exit(&mut self) {
        self.names.pop();
        self.containers.pop();
    }

    /// Dotted name of the parameter being visited, as in a plan.
    pub fn name(&self) -> String {
        self.names.join(".")
    }

    /// Name of the parameter's field in its module, such as `weight`.
    pub fn field(&self) -> &str {
        self.names.last().map_or("", String::as_str)
    }

    /// Kind of module that holds the parameter, such as `Struct:Linear`.
    pub fn container(&self) -> &str {
        self.containers.last().map_or("", String::as_str)
    }
}

/// Every float parameter of `module` by name, row by row, in the module's order. Statistics that it
/// collects itself are among them.
pub fn parameters<M: Module>(module: &M) -> Vec<(String, Vec<f32>)> {
    let mut reader = Reader::default();
    module.visit(&mut reader);
    reader.found
}

#[derive(Default)]
struct Reader {
    path: Path,
    found: Vec<(String, Vec<f32>)>,
}

impl ModuleVisitor for Reader {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        // Other numbers are converted, so that it is always `f32`.
        let values = param.val().into_data().iter::<f32>().collect();
        self.found.push((self.path.name(), values));
    }
}
