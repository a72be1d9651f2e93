//! What can be typed after `mutransfer power`.

use std::path::PathBuf;

use super::analyze::ColumnOptions;

#[derive(Debug, clap::Args)]
pub(crate) struct PowerOptions {
    /// Tables of runs, as for `analyze`: noise, valley, grid, seeds and widths are those of their
    /// widest proxy and target, unless they are given here
    #[arg(long, value_name = "FILE.csv")]
    pub(crate) from: Vec<PathBuf>,
    /// The rule of the table to take them from [default: the only one]
    #[arg(long, value_name = "RULE", requires = "from")]
    pub(crate) of: Option<String>,
    /// Width of the widest proxy [default: 256]
    #[arg(long, value_name = "N")]
    pub(crate) proxy_width: Option<f64>,
    /// Width of the target [default: 512]
    #[arg(long, value_name = "N")]
    pub(crate) target_width: Option<f64>,
    /// Seeds of each run [default: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) seeds: Option<u16>,
    /// Values of the learning rate at either width, about the optima [default: 7]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(3..=1000))]
    pub(crate) values: Option<u16>,
    /// Octaves from one value to the next [default: 1]
    #[arg(long, value_name = "OCTAVES", allow_negative_numbers = true)]
    pub(crate) step: Option<f64>,
    /// Standard deviation in nats of what is left of a run once the level of its seed is out
    /// [default: 0.006]
    #[arg(long, value_name = "NATS", allow_negative_numbers = true)]
    pub(crate) noise: Option<f64>,
    /// Standard deviation in nats of the level that all runs of a width and seed share; it drops
    /// out of the regret [default: 0.02]
    #[arg(long, value_name = "NATS", allow_negative_numbers = true)]
    pub(crate) level: Option<f64>,
    /// Second derivative of the loss in ln of the learning rate at its optimum, in nats; an octave
    /// beside it costs 0.24 times as much [default: 0.08]
    #[arg(long, value_name = "NATS", allow_negative_numbers = true)]
    pub(crate) curvature: Option<f64>,
    /// Third derivative over the second: how much steeper the valley is towards large learning
    /// rates [default: 0.5]
    #[arg(long, value_name = "SKEW", allow_negative_numbers = true)]
    pub(crate) skew: Option<f64>,
    /// Regret in nats up to which a rule transfers
    #[arg(long, default_value_t = 0.01, value_name = "NATS")]
    pub(crate) tolerance: f64,
    /// True drift of the optimum, in octaves per doubling of the width; repeat for more [default:
    /// 0,
    /// -0.25, -0.5, -1]
    #[arg(long, value_name = "OCTAVES", allow_negative_numbers = true)]
    pub(crate) drift: Vec<f64>,
    /// Simulated tables behind each chance
    #[arg(long, default_value_t = 400, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) tables: u32,
    #[command(flatten)]
    pub(crate) columns: ColumnOptions,
    /// Print the design and the chances as JSON on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) const POWER_HELP: &str = "\
Before a sweep is run: would it tell? Tables of the design are simulated, with the optimum drifting
by so many octaves per doubling of the width, and judged as `analyze` judges them. Only the widest
proxy and the target enter a verdict, so only these are simulated. The chances are those of the
verdicts: how often a rule that does not drift is found to transfer, and how often one whose drift
costs more than the tolerance is found to fail. Verdicts of a drift that costs just the tolerance
are wrong at most once in forty. A chance p of n tables is off by up to 2 sqrt(p (1 - p) / n).

Too little power? Seeds help most, then a finer grid about the optimum (--step 0.5), then a target
farther from the proxy, at which the same drift costs more.

Examples:
  mutransfer power
  mutransfer power --seeds 5 --step 0.5 --values 9 --noise 0.01
  mutransfer power --from mutransfer-out/demo/results.csv --of sp --seeds 3 --drift -0.3

Exit codes: 0 done, 2 wrong request or input";
