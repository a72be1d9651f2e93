//! The figures and the report, on a made-up study with known answers.

use std::collections::BTreeMap;

use mutransfer::theory::{Expectation, Layer, Quantity, Theory};
use mutransfer::{Optimizer, Rule};
use mutransfer_lab::analysis::{Summary, judge, summarize, transferred_lr};
use mutransfer_lab::figures::{coordinates, loss_curves};
use mutransfer_lab::record::{Coordinate, Row, Status};
use mutransfer_lab::report::{Report, render};

const PROXIES: [usize; 3] = [32, 64, 128];
const TARGET: usize = 256;

fn row(rule: &str, width: usize, log2_lr: f64, seed: u64, loss: f64) -> Row {
    let status = if loss.is_finite() { Status::Ok } else { Status::Diverged };
    let (rule, lr) = (rule.to_owned(), log2_lr.exp2());
    Row { rule, width, depth: 2, lr, seed, steps: 100, status, train_loss: loss, loss }
}

/// A made-up loss: under SP the valley moves left by one octave per doubling of the width, under μP it stays.
fn loss(rule: &str, width: usize, log2_lr: f64, seed: u64) -> f64 {
    let doublings = (width as f64 / 32.0).log2();
    let valley = if rule == "sp" { -6.4 - 0.9 * doublings } else { -6.8 };
    let beyond = log2_lr - valley;
    if beyond > 3.5 {
        return f64::NAN;
    }
    let wall = if beyond > 0.0 { 0.045 * beyond.powi(2) + 0.012 * beyond.powi(4) } else { 0.035 * beyond.powi(2) };
    let noise = 0.012 * ((seed as f64 - 1.0) + (log2_lr * 3.0 + width as f64).sin());
    1.62 + 1.9 / (width as f64).sqrt() + wall + noise
}

fn study() -> Vec<Row> {
    let mut rows = Vec::new();
    for rule in ["sp", "mup"] {
        for width in PROXIES.into_iter().chain([TARGET]) {
            let grid = (-11..=-3).flat_map(|x| (0..3).map(move |seed| (f64::from(x), seed)));
            rows.extend(grid.map(|(x, seed)| row(rule, width, x, seed, loss(rule, width, x, seed))));
        }
        let carried = transferred_lr(&rows, rule, &PROXIES, None).expect("an optimum").log2();
        rows.extend((0..3).map(|seed| row(rule, TARGET, carried, seed, loss(rule, TARGET, carried, seed))));
    }
    rows
}

fn judged() -> Summary {
    summarize(&study(), &PROXIES, Some(TARGET), None).expect("rows")
}

fn activation(rule: &str, width: usize, step: usize, module: &str, l1: f64) -> Coordinate {
    let layer = if module == "logits" { Layer::Output } else { Layer::Hidden };
    let quantity = Quantity::Activation;
    let (rule, module) = (rule.into(), module.into());
    Coordinate { rule, width, seed: 0, step, module, layer, quantity, l1, l2: l1, std: l1 }
}

/// Under SP the activations of hidden layers grow with width once trained; under μP none does.
fn activations() -> Vec<Coordinate> {
    let modules = ["embedding", "block 0 attention", "block 0 mlp", "block 1 attention", "block 1 mlp", "logits"];
    let mut rows = Vec::new();
    for rule in ["sp", "mup"] {
        for (width, seed) in PROXIES.into_iter().chain([TARGET]).flat_map(|width| [(width, 0), (width, 1)]) {
            for (step, (depth, module)) in (0..=5).flat_map(|step| modules.iter().enumerate().map(move |m| (step, m))) {
                let growth =
                    if rule == "sp" && step > 0 { 0.15 * depth as f64 * (step as f64).min(3.0) / 2.0 } else { 0.0 };
                let l1 = (0.6 + 0.2 * depth as f64) * (width as f64 / 32.0).powf(growth) * (1.0 + 0.05 * seed as f64);
                let l1 = if *module == "logits" && step == 0 && rule == "mup" { 0.0 } else { l1 };
                rows.push(Coordinate { seed, ..activation(rule, width, step, module, l1) });
            }
        }
    }
    rows
}

fn expectations() -> BTreeMap<String, Expectation> {
    let expectation = |rule: Rule| {
        let theory = Theory::of_rule(&rule.into(), Optimizer::AdamW).expect("a built-in rule");
        (rule.to_string(), Expectation::of(&theory, false))
    };
    [Rule::Sp, Rule::Mup].map(expectation).into()
}

fn report() -> Report {
    let rows = study();
    let summary = summarize(&rows, &PROXIES, Some(TARGET), None).expect("rows");
    Report {
        title: "Does <μP> transfer?".into(),
        settings: vec![("model".into(), "GPT, 2 blocks & tied".into()), ("steps".into(), "300".into())],
        depth: 2,
        floor: Some(1.5),
        loss_figure: Some(loss_curves(&rows, &summary).expect("finite losses")),
        coordinate_figure: Some(coordinates(&activations(), Quantity::Activation).expect("finite values")),
        coordinate_checks: judge(&activations(), &expectations()).map_err(|error| error.to_string()),
        summary,
    }
}

