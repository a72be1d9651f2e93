//! `mutransfer transfer` and `mutransfer demo`: sweep the proxies, carry the optimum over, verify,
//! report.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use mutransfer::theory::Quantity;
use mutransfer::{Lint, Parametrization, Rule};
use mutransfer_analysis::figures::{self, Pictures};
use mutransfer_analysis::record::{Coordinate, Row};
use mutransfer_analysis::report::{Coordinates, Models, Report, render};
use mutransfer_analysis::{
    Analysis, Check, Request, Summary, Sweeps, UNSETTLED, Verdict, analysis_json, analyze,
    findings, summarize, transferred_lr,
};
use mutransfer_study::pool;
use mutransfer_study::schedule::Schedule;
use mutransfer_study::store::Store;
use mutransfer_study::study::Study;
use mutransfer_study::trial::{Data, Model, Trial};

use crate::args::{RunOptions, TransferOptions};
use crate::coord;
use crate::cost::cost;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::say::{note, say};
use crate::subject::{Subject, data, hyper};
use crate::{signals, table};

/// The study of `mutransfer demo`; also an example of a study file.
const DEMO: &str = include_str!("../../../examples/demo.toml");

pub(crate) fn demo(options: &RunOptions) -> Result<(), Failure> {
    let study = Study::parse(DEMO, Path::new("examples/demo.toml"))?;
    Workbench::new(study, Data::Synthetic, options)?.run(options.json)
}

pub(crate) fn transfer(options: &TransferOptions) -> Result<(), Failure> {
    let study = Study::read(&options.study)?;
    let data = data(options.data.as_deref())?;
    Workbench::new(study, data, &options.run)?.run(options.run.json)
}

/// A study that can be run.
pub(crate) struct Workbench {
    study: Study,
    data: Data,
    subject: Subject,
    pub(crate) store: Store,
    /// The output folder.
    pub(crate) out: PathBuf,
    jobs: usize,
    stop: Arc<AtomicBool>,
}

/// What the trials of a study show.
pub(crate) struct Judged {
    summary: Summary,
    analysis: Analysis,
    /// The coordinate check of every rule, or why there is none.
    checks: Result<Vec<Check>, String>,
}

impl Workbench {
    pub(crate) fn new(study: Study, data: Data, options: &RunOptions) -> Result<Self, Failure> {
        let subject = Subject::new(&study.model(), &data)?;
        let widths: Vec<usize> = study
            .proxies()
            .into_iter()
            .chain([study.target_width])
            .collect();
        subject.check(&widths, study.base_width(), study.batch)?;
        for &rule in &study.rules {
            let trial = study.transfer(&data, rule, 1.0).swap_remove(0);
            let plan = subject.plan(&trial)?;
            if plan.couples_decay() && trial.weight_decay != 0.0 {
                let Lint { code, why, fix, .. } = *"MU009".parse::<&Lint>()?;
                note!("warning[{code}]: {why} {fix}");
            }
        }
        let out = options
            .out
            .clone()
            .unwrap_or_else(|| Path::new("mutransfer-out").join(&study.name));
        let store = Store::open(&out)?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let jobs = options.jobs.map_or(cores, usize::from);
        let stop = signals::stop().context("cannot listen for signals")?;
        Ok(Self {
            study,
            data,
            subject,
            store,
            out,
            jobs,
            stop,
        })
    }

    pub(crate) fn run(&self, json: bool) -> Result<(), Failure> {
        self.print(&self.complete()?, json)
    }

    /// Runs and writes everything, and prints nothing on stdout.
    pub(crate) fn complete(&self) -> Result<Judged, Failure> {
        let study = &self.study;
        let proxies = study.proxies();
        let sweep = study.sweep(&self.data);
        let verified = if study.verify {
            format!(", verified at {}", study.target_width)
        } else {
            String::new()
        };
        note!(
            "{}: {} trials at widths {proxies:?}{verified}, {} at a time",
            study.name,
            sweep.len(),
            self.jobs
        );
        let rows = self.train(&sweep, &[])?;

        let carried: Vec<(Rule, f64)> = study
            .rules
            .iter()
            .filter_map(|&rule| {
                transferred_lr(&rows, &rule.to_string(), &proxies, MAX_OCTAVES).map(|lr| (rule, lr))
            })
            .collect();
        let direct: Vec<Trial> = carried
            .iter()
            .flat_map(|&(rule, lr)| study.transfer(&self.data, rule, lr))
            .collect();
        let direct: Vec<Trial> = direct
            .into_iter()
            .filter(|trial| !sweep.contains(trial))
            .collect();
        note!(
            "transfer: {} trials at width {}",
            direct.len(),
            study.target_width
        );
        let rows = self.train(&direct, &rows)?;

        let summary = summarize(&rows, &proxies, Some(study.target_width), MAX_OCTAVES)?;
        let sweeps = Sweeps::of_rows(&rows)?;
        let analysis = self.analysis(&sweeps)?;
        let coordinates = self.coordinates(&carried)?;
        // A study stands without the check, so what cannot be judged is said and does not fail it.
        let rule = |name: &str| name.parse::<Rule>().ok().map(Parametrization::from);
        let checks = coord::judged(&coordinates, &rule, study.optimizer, &study.model());
        let checks = checks.map_err(|failure| failure.message());
        self.write(
            &sweeps,
            &analysis,
            &summary,
            &carried,
            &coordinates,
            &checks,
        )?;
        Ok(Judged {
            summary,
            analysis,
            checks,
        })
    }

