//! What can be typed after `mutransfer recipe`.

use std::path::PathBuf;

use clap::Subcommand;

use super::RunOptions;

#[derive(Debug, clap::Args)]
pub(crate) struct RecipeOptions {
    #[command(subcommand)]
    pub(crate) command: RecipeCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RecipeCommand {
    /// List the recipes
    List,
    /// Print a recipe: what it repeats, in what it differs, its study, what it expects; to run a
    /// changed one, save it as TOML
    Show {
        /// Name of the recipe, or a TOML file
        #[arg(value_name = "NAME|FILE.toml")]
        recipe: String,
    },
    /// Run the study of a recipe, analyse it, and compare with what is expected
    #[command(after_help = EXIT_CODES)]
    Run(Box<RecipeRunOptions>),
}

const EXIT_CODES: &str = "\
Exit codes: 0 all as expected, 1 something is not, 2 wrong request or input, 3 some trials failed, \
130 interrupted";

#[derive(Debug, clap::Args)]
pub(crate) struct RecipeRunOptions {
    /// Name of the recipe, or a TOML file
    #[arg(value_name = "NAME|FILE.toml")]
    pub(crate) recipe: String,
    /// The data it trains on, where it needs any; without it the recipe says where to get it
    #[arg(long, value_name = "PATH")]
    pub(crate) data: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) run: RunOptions,
}
