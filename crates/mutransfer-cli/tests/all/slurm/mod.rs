//! A Slurm of two nodes on this machine.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// It ends, with all its daemons, when this is dropped or its process ends, however it ends.
pub(crate) struct Cluster {
    script: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    environment: Vec<(&'static str, String)>,
    _folder: tempfile::TempDir,
}

impl Cluster {
    /// Starts it; gives why where it cannot be had.
    pub(crate) fn start() -> Result<Self, String> {
        let folder = tempfile::tempdir().unwrap();
        let packages = Path::new(env!("CARGO_TARGET_TMPDIR")).join("slurm");
        let configuration = folder.path().join("slurm.conf").display().to_string();
        let mut script = Command::new("bash")
            .arg("tests/all/slurm/cluster")
            .arg(&packages)
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut cluster = Self {
            input: script.stdin.take(),
            output: BufReader::new(script.stdout.take().unwrap()),
            script,
            environment: vec![("SLURM_CONF", configuration)],
            _folder: folder,
        };
        let said = line(&mut cluster.output);
        if let Some(why) = said.strip_prefix("skip: ") {
            return Err(why.to_owned());
        }
        let ready = said.strip_prefix("ready ").expect(&said);
        let (path, libraries) = ready.split_once(' ').unwrap();
        let usual = std::env::var("PATH").unwrap();
        cluster
            .environment
            .push(("PATH", format!("{path}:{usual}")));
        cluster
            .environment
            .push(("LD_LIBRARY_PATH", libraries.to_owned()));
        Ok(cluster)
    }

    /// What a command needs to find it.
    pub(crate) fn environment(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.environment.iter().cloned()
    }

    /// Has it do something: `kill NODE`, `stop` or `start`.
    pub(crate) fn tell(&mut self, what: &str) {
        writeln!(self.input.as_mut().unwrap(), "{what}").unwrap();
        assert_eq!(line(&mut self.output), "done", "{what}");
    }

    /// The tasks that it was ever given.
    pub(crate) fn tasks(&self) -> Vec<String> {
        let output = Command::new("squeue")
            .envs(self.environment())
            .args(["--noheader", "--array", "--states=all", "--format=%i %T"])
            .output()
            .unwrap();
        let listed = String::from_utf8(output.stdout).unwrap();
        listed.lines().map(str::to_owned).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.script.wait();
    }
}

fn line(output: &mut impl BufRead) -> String {
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}