#[test]
fn figures_are_vector_and_raster_and_reproducible() {
    let figure = loss_curves(&study(), &judged()).unwrap();
    assert!(figure.svg.contains("viewBox") && figure.svg.contains("μP") && figure.narrow_svg.contains("2⁻⁸"));
    assert!(figure.png.starts_with(b"\x89PNG"));
    assert_eq!(figure, loss_curves(&study(), &judged()).unwrap());
}

#[test]
fn every_width_rule_and_mark_is_named_in_the_figure() {
    let figure = loss_curves(&study(), &judged()).unwrap();
    for text in ["SP", "width 32", "width 128", "target, width 256", "diverged", "best learning rate"] {
        assert!(figure.svg.contains(&format!(">{text}<")), "{text}");
    }
}

#[test]
fn the_coordinate_figure_shows_the_first_and_the_last_step() {
    let figure = coordinates(&activations(), Quantity::Activation).unwrap();
    for text in ["SP, untrained", "μP, untrained", "SP, 5 steps", "μP, 5 steps", "logits"] {
        assert!(figure.svg.contains(&format!(">{text}<")), "{text}");
    }
}

#[test]
fn a_figure_without_a_finite_value_is_an_error_that_says_so() {
    let rows = [row("mup", 64, -8.0, 0, f64::NAN)];
    let error = loss_curves(&rows, &summarize(&rows, &[64], None, None).unwrap()).unwrap_err().to_string();
    assert!(error.contains("loss-curves"), "{error}");
    assert!(coordinates(&[], Quantity::Activation).is_err());
}

#[test]
fn figures_survive_a_single_point_and_a_missing_rule() {
    let rows = [row("mup", 64, -8.0, 0, 2.0)];
    loss_curves(&rows, &summarize(&rows, &[64], Some(128), None).unwrap()).unwrap();
    coordinates(&[activation("mup", 64, 0, "logits", 1.0)], Quantity::Activation).unwrap();
}

#[test]
fn the_report_is_one_page_that_loads_nothing() {
    let html = render(&report()).unwrap();
    for reference in ["src=", "href=", "@import", "url(http", "<link"] {
        assert!(!html.contains(reference), "{reference}");
    }
    assert_eq!(html.matches("<figure>").count(), 2);
    assert_eq!(html.matches("<figcaption>").count(), 2);
}

#[test]
fn the_coordinate_check_is_judged_under_its_figure() {
    let html = render(&report()).unwrap();
    let (sp, mup) = (html.find("<strong>SP: fail; activation of "), html.find("<strong>μP: pass."));
    assert!(sp.is_some() && mup > sp, "{sp:?} {mup:?}");
    assert!(html.contains("<td>fail</td>") && html.matches("<th scope=\"row\">block 1 mlp</th>").count() >= 2);
    let why = "rule mup, seed 0: measured at a single width & so on";
    let unjudged = Report { coordinate_checks: Err(why.into()), ..report() };
    let html = render(&unjudged).unwrap();
    assert!(html.contains("could not be judged: rule mup, seed 0: measured at a single width &amp; so on."));
    assert!(!html.contains("<strong>"));
}

#[test]
fn text_from_outside_is_escaped() {
    let html = render(&report()).unwrap();
    assert!(html.contains("Does &lt;μP&gt; transfer?") && html.contains("GPT, 2 blocks &amp; tied"));
    let rename = |row: Row| Row { rule: "</script><b>".into(), ..row };
    let rows: Vec<Row> = study().into_iter().filter(|row| row.rule == "mup").map(rename).collect();
    let summary = summarize(&rows, &PROXIES, Some(TARGET), None).unwrap();
    let figure = loss_curves(&rows, &summary).unwrap();
    let html = render(&Report { summary, loss_figure: Some(figure), ..report() }).unwrap();
    assert!(!html.contains("<b>") && html.matches("</script>").count() == 1);
}

#[test]
fn the_numbers_are_embedded_and_read_back() {
    let html = render(&report()).unwrap();
    let start = html.find("id=\"summary\">").unwrap() + "id=\"summary\">".len();
    let json = html[start..].split("</script>").next().unwrap();
    assert_eq!(serde_json::from_str::<Summary>(json).unwrap(), judged());
}

#[test]
fn a_study_without_target_check_or_figures_still_makes_a_report() {
    let rows: Vec<Row> = study().into_iter().filter(|row| row.width < TARGET && row.seed == 0).collect();
    let summary = summarize(&rows, &PROXIES, None, None).unwrap();
    let html =
        render(&Report { summary, floor: None, loss_figure: None, coordinate_figure: None, ..report() }).unwrap();
    assert!(html.contains("one seed only") && html.contains("Published advice is at least width 256"));
    assert!(!html.contains("The transfer to width") && !html.contains("Coordinate check"));
}