    /// What `mutransfer analyze results.csv --max-octaves 1.5` says.
    fn analysis(&self, sweeps: &Sweeps) -> Result<Analysis, Failure> {
        let narrowest = self.study.proxies().first().copied().unwrap_or(0);
        let target = Some(self.study.target_width)
            .filter(|target| *target > narrowest)
            .map(|target| target as f64);
        let request = Request {
            target,
            max_octaves: MAX_OCTAVES,
            ..Request::default()
        };
        Ok(analyze(sweeps, "width", "lr", &request)?)
    }

    /// Runs the trials that have no result yet.
    fn train(&self, trials: &[Trial], earlier: &[Row]) -> Result<Vec<Row>, Failure> {
        let cost = |trial: &Trial| self.subject.entries(trial.width) as f64;
        let mut progress = Progress::new(trials, cost);
        let program =
            std::env::current_exe().context("cannot find this program to start workers")?;
        let worker = |folder: &Path| {
            let mut command = std::process::Command::new(&program);
            command.arg("run-trial").arg("--end-with-stdin").arg(folder);
            command
        };
        let mut observe = |event: &pool::Event| progress.observe(event);
        let results = pool::run(
            &self.store,
            trials,
            earlier,
            self.jobs,
            &self.stop,
            &worker,
            &mut observe,
        )?;
        drop(progress);
        match (results.interrupted, results.failed.as_slice()) {
            (true, _) => Err(Failure::interrupted(
                results.rows.len(),
                &self.store.path("results.csv"),
            )),
            (false, []) => Ok(results.rows),
            (false, failed) => Err(Failure::some_failed(failed, results.rows.len())),
        }
    }

    /// The coordinate check's measurements at all widths, by its own protocol, at one learning rate
    /// for all rules: what μP carries over, or else the first rule.
    fn coordinates(&self, carried: &[(Rule, f64)]) -> Result<Vec<Coordinate>, Failure> {
        let study = &self.study;
        let middle = (study.lr.from.log2 + study.lr.to.log2) / 2.0;
        let lr = carried
            .iter()
            .find(|(rule, _)| *rule == Rule::Mup)
            .or(carried.first())
            .map_or(middle.exp2(), |c| c.1);
        let widths: BTreeSet<usize> = study
            .proxies()
            .into_iter()
            .chain([study.target_width])
            .collect();
        let context = study.context.min(coord::context(&study.model));
        let model = Model {
            context,
            zero_readout: true,
            zero_query: true,
            ..study.model()
        };
        let subject = Subject::new(&model, &self.data)?;
        let at = |rule: Rule, width: usize, seed: u64| Trial {
            model: model.clone(),
            width,
            seed,
            one_batch: true,
            batch: coord::batch(&model, &self.data),
            schedule: Schedule::Constant,
            warmup: 0,
            weight_decay: 0.0,
            ..study.transfer(&self.data, rule, lr).swap_remove(0)
        };
        let trials: Vec<Trial> = study
            .rules
            .iter()
            .flat_map(|&rule| widths.iter().map(move |&width| (rule, width)))
            .flat_map(|(rule, width)| {
                let at = &at;
                (0..coord::SEEDS).map(move |seed| at(rule, width, seed))
            })
            .collect();
        let listed: Vec<String> = widths.iter().map(usize::to_string).collect();
        note!(
            "coordinate check: {COORDINATE_STEPS} steps at widths {}",
            listed.join(", ")
        );
        coord::measure(&subject, &trials, COORDINATE_STEPS)
    }

