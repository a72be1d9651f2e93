use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{Batched, Pace};
use crate::executor::batch::{self, Batch, Share};
use crate::executor::queue::{Queue, Stage, State, States, Trouble};
use crate::executor::{Executor, News};
use crate::store::{folder_of, write_record};
use crate::trial::Outcome;

/// A queue that does as it is told.
#[derive(Default)]
struct Puppet {
    submitted: Mutex<Vec<Batch>>,
    states: Mutex<States>,
    is_away: Mutex<bool>,
    cancelled: Mutex<Vec<String>>,
}

impl Puppet {
    fn away(&self) -> Result<(), Trouble> {
        if *self.is_away.lock().unwrap() {
            return Err(Trouble::Away("no answer".to_owned()));
        }
        Ok(())
    }

    /// The batches that it was given, with their elements all alive.
    fn batches(&self) -> Vec<Batch> {
        self.submitted.lock().unwrap().clone()
    }

    fn set(&self, batch: usize, element: usize, stage: Stage) {
        let name = self.batches()[batch].name.clone();
        let job = format!("{batch}_{element}");
        let state = State { job, stage };
        self.states.lock().unwrap().insert((name, element), state);
    }

    fn set_away(&self, is_away: bool) {
        *self.is_away.lock().unwrap() = is_away;
    }
}

impl Queue for Puppet {
    fn name(&self) -> &'static str {
        "the puppet"
    }

    fn submit(&self, batch: &Batch, _: &Path) -> Result<(), Trouble> {
        self.away()?;
        let mut states = self.states.lock().unwrap();
        for element in 0..batch.elements.len() {
            let (job, stage) = (element.to_string(), Stage::Alive);
            states.insert((batch.name.clone(), element), State { job, stage });
        }
        self.submitted.lock().unwrap().push(batch.clone());
        Ok(())
    }

    fn states(&self, _: &[String]) -> Result<States, Trouble> {
        self.away()?;
        Ok(self.states.lock().unwrap().clone())
    }

    fn cancel(&self, names: &[String]) -> Result<(), Trouble> {
        self.cancelled.lock().unwrap().extend_from_slice(names);
        Ok(())
    }

    fn how_to_cancel(&self, names: &[String]) -> String {
        names.join(" ")
    }
}

fn ended(how: &str, is_own_fault: bool) -> Stage {
    let how = how.to_owned();
    Stage::Ended { how, is_own_fault }
}

/// A study of trials `0`, `1`, and so on.
struct Study {
    root: tempfile::TempDir,
    queue: Arc<Puppet>,
}

impl Study {
    fn new(trials: usize) -> Self {
        let root = tempfile::tempdir().unwrap();
        for number in 0..trials {
            fs::create_dir_all(folder_of(root.path(), &number.to_string())).unwrap();
        }
        let queue = Arc::default();
        Self { root, queue }
    }

    /// An executor, as a new process has it.
    fn open(&self, build: &str, trials_per_task: usize) -> Batched {
        let queue: Arc<Puppet> = Arc::clone(&self.queue);
        let mut executor = Batched::open(
            queue,
            self.root.path(),
            build,
            trials_per_task,
            Share::default(),
        )
        .unwrap();
        executor.grace = Duration::ZERO;
        executor.pace = Pace::new(Duration::ZERO);
        executor
    }

    /// Submits trials, as the engine does once their folders are ready.
    fn submit(&self, executor: &mut Batched, trials: std::ops::Range<usize>) {
        for number in trials {
            let folder = folder_of(self.root.path(), &number.to_string());
            let _ = fs::remove_file(folder.join("result.json"));
            executor.submit(number, &folder).unwrap();
        }
    }

    fn begin(&self, number: usize, said: &str) {
        let folder = folder_of(self.root.path(), &number.to_string());
        fs::write(folder.join("log"), said).unwrap();
    }

    fn end(&self, number: usize, outcome: Outcome) {
        let id = number.to_string();
        let folder = folder_of(self.root.path(), &id);
        write_record(&folder, &id, outcome, 0.1, "build").unwrap();
    }

    fn finish(&self, number: usize) {
        self.end(number, Outcome::Diverged { step: 1 });
    }

    fn adopts(&self, executor: &mut Batched, number: usize) -> bool {
        let folder = folder_of(self.root.path(), &number.to_string());
        executor.adopt(number, &folder)
    }
}

