//! A sweep that is killed again and again, with its workers, ends as if nothing had happened.

use crate::common;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{database, exported, mutransfer, study, write};

/// Forty trials.
const SWEEP: &str = "rules = [\"mup\"]\nwidths = [8]\ntarget_width = 16\nseeds = 4\nsteps = 200";

fn sweep(study: &str, out: &Path) -> Child {
    mutransfer()
        .args(["sweep", study, "--jobs", "2", "--out"])
        .arg(out)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Numbers of the workers that train in a folder.
fn workers(out: &Path) -> Vec<String> {
    let found = Command::new("pgrep")
        .arg("-f")
        .arg(out.join("trials"))
        .output()
        .unwrap();
    let found = String::from_utf8(found.stdout).unwrap();
    found.lines().map(str::to_owned).collect()
}

#[test]
fn a_sweep_that_is_killed_again_and_again_ends_as_if_it_were_not() {
    let folder = tempfile::tempdir().unwrap();
    let study = write(folder.path(), "study.toml", &study(SWEEP));
    let (whole, cut) = (folder.path().join("whole"), folder.path().join("cut"));
    assert!(sweep(&study, &whole).wait().unwrap().success());

    let mut kills = 0;
    for round in 0_u64.. {
        assert!(round < 300, "no end in sight");
        let mut controller = sweep(&study, &cut);
        // Longer and longer, so that it gets on however slow the machine is.
        let patience = 50 + (round * 7919) % 200 + 10 * round;
        std::thread::sleep(Duration::from_millis(patience));
        let mut victims = vec![controller.id().to_string()];
        victims.extend(workers(&cut).into_iter().take(1));
        // A worker and then its controller, or the controller alone.
        for victim in victims
            .iter()
            .skip(1)
            .take(round as usize % 2)
            .chain(&victims[..1])
        {
            // It may have ended by itself meanwhile.
            let killed = Command::new("kill").args(["-9", victim]).output().unwrap();
            kills += usize::from(killed.status.success());
            std::thread::sleep(Duration::from_millis(20));
        }
        if controller.wait().unwrap().success() {
            break;
        }
    }
    eprintln!("{kills} kills");
    assert!(kills >= 5, "{kills}");
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(workers(&cut), [""; 0], "orphans");
    assert_eq!(exported(&whole).len(), 40);
    assert_eq!(exported(&cut), exported(&whole));
    let results = |out: &Path| fs::read_to_string(out.join("results.csv")).unwrap();
    assert_eq!(results(&cut), results(&whole));
    let check = "PRAGMA integrity_check";
    let check: String = database(&cut)
        .query_row(check, [], |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
    let left = fs::read_dir(&cut)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left
        .filter(|name| name.to_string_lossy().starts_with(".partial"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(fs::read_dir(cut.join("trials")).unwrap().count(), 0);
}
