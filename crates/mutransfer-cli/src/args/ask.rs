//! What can be typed after `mutransfer ask` and `mutransfer tell`.

use std::path::PathBuf;

/// Ask for the runs of a search that a training loop of yours does, and tell it their losses.
///
/// The next runs follow from the losses told: a few runs find a learning rate, and several
/// hyperparameters at once take a few more. The search ends when little is left to gain, and says
/// how much with a bound.
#[derive(Debug, clap::Args)]
pub(crate) struct AskOptions {
    #[command(flatten)]
    pub(crate) search: SearchOptions,
    /// Print what was found so far, and what it is worth, in place of runs
    #[arg(long)]
    pub(crate) report: bool,
    /// Print the report as JSON
    #[arg(long, requires = "report")]
    pub(crate) json: bool,
}

/// Tell a search the losses of a run that it asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct TellOptions {
    #[command(flatten)]
    pub(crate) search: SearchOptions,
    /// Number of the run
    #[arg(value_name = "RUN")]
    pub(crate) run: usize,
    /// Its final loss, for each seed if it had several: the same seeds in the same order for all
    /// runs; nan, inf or diverged for one that diverged
    #[arg(value_name = "LOSS", required = true, allow_negative_numbers = true, value_parser = loss)]
    pub(crate) losses: Vec<f64>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SearchOptions {
    /// The search, a TOML file; see `mutransfer ask --help`
    #[arg(value_name = "SEARCH.toml")]
    pub(crate) file: PathBuf,
    /// Folder of what was told [default: mutransfer-out/NAME, by the name of the file]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

fn loss(text: &str) -> Result<f64, String> {
    if text == "diverged" {
        return Ok(f64::INFINITY);
    }
    text.parse()
        .map_err(|_| format!("`{text}` is no loss; write a number, or `diverged`"))
}

pub(crate) const ASK_HELP: &str = r#"A search is a TOML file of hyperparameters, each a value or
what is to be found:
  lr = "auto"               from the usual value
  weight_decay = { auto = true, start = 0.1, from = 0.001, to = 10 }
                            from `start`, else the middle of the range; every key but auto is
                            optional
  input.lr = "auto"         factors on the numbers of a role, from 1
  anything = { auto = true, start = 3 }
                            any positive number of yours
  lr = { from = "2^-12", to = "2^-6", step = 1 }
                            a grid, in octaves; if all that is to be found is given so, `ask` prints
                            every point of it, and the report what is best between them
  steps = 300               a value of any kind is passed on to every run

  [search]                  all optional
  tolerance = 0.002         expected regret at which it ends, in units of the loss
  budget = 40               runs at most
  at_once = 1               runs to ask for at a time, for so many workers
  seed = 0                  the same seed asks for the same runs

lr, batch, weight_decay, momentum, beta1, beta2, init_std and multiplier have usual values. Learning
rate and batch, and decay and learning rate, are searched in coordinates that decouple them: a
learning rate goes with the root of the batch, and a decay is that of all steps together.

`ask` prints a run a line, as JSON: {"run":0,"values":{"lr":0.004}}. It prints the same again until
they are told, and nothing once the search is over. `tell SEARCH.toml 0 2.31` tells one. Nothing but
told.jsonl in the folder is kept.

Examples:
  mutransfer ask search.toml
  mutransfer tell search.toml 0 2.31
  mutransfer tell search.toml 1 diverged
  mutransfer ask search.toml --report"#;