/// The next that an executor has to say.
fn next(executor: &mut Batched) -> News {
    for _ in 0..1000 {
        if let Some(news) = executor.next(Duration::from_millis(10)).unwrap() {
            return news;
        }
    }
    panic!("nothing happens");
}

/// That it has nothing to say, though it was asked and the queue too.
fn nothing(executor: &mut Batched) {
    for _ in 0..5 {
        assert_eq!(executor.next(Duration::from_millis(5)).unwrap(), None);
    }
}

#[track_caller]
fn notice(executor: &mut Batched, part: &str) {
    let news = next(executor);
    let News::Notice(text) = news else {
        panic!("{news:?}");
    };
    assert!(text.contains(part), "{text}");
}

#[track_caller]
fn end(executor: &mut Batched, number: usize, part: &str) {
    let news = next(executor);
    let News::Ended(end) = news else {
        panic!("{news:?}");
    };
    assert_eq!(end.number, number);
    assert!(end.last_words.contains(part), "{}", end.last_words);
}

#[test]
fn trials_are_queued_together_and_their_results_told() {
    let study = Study::new(5);
    let mut executor = study.open("build", 2);
    study.submit(&mut executor, 0..5);
    nothing(&mut executor);
    let batches = study.queue.batches();
    let elements = [vec!["0", "1"], vec!["2", "3"], vec!["4"]];
    assert_eq!(batches[0].elements, elements);
    assert_eq!(batches.len(), 1);
    study.finish(3);
    end(&mut executor, 3, "");
    let error = "it has no data".to_owned();
    study.end(0, Outcome::Failed { error });
    end(&mut executor, 0, "it has no data");
    for number in [1, 2, 4] {
        study.finish(number);
        end(&mut executor, number, "");
    }
    assert_eq!(Batch::all(study.root.path()).unwrap(), []);
}

#[test]
fn what_was_lost_with_its_node_is_queued_again_until_it_is_too_much() {
    let study = Study::new(4);
    let mut executor = study.open("build", 2);
    study.submit(&mut executor, 0..4);
    nothing(&mut executor);
    study.finish(0);
    end(&mut executor, 0, "");
    // The second trial of the first element has lost nothing by that.
    study.queue.set(0, 0, ended("NODE_FAIL", false));
    notice(
        &mut executor,
        "1 of them: its job 0_0 of the puppet ended as NODE_FAIL",
    );
    nothing(&mut executor);
    assert_eq!(study.queue.batches()[1].elements, [["1"]]);
    study.finish(2);
    study.finish(3);
    end(&mut executor, 2, "");
    end(&mut executor, 3, "");
    for batch in 1..=3 {
        study.queue.set(batch, 0, ended("NODE_FAIL", false));
        notice(&mut executor, "NODE_FAIL");
        nothing(&mut executor);
        assert_eq!(study.queue.batches()[batch + 1].elements, [["1"]]);
    }
    study.queue.set(4, 0, ended("NODE_FAIL", false));
    end(&mut executor, 1, "NODE_FAIL");
}

#[test]
fn a_trial_that_took_too_long_has_failed_and_those_behind_it_have_not() {
    let study = Study::new(2);
    let mut executor = study.open("build", 2);
    study.submit(&mut executor, 0..2);
    nothing(&mut executor);
    study.begin(0, "error: slow\n");
    study.queue.set(0, 0, ended("TIMEOUT", true));
    end(&mut executor, 0, "ended as TIMEOUT: error: slow (log: ");
    notice(&mut executor, "1 of them");
    nothing(&mut executor);
    assert_eq!(study.queue.batches()[1].elements, [["1"]]);
}

#[test]
fn a_task_that_begins_no_trial_fails_with_what_it_said() {
    let study = Study::new(1);
    let mut executor = study.open("build", 1);
    study.submit(&mut executor, 0..1);
    nothing(&mut executor);
    let folder = batch::folder(study.root.path(), &study.queue.batches()[0].name);
    fs::write(folder.join("0.log"), "module: command not found\n").unwrap();
    study.queue.set(0, 0, ended("FAILED", true));
    end(&mut executor, 0, "FAILED: module: command not found");
    assert!(folder.exists(), "its log is kept");
    drop(executor);
    // The next process runs it again.
    let mut executor = study.open("build", 1);
    assert!(!study.adopts(&mut executor, 0));
    study.submit(&mut executor, 0..1);
    nothing(&mut executor);
    assert_eq!(study.queue.batches().len(), 2);
    assert!(!folder.exists());
}

