//! What other engines are given to run a batch that lies ready: a Job of Kubernetes, a task of
//! SkyPilot. They run the copy of the program that is in the folder of the batch, as results count
//! for one build only.

use std::path::Path;

use super::batch::Batch;

/// The copy of the program in the folder of a batch.
pub const PROGRAM: &str = "mutransfer";

/// An Indexed Job of Kubernetes (1.29 or later), with an index for each element.
// Long, as the Job is.
pub fn kubernetes(batch: &Batch) -> String {
    let Batch {
        name,
        elements,
        share,
        ..
    } = batch;
    let tasks = elements.len();
    let gpus = match share.gpus {
        0 => {
            "requests: { cpu: \"1\", memory: 2Gi }  # <- nvidia.com/gpu among the limits".to_owned()
        }
        gpus => format!(
            "requests: {{ cpu: \"1\", memory: 2Gi }}  # <-\n          \
             limits: {{ nvidia.com/gpu: {gpus} }}"
        ),
    };
    let folder = format!("/study/batches/{name}");
    let run = format!(
        "exec {folder}/{PROGRAM} run-trial --batch {folder} --element $JOB_COMPLETION_INDEX"
    );
    format!(
        r#"# The {tasks} tasks of batch {name}, one for each index: kubectl apply -f FILE
# What is marked by <- is to be fitted. Whatever the trials read must be where it is here.
apiVersion: batch/v1
kind: Job
metadata:
  name: {name}
spec:
  completionMode: Indexed
  completions: {tasks}
  parallelism: {tasks}  # <- tasks that run at a time
  backoffLimitPerIndex: 3
  maxFailedIndexes: {tasks}
  podFailurePolicy:
    rules:
    - action: Ignore  # its node was lost or needed
      onPodConditions:
      - type: DisruptionTarget
    - action: Ignore  # it was asked to stop before it was done
      onExitCodes:
        operator: In
        values: [75]
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: trials
        image: debian:stable-slim  # <- what the trials need, on Linux as here
        command: ["/bin/sh", "-c", "{run}"]
        resources:
          {gpus}
        volumeMounts:
        - name: study
          mountPath: /study
      volumes:
      - name: study
        persistentVolumeClaim:
          claimName: study  # <- holds the study's folder
"#
    )
}

/// A task of SkyPilot, whose nodes share the elements among them.
pub fn sky(batch: &Batch, root: &Path) -> String {
    let Batch { name, elements, .. } = batch;
    let (tasks, last) = (elements.len(), elements.len().saturating_sub(1));
    let of = |folder: &str| quoted(&root.join(folder));
    let (batches, trials) = (of("batches"), of("trials"));
    let folder = format!("$HOME/mutransfer/batches/{name}");
    format!(
        r#"# The {tasks} tasks of batch {name}: sky launch -c NAME FILE
# What is marked by <- is to be fitted. Whatever the trials read must be where it is here.
# Results are fetched from each node by: rsync -a NAME:mutransfer/trials/ FOLDER/trials/
name: {name}
num_nodes: 1  # <- nodes that share the tasks
resources:
  cpus: 2+  # <- accelerators, cloud
file_mounts:
  ~/mutransfer/batches: {batches}
  ~/mutransfer/trials: {trials}
run: |
  for element in $(seq "$SKYPILOT_NODE_RANK" "$SKYPILOT_NUM_NODES" {last}); do
    "{folder}/{PROGRAM}" run-trial --batch "{folder}" --element "$element"
  done
"#
    )
}

/// A path as a string of YAML.
fn quoted(path: &Path) -> String {
    serde_json::Value::from(path.to_string_lossy()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::batch::Share;

    fn batch() -> Batch {
        let elements = [&["a", "b"][..], &["c"]];
        let elements = elements.map(|ids| ids.iter().map(|id| (*id).to_owned()).collect());
        Batch {
            name: "mutransfer-1".into(),
            build: "build".into(),
            elements: elements.into(),
            share: Share::default(),
        }
    }

    #[test]
    fn a_job_has_an_index_for_each_element() {
        let job = kubernetes(&batch());
        for part in [
            "  completions: 2\n",
            "  name: mutransfer-1\n",
            "\"exec /study/batches/mutransfer-1/mutransfer run-trial",
            "--batch /study/batches/mutransfer-1 --element $JOB_COMPLETION_INDEX\"]\n",
        ] {
            assert!(job.contains(part), "{job}");
        }
    }

    #[test]
    fn a_job_asks_for_the_gpus_of_its_trials() {
        let mut batch = batch();
        batch.share.gpus = 2;
        let job = kubernetes(&batch);
        assert!(
            job.contains("\n          limits: { nvidia.com/gpu: 2 }\n"),
            "{job}"
        );
    }

    #[test]
    fn a_task_goes_through_all_elements() {
        let task = sky(&batch(), Path::new("/out \"1\""));
        for part in [
            "  ~/mutransfer/trials: \"/out \\\"1\\\"/trials\"\n",
            "in $(seq \"$SKYPILOT_NODE_RANK\" \"$SKYPILOT_NUM_NODES\" 1); do\n",
            "\"$HOME/mutransfer/batches/mutransfer-1/mutransfer\" run-trial --batch",
            "--batch \"$HOME/mutransfer/batches/mutransfer-1\" --element \"$element\"\n",
        ] {
            assert!(task.contains(part), "{task}");
        }
    }
}
