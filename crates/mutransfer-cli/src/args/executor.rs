//! What can be typed about where trials are run.

use mutransfer_study::executor::settings::{Kind, Settings};

#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Where trials are run")]
pub(crate) struct ExecutorOptions {
    /// Processes of this machine, job arrays of Slurm, or jobs of HyperQueue [default: `executor`
    /// of the study, or local]
    #[arg(long, value_enum, value_name = "NAME")]
    executor: Option<ExecutorName>,
    /// Partition of the cluster
    #[arg(long, value_name = "NAME")]
    partition: Option<String>,
    /// Longest time of a task, as the cluster writes it
    #[arg(long, value_name = "TIME")]
    time: Option<String>,
    /// Generic resources of a task, such as gpu:1
    #[arg(long, value_name = "LIST")]
    gres: Option<String>,
    /// Account that is charged
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// Further option of the command that submits, as it is typed there; may be repeated
    #[arg(
        long = "submit-option",
        value_name = "OPTION",
        allow_hyphen_values = true
    )]
    options: Vec<String>,
    /// Line of bash that a task begins with; may be repeated
    #[arg(long, value_name = "LINE", allow_hyphen_values = true)]
    setup: Vec<String>,
    /// Trials that a task runs
    #[arg(long, value_name = "N")]
    trials_per_task: Option<usize>,
    /// Tasks that run at a time, at most
    #[arg(long, value_name = "N")]
    throttle: Option<usize>,
}

/// What runs trials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum ExecutorName {
    Local,
    Slurm,
    #[value(name = "hyperqueue")]
    HyperQueue,
}

impl From<ExecutorName> for Kind {
    fn from(name: ExecutorName) -> Self {
        match name {
            ExecutorName::Local => Self::Local,
            ExecutorName::Slurm => Self::Slurm,
            ExecutorName::HyperQueue => Self::HyperQueue,
        }
    }
}

impl ExecutorOptions {
    /// What a study says, where nothing was typed.
    pub(crate) fn over(&self, study: &Settings) -> Settings {
        let typed = self;
        let word = |typed: &Option<String>, own: &Option<String>| typed.clone().or(own.clone());
        Settings {
            name: typed.executor.map_or(study.name, Kind::from),
            partition: word(&typed.partition, &study.partition),
            time: word(&typed.time, &study.time),
            gres: word(&typed.gres, &study.gres),
            account: word(&typed.account, &study.account),
            options: [&study.options[..], &typed.options].concat(),
            setup: [&study.setup[..], &typed.setup].concat(),
            trials_per_task: typed.trials_per_task.unwrap_or(study.trials_per_task),
            throttle: typed.throttle.or(study.throttle),
        }
    }

    /// Whether something was typed that only a cluster understands.
    pub(crate) fn is_for_a_cluster(&self) -> bool {
        let nothing = Settings::default();
        let typed = Settings {
            name: nothing.name,
            ..self.over(&nothing)
        };
        typed != nothing
    }
}
