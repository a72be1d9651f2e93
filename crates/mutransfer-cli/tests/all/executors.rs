//! What all executors promise, and a sweep through a Slurm that loses a node, its controller and
//! ours.

use crate::{common, slurm};

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{exported, mutransfer, study, write};
use mutransfer_study::executor::batch::Share;
use mutransfer_study::executor::batched::Batched;
use mutransfer_study::executor::hyperqueue::HyperQueue;
use mutransfer_study::executor::local::Local;
use mutransfer_study::executor::queue::Runner;
use mutransfer_study::executor::settings::Settings;
use mutransfer_study::executor::slurm::Slurm;
use mutransfer_study::executor::{End, Executor, News};
use mutransfer_study::store::{Foreign, Store, read_record};
use mutransfer_study::study::Study;
use mutransfer_study::trial::Trial;
use slurm::Cluster;

/// After which nothing is expected any more.
const PATIENCE: Duration = Duration::from_mins(1);

/// Five trials.
const FEW: &str = "rules = [\"mup\"]\nwidths = [8]\ntarget_width = 8\nsteps = 200";

const PROGRAM: &str = env!("CARGO_BIN_EXE_mutransfer");

/// Fingerprint of the program that runs the trials.
fn build() -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(PROGRAM).unwrap()).unwrap();
    hasher.finalize().to_hex()[..16].to_owned()
}

fn trials() -> Vec<Trial> {
    let study = Study::parse(&study(FEW), Path::new("study.toml")).unwrap();
    let subject = mutransfer_models::open(study.subject(), None).unwrap();
    study.sweep(subject.as_ref()).unwrap()
}

/// The ends of all these trials, by their numbers, each of which ends once.
fn ends(executor: &mut dyn Executor, count: usize) -> BTreeMap<usize, End> {
    let begun = Instant::now();
    let mut ends = BTreeMap::new();
    while ends.len() < count {
        assert!(begun.elapsed() < PATIENCE, "{ends:?}");
        let news = executor.next(Duration::from_millis(50)).unwrap();
        if let Some(News::Ended(end)) = news {
            let earlier = ends.insert(end.number, end);
            assert_eq!(earlier, None, "ended twice");
        }
    }
    ends
}

/// What all executors promise, of one that `open` gives, as a new process would.
fn contract(open: &dyn Fn(&Path) -> Box<dyn Executor>) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), Foreign::Keep).unwrap();
    let (trials, own) = (trials(), build());
    let has_result = |trial: &Trial| {
        let record = read_record(&store.folder(trial), &trial.id()).unwrap();
        record.is_some_and(|record| record.outcome.is_final())
    };

    // Every trial ends once, with a result or with words that say why it has none.
    let mut executor = open(folder.path());
    for (number, trial) in trials.iter().enumerate() {
        let build = if number == 1 { "another" } else { &own };
        let folder = store.prepare(trial, build).unwrap();
        assert!(!executor.adopt(number, &folder), "it was never submitted");
        executor.submit(number, &folder).unwrap();
    }
    let told = ends(executor.as_mut(), trials.len());
    for (number, trial) in trials.iter().enumerate() {
        assert_eq!(has_result(trial), number != 1, "{:?}", told[&number]);
    }
    assert!(
        told[&1].last_words.contains("this program is another one"),
        "{told:?}"
    );

    // Where it was cancelled, a new process goes on, and takes up what is still run.
    let mut executor = open(folder.path());
    let submit = |executor: &mut dyn Executor| {
        for (number, trial) in trials.iter().enumerate() {
            if !executor.adopt(number, &store.folder(trial)) {
                let folder = store.prepare(trial, &own).unwrap();
                executor.submit(number, &folder).unwrap();
            }
        }
    };
    submit(executor.as_mut());
    executor.next(Duration::ZERO).unwrap();
    executor.cancel();
    let begun = Instant::now();
    ends(executor.as_mut(), trials.len());
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    drop(executor);
    let missing: Vec<bool> = trials.iter().map(|trial| !has_result(trial)).collect();
    let mut executor = open(folder.path());
    submit(executor.as_mut());
    ends(executor.as_mut(), trials.len());
    assert!(trials.iter().all(has_result), "{missing:?}");
}

#[test]
fn processes_of_this_machine_keep_the_contract() {
    contract(&|_| {
        let worker = |folder: &Path| {
            let mut command = Command::new(PROGRAM);
            command
                .args(["run-trial", "--end-with-stdin", "--"])
                .arg(folder);
            command
        };
        Box::new(Local::new(8, worker))
    });
}

fn runner() -> Runner {
    Runner {
        program: PROGRAM.into(),
        place: std::env::current_dir().unwrap(),
        jobs: 1,
    }
}

