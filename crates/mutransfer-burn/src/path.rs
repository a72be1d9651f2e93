//! Where a traversal of a module is.

/// The path of field names, and the kind of module that holds the innermost one.
#[derive(Default)]
pub(crate) struct Path {
    names: Vec<String>,
    containers: Vec<String>,
}

impl Path {
    pub(crate) fn enter(&mut self, name: &str, container: &str) {
        self.names.push(name.to_owned());
        self.containers.push(container.to_owned());
    }

    pub(crate) fn exit(&mut self) {
        self.names.pop();
        self.containers.pop();
    }

    /// Dotted name of the parameter being visited.
    pub(crate) fn name(&self) -> String {
        self.names.join(".")
    }

    /// Name of the parameter's field in its module, such as `weight`.
    pub(crate) fn field(&self) -> &str {
        self.names.last().map_or("", String::as_str)
    }

    /// Kind of module that holds the parameter, such as `Struct:Linear`.
    pub(crate) fn container(&self) -> &str {
        self.containers.last().map_or("", String::as_str)
    }
}
