//! What can be typed after `mutransfer analyze`.

use std::path::PathBuf;

use mutransfer_analysis::Seeds;

use super::ForeignOptions;

#[derive(Debug, clap::Args)]
pub(crate) struct AnalyzeOptions {
    /// Tables of runs, read as one: cells separated by commas, tabs or semicolons, with the columns
    /// rule, width, lr, seed, loss in any order, and where they are there status or state and
    /// first_loss
    #[arg(value_name = "FILE.csv", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Rule to compare with [default: sp where it is present]
    #[arg(long, value_name = "RULE")]
    pub(crate) reference: Option<String>,
    /// Where to transfer to, in the table or beyond it [default: the largest of the table]
    #[arg(long, visible_alias = "target", value_name = "N")]
    pub(crate) target_width: Option<f64>,
    #[command(flatten)]
    pub(crate) columns: ColumnOptions,
    /// What runs of one seed have in common: shared, data and initial draws, and with them most of
    /// their noise; independent, nothing, as the numbers only count runs
    #[arg(long, value_enum, default_value_t = SeedsOption::Shared, value_name = "KIND")]
    pub(crate) seeds: SeedsOption,
    /// Regret in nats up to which a rule transfers
    #[arg(long, default_value_t = 0.01, value_name = "NATS")]
    pub(crate) tolerance: f64,
    /// Resampled tables behind each interval; 0 for no intervals
    #[arg(long, default_value_t = 1000, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub(crate) replicates: u32,
    /// Fit valleys this far from the best run, on either side [default: 1.5, or 2 where that is
    /// fewer than five values]
    #[arg(long, value_name = "OCTAVES")]
    pub(crate) max_octaves: Option<f64>,
    /// Print everything as JSON on stdout instead of the tables
    #[arg(long)]
    pub(crate) json: bool,
    /// Folder for report.html, analysis.json and the figures
    #[arg(long, value_name = "DIR")]
    pub(crate) report: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) foreign: ForeignOptions,
}

/// Where a table has what.
#[derive(Debug, clap::Args)]
pub(crate) struct ColumnOptions {
    /// Column of what grows: width, depth, batch, tokens, experts, parameters or any other
    #[arg(long, default_value = "width", value_name = "COLUMN")]
    pub(crate) axis: String,
    /// Column of the hyperparameter that was swept
    #[arg(long, default_value = "lr", value_name = "COLUMN")]
    pub(crate) sweep: String,
    /// Column of the final loss, in nats
    #[arg(long, default_value = "loss", value_name = "COLUMN")]
    pub(crate) loss: String,
    /// Column with the name of the parametrization, or =NAME where it is the same for all runs
    /// [default: rule where it is present, else one rule]
    #[arg(long, value_name = "COLUMN|=NAME")]
    pub(crate) rule: Option<String>,
    /// Column of the seed [default: seed where it is present, else one seed]
    #[arg(long, value_name = "COLUMN")]
    pub(crate) seed: Option<String>,
    /// A column that holds base-2 logarithms, of the axis or of the swept hyperparameter; log2lr is
    /// known to hold those of lr; repeat for more
    #[arg(long, value_name = "COLUMN")]
    pub(crate) log2: Vec<String>,
    /// Keep only the rows with this value; repeat for more columns
    #[arg(long = "where", value_name = "COLUMN=VALUE")]
    pub(crate) filters: Vec<String>,
    /// A column that is a result and not a setting, and may differ from row to row; repeat for more
    #[arg(long = "ignore", value_name = "COLUMN")]
    pub(crate) ignored: Vec<String>,
}

/// As [`Seeds`], for the command line.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum SeedsOption {
    Shared,
    Independent,
}

impl From<SeedsOption> for Seeds {
    fn from(option: SeedsOption) -> Self {
        match option {
            SeedsOption::Shared => Self::Shared,
            SeedsOption::Independent => Self::Independent,
        }
    }
}

pub(crate) const ANALYZE_HELP: &str = "\
Per rule: the optimum at every width; how it drifts (beta), how the loss (alpha, L_inf) and the
curvature (s, gamma) scale; kappa, E and R_inf of arXiv 2605.21486; whether transfer is fast (arXiv
2512.22768); the optimum to expect at the target; what copying the widest proxy's optimum there
costs, and whether that is within the tolerance.
Intervals are 95% bootstrap intervals over whole seeds, that of the prediction is a straight line's.

Examples:
  mutransfer analyze mutransfer-out/demo/results.csv
  mutransfer analyze runs.csv --target-width 8192 --where depth=4 --report report
  mutransfer analyze runs.csv --axis tokens --sweep weight_decay --json
  mutransfer analyze trials.csv --rule =mup --seed user_attrs_seed --loss value

Exit codes: 0 analysed, whatever the verdict, 2 wrong request or input";
