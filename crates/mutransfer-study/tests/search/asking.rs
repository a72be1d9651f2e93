//! Asking and telling: what comes next depends on what was told, and on nothing else.

use mutransfer_study::search::{Axis, Flag, Search, SearchError, Settings};

use crate::valleys::Valley;

fn axes(count: usize) -> Vec<Axis> {
    (0..count)
        .map(|axis| Axis::new(format!("axis {axis}"), 0.0))
        .collect()
}

fn settings() -> Settings {
    Settings {
        at_once: 3,
        budget: 24,
        ..Settings::default()
    }
}

/// Runs a search to its end, each round told from its last run to its first or the other way.
fn points(mut search: Search, valley: &Valley, is_reversed: bool) -> Search {
    loop {
        let mut round: Vec<(usize, f64)> = search
            .ask()
            .iter()
            .map(|run| (run.number, valley.loss(&run.point)))
            .collect();
        if round.is_empty() {
            return search;
        }
        if is_reversed {
            round.reverse();
        }
        for (number, loss) in round {
            search.tell(number, &[loss]).unwrap();
            // Asking in the middle of a round changes nothing.
            search.ask();
        }
    }
}

#[test]
fn the_same_runs_are_asked_for_whatever_ends_first() {
    for axes_of in [1, 2, 4] {
        let valley = Valley::new(7, axes_of);
        let search = || Search::new(axes(axes_of), settings()).unwrap();
        let (one, other) = (
            points(search(), &valley, false),
            points(search(), &valley, true),
        );
        assert_eq!(one, other);
        assert_eq!(one.report(), other.report());
    }
}

#[test]
fn a_search_that_is_told_again_from_the_start_goes_on_where_it_was() {
    let valley = Valley::new(3, 2);
    let whole = points(Search::new(axes(2), settings()).unwrap(), &valley, false);
    let mut again = Search::new(axes(2), settings()).unwrap();
    for _ in 0..7 {
        let next = again.ask()[0].clone();
        again
            .tell(next.number, whole.runs()[next.number].losses().unwrap())
            .unwrap();
    }
    assert_eq!(points(again, &valley, true), whole);
}

#[test]
fn another_seed_is_another_search() {
    let valley = Valley::new(3, 2);
    let of = |seed| {
        let settings = Settings { seed, ..settings() };
        points(Search::new(axes(2), settings).unwrap(), &valley, false)
    };
    assert_ne!(of(0).runs(), of(1).runs());
}

#[test]
fn a_budget_is_kept_and_said() {
    let settings = Settings {
        budget: 3,
        ..settings()
    };
    let search = points(
        Search::new(axes(1), settings).unwrap(),
        &Valley::new(1, 1),
        false,
    );
    assert_eq!(search.runs().len(), 3);
    assert!(search.report().unwrap().flags.contains(&Flag::Budget));
}

/// It goes lower on the first axis, and reports nothing rather than a guess.
#[test]
fn nothing_is_recommended_where_all_diverge() {
    for count in [1, 2, 3] {
        let mut search = Search::new(axes(count), settings()).unwrap();
        let mut lowest = 0.0_f64;
        while let Some((number, at)) = search.ask().first().map(|run| (run.number, run.point[0])) {
            lowest = lowest.min(at);
            search.tell(number, &[f64::NAN]).unwrap();
        }
        assert_eq!(search.runs().len(), 24);
        assert!(lowest < -3.0, "{lowest}");
        assert_eq!(search.report(), None);
    }
}

#[test]
fn what_matters_has_the_share_and_the_interval_is_around_the_optimum() {
    let mut search = Search::new(
        axes(2),
        Settings {
            budget: 30,
            ..Settings::default()
        },
    )
    .unwrap();
    while let Some(run) = search.ask().first().map(|run| (*run).clone()) {
        let loss = 0.02 * (run.point[0] - 0.4).powi(2) + 0.002 * (run.point[1] + 0.3).powi(2);
        search.tell(run.number, &[loss]).unwrap();
    }
    let report = search.report().unwrap();
    assert!(report.findings[0].share > 0.9, "{report:?}");
    assert!(
        (report.findings[0].curvature - 0.04).abs() < 0.01,
        "{report:?}"
    );
    for (finding, optimum) in report.findings.iter().zip([0.4, -0.3]) {
        assert!(
            finding.interval.0 <= optimum && optimum <= finding.interval.1,
            "{finding:?}"
        );
    }
    let steps: Vec<f64> = report
        .confirm
        .iter()
        .map(|point| point[0] - report.point()[0])
        .collect();
    assert_eq!(steps, [0.0, -0.5, 0.5]);
}

#[test]
fn senseless_searches_are_refused_by_name() {
    let said = |axes, settings| Search::new(axes, settings).unwrap_err().to_string();
    let range = Axis {
        low: Some(1.0),
        high: Some(2.0),
        ..Axis::new("lr", 0.0)
    };
    let cases = [
        (said(vec![], settings()), "no hyperparameter to search for"),
        (
            said(axes(13), settings()),
            "13 hyperparameters are more than the 12",
        ),
        (
            said(vec![range], settings()),
            "`lr` starts at 0, which is not between 1 and 2",
        ),
        (
            said(vec![Axis::new("a", 0.0), Axis::new("a", 1.0)], settings()),
            "two hyperparameters `a`",
        ),
        (
            said(
                axes(1),
                Settings {
                    tolerance: 0.0,
                    ..settings()
                },
            ),
            "`tolerance` is 0; it must be a positive number",
        ),
        (
            said(
                axes(1),
                Settings {
                    budget: 0,
                    ..settings()
                },
            ),
            "`budget` is 0; it must be 1 or more",
        ),
    ];
    for (message, wanted) in cases {
        assert!(message.contains(wanted), "{message}");
    }
}

#[test]
fn a_loss_belongs_to_a_run_that_was_asked_for() {
    let mut search = Search::new(axes(1), settings()).unwrap();
    assert_eq!(
        search.tell(0, &[1.0]),
        Err(SearchError::Unasked {
            number: 0,
            asked: 0
        })
    );
    search.ask();
    search.tell(0, &[1.0, 2.0]).unwrap();
    search.tell(0, &[1.0, 2.0]).unwrap();
    assert_eq!(
        search.tell(0, &[1.0, 3.0]),
        Err(SearchError::Told { number: 0 })
    );
    let few = SearchError::Seeds {
        number: 1,
        count: 1,
        before: 2,
    };
    assert_eq!(search.tell(1, &[1.0]), Err(few));
    search.tell(1, &[f64::NAN, 1.0]).unwrap();
    search.tell(1, &[f64::INFINITY, 1.0]).unwrap();
}
