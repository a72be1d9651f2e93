//! The script of a job array.

use std::path::Path;

use crate::executor::batch::Batch;
use crate::executor::queue::Runner;
use crate::executor::settings::Settings;

/// What `sbatch` is given for a batch. What the user wants comes last, as the last word counts.
pub(super) fn script(settings: &Settings, runner: &Runner, batch: &Batch, folder: &Path) -> String {
    let options = options(settings, batch);
    let options: String = options
        .iter()
        .map(|option| format!("#SBATCH {option}\n"))
        .collect();
    let body = runner.body(&settings.setup, folder, "SLURM_ARRAY_TASK_ID");
    format!("#!/bin/bash\n{options}{body}")
}

fn options(settings: &Settings, batch: &Batch) -> Vec<String> {
    let throttle = settings.throttle.map(|tasks| format!("%{tasks}"));
    let mut options = vec![
        format!("--job-name={}", batch.name),
        format!(
            "--array=0-{}{}",
            batch.elements.len().saturating_sub(1),
            throttle.unwrap_or_default()
        ),
        "--output=%a.log".to_owned(),
        "--open-mode=append".to_owned(),
        "--requeue".to_owned(),
    ];
    let given = [
        ("partition", &settings.partition),
        ("time", &settings.time),
        ("gres", &settings.gres),
        ("account", &settings.account),
    ];
    for (key, value) in given {
        options.extend(value.as_ref().map(|value| format!("--{key}={value}")));
    }
    options.extend(settings.options.iter().cloned());
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runner() -> Runner {
        Runner {
            program: "/opt/mutransfer".into(),
            place: "/home/it's mine".into(),
            jobs: 2,
        }
    }

    fn batch(elements: usize) -> Batch {
        Batch {
            name: "mutransfer-1".into(),
            build: "build".into(),
            elements: vec![vec!["id".into()]; elements],
        }
    }

    #[test]
    fn a_script_without_wishes() {
        let text = script(
            &Settings::default(),
            &runner(),
            &batch(1),
            Path::new("/out/1"),
        );
        let expected = r#"#!/bin/bash
#SBATCH --job-name=mutransfer-1
#SBATCH --array=0-0
#SBATCH --output=%a.log
#SBATCH --open-mode=append
#SBATCH --requeue
set -e
cd '/home/it'\''s mine'
exec '/opt/mutransfer' run-trial --jobs 2 --batch '/out/1' --element "$SLURM_ARRAY_TASK_ID"
"#;
        assert_eq!(text, expected);
    }

    #[test]
    fn a_script_with_every_wish() {
        let settings = r#"
            partition = "gpu"
            time = "4:00:00"
            gres = "gpu:1"
            account = "lab"
            options = ["--mem=8G", "--no-requeue"]
            setup = ["module load cuda", "source venv/bin/activate"]
            trials_per_task = 4
            throttle = 16
        "#;
        let settings: Settings = toml::from_str(settings).unwrap();
        let text = script(&settings, &runner(), &batch(20), Path::new("/out/1"));
        let expected = r#"#!/bin/bash
#SBATCH --job-name=mutransfer-1
#SBATCH --array=0-19%16
#SBATCH --output=%a.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --partition=gpu
#SBATCH --time=4:00:00
#SBATCH --gres=gpu:1
#SBATCH --account=lab
#SBATCH --mem=8G
#SBATCH --no-requeue
set -e
cd '/home/it'\''s mine'
module load cuda
source venv/bin/activate
exec '/opt/mutransfer' run-trial --jobs 2 --batch '/out/1' --element "$SLURM_ARRAY_TASK_ID"
"#;
        assert_eq!(text, expected);
    }
}
