//! What a study outlives, for longer than a test may take: kills by the thousand, and power cuts.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::cargo::{cargo, output, run};

/// Forty trials of a fraction of a second.
const STUDY: &str = "model = \"mlp\"\nrules = [\"mup\"]\nwidths = [8]\ntarget_width = 16\n\
                     lr = { from = \"2^-9\", to = \"2^-3\", step = 1.5 }\nverify = false\n\
                     depth = 1\nseeds = 8\nsteps = 200\nbatch = 32\ncontext = 8\n";

const KILLS: usize = 1000;
const CUTS: usize = 12;

/// A sweep in a folder of its own.
struct Sweep {
    program: PathBuf,
    study: PathBuf,
}

impl Sweep {
    fn new(folder: &Path) -> Result<Self> {
        cargo(&["build", "--release", "--locked"])?;
        let study = folder.join("study.toml");
        fs::write(&study, STUDY)?;
        let program = Path::new("target/release/mutransfer").canonicalize()?;
        Ok(Self { program, study })
    }

    fn begin(&self, out: &Path) -> Result<Child> {
        let mut command = Command::new(&self.program);
        command.args(["sweep", "--jobs", "2"]).arg(&self.study);
        command.arg("--out").arg(out);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().context("cannot start a sweep")
    }

    fn finish(&self, out: &Path) -> Result<()> {
        let status = self.begin(out)?.wait()?;
        ensure!(
            status.success(),
            "the sweep in {} ended with {status}",
            out.display()
        );
        Ok(())
    }

    /// Every trial that has ended, by its name, with the seconds that it took: run again, it would
    /// take others.
    fn ended(&self, out: &Path) -> Result<BTreeMap<String, f64>> {
        let mut export = Command::new(&self.program);
        let lines = output(export.args(["export", "--format", "jsonl"]).arg(out))?;
        let ended = lines.lines().map(|line| {
            let line: Value = serde_json::from_str(line)?;
            let id = line["id"].as_str().context("a name")?.to_owned();
            Ok((id, line["record"]["seconds"].as_f64().context("seconds")?))
        });
        ended.collect()
    }
}

fn results(out: &Path) -> Result<String> {
    Ok(fs::read_to_string(out.join("results.csv"))?)
}

/// Folder for one run, which goes with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("mutransfer-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Processes that train in a folder.
fn workers(out: &Path) -> Result<Vec<String>> {
    let found = Command::new("pgrep")
        .arg("-f")
        .arg(out.join("trials"))
        .output()?;
    let found = String::from_utf8(found.stdout)?;
    Ok(found.lines().map(str::to_owned).collect())
}

fn kill(signal: &str, process: &str) -> Result<bool> {
    let killed = Command::new("kill").args([signal, process]).output()?;
    Ok(killed.status.success())
}

/// A number below `below`, of this place in a sequence that is the same every time.
fn draw(place: usize, below: u64) -> u64 {
    (place as u64)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .rotate_left(17)
        % below
}

/// Sweeps are killed with a worker or alone, and begun again until they are done.
pub(crate) fn kills() -> Result<()> {
    let folder = Folder::new("kills")?;
    let sweep = Sweep::new(&folder.0)?;
    let whole = folder.0.join("whole");
    sweep.finish(&whole)?;
    let begun = Instant::now();
    let (mut kills, mut sweeps, mut starts) = (0, 0, 0);
    while kills < KILLS {
        let out = folder.0.join(format!("cut-{sweeps}"));
        loop {
            let mut child = sweep.begin(&out)?;
            starts += 1;
            std::thread::sleep(Duration::from_millis(50 + draw(starts, 300)));
            if starts % 2 == 0
                && let Some(worker) = workers(&out)?.first()
            {
                kills += usize::from(kill("-9", worker)?);
            }
            if child.try_wait()?.is_none() {
                kills += usize::from(kill("-9", &child.id().to_string())?);
            }
            if child.wait()?.success() {
                break;
            }
        }
        sweeps += 1;
        ensure!(
            results(&out)? == results(&whole)?,
            "other results after {kills} kills"
        );
        std::thread::sleep(Duration::from_secs(1));
        ensure!(workers(&out)?.is_empty(), "orphans a second later");
        fs::remove_dir_all(out)?;
    }
    let seconds = begun.elapsed().as_secs();
    println!("{kills} kills in {starts} starts of {sweeps} sweeps, {seconds} s: the same results");
    Ok(())
}

/// A file system in a file.
struct Disk {
    mount: PathBuf,
}

impl Disk {
    fn mount(image: &Path, mount: PathBuf) -> Result<Self> {
        fs::create_dir_all(&mount)?;
        run(Command::new("mount")
            .args(["-o", "loop"])
            .args([image, &mount]))?;
        Ok(Self { mount })
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .arg("--lazy")
            .arg(&self.mount)
            .status();
    }
}

/// The disk of a running sweep is copied as it is, without what the system has not written yet, and
/// the same command goes on there. Needs root, ext4 and loop devices.
pub(crate) fn power_cuts() -> Result<()> {
    let folder = Folder::new("power")?;
    let sweep = Sweep::new(&folder.0)?;
    let whole = folder.0.join("whole");
    sweep.finish(&whole)?;
    let mut kept = Vec::new();
    for cut in 0..CUTS {
        let image = folder.0.join("disk");
        run(Command::new("truncate").args(["-s", "64M"]).arg(&image))?;
        run(Command::new("mkfs.ext4").arg("-q").arg("-F").arg(&image))?;
        let copy = folder.0.join("copy");
        let acknowledged = {
            let disk = Disk::mount(&image, folder.0.join("mount"))?;
            interrupt(&sweep, &disk.mount.join("out"), cut, || {
                fs::copy(&image, &copy).context("cannot copy the disk")?;
                Ok(())
            })?
        };
        let disk = Disk::mount(&copy, folder.0.join("after"))?;
        let out = disk.mount.join("out");
        sweep.finish(&out)?;
        ensure!(
            results(&out)? == results(&whole)?,
            "other results after cut {cut}"
        );
        let ended = sweep.ended(&out)?;
        for (id, seconds) in &acknowledged {
            ensure!(
                ended.get(id) == Some(seconds),
                "cut {cut} has lost trial {id}"
            );
        }
        kept.push(acknowledged.len());
    }
    println!("{CUTS} of {CUTS} power cuts lost no result; there were {kept:?} of 40 by then");
    Ok(())
}

/// Stops a sweep for a moment, cuts the power, and kills it; gives the trials that it had told to
/// have ended.
fn interrupt(
    sweep: &Sweep,
    out: &Path,
    cut: usize,
    power_cut: impl Fn() -> Result<()>,
) -> Result<BTreeMap<String, f64>> {
    let mut child = sweep.begin(out)?;
    let begun = Instant::now();
    while !out.join("results.csv").exists() {
        ensure!(
            begun.elapsed() < Duration::from_mins(1),
            "the sweep does not begin"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(draw(cut + 1, 2000)));
    let controller = child.id().to_string();
    let mut all = vec![controller];
    all.extend(workers(out)?);
    for process in &all {
        kill("-STOP", process)?;
    }
    let acknowledged = sweep.ended(out);
    let cut = power_cut();
    for process in &all {
        kill("-9", process)?;
    }
    child.wait()?;
    cut?;
    acknowledged
}
