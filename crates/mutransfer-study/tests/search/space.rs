//! Hyperparameters and their coordinates.

use mutransfer_study::search::{Flag, Hyperparameter, Kind, Search, Settings, Space};

fn parameter(name: &str, kind: Kind, start: f64) -> Hyperparameter {
    Hyperparameter {
        name: name.to_owned(),
        kind,
        start,
        from: None,
        to: None,
        step: None,
    }
}

fn all() -> Space {
    Space::new(vec![
        parameter("weight_decay", Kind::Decay, 0.1),
        parameter("batch", Kind::Batch, 64.0),
        parameter("lr", Kind::LearningRate, 0.01),
        parameter("input.lr", Kind::Factor, 2.0),
        parameter("beta2", Kind::Average, 0.98),
    ])
    .unwrap()
}

#[test]
fn the_start_is_the_start() {
    let space = all();
    let start: Vec<f64> = space.axes().iter().map(|axis| axis.start).collect();
    for (value, parameter) in space.values(&start).iter().zip(space.parameters()) {
        assert!(
            (value / parameter.start - 1.0).abs() < 1e-12,
            "{parameter:?}: {value}"
        );
    }
    assert_eq!(space.parameters()[0].name, "lr");
}

/// Four times the batch at the same coordinates is twice the learning rate, and half the decay.
#[test]
fn what_is_coupled_moves_together() {
    let space = all();
    let start: Vec<f64> = space.axes().iter().map(|axis| axis.start).collect();
    let names: Vec<&str> = space.parameters().iter().map(|own| &own.name[..]).collect();
    let batch = names.iter().position(|name| *name == "batch").unwrap();
    let mut moved = start.clone();
    moved[batch] += 2.0;
    let ratios = [
        ("lr", 2.0),
        ("batch", 4.0),
        ("weight_decay", 0.5),
        ("input.lr", 1.0),
        ("beta2", 1.0),
    ];
    let (before, after) = (space.values(&start), space.values(&moved));
    for (name, ratio) in ratios {
        let index = names.iter().position(|own| *own == name).unwrap();
        assert!(
            (after[index] / before[index] / ratio - 1.0).abs() < 1e-12,
            "{name}"
        );
    }
}

#[test]
fn ranges_are_kept() {
    let within = |name: &str, kind, (from, to): (f64, f64)| Hyperparameter {
        from: Some(from),
        to: Some(to),
        ..parameter(name, kind, (from + to) / 2.0)
    };
    let space = Space::new(vec![
        within("lr", Kind::LearningRate, (0.001, 0.1)),
        within("weight_decay", Kind::Decay, (0.01, 0.1)),
        within("beta1", Kind::Average, (0.8, 0.95)),
    ])
    .unwrap();
    let axes = space.axes();
    assert_eq!(axes[1].low, None);
    assert!((axes[2].low.unwrap() - 0.05_f64.log2()).abs() < 1e-9);
    for side in [-20.0, 20.0] {
        let point: Vec<f64> = axes.iter().map(|axis| axis.start + side).collect();
        for (value, own) in space.values(&point).iter().zip(space.parameters()) {
            assert!(
                own.from.unwrap() <= *value && *value <= own.to.unwrap(),
                "{own:?} {value}"
            );
        }
    }
}

#[test]
fn what_has_no_logarithm_is_refused() {
    for (kind, start) in [
        (Kind::LearningRate, 0.0),
        (Kind::Average, 1.0),
        (Kind::Factor, -1.0),
    ] {
        let message = Space::new(vec![parameter("x", kind, start)])
            .unwrap_err()
            .to_string();
        assert!(
            message.starts_with(&format!("`x` starts at {start}, which is not")),
            "{message}"
        );
    }
}

/// The range of a decay is no range of its coordinate, which is that of learning rate times decay.
#[test]
fn the_end_of_a_range_is_an_edge_whatever_the_coordinate_is() {
    let decay = Hyperparameter {
        from: Some(0.05),
        ..parameter("weight_decay", Kind::Decay, 0.1)
    };
    let is_edge = |best: f64| {
        let parameters = vec![parameter("lr", Kind::LearningRate, 0.01), decay.clone()];
        let space = Space::new(parameters).unwrap();
        let mut search = Search::new(space.axes(), Settings::default()).unwrap();
        loop {
            let runs = search.ask().into_iter();
            let runs: Vec<_> = runs
                .map(|run| (run.number, space.values(&run.point)))
                .collect();
            if runs.is_empty() {
                break;
            }
            for (number, values) in runs {
                let away = [values[0] / 0.01, values[1] / best].map(|ratio| ratio.log2().powi(2));
                search
                    .tell(number, &[2.0 + 0.01 * (away[0] + away[1])])
                    .unwrap();
            }
        }
        let report = search.report().unwrap().with_edges(&space);
        report.flags.contains(&Flag::Edge)
    };
    assert!(is_edge(0.01));
    assert!(!is_edge(0.4));
}

