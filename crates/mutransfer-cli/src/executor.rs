//! Where the trials of a study are run.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use anyhow::Context;
use mutransfer_study::axis::Axis;
use mutransfer_study::build;
use mutransfer_study::executor::Executor;
use mutransfer_study::executor::batch::{Share, abandon};
use mutransfer_study::executor::batched::Batched;
use mutransfer_study::executor::devices;
use mutransfer_study::executor::hyperqueue::HyperQueue;
use mutransfer_study::executor::local::Local;
use mutransfer_study::executor::queue::{Queue, Runner};
use mutransfer_study::executor::settings::{Kind, Settings};
use mutransfer_study::executor::slurm::Slurm;
use mutransfer_study::limits;
use mutransfer_study::workbench::Workbench;

use crate::args::RunOptions;
use crate::failure::Failure;

/// What runs the trials of a study, and how to say it.
pub(crate) fn executor(
    bench: &Workbench,
    options: &RunOptions,
) -> Result<(Box<dyn Executor>, String), Failure> {
    let settings = checked(options.executor.over(bench.study().executor()))?;
    let jobs = options.jobs.map(usize::from);
    match settings.name {
        Kind::Local => here(bench, options, jobs),
        Kind::Slurm => {
            let slurm = Slurm::new(settings.clone(), runner(jobs)?);
            queued(bench, options, Arc::new(slurm), &settings)
        }
        Kind::HyperQueue => {
            let root = bench.store().root();
            let hyperqueue = HyperQueue::new(settings.clone(), runner(jobs)?, root);
            queued(bench, options, Arc::new(hyperqueue), &settings)
        }
    }
}

/// Settings that make sense.
pub(crate) fn checked(settings: Settings) -> Result<Settings, Failure> {
    let wrong = |(key, problem)| Failure::usage(format!("`{key}` {problem}"), None);
    settings.check().map_err(wrong)?;
    Ok(settings)
}

fn here(
    bench: &Workbench,
    options: &RunOptions,
    jobs: Option<usize>,
) -> Result<(Box<dyn Executor>, String), Failure> {
    if options.executor.is_for_a_cluster() {
        let hint = Some("name the cluster's queue by --executor, or leave its options out");
        return Err(Failure::usage(
            "options of a cluster were given, and trials are run here",
            hint,
        ));
    }
    // What an earlier command has left in a cluster would run the same trials.
    abandon(bench.store().root()).context("cannot take back what is queued in a cluster")?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let share = share(bench, options);
    let jobs = jobs.unwrap_or(cores).min(room(bench)?);
    let (local, jobs) = sharing(jobs, share)?;
    Ok((Box::new(local), format!("{jobs} at a time")))
}

/// How many of the largest trials this machine has memory for.
fn room(bench: &Workbench) -> Result<usize, Failure> {
    let (Some((rung, needed)), Some(there)) = (bench.largest(), limits::memory()) else {
        return Ok(usize::MAX);
    };
    let room = there.checked_div(needed).unwrap_or(u64::MAX);
    if room == 0 {
        let [needed, there] = [needed, there].map(|bytes| bytes >> 20);
        let sizes = rung.along(&[Axis::Width, Axis::Depth]);
        let message = format!(
            "a trial at {sizes} takes {needed} MiB of memory at least, for weights, gradients \
             and moments, and this machine has {there} MiB"
        );
        let hint = "choose smaller models, or run it elsewhere with --executor";
        return Err(Failure::usage(message, Some(hint)));
    }
    Ok(usize::try_from(room).unwrap_or(usize::MAX))
}

/// What each worker of a study gets.
pub(crate) fn share(bench: &Workbench, options: &RunOptions) -> Share {
    Share {
        checkpoint: options.checkpoint,
        gpus: bench.study().allowance().gpus,
    }
}

/// Workers of this machine that each get their share, and how many there are at a time: no more
/// than there are GPUs for.
pub(crate) fn sharing(jobs: usize, share: Share) -> Result<(Local, usize), Failure> {
    let each = share.gpus;
    let gpus = (each > 0).then(devices::present).unwrap_or_default();
    let room = gpus.len().checked_div(each);
    if room == Some(0) {
        let message = format!("`gpus` is {each}, and {} are present", gpus.len());
        let hint = "`nvidia-smi`, or the variable CUDA_VISIBLE_DEVICES, lists them";
        return Err(Failure::usage(message, Some(hint)));
    }
    let jobs = room.map_or(jobs, |room| jobs.min(room));
    let local = workers(jobs, share.checkpoint)?.with_gpus(each, gpus);
    Ok((local, jobs))
}

fn queued(
    bench: &Workbench,
    options: &RunOptions,
    queue: Arc<dyn Queue>,
    settings: &Settings,
) -> Result<(Box<dyn Executor>, String), Failure> {
    let (name, root) = (queue.name(), bench.store().root());
    let trials = settings.trials_per_task;
    let executor = Batched::open(queue, root, bench.build(), trials, share(bench, options));
    let executor =
        executor.with_context(|| format!("cannot prepare {} for {name}", root.display()));
    Ok((Box::new(executor?), format!("run by {name}")))
}

/// Workers of this machine, which keep where they are every so many seconds.
pub(crate) fn workers(jobs: usize, checkpoint: Option<u32>) -> Result<Local, Failure> {
    let seconds = checkpoint.map(|seconds| seconds.to_string());
    let Some(own) = build::own_image() else {
        let program = program()?;
        return Ok(Local::new(jobs, move |folder| {
            worker(&program, &[("--checkpoint", seconds.as_deref())], folder)
        }));
    };
    // What begins by this path is of this very build, and need not find out.
    let build = build::fingerprint().context("cannot read this program itself")?;
    Ok(Local::new(jobs, move |folder| {
        let settings = [
            ("--checkpoint", seconds.as_deref()),
            ("--of-build", Some(&build)),
        ];
        worker(own, &settings, folder)
    }))
}

fn runner(jobs: Option<usize>) -> Result<Runner, Failure> {
    Ok(Runner {
        program: program()?,
        place: std::env::current_dir().context("cannot find the current folder")?,
        jobs: jobs.unwrap_or(1),
    })
}

fn program() -> Result<std::path::PathBuf, Failure> {
    Ok(std::env::current_exe().context("cannot find this program to start workers")?)
}

fn worker(program: &Path, settings: &[(&str, Option<&str>)], folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(["run-trial", "--end-with-stdin"]);
    for (flag, value) in settings {
        if let Some(value) = value {
            command.args([flag, value]);
        }
    }
    // A folder may begin like an option.
    command.arg("--").arg(folder);
    command
}
