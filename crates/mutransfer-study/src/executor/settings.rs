//! How a study says where its trials are run.

use serde::{Deserialize, Serialize};

/// What runs trials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Processes of this machine.
    #[default]
    Local,
    /// Job arrays of Slurm.
    Slurm,
    /// Jobs of HyperQueue.
    HyperQueue,
}

/// Where and how trials are run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    default,
    expecting = "a table such as { name = \"slurm\", partition = \"gpu\", time = \"4:00:00\" }"
)]
pub struct Settings {
    /// What runs them.
    pub name: Kind,
    /// The partition of the cluster.
    pub partition: Option<String>,
    /// The longest that a task may take, as the queue writes it.
    pub time: Option<String>,
    /// Generic resources of a task, such as `gpu:1`.
    pub gres: Option<String>,
    /// Whom it is charged to.
    pub account: Option<String>,
    /// Further options of the queue's command that submits, each as it is typed.
    pub options: Vec<String>,
    /// Lines of a shell that a task begins with.
    pub setup: Vec<String>,
    /// Trials that a task runs, one after the other.
    pub trials_per_task: usize,
    /// Tasks that run at a time, at most.
    pub throttle: Option<usize>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: Kind::Local,
            partition: None,
            time: None,
            gres: None,
            account: None,
            options: Vec::new(),
            setup: Vec::new(),
            trials_per_task: 1,
            throttle: None,
        }
    }
}

impl Settings {
    /// Checks the values.
    ///
    /// # Errors
    /// The key of the first that makes no sense, and what is wrong with it.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        self.check_words()?;
        if let Some(option) = self.options.iter().find(|option| !is_option(option)) {
            let problem = format!("has {option:?}; an option is one line and begins with `-`");
            return Err(("options", problem));
        }
        if let Some(line) = self.setup.iter().find(|line| !is_line(line)) {
            return Err(("setup", format!("has {line:?}, which is not one line")));
        }
        let counts = [
            ("trials_per_task", Some(self.trials_per_task)),
            ("throttle", self.throttle),
        ];
        match counts.iter().find(|(_, count)| *count == Some(0)) {
            Some((key, _)) => Err((key, "is 0; it must be at least 1".to_owned())),
            None => Ok(()),
        }
    }

    fn check_words(&self) -> Result<(), (&'static str, String)> {
        let throttle = self.throttle.map(|tasks| tasks.to_string());
        // Whether it is of Slurm only.
        let words = [
            ("partition", &self.partition, true),
            ("time", &self.time, false),
            ("gres", &self.gres, true),
            ("account", &self.account, true),
            ("throttle", &throttle, true),
        ];
        for (key, word, is_of_slurm) in words {
            let Some(word) = word else {
                continue;
            };
            if is_of_slurm && self.name == Kind::HyperQueue {
                let problem = "is of Slurm; what HyperQueue takes is among its `options`";
                return Err((key, problem.to_owned()));
            }
            if word.is_empty() || word.contains(char::is_whitespace) || !is_line(word) {
                return Err((key, format!("is {word:?}; it must be one word")));
            }
        }
        Ok(())
    }
}

fn is_line(text: &str) -> bool {
    !text.contains(char::is_control)
}

fn is_option(option: &str) -> bool {
    option.starts_with('-') && is_line(option)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_break_a_script_is_refused_by_its_key() {
        let cases = [
            ("partition = \"a b\"", "partition"),
            ("time = \"\"", "time"),
            ("gres = \"gpu:1\\n#SBATCH --uid=0\"", "gres"),
            ("options = [\"exclusive\"]", "options"),
            ("options = [\"--exclusive\\nrm\"]", "options"),
            ("setup = [\"a\\nb\"]", "setup"),
            ("trials_per_task = 0", "trials_per_task"),
            ("throttle = 0", "throttle"),
            ("name = \"hyperqueue\"\ngres = \"gpu:1\"", "gres"),
        ];
        for (text, key) in cases {
            let settings: Settings = toml::from_str(text).unwrap();
            assert_eq!(settings.check().unwrap_err().0, key, "{text}");
        }
        let good = "name = \"slurm\"\noptions = [\"--mem=4G\"]\nsetup = [\"module load cuda\"]";
        let good: Settings = toml::from_str(good).unwrap();
        assert_eq!(good.check(), Ok(()));
    }
}
