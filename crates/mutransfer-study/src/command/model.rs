//! What a program trains: its shapes at every width, and what they do not say.

use std::collections::BTreeMap;
use std::process::Command;

use mutransfer::{Layout, Optimizer, Parametrization, Plan, Role, Shapes, Size, Sizes, Widths};
use serde::{Deserialize, Serialize};

use super::error::CommandError;
use super::known::Known;
use super::program::Program;
use super::values::Values;
use crate::shapes;
use crate::subject::{Heads, ModelSizes};

/// The model of a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Where its shapes are.
    pub shapes: Source,
    /// How its weights are stored, where the shapes do not say it.
    pub layout: Option<Layout>,
    /// Roles, by patterns of names.
    pub declare: BTreeMap<String, Role>,
    /// Readouts that are an embedding, by their names.
    pub tie: BTreeMap<String, String>,
    /// Patterns of what starts at zero.
    pub zero_init: Vec<String>,
    /// What stays of its attention heads while the width grows, where it has some.
    pub heads: Option<Heads>,
    /// A width beside that of the base, to see what grows.
    pub delta_width: usize,
}

/// Where shapes are, with placeholders such as `{width}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "a path such as \"shapes/{width}.json\", or a command that prints shapes as JSON"
)]
pub enum Source {
    /// A file, or a folder, for every width.
    File(String),
    /// A command that prints them as JSON.
    Command(Vec<String>),
}

impl Model {
    /// Its shapes at some sizes, where a command is to print them and they are not known.
    ///
    /// # Errors
    /// When they cannot be read, or the command that is to print them fails.
    pub(super) fn shapes(
        &self,
        program: &Program,
        sizes: &ModelSizes,
        known: &Known,
    ) -> Result<Shapes, CommandError> {
        let values = Values::of_sizes(sizes, self.heads);
        let command = match &self.shapes {
            Source::File(pattern) => {
                let path = program.path(&values.fill(pattern)?)?;
                let (shapes, _) = shapes::read(&[path]).map_err(CommandError::Shapes)?;
                return Ok(shapes);
            }
            Source::Command(command) => values.fill_all(command)?,
        };
        known.get(program.question(&command, &values)?, || {
            let text = printed(program, &command, &values)?;
            let read = Shapes::from_json(&text).and_then(Shapes::trained);
            let (shapes, _) = read.map_err(|source| CommandError::Printed {
                command: command.join(" "),
                source,
            })?;
            Ok(shapes)
        })
    }

    /// Whether its shapes take time to find out.
    pub(super) fn is_asked(&self) -> bool {
        matches!(self.shapes, Source::Command(_))
    }

    /// The plan at some sizes, from the shapes at every width and depth.
    ///
    /// # Errors
    /// When shapes cannot be read, do not say what is needed, or do not fit the rule.
    pub(super) fn plan(
        &self,
        shapes: &dyn Fn(usize, usize) -> Result<Shapes, CommandError>,
        sizes: &ModelSizes,
        rule: &Parametrization,
        optimizer: Optimizer,
    ) -> Result<Plan, crate::subject::Problem> {
        let depth = sizes.base_depth();
        let base = shapes(sizes.base_width, depth)?;
        let mut widths = Widths::between(&base, &shapes(self.delta_width, depth)?)?;
        if let Some(layout) = self.layout {
            widths = widths.with_layout(layout);
        }
        for (pattern, role) in &self.declare {
            widths = widths.declare(pattern, *role)?;
        }
        for (readout, embedding) in &self.tie {
            widths = widths.tie(readout, embedding)?;
        }
        if let Some(heads) = self.heads {
            let [base, target] = [sizes.base_width, sizes.width].map(|width| match heads {
                Heads::Dim(dim) => dim,
                Heads::Count(count) => width / count,
            });
            widths = widths.with_sizes(Sizes::NONE.with(Size::HeadDim, base, target)?);
        }
        let mut plan = Plan::new(
            &widths,
            &shapes(sizes.width, sizes.depth)?,
            rule.clone(),
            optimizer,
        )?;
        for pattern in &self.zero_init {
            plan = plan.with_zero_init(pattern)?;
        }
        Ok(plan)
    }
}

/// What a command prints.
fn printed(program: &Program, command: &[String], values: &Values) -> Result<String, CommandError> {
    let name = command.join(" ");
    let (first, arguments) = command.split_first().ok_or(CommandError::NoCommand)?;
    let output = Command::new(first)
        .args(arguments)
        .envs(values.environment())
        .current_dir(&program.place()?.folder)
        .output();
    let output = match output {
        Ok(output) => output,
        Err(source) => {
            let command = name;
            return Err(CommandError::Start { command, source });
        }
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(CommandError::ended(
            &name,
            &output.status.to_string(),
            &said,
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