/// The points of a grid are those of its values, whatever its coordinates are.
#[test]
fn a_grid_has_the_values_that_are_written() {
    let grid = |name: &str, kind, (from, to): (f64, f64), step| Hyperparameter {
        from: Some(from),
        to: Some(to),
        step: Some(step),
        ..parameter(name, kind, from)
    };
    let space = Space::new(vec![
        grid("weight_decay", Kind::Decay, (0.1, 0.45), 1.0),
        grid("lr", Kind::LearningRate, (0.001, 0.008), 1.5),
        grid("beta2", Kind::Average, (0.9, 0.975), 1.0),
    ])
    .unwrap();
    let found: Vec<Vec<f64>> = space
        .grid()
        .iter()
        .map(|point| space.values(point))
        .collect();
    let mut wanted = Vec::new();
    for beta2 in [0.9, 0.95, 0.975] {
        for decay in [0.1, 0.2, 0.4] {
            for rate in [0.001, 0.001 * 1.5_f64.exp2(), 0.008] {
                wanted.push(vec![rate, decay, beta2]);
            }
        }
    }
    assert_eq!(found.len(), wanted.len());
    for (found, wanted) in found.iter().flatten().zip(wanted.iter().flatten()) {
        assert!((found / wanted - 1.0).abs() < 1e-9, "{found} for {wanted}");
    }
}

/// A search of a grid asks for all of it at once, and believes in what lies between.
#[test]
fn a_grid_is_asked_for_at_once() {
    let told = |step: f64, wanted: usize| {
        let rate = Hyperparameter {
            from: Some(2.0_f64.powi(-12)),
            to: Some(2.0_f64.powi(-5)),
            step: Some(step),
            ..parameter("lr", Kind::LearningRate, 2.0_f64.powi(-8))
        };
        let space = Space::new(vec![rate]).unwrap();
        let mut search = Search::of(&space, Settings::default()).unwrap();
        let asked = search.ask().into_iter();
        let runs: Vec<(usize, f64)> = asked.map(|run| (run.number, run.point[0])).collect();
        assert_eq!(runs.len(), wanted);
        for (number, at) in runs {
            let loss = 2.0 + 0.01 * (at + 8.4).powi(2);
            search.tell(number, &[loss]).unwrap();
        }
        assert!(search.ask().is_empty());
        search.report().unwrap()
    };
    let report = told(1.0, 8);
    assert!((report.point()[0] + 8.4).abs() < 0.2, "{report:?}");
    assert_eq!((report.runs, &report.flags[..]), (8, &[][..]));
    assert!(told(3.5, 3).flags.contains(&Flag::Coarse));
}

/// A valley across the axes: with an octave more of the one the best other is an octave higher.
#[test]
fn what_hangs_together_is_found() {
    let factor = |name: &str| Hyperparameter {
        from: Some(0.125),
        to: Some(8.0),
        step: Some(1.0),
        ..parameter(name, Kind::Factor, 1.0)
    };
    let found = |names: &[&str]| {
        let space = Space::new(names.iter().map(|name| factor(name)).collect()).unwrap();
        let mut search = Search::of(&space, Settings::default()).unwrap();
        let asked = search.ask().into_iter();
        let runs: Vec<(usize, Vec<f64>)> =
            asked.map(|run| (run.number, run.point.clone())).collect();
        for (number, point) in runs {
            let up = point.get(1).copied().unwrap_or(0.0);
            let loss = 0.001 * point[0].powi(2) + 0.004 * (up - 0.5 * point[0]).powi(2);
            search.tell(number, &[loss]).unwrap();
        }
        let report = search.report().unwrap();
        let words = report.together(&space);
        (report.pair, words)
    };
    assert_eq!(found(&["one"]), (None, None));
    let (pair, words) = found(&["one", "other"]);
    let (pair, words) = (pair.unwrap(), words.unwrap());
    // The second matters more.
    assert_eq!(pair.axes, [1, 0]);
    assert!((pair.slope.unwrap() - 1.0).abs() < 0.2, "{:?}", pair.slope);
    assert!(
        words.starts_with("other and one hang together most") && words.contains(" higher"),
        "{words}"
    );
    let [across, up] = &pair.places;
    assert_eq!(pair.losses.len(), up.len());
    assert!(pair.losses.iter().all(|row| row.len() == across.len()));
}