#[test]
fn a_task_that_was_asked_to_stop_is_queued_again() {
    let study = Study::new(1);
    let mut executor = study.open("build", 1);
    study.submit(&mut executor, 0..1);
    nothing(&mut executor);
    study.begin(0, "");
    let folder = batch::folder(study.root.path(), &study.queue.batches()[0].name);
    fs::write(batch::stopped(&folder, 0), "").unwrap();
    study.queue.set(0, 0, ended("FAILED", true));
    notice(&mut executor, "queued again");
    nothing(&mut executor);
    assert_eq!(study.queue.batches().len(), 2);
}

#[test]
fn a_queue_that_is_away_is_waited_for_and_said_once() {
    let study = Study::new(3);
    let mut executor = study.open("build", 1);
    study.submit(&mut executor, 0..1);
    nothing(&mut executor);
    study.queue.set_away(true);
    notice(&mut executor, "does not answer");
    study.submit(&mut executor, 1..2);
    // What ends meanwhile is noticed, as its result is in the folder.
    study.finish(0);
    end(&mut executor, 0, "");
    nothing(&mut executor);
    study.queue.set_away(false);
    notice(&mut executor, "answers again");
    nothing(&mut executor);
    assert_eq!(study.queue.batches()[1].elements, [["1"]]);
    // It is away when something is to be queued.
    study.queue.set_away(true);
    study.submit(&mut executor, 2..3);
    notice(&mut executor, "does not answer");
    study.queue.set_away(false);
    notice(&mut executor, "answers again");
    nothing(&mut executor);
    let queued: Vec<_> = study
        .queue
        .batches()
        .iter()
        .map(|batch| batch.elements.concat())
        .collect();
    assert_eq!(queued, [["0"], ["1"], ["2"]], "each once");
}

#[test]
fn a_later_process_finds_what_is_queued_and_one_of_another_build_ends_it() {
    let study = Study::new(4);
    let mut executor = study.open("build", 2);
    study.submit(&mut executor, 0..4);
    nothing(&mut executor);
    study.finish(0);
    drop(executor);

    let mut executor = study.open("build", 2);
    let adopted = [0, 1, 2, 3].map(|number| study.adopts(&mut executor, number));
    assert_eq!(adopted, [false, true, true, true], "the first has ended");
    nothing(&mut executor);
    study.queue.set(0, 1, ended("NODE_FAIL", false));
    notice(&mut executor, "2 of them");
    nothing(&mut executor);
    assert_eq!(study.queue.batches().len(), 2);
    assert_eq!(study.queue.batches()[1].elements, [["2", "3"]]);
    executor.cancel();
    notice(&mut executor, "goes on");
    for number in [1, 2, 3] {
        end(&mut executor, number, "left to the puppet");
    }
    assert!(study.queue.cancelled.lock().unwrap().is_empty());
    drop(executor);

    let mut executor = study.open("other", 2);
    assert_eq!(study.queue.cancelled.lock().unwrap().len(), 2);
    assert!(!study.adopts(&mut executor, 1));
    assert_eq!(Batch::all(study.root.path()).unwrap(), []);
}

#[test]
fn a_trial_that_was_queued_again_is_in_one_batch_only() {
    let study = Study::new(2);
    let mut executor = study.open("build", 2);
    study.submit(&mut executor, 0..2);
    nothing(&mut executor);
    study.begin(0, "error: slow\n");
    study.queue.set(0, 0, ended("TIMEOUT", true));
    end(&mut executor, 0, "TIMEOUT");
    notice(&mut executor, "1 of them");
    nothing(&mut executor);
    study.submit(&mut executor, 0..1);
    nothing(&mut executor);
    let batches = Batch::all(study.root.path()).unwrap();
    let mut trials: Vec<_> = batches
        .iter()
        .flat_map(|batch| batch.elements.concat())
        .collect();
    trials.sort();
    assert_eq!(trials, ["0", "1"]);
    assert_eq!(study.queue.batches().len(), 3);
}

#[test]
fn what_is_held_is_said_once_and_waited_for() {
    let study = Study::new(1);
    let mut executor = study.open("build", 1);
    study.submit(&mut executor, 0..1);
    nothing(&mut executor);
    study.queue.set(0, 0, Stage::Held("JobHeldUser".to_owned()));
    notice(&mut executor, "JobHeldUser");
    nothing(&mut executor);
    study.finish(0);
    end(&mut executor, 0, "");
}