/// Two trials of a second or two.
const PAIR: &str = "rules = [\"mup\"]\nwidths = [16]\ntarget_width = 16\nsteps = 6000\n\
                    lr = { from = \"2^-6\", to = \"2^-5\", step = 1 }";

/// As Slurm ends a task whose time is over, or that it needs the node of: its first process, or all
/// of them at once.
#[test]
fn a_task_that_is_asked_to_stop_ends_with_75_and_goes_on_when_it_is_run_again() {
    for target in ["", "-"] {
        let folder = tempfile::tempdir().unwrap();
        let study = write(folder.path(), "study.toml", &study(PAIR));
        let out = folder.path().join("out");
        let mut prepare = mutransfer();
        prepare.args([
            "sweep",
            &study,
            "--prepare",
            "--trials-per-task",
            "2",
            "--out",
        ]);
        assert!(prepare.arg(&out).output().unwrap().status.success());
        let mut batches = fs::read_dir(out.join("batches")).unwrap();
        let batch = batches.next().unwrap().unwrap().path();
        let run = || {
            let mut task = mutransfer();
            task.args(["run-trial", "--element", "0", "--batch"])
                .arg(&batch);
            task.stderr(Stdio::null()).process_group(0).spawn().unwrap()
        };
        let trials = || {
            fs::read_dir(out.join("trials"))
                .unwrap()
                .map(|trial| trial.unwrap().path())
        };
        let with = |name: &str| trials().filter(|trial| trial.join(name).exists()).count();

        let mut task = run();
        let begun = Instant::now();
        while with("log") == 0 {
            assert!(begun.elapsed() < PATIENCE);
            std::thread::sleep(Duration::from_millis(10));
        }
        let process = format!("{target}{}", task.id());
        let killed = Command::new("kill")
            .args(["-TERM", "--", &process])
            .status();
        assert!(killed.unwrap().success());
        assert_eq!(task.wait().unwrap().code(), Some(75), "{target}");
        assert!(batch.join("0.stopped").exists());
        assert_eq!(with("result.json"), 0, "{target}");
        assert!(run().wait().unwrap().success());
        assert_eq!(with("result.json"), 2, "{target}");
        assert!(!batch.join("0.stopped").exists());
    }
}

/// Run by the test below, with what Slurm's commands need in its environment.
#[test]
#[ignore = "needs a Slurm"]
fn slurm_keeps_the_contract() {
    contract(&|root| {
        let slurm = Slurm::new(Settings::default(), runner());
        Box::new(Batched::open(Arc::new(slurm), root, &build(), 3, Share::default()).unwrap())
    });
}

/// Run by the test below, with what `hq` needs in its environment.
#[test]
#[ignore = "needs a HyperQueue"]
fn hyperqueue_keeps_the_contract() {
    contract(&|root| {
        let hyperqueue = HyperQueue::new(Settings::default(), runner(), root);
        Box::new(Batched::open(Arc::new(hyperqueue), root, &build(), 3, Share::default()).unwrap())
    });
}

