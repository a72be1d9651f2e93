//! The script of a job array.

use std::path::Path;

use crate::executor::batch::Batch;
use crate::executor::queue::Runner;
use crate::executor::settings::Settings;

/// What `sbatch` is given for a batch. What the user wants comes last, as the last word counts.
pub(super) fn script(settings: &Settings, runner: &Runner, batch: &Batch, folder: &Path) -> String {
    let options = options(settings, runner, batch);
    let options: String = options
        .iter()
        .map(|option| format!("#SBATCH {option}\n"))
        .collect();
    let body = runner.body(&settings.setup, folder, "SLURM_ARRAY_TASK_ID");
    format!("#!/bin/bash\n{options}{body}")
}

fn options(settings: &Settings, runner: &Runner, batch: &Batch) -> Vec<String> {
    let gpus = runner.gpus(batch).map(|gpus| format!("gpu:{gpus}"));
    let gres = settings.gres.clone().or(gpus);
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
        ("gres", &gres),
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
    use crate::executor::batch::Share;

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
            share: Share::default(),
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
    fn gpus_of_trials_are_asked_for_where_nothing_else_is() {
        let mut batch = batch(1);
        batch.share.gpus = 2;
        let of = |gres: Option<&str>| {
            let settings = Settings {
                gres: gres.map(str::to_owned),
                ..Settings::default()
            };
            script(&settings, &runner(), &batch, Path::new("/out/1"))
        };
        // Two trials run at a time.
        assert!(of(None).contains("#SBATCH --gres=gpu:4\n"));
        let own = of(Some("gpu:a100:8"));
        assert!(own.contains("#SBATCH --gres=gpu:a100:8\n") && !own.contains("gpu:4"));
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
