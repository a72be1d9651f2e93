//! Runs handed over as values are judged as the table that lists them.

use crate::tables;

use mutransfer_analysis::{
    Columns, End, Request, Run, Sweeps, TableError, analyze, carried, read_tables,
};
use tables::{Law, header};

const LAW: Law = Law {
    limit: 2.0,
    amplitude: 30.0,
    alpha: 0.5,
    curvature: 0.2,
    s: 0.0,
    best: 3.0,
    beta: 1.0,
};

fn run(value: f64, seed: u64, end: End) -> Run {
    let rule = "mup".to_owned();
    Run {
        rule,
        at: 64.0,
        value,
        seed,
        end,
    }
}

/// Two rules with noise, some that diverged, one that failed and one that is there twice.
fn rows() -> String {
    let mut text = header().replace('\n', ",status\n");
    for rule in ["sp", "mup"] {
        let table = LAW.table(rule, 3, 0.01, rule.len() as u64);
        text.extend(table.lines().skip(1).map(|line| format!("{line},ok\n")));
    }
    text += "sp,64,1,0,,diverged\nsp,64,2,0,inf,ok\nmup,64,1,0,,failed\n";
    let first = text.lines().nth(1).unwrap().to_owned();
    text + &first + "\n"
}

fn parsed(text: &str) -> Vec<Run> {
    let run = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        Run {
            rule: cells[0].to_owned(),
            at: cells[1].parse().unwrap(),
            value: cells[2].parse().unwrap(),
            seed: cells[3].parse().unwrap(),
            end: match cells[5] {
                "diverged" => End::Diverged,
                "failed" => End::Failed,
                _ => End::Loss(cells[4].parse().unwrap()),
            },
        }
    };
    text.lines().skip(1).map(run).collect()
}

#[test]
fn runs_give_what_the_table_of_them_gives_bit_for_bit() {
    let text = rows();
    let files = [("runs.csv".to_owned(), text.clone())];
    let of_table = read_tables(&files, &Columns::default()).unwrap();
    let mut runs = parsed(&text);
    for _ in 0..3 {
        let of_runs = Sweeps::of_runs(runs.clone()).unwrap();
        assert_eq!(of_runs, of_table);
        let request = Request {
            target: Some(2048.0),
            replicates: 200,
            ..Request::default()
        };
        let [one, other] =
            [&of_runs, &of_table].map(|s| analyze(s, "width", "lr", &request).unwrap());
        assert_eq!(one, other);
        runs.rotate_left(100);
        runs.reverse();
    }
}

#[test]
fn what_is_carried_comes_from_the_widest_below_the_target() {
    let sweeps = Sweeps::of_runs(parsed(&rows())).unwrap();
    for (target, narrower) in [(2048.0, 1024.0), (1024.0, 512.0), (65.0, 64.0)] {
        let request = Request {
            target: Some(target),
            replicates: 0,
            ..Request::default()
        };
        let analysis = analyze(&sweeps, "width", "lr", &request).unwrap();
        for rule in ["sp", "mup"] {
            let transfer = analysis.rules[rule].carried.as_ref().unwrap();
            assert_eq!(transfer.from, narrower);
            let value = carried(&sweeps, rule, target, None);
            assert_eq!(value.map(f64::log2), transfer.log2);
        }
    }
    assert_eq!(carried(&sweeps, "mup", 64.0, None), None);
    assert_eq!(carried(&sweeps, "other", 2048.0, None), None);
}

#[test]
fn a_width_without_a_vertex_hands_on_its_best_run() {
    let losses = [3.2, 3.1, 3.0].into_iter().enumerate();
    let runs = losses.map(|(octave, loss)| run((octave as f64).exp2(), 0, End::Loss(loss)));
    let sweeps = Sweeps::of_runs(runs).unwrap();
    assert_eq!(carried(&sweeps, "mup", 128.0, None), Some(4.0));
    let all_diverged = [1.0, 2.0, 4.0].map(|value| run(value, 0, End::Diverged));
    let sweeps = Sweeps::of_runs(all_diverged).unwrap();
    assert_eq!(carried(&sweeps, "mup", 128.0, None), None);
}

#[test]
fn runs_that_cannot_be_judged_are_named() {
    let message = |runs: &[Run]| Sweeps::of_runs(runs.to_vec()).unwrap_err().to_string();
    assert_eq!(Sweeps::of_runs([]), Err(TableError::NoRuns));
    assert_eq!(message(&[run(1.0, 0, End::Failed)]), "no runs to analyse");
    assert_eq!(
        message(&[run(0.0, 9, End::Loss(3.0))]),
        "rule mup, seed 9: the value of the swept hyperparameter is 0"
    );
    assert_eq!(
        message(&[
            run(0.5, 1, End::Loss(3.0)),
            run(0.25, 1, End::Loss(3.0)),
            run(0.5, 1, End::Diverged)
        ]),
        "rule mup at 64, value 0.5, seed 1 is listed twice, with 3 and diverged"
    );
}

/// Single precision is the coarsest way in which one rate is written twice.
#[test]
fn a_rate_in_single_precision_is_the_same_rate() {
    let rates = [1e-3, f64::from(1e-3_f32)];
    let runs = rates
        .into_iter()
        .zip(0..)
        .map(|(rate, seed)| run(rate, seed, End::Loss(3.0)));
    let sweeps = Sweeps::of_runs(runs).unwrap();
    assert_eq!(sweeps.rules["mup"][0].trials.len(), 1);
}
