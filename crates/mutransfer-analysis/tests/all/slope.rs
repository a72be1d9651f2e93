//! The exponents of how far training goes, their intervals, and their figure.

use mutransfer_analysis::TangentRow;
use mutransfer_analysis::{Changed, Estimate, Fix, TangentError, slopes};

/// Features change as the width to this exponent, the kernel as its square.
fn row(rule: &str, width: usize, seed: u64, exponent: f64) -> TangentRow {
    let features = 0.5 * (width as f64).powf(exponent);
    TangentRow {
        rule: rule.into(),
        width,
        seed,
        features,
        kernel: features.powi(2),
        first_loss: 0.5,
        last_loss: 0.01,
    }
}

fn rows(rule: &str, exponents: &[f64]) -> Vec<TangentRow> {
    let seeds = (0..).zip(exponents);
    seeds
        .flat_map(|(seed, exponent)| [64, 128, 512].map(|width| row(rule, width, seed, *exponent)))
        .collect()
}

#[track_caller]
fn near(one: f64, other: f64) {
    assert!((one - other).abs() < 1e-12, "{one} {other}");
}

#[test]
fn a_power_law_has_its_exponent() {
    let slopes = slopes(&rows("ntk", &[-0.4, -0.5, -0.6])).unwrap();
    assert_eq!(
        slopes.iter().map(|slope| slope.changed).collect::<Vec<_>>(),
        Changed::ALL
    );
    near(slopes[0].slope.mean, -0.5);
    near(slopes[1].slope.mean, -1.0);
    // Standard deviation 0.1, three seeds, t quantile of two degrees of freedom.
    near(
        slopes[0].slope.margin.unwrap(),
        4.302_652_729_749_464 * 0.1 / 3f64.sqrt(),
    );
    near(
        slopes[0].slope.interval().0,
        -0.5 - 4.302_652_729_749_464 * 0.1 / 3f64.sqrt(),
    );
    near(slopes[0].log2_change[&64].mean, -1.0 - 0.5 * 6.0);
}

#[test]
fn one_seed_has_no_interval_and_many_have_that_of_student() {
    assert_eq!(
        Estimate::of(&[2.0]),
        Estimate {
            mean: 2.0,
            margin: None
        }
    );
    assert_eq!(Estimate::of(&[2.0]).interval(), (2.0, 2.0));
    let many: Vec<f64> = (0..100).map(|index| f64::from(index % 2)).collect();
    near(
        Estimate::of(&many).margin.unwrap(),
        1.984216951586 * (25.0 / 99.0 / 100.0_f64).sqrt(),
    );
}

#[test]
fn the_order_of_rows_does_not_matter() {
    let straight = rows("mup", &[0.01, -0.02, 0.03]);
    let turned: Vec<TangentRow> = straight.iter().rev().cloned().collect();
    assert_eq!(slopes(&straight).unwrap(), slopes(&turned).unwrap());
}

#[test]
fn what_has_no_slope_is_an_error() {
    assert_eq!(slopes(&[]), Err(TangentError::Empty));
    let error = slopes(&[row("mup", 64, 3, 0.0)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "rule mup, seed 3: measured at a single width, which has no slope"
    );
    assert_eq!(error.fix(), Fix::Do("measure at two widths or more"));
    let still = [
        row("mup", 64, 0, 0.0),
        TangentRow {
            kernel: 0.0,
            ..row("mup", 128, 0, 0.0)
        },
    ];
    let error = slopes(&still).unwrap_err();
    assert_eq!(
        error.to_string(),
        "rule mup, width 128, seed 0: the relative change of the kernel is 0"
    );
}

#[cfg(feature = "report")]
#[test]
fn the_figure_names_rules_and_slopes() {
    use mutransfer_analysis::figures;

    let rows = [rows("ntk", &[-0.4, -0.5, -0.6]), rows("mup", &[0.0])].concat();
    let figure = figures::tangent(&slopes(&rows).unwrap()).unwrap();
    for label in [
        "ntk features: slope -0.50 ± 0.25",
        "ntk kernel: slope -1.00 ± 0.50",
        "μP kernel: slope 0.00",
    ] {
        assert!(figure.svg.contains(label), "{label}");
    }
    assert!(figure.png.starts_with(b"\x89PNG"));
    assert_eq!(
        figures::tangent(&[]).unwrap_err().to_string(),
        "nothing to draw in the figure kernel: no row has a finite value"
    );
}
