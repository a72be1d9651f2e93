//! What a study leaves in its folder beside its trials.

use mutransfer::Hyper;
use mutransfer::theory::Quantity;
use mutransfer_analysis::figures::{self, Figure, Pictures, Slice, Surface};
use mutransfer_analysis::report::{
    Coordinates, Models, Report, Searched, SearchedRule, render, render_searched,
};
use mutransfer_analysis::{Coordinate, Judgement, Sweeps, power_of_open, to_csv};
use serde::Serialize;
use serde_json::Value;

use super::bench::{Done, Judged, Workbench, best};
use super::tuned::{Tuned, TunedRule};
use crate::axis::Rung;
use crate::cost::cost;
use crate::error::RunError;
use crate::rule::NamedRule;
use crate::search::{self, Space};
use crate::store::Store;
use crate::study;
use crate::trial::Loss;

impl Workbench {
    pub(super) fn write(
        &self,
        done: &Done,
        coordinates: &[Coordinate],
        judged: &Judged,
    ) -> Result<(), RunError> {
        let store = self.store();
        write_json(store, "summary.json", &judged.record())?;
        write_json(store, "analysis.json", &judged.analysis)?;
        let best = best(&done.carried).map(|(rule, lr)| (rule, self.study.hyper(lr)));
        write_json(store, "plan.json", &self.plan_json(best)?)?;
        store.write("coordinates.csv", to_csv(coordinates).as_bytes())?;
        let sweeps = self.sweeps(&done.ended, Loss::Validation)?;
        let pictures = Pictures::draw(&sweeps, &judged.analysis)?;
        for (name, figure) in pictures.named() {
            write_figure(store, name, figure)?;
        }
        let is_drawn = coordinates.iter().any(|size| size.l1.is_normal());
        let sizes = is_drawn
            .then(|| figures::coordinates(coordinates, Quantity::Activation))
            .transpose()?;
        if let Some(figure) = &sizes {
            write_figure(store, "coordinates", figure)?;
        }
        let report = self.report(done, judged, &sweeps, pictures, sizes)?;
        store.write("report.html", render(&report)?.as_bytes())?;
        Ok(())
    }

    fn report(
        &self,
        done: &Done,
        judged: &Judged,
        sweeps: &Sweeps,
        pictures: Pictures,
        figure: Option<Figure>,
    ) -> Result<Report, RunError> {
        let (study, subject) = (&self.study, self.subject.as_ref());
        let cost = cost(study, subject, self.records(), &done.sweep, &done.direct)?;
        Ok(Report {
            title: study.name().to_owned(),
            settings: self.settings(),
            analysis: judged.analysis.clone(),
            pictures,
            models: Some(self.models()),
            floor: subject.floor(),
            cost: Some(cost),
            power: power_of_open(sweeps, &judged.analysis, &self.request()),
            coordinates: Some(Coordinates {
                figure,
                checks: judged.checks.clone(),
            }),
        })
    }

    fn models(&self) -> Models {
        let study = &self.study;
        let Rung { sizes, budget } = study.proxies().first().unwrap_or(study.target());
        Models {
            width: sizes.width,
            base_width: sizes.base_width,
            depth: sizes.depth,
            batch: budget.batch,
            context: self.subject.has_sequences().then_some(sizes.context),
            steps: budget.steps,
        }
    }

    /// What was found by a search, and the target's settings under the first rule.
    pub(super) fn write_tuned(
        &self,
        tuned: &Tuned,
        best: Option<(&NamedRule, Hyper)>,
    ) -> Result<(), RunError> {
        let store = self.store();
        write_json(store, "tuned.json", tuned)?;
        write_json(store, "plan.json", &self.plan_json(best)?)?;
        let mut page = Searched {
            title: self.study.name().to_owned(),
            rules: Vec::new(),
            compared: tuned.comparison(),
            settings: self.settings(),
            data: serde_json::to_string(tuned).expect("a value is JSON"),
        };
        for (rule, searched) in tuned
            .rules
            .iter()
            .zip(self.study.searched().into_iter().cycle())
        {
            let own = searched_rule(rule, searched)?;
            if page.rules.is_empty() {
                let figures = [("search", &own.figure), ("surface", &own.surface)];
                for (name, figure) in figures {
                    figure
                        .iter()
                        .try_for_each(|figure| write_figure(store, name, figure))?;
                }
            }
            page.rules.push(own);
        }
        Ok(store.write("report.html", render_searched(&page)?.as_bytes())?)
    }