/// A server of HyperQueue and a worker, for as long as this is there.
struct Server {
    processes: Vec<Child>,
    folder: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let processes = Vec::new();
        let mut server = Self { processes, folder };
        server.run(&["server", "start"]);
        let wait = server.hq(&["server", "wait", "--timeout", "30s"]).status();
        assert!(wait.unwrap().success());
        server.run(&["worker", "start", "--cpus", "2"]);
        server
    }

    fn hq(&self, arguments: &[&str]) -> Command {
        let mut hq = Command::new("hq");
        hq.args(arguments).env("HQ_SERVER_DIR", self.folder.path());
        hq.stdout(Stdio::null()).stderr(Stdio::null());
        hq
    }

    fn run(&mut self, arguments: &[&str]) {
        let process = self.hq(arguments).spawn().unwrap();
        self.processes.push(process);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

#[test]
fn hyperqueue_if_it_is_there_keeps_the_contract() {
    if Command::new("hq").arg("--version").output().is_err() {
        return skipped("HyperQueue", "hq is not in the path");
    }
    let server = Server::start();
    let folder = server.folder.path().display().to_string();
    contract_of("hyperqueue_keeps_the_contract", [("HQ_SERVER_DIR", folder)]);
}

/// Has the contract of an executor tested, with what its commands need.
fn contract_of(test: &str, environment: impl IntoIterator<Item = (&'static str, String)>) {
    let contract = Command::new(std::env::current_exe().unwrap())
        .args([
            &format!("executors::{test}"),
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .envs(environment)
        .output()
        .unwrap();
    let [listed, said] =
        [contract.stdout, contract.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    assert!(listed.contains("1 passed"), "{listed}{said}");
}

/// Twelve trials of a program in plain Python, of about a second.
const TRAINER: &str = "../../examples/trainers/plain.py";
const SWEEP: &str = r#"
command = ["python3", "plain.py"]
shapes = ["python3", "plain.py", "--shapes", "{width}"]
layout = "out-in"
declare = { "readout.weight" = "output" }
rules = ["mup"]
optimizer = "adam"
widths = [8, 16]
target_width = 32
lr = { from = "2^-5", to = "2^-2", step = 1 }
steps = 150
batch = 16
"#;
const TRIALS: usize = 12;
const TRIALS_PER_TASK: usize = 3;

/// A sweep that writes what it says into a file.
struct Sweep {
    child: Child,
    said: PathBuf,
}

impl Sweep {
    fn begin(study: &str, out: &Path, cluster: &Cluster, said: PathBuf) -> Self {
        let child = mutransfer()
            .args([
                "sweep",
                study,
                "--executor",
                "slurm",
                "--submit-option=--no-requeue",
            ])
            .args(["--setup", "export SET_UP=1", "--throttle", "8"])
            .args(["--trials-per-task", &TRIALS_PER_TASK.to_string(), "--out"])
            .arg(out)
            .envs(cluster.environment())
            .stdout(Stdio::null())
            .stderr(File::create(&said).unwrap())
            .spawn()
            .unwrap();
        Self { child, said }
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap()
    }

    /// Waits until something is so.
    fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !is_so(self) {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "{what}: {ended:?}: {}", self.said());
            assert!(begun.elapsed() < PATIENCE, "{what}: {}", self.said());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn end(mut self) -> String {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "{}", self.said());
                return self.said();
            }
            assert!(begun.elapsed() < PATIENCE, "{}", self.said());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Sweep {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn results(out: &Path) -> usize {
    let mut text = String::new();
    if let Ok(mut file) = File::open(out.join("results.csv")) {
        file.read_to_string(&mut text).unwrap();
    }
    text.lines().count().saturating_sub(1)
}

/// Says so past what holds back the words of tests that pass.
fn skipped(what: &str, why: &str) {
    let line = format!("SKIPPED: no {what}: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// Whether there is a Slurm; then its contract and the sweep, as a cluster takes seconds to start.
#[test]
fn slurm_loses_a_node_and_both_controllers_and_the_sweep_ends_as_if_it_had_not() {
    let mut cluster = match Cluster::start() {
        Ok(cluster) => cluster,
        Err(why) => return skipped("Slurm", &why),
    };
    contract_of("slurm_keeps_the_contract", cluster.environment());
    let before = cluster.tasks().len();

    let folder = tempfile::tempdir().unwrap();
    let study = write(folder.path(), "study.toml", SWEEP);
    fs::copy(TRAINER, folder.path().join("plain.py")).unwrap();
    let (whole, cut) = (folder.path().join("whole"), folder.path().join("cut"));
    let here = mutransfer()
        .args(["sweep", &study, "--out"])
        .arg(&whole)
        .output()
        .unwrap();
    assert!(here.status.success());

    let mut sweep = Sweep::begin(&study, &cut, &cluster, folder.path().join("first"));
    sweep.until("a result", |_| results(&cut) >= 1);
    drop(sweep);
    cluster.tell("kill n2");
    cluster.tell("stop");
    let mut sweep = Sweep::begin(&study, &cut, &cluster, folder.path().join("second"));
    sweep.until("silence", |sweep| {
        sweep.said().contains("Slurm does not answer")
    });
    cluster.tell("start");
    let said = sweep.end();
    assert_eq!(said.matches("does not answer").count(), 1, "{said}");
    assert!(said.contains("Slurm answers again"), "{said}");
    assert!(said.contains("NODE_FAIL"), "{said}");

    assert_eq!(exported(&whole).len(), TRIALS);
    assert_eq!(exported(&cut), exported(&whole));
    let results = |out: &Path| fs::read_to_string(out.join("results.csv")).unwrap();
    assert_eq!(results(&cut), results(&whole));
    // One task was lost with its node, and nothing else was queued twice.
    let tasks = cluster.tasks();
    assert_eq!(
        tasks.len() - before,
        TRIALS / TRIALS_PER_TASK + 1,
        "{tasks:?}"
    );
    // What a task was still writing to goes when the study is opened again.
    Sweep::begin(&study, &cut, &cluster, folder.path().join("third")).end();
    let left = fs::read_dir(cut.join("batches")).unwrap().count();
    assert_eq!(left, 0);
    assert_eq!(cluster.tasks().len(), tasks.len());
}
