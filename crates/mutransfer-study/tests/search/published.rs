//! Published sweeps of the learning rate, of models of 214 million and 1.07 billion parameters
//! (2503.04715), where the project's cases are beside it.

use std::collections::BTreeMap;
use std::path::Path;

use mutransfer_study::search::{Axis, Search, Settings};

use crate::score::MNAT;
use crate::valleys::{normal, random, uniform};

/// log2 of learning rates and their losses, ascending, by model.
fn sweeps() -> Option<BTreeMap<String, Vec<(f64, f64)>>> {
    let path = "../../../shared/cases/analyze-steplaw/prepared.csv";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: no published sweeps at {}", path.display());
        return None;
    };
    let mut sweeps: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let [lr, loss] = [3, 4].map(|column: usize| cells[column].parse::<f64>().unwrap());
        sweeps
            .entry(cells[2].to_owned())
            .or_default()
            .push((lr.log2(), loss));
    }
    Some(sweeps)
}

/// A sweep without the noise of its single runs, which would be taken for its optimum: each finished
/// run with half the weight, its neighbours with the other half.
fn smooth(sweep: &[(f64, f64)]) -> Vec<(f64, f64)> {
    const DIVERGED: f64 = 1.0;
    let best = sweep.iter().map(|run| run.1).fold(f64::INFINITY, f64::min);
    let is_finished = |run: &&(f64, f64)| run.1 < best + DIVERGED;
    let finished: Vec<(f64, f64)> = sweep.iter().filter(is_finished).copied().collect();
    let inner = finished.windows(3).map(|runs| {
        let loss = 0.25 * runs[0].1 + 0.5 * runs[1].1 + 0.25 * runs[2].1;
        (runs[1].0, loss)
    });
    let last = finished.len() - 1;
    [finished[0]]
        .into_iter()
        .chain(inner)
        .chain([finished[last]])
        .collect()
}

/// The loss between two measured ones, on the line between them; none outside.
fn between(sweep: &[(f64, f64)], at: f64) -> Option<f64> {
    let pair = sweep
        .windows(2)
        .find(|pair| pair[0].0 <= at && at <= pair[1].0)?;
    let part = (at - pair[0].0) / (pair[1].0 - pair[0].0);
    Some(pair[0].1 + part * (pair[1].1 - pair[0].1))
}

#[test]
fn published_learning_rates_are_found_in_four_and_a_half_runs() {
    let Some(sweeps) = sweeps() else {
        return;
    };
    let (mut runs, mut regret, mut holds, mut count) = (0.0, 0.0, 0.0, 0.0);
    for (model, sweep) in &sweeps {
        let sweep = &smooth(sweep);
        let best = sweep.iter().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
        for seed in 0..100 {
            let noise = &mut random(seed);
            let axis = Axis {
                low: Some(sweep[0].0),
                high: Some(sweep[sweep.len() - 1].0),
                ..Axis::new("lr", best.0 + 3.0 * (uniform(noise) - 0.5))
            };
            let settings = Settings {
                seed,
                ..Settings::default()
            };
            let mut search = Search::new(vec![axis], settings).unwrap();
            while let Some((number, at)) =
                search.ask().first().map(|run| (run.number, run.point[0]))
            {
                let loss = between(sweep, at).unwrap() + 0.002 * normal(noise);
                search.tell(number, &[loss]).unwrap();
            }
            let report = search.report().unwrap();
            let cost = between(sweep, report.point()[0]).unwrap() - best.1;
            runs += report.runs as f64;
            regret += cost / MNAT;
            holds += f64::from(u8::from(cost <= report.regret_bound));
            count += 1.0;
        }
        eprintln!(
            "{model}: {} runs, {} mnats, bound {}",
            runs / count,
            regret / count,
            holds / count
        );
    }
    assert!(runs / count <= 4.5, "{}", runs / count);
    assert!(regret / count <= 1.5, "{}", regret / count);
    assert!(holds / count >= 0.9, "{}", holds / count);
}