    /// The target's settings per parameter, under μP if it was among the rules.
    fn plan_json(&self, best: Option<(&NamedRule, Hyper)>) -> Result<Value, RunError> {
        let Some((rule, hyper)) = best else {
            return Ok(Value::Null);
        };
        let document = self.plan(rule)?.document(&hyper);
        let Rung { sizes, budget } = self.study.target();
        let document = match rule.parametrization().horizon() {
            Some(horizon) if budget.base.is_some() => {
                let tokens = if self.subject.has_sequences() {
                    sizes.context
                } else {
                    1
                };
                let betas = [hyper.beta1, hyper.beta2].map(Some);
                document.trained(&horizon, budget.sizes(tokens)?, betas)?
            }
            _ => document,
        };
        Ok(serde_json::to_value(document).expect("a plan is JSON"))
    }

    fn settings(&self) -> Vec<(String, String)> {
        let path = self.subject.data().path.clone();
        let data = path.unwrap_or_else(|| "synthetic".to_owned());
        let mut settings = vec![("data".to_owned(), data)];
        settings.extend_from_slice(self.study.settings());
        let axis = self.study.axis().name().to_owned();
        settings.extend(self.study.legend().map(|legend| (axis, legend)));
        settings
    }
}

impl Judged {
    /// The analysis with the coordinate checks, or with what stood in their way.
    pub fn record(&self) -> Judgement {
        Judgement {
            analysis: self.analysis.clone(),
            coordinate_checks: self.checks.clone().into(),
        }
    }
}

/// What was found under a rule, with its figures.
fn searched_rule(rule: &TunedRule, searched: &study::Searched) -> Result<SearchedRule, RunError> {
    let (space, tolerance) = (searched.space(), searched.settings().tolerance);
    let surface = surface(&rule.report, space, tolerance);
    let surface = surface.map(|surface| figures::surface(&surface));
    let together = rule.report.together(space);
    Ok(SearchedRule {
        heading: rule.heading(),
        rows: rule.report.rows(space),
        sentences: rule.sentences().into_iter().chain(together).collect(),
        figure: Some(figures::slices(&slices(&rule.report, space))?),
        surface: surface.transpose()?,
    })
}

/// The loss along each axis of a search.
fn slices(report: &search::Report, space: &Space) -> Vec<Slice> {
    let findings = report.findings.iter().zip(space.labels()).enumerate();
    let slices = findings.map(|(axis, (finding, name))| Slice {
        name,
        line: finding
            .slice
            .iter()
            .map(|place| (place.at, place.loss, place.deviation))
            .collect(),
        runs: report
            .tried
            .iter()
            .filter_map(|run| Some((run.point[axis], run.loss?)))
            .collect(),
        best: finding.at,
    });
    slices.collect()
}

/// The loss over the two axes that hang together most.
fn surface(report: &search::Report, space: &Space, tolerance: f64) -> Option<Surface> {
    let pair = report.pair.as_ref()?;
    let (labels, point) = (space.labels(), report.point());
    let [first, second] = pair.axes;
    let runs = report
        .tried
        .iter()
        .map(|run| (run.point[first], run.point[second]));
    Some(Surface {
        names: pair.axes.map(|axis| labels[axis].clone()),
        places: pair.places.clone(),
        losses: pair.losses.clone(),
        runs: runs.collect(),
        best: (point[first], point[second]),
        tolerance,
    })
}

fn write_json(store: &Store, name: &str, value: &impl Serialize) -> Result<(), RunError> {
    let text = serde_json::to_vec_pretty(value).expect("a value is JSON");
    Ok(store.write(name, &text)?)
}

fn write_figure(store: &Store, name: &str, figure: &Figure) -> Result<(), RunError> {
    store.write(&format!("{name}.svg"), figure.svg.as_bytes())?;
    Ok(store.write(&format!("{name}.png"), &figure.png)?)
}
