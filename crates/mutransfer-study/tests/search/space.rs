//! Hyperparameters and their coordinates.

use mutransfer_study::search::{Flag, Hyperparameter, Kind, Search, Settings, Space};

fn parameter(name: &str, kind: Kind, start: f64) -> Hyperparameter {
    Hyperparameter {
        name: name.to_owned(),
        kind,
        start,
        from: None,
        to: None,
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