    fn write(
        &self,
        sweeps: &Sweeps,
        analysis: &Analysis,
        summary: &Summary,
        carried: &[(Rule, f64)],
        coordinates: &[Coordinate],
        checks: &Result<Vec<Check>, String>,
    ) -> Result<(), Failure> {
        let store = &self.store;
        let json = |value: &serde_json::Value| {
            serde_json::to_vec_pretty(value).context("cannot write JSON")
        };
        store.write("summary.json", &json(&record(summary, checks)?)?)?;
        store.write("analysis.json", &json(&analysis_json(analysis))?)?;
        store.write("plan.json", &json(&self.plan(carried)?)?)?;
        store.write(
            "coordinates.csv",
            mutransfer_analysis::record::to_csv(coordinates).as_bytes(),
        )?;
        let pictures = Pictures::draw(sweeps, analysis).context("cannot draw the figures")?;
        let sizes = coordinates
            .iter()
            .any(|size| size.l1.is_normal())
            .then(|| figures::coordinates(coordinates, Quantity::Activation));
        let sizes = sizes
            .transpose()
            .context("cannot draw the coordinate check")?;
        for (name, figure) in pictures
            .named()
            .chain(sizes.iter().map(|figure| ("coordinates", figure)))
        {
            store.write(&format!("{name}.svg"), figure.svg.as_bytes())?;
            store.write(&format!("{name}.png"), &figure.png)?;
        }
        let report = Report {
            title: self.study.name.clone(),
            settings: self.settings(),
            analysis: analysis.clone(),
            pictures,
            models: Some(self.models()),
            floor: self.subject.floor(),
            cost: Some(cost(
                &self.study,
                &self.data,
                &self.subject,
                store,
                carried,
            )?),
            coordinates: Some(Coordinates {
                figure: sizes,
                checks: checks.clone(),
            }),
        };
        store.write(
            "report.html",
            render(&report)
                .context("cannot write the report")?
                .as_bytes(),
        )?;
        Ok(())
    }

    fn models(&self) -> Models {
        let study = &self.study;
        Models {
            base_width: study.base_width(),
            depth: study.depth,
            batch: study.batch,
            context: self.subject.sequence(),
            steps: study.steps,
        }
    }

    /// The target's settings per parameter, under μP if it was among the rules.
    fn plan(&self, carried: &[(Rule, f64)]) -> Result<serde_json::Value, Failure> {
        let best = carried
            .iter()
            .find(|(rule, _)| *rule == Rule::Mup)
            .or(carried.first());
        let Some(&(rule, lr)) = best else {
            return Ok(serde_json::Value::Null);
        };
        let trial = self.study.transfer(&self.data, rule, lr).swap_remove(0);
        Ok(self.subject.plan(&trial)?.to_json(&hyper(&trial)))
    }

    fn settings(&self) -> Vec<(String, String)> {
        let data = match &self.data {
            Data::Synthetic => "synthetic".to_owned(),
            Data::Text { path, .. } | Data::Images { path, .. } => path.clone(),
        };
        let study = serde_json::to_value(&self.study).unwrap_or_default();
        let keys = study.as_object().into_iter().flatten();
        let shown = keys
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.clone(), value.to_string()));
        [("data".to_owned(), data)]
            .into_iter()
            .chain(shown)
            .collect()
    }

    pub(crate) fn print(&self, judged: &Judged, json: bool) -> Result<(), Failure> {
        let Judged {
            summary,
            analysis,
            checks,
        } = judged;
        if json {
            let record = record(summary, checks)?;
            say!(
                "{}",
                serde_json::to_string_pretty(&record).context("cannot print JSON")?
            );
        } else {
            say!("{}", table::summary(summary));
            for sentence in findings(analysis) {
                say!("{sentence}");
            }
            print_checks(checks);
            if let Some(floor) = self.subject.floor() {
                say!(
                    "No model can get below {floor:.4} nats per token, the entropy of this language."
                );
            }
        }
        note!("report: {}", self.out.join("report.html").display());
        Ok(())
    }
}

/// The summary with the coordinate checks as `mutransfer coord --json` has them, or with what stood
/// in their way.
fn record(
    summary: &Summary,
    checks: &Result<Vec<Check>, String>,
) -> Result<serde_json::Value, Failure> {
    let mut record = serde_json::to_value(summary).context("cannot write JSON")?;
    record["coordinate_checks"] = match checks {
        Ok(checks) => serde_json::to_value(checks).context("cannot write JSON")?,
        Err(error) => serde_json::json!({ "error": error }),
    };
    Ok(record)
}

fn print_checks(checks: &Result<Vec<Check>, String>) {
    match checks {
        Err(why) => say!("The coordinate check could not be judged: {why}."),
        Ok(checks) => {
            checks
                .iter()
                .for_each(|check| say!("Coordinate check of {check}."));
            if checks.iter().any(|check| check.verdict != Verdict::Pass) {
                say!("{UNSETTLED}");
            }
        }
    }
}

/// Parabolas are fitted to the bottom of each valley: its wall towards large learning rates is
/// steeper than a parabola, and would pull the vertex away from the best learning rate.
pub(crate) const MAX_OCTAVES: Option<f64> = Some(1.5);

/// As in TP5 figure 5.
const COORDINATE_STEPS: usize = 4;
