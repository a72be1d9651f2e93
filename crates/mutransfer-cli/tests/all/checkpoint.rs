//! A training that is stopped goes on to the same bits.

use crate::common;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mutransfer_study::study::Study;
use mutransfer_study::subject::{Site, Subject};
use mutransfer_study::trial::{Outcome, Trial};

/// A small study of a family, its subject and its first trial.
fn trial(more: &str) -> (Box<dyn Subject>, Trial) {
    let text = format!(
        "rules = [\"mup\"]\nbase_width = 16\nwidths = [32]\ntarget_width = 64\nhead_dim = 16\n\
         lr = {{ from = \"2^-12\", to = \"2^-11\", step = 1 }}\nsteps = 60\nbatch = 16\ncontext = 8\n\
         verify = false\n{more}"
    );
    let study = Study::parse(&text, Path::new("study.toml")).unwrap();
    let subject = mutransfer_models::open(study.subject(), None).unwrap();
    let trial = study.sweep(subject.as_ref()).unwrap().swap_remove(0);
    (subject, trial)
}

/// Trains in a folder until `last` steps are done, and gives how it ended and what it told.
fn train(
    (subject, trial): &(Box<dyn Subject>, Trial),
    folder: &Path,
    build: &str,
    last: usize,
) -> (Outcome, Vec<(usize, u64)>) {
    let stop = AtomicBool::new(false);
    let site = Site {
        folder,
        build,
        stop: &stop,
        every: Duration::MAX,
    };
    let mut told = Vec::new();
    let outcome = subject.train(trial, &site, &mut |step: usize, loss: f64| {
        told.push((step, loss.to_bits()));
        if step + 1 == last {
            stop.store(true, Ordering::Relaxed);
        }
    });
    (outcome.unwrap(), told)
}

/// What a trial took before its checkpoint.
fn seconds(trial: &Trial, folder: &Path) -> f64 {
    let stop = AtomicBool::new(false);
    let site = Site {
        folder,
        build: "build",
        stop: &stop,
        every: Duration::MAX,
    };
    mutransfer_study::checkpoint::seconds(trial, &site)
}

const FAMILIES: [&str; 6] = [
    "model = \"gpt\"\nvariants = [\"tied\", \"rope\"]",
    "model = \"gpt\"\noptimizer = \"sgd\"",
    "model = \"bert\"\noptimizer = \"adam\"\nweight_decay = 0.1",
    "model = \"mlp\"\noptimizer = \"sgd\"\nmomentum = 0.0",
    "model = \"cnn\"",
    // Batch norm has statistics that are no parameters.
    "model = \"resnet\"\ndepth = 1",
];

#[test]
fn a_training_that_is_stopped_goes_on_to_the_same_bits() {
    for family in FAMILIES {
        let subject = trial(family);
        let [whole, cut] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let undisturbed = train(&subject, whole.path(), "build", 0);
        assert!(undisturbed.1.len() > 5, "{family}");
        let mut took = 0.0;
        for last in [1, 4, 5] {
            let (outcome, told) = train(&subject, cut.path(), "build", last);
            assert_eq!((outcome, told.len()), (Outcome::Stopped, last), "{family}");
            assert_eq!(told, undisturbed.1[..last], "{family}");
            let before = std::mem::replace(&mut took, seconds(&subject.1, cut.path()));
            assert!(took > before, "{family}: {took} s of {before}");
        }
        assert_eq!(
            train(&subject, cut.path(), "build", 0),
            undisturbed,
            "{family}"
        );
    }
}

#[test]
fn a_checkpoint_of_another_trial_or_build_or_one_that_is_torn_is_not_gone_on_from() {
    let subject = trial("model = \"mlp\"");
    let other = trial("model = \"mlp\"\nseed = 1");
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    // What is begun anew comes past the second step, and what goes on from the fourth does not.
    let begins = |subject, build| train(subject, at, build, 2).1.len() == 2;
    let keep = |subject| assert_eq!(train(subject, at, "build", 4).0, Outcome::Stopped);
    keep(&subject);
    assert!(!begins(&subject, "build"), "its own");
    keep(&other);
    let file = std::fs::read_dir(at)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let kept = std::fs::read(&file).unwrap();
    assert!(begins(&subject, "build"), "of another trial");
    keep(&subject);
    assert!(begins(&subject, "other"), "of another build");
    for torn in [&kept[..kept.len() / 2], &kept[..3], b"", &[0; 64]] {
        std::fs::write(&file, torn).unwrap();
        assert!(begins(&subject, "build"), "torn");
    }
}

/// Two trials of some hundred steps.
const LONG: &str = "rules = [\"mup\"]\nwidths = [8]\ntarget_width = 16\nverify = false\n\
                    lr = { from = \"2^-9\", to = \"2^-8\", step = 1 }\nsteps = 300";

/// The checkpoints of trials under way in a folder.
fn checkpoints(out: &Path) -> Vec<PathBuf> {
    let trials = std::fs::read_dir(out.join("trials")).into_iter().flatten();
    let files = trials.map(|trial| trial.unwrap().path().join("checkpoint.safetensors"));
    files.filter(|file| file.exists()).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn a_study_that_is_stopped_in_the_middle_of_a_trial_goes_on_from_there() {
    let folder = tempfile::tempdir().unwrap();
    let study = common::write(folder.path(), "study.toml", &common::study(LONG));
    let run = |out: &Path, more: &[&str]| {
        let mut command = common::mutransfer();
        command
            .args(["sweep", &study, "--jobs", "1", "--out"])
            .arg(out)
            .args(more);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let whole = folder.path().join("whole");
    assert!(run(&whole, &[]).status().unwrap().success());
    for (signal, code) in [("-INT", Some(130)), ("-KILL", None)] {
        let out = folder.path().join(signal);
        let mut child = run(&out, &["--checkpoint", "0"]).spawn().unwrap();
        let begun = std::time::Instant::now();
        while checkpoints(&out).is_empty() {
            assert!(begun.elapsed() < Duration::from_mins(1), "no checkpoint");
            std::thread::yield_now();
        }
        let number = child.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &number])
                .status()
                .unwrap()
                .success()
        );
        assert_eq!(child.wait().unwrap().code(), code);
        assert_eq!(checkpoints(&out).len(), 1, "{signal}");
        assert!(run(&out, &[]).status().unwrap().success());
        let results = |out: &Path| std::fs::read_to_string(out.join("results.csv")).unwrap();
        assert_eq!(results(&out), results(&whole), "{signal}");
        assert!(checkpoints(&out).is_empty());
    }
}
