//! The figures and the report, on a made-up study with known answers.

use std::collections::BTreeMap;

use mutransfer::theory::{Expectation, Layer, Quantity, Theory};
use mutransfer::{Optimizer, Rule};
use mutransfer_analysis::figures::{Figure, FigureError, Pictures, coordinates, loss_curves};
use mutransfer_analysis::report::{Coordinates, Models, Report, render};
use mutransfer_analysis::{
    Analysis, Coordinate, Cost, End, Group, Looks, Request, Run, Runs, Sweeps, analyze, carried,
    judge, power_of_open,
};

const PROXIES: [usize; 3] = [32, 64, 128];
const TARGET: usize = 256;

fn row(rule: &str, width: usize, log2: f64, seed: u64, loss: f64) -> Run {
    Run {
        rule: rule.to_owned(),
        at: width as f64,
        value: log2.exp2(),
        seed,
        end: End::Loss(loss),
    }
}

/// A made-up loss: under SP the valley moves left by one octave per doubling of the width, under μP
/// it stays.
fn loss(rule: &str, width: usize, log2_lr: f64, seed: u64) -> f64 {
    let doublings = (width as f64 / 32.0).log2();
    let valley = if rule == "sp" {
        -6.4 - 0.9 * doublings
    } else {
        -6.8
    };
    let beyond = log2_lr - valley;
    if beyond > 3.5 {
        return f64::NAN;
    }
    let wall = if beyond > 0.0 {
        0.045 * beyond.powi(2) + 0.012 * beyond.powi(4)
    } else {
        0.035 * beyond.powi(2)
    };
    let noise = 0.012 * ((seed as f64 - 1.0) + (log2_lr * 3.0 + width as f64).sin());
    1.62 + 1.9 / (width as f64).sqrt() + wall + noise
}

fn study() -> Vec<Run> {
    let mut rows = Vec::new();
    for rule in ["sp", "mup"] {
        for width in PROXIES.into_iter().chain([TARGET]) {
            let grid = (-11..=-3).flat_map(|x| (0..3).map(move |seed| (f64::from(x), seed)));
            rows.extend(
                grid.map(|(x, seed)| row(rule, width, x, seed, loss(rule, width, x, seed))),
            );
        }
        let carried = carried(&sweeps(&rows), rule, TARGET as f64, None)
            .expect("an optimum")
            .log2();
        rows.extend((0..3).map(|seed| {
            row(
                rule,
                TARGET,
                carried,
                seed,
                loss(rule, TARGET, carried, seed),
            )
        }));
    }
    rows
}

fn sweeps(rows: &[Run]) -> Sweeps {
    Sweeps::of_runs(rows.to_vec()).expect("runs")
}

fn request(target: Option<usize>) -> Request {
    Request {
        target: target.map(|target| target as f64),
        replicates: 200,
        ..Request::default()
    }
}

fn judged(rows: &[Run], target: Option<usize>) -> (Sweeps, Analysis) {
    let sweeps = sweeps(rows);
    let analysis = analyze(&sweeps, "width", "lr", &request(target)).expect("an analysis");
    (sweeps, analysis)
}

fn losses(rows: &[Run], target: Option<usize>) -> Result<Figure, FigureError> {
    let (sweeps, analysis) = judged(rows, target);
    loss_curves(&sweeps, &analysis)
}

fn activation(rule: &str, width: usize, step: usize, module: &str, l1: f64) -> Coordinate {
    let layer = if module == "logits" {
        Layer::Output
    } else {
        Layer::Hidden
    };
    let quantity = Quantity::Activation;
    let (rule, module) = (rule.into(), module.into());
    Coordinate {
        rule,
        width,
        seed: 0,
        step,
        module,
        layer,
        quantity,
        l1,
        l2: l1,
        std: l1,
    }
}

/// Under SP the activations of hidden layers grow with width once trained; under μP none does.
fn activations() -> Vec<Coordinate> {
    let modules = [
        "embedding",
        "block 0 attention",
        "block 0 mlp",
        "block 1 attention",
        "block 1 mlp",
        "logits",
    ];
    let mut rows = Vec::new();
    for rule in ["sp", "mup"] {
        for (width, seed) in PROXIES
            .into_iter()
            .chain([TARGET])
            .flat_map(|width| [(width, 0), (width, 1)])
        {
            for (step, (depth, module)) in
                (0..=5).flat_map(|step| modules.iter().enumerate().map(move |m| (step, m)))
            {
                let growth = if rule == "sp" && step > 0 {
                    0.15 * depth as f64 * (step as f64).min(3.0) / 2.0
                } else {
                    0.0
                };
                let l1 = (0.6 + 0.2 * depth as f64)
                    * (width as f64 / 32.0).powf(growth)
                    * (1.0 + 0.05 * seed as f64);
                let l1 = if *module == "logits" && step == 0 && rule == "mup" {
                    0.0
                } else {
                    l1
                };
                rows.push(Coordinate {
                    seed,
                    ..activation(rule, width, step, module, l1)
                });
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

fn cost() -> Cost {
    let runs = |parameters, count| Runs {
        parameters,
        tokens: 1e6,
        count,
    };
    let group = |width: usize, parameters, seconds| Group {
        size: format!("width {width}"),
        runs: runs(parameters, 27.0),
        seconds,
    };
    Cost {
        proxies: vec![
            group(32, 1e4, Some(3.0)),
            group(64, 3e4, Some(6.0)),
            group(128, 1.2e5, Some(18.5)),
        ],
        target: Group {
            size: format!("width {TARGET}"),
            runs: runs(4e5, 1.0),
            seconds: Some(2.5),
        },
        direct: group(TARGET, 4e5, Some(70.0)),
        examples: "tokens",
    }
}

fn report_of(rows: &[Run], target: Option<usize>) -> Report {
    let (sweeps, analysis) = judged(rows, target);
    Report {
        title: "Does <μP> transfer?".into(),
        settings: vec![
            ("model".into(), "GPT, 2 blocks & tied".into()),
            ("steps".into(), "300".into()),
        ],
        pictures: Pictures::draw(&sweeps, &analysis).expect("figures"),
        analysis,
        models: Some(Models {
            width: 32,
            base_width: 32,
            depth: 2,
            batch: 32,
            context: Some(128),
            steps: 300,
        }),
        floor: Some(1.5),
        cost: Some(cost()),
        power: BTreeMap::new(),
        coordinates: Some(Coordinates {
            figure: Some(coordinates(&activations(), Quantity::Activation).expect("finite values")),
            checks: judge(&activations(), &expectations(), &Looks::default())
                .map_err(|error| error.to_string()),
        }),
    }
}

fn report() -> Report {
    report_of(&study(), Some(TARGET))
}

#[test]
fn figures_are_vector_and_raster_and_reproducible() {
    let figure = losses(&study(), Some(TARGET)).unwrap();
    assert!(
        figure.svg.contains("viewBox")
            && figure.svg.contains("μP")
            && figure.narrow_svg.contains("2⁻⁸")
    );
    assert!(figure.png.starts_with(b"\x89PNG"));
    assert_eq!(figure, losses(&study(), Some(TARGET)).unwrap());
}

#[test]
fn every_width_rule_and_mark_is_named_in_the_figure() {
    let figure = losses(&study(), Some(TARGET)).unwrap();
    for text in [
        "SP",
        "width 32",
        "width 128",
        "target, width 256",
        "diverged",
        "best learning rate",
    ] {
        assert!(figure.svg.contains(&format!(">{text}<")), "{text}");
    }
}

#[test]
fn the_coordinate_figure_shows_the_first_and_the_last_step() {
    let figure = coordinates(&activations(), Quantity::Activation).unwrap();
    for text in [
        "SP, untrained",
        "μP, untrained",
        "SP, 5 steps",
        "μP, 5 steps",
        "logits",
    ] {
        assert!(figure.svg.contains(&format!(">{text}<")), "{text}");
    }
}

#[test]
fn of_many_modules_those_that_change_most_are_drawn() {
    let size = |module: usize, width: usize| (width as f64).powf(0.01 * module as f64);
    let rows: Vec<_> = (0..100)
        .flat_map(|module| {
            let name = format!("blocks.{module}");
            [64, 128].map(|width| activation("mup", width, 0, &name, size(module, width)))
        })
        .collect();
    let figure = coordinates(&rows, Quantity::Activation).unwrap();
    let has = |text: &str| figure.svg.contains(&format!(">{text}<"));
    assert!(has("blocks.99") && has("blocks.86") && !has("blocks.85"));
    assert!(has("86 that change less are not drawn"));
}

#[test]
fn a_figure_without_a_finite_value_is_an_error_that_says_so() {
    let rows = [row("mup", 64, -8.0, 0, f64::NAN)];
    let error = losses(&rows, None).unwrap_err().to_string();
    assert!(error.contains("loss-curves"), "{error}");
    assert!(coordinates(&[], Quantity::Activation).is_err());
}

#[test]
fn figures_survive_a_single_point_and_a_missing_rule() {
    let rows = [row("mup", 64, -8.0, 0, 2.0)];
    losses(&rows, Some(128)).unwrap();
    coordinates(
        &[activation("mup", 64, 0, "logits", 1.0)],
        Quantity::Activation,
    )
    .unwrap();
}

#[test]
fn the_report_is_one_page_that_loads_nothing() {
    let html = render(&report()).unwrap();
    for reference in ["src=", "href=", "@import", "url(http", "<link"] {
        assert!(!html.contains(reference), "{reference}");
    }
    assert_eq!(html.matches("<figure>").count(), 4);
    assert_eq!(html.matches("<figcaption>").count(), 4);
}

#[test]
fn the_coordinate_check_is_judged_under_its_figure() {
    let html = render(&report()).unwrap();
    let (sp, mup) = (
        html.find("<strong>SP: fail; activation of "),
        html.find("<strong>μP: pass."),
    );
    assert!(sp.is_some() && mup > sp, "{sp:?} {mup:?}");
    assert!(
        html.contains("<td>fail</td>")
            && html.matches("<th scope=\"row\">block 1 mlp</th>").count() >= 2
    );
    let why = "rule mup, seed 0: measured at a single width & so on";
    let unjudged = Report {
        coordinates: Some(Coordinates {
            figure: None,
            checks: Err(why.into()),
        }),
        ..report()
    };
    let html = render(&unjudged).unwrap();
    assert!(html.contains(
        "could not be judged: rule mup, seed 0: measured at a single width &amp; so on."
    ));
    assert!(!html.contains("<strong>"));
}

#[test]
fn text_from_outside_is_escaped() {
    let html = render(&report()).unwrap();
    assert!(
        html.contains("Does &lt;μP&gt; transfer?") && html.contains("GPT, 2 blocks &amp; tied")
    );
    let rename = |row: Run| Run {
        rule: "</script><b>".into(),
        ..row
    };
    let rows: Vec<Run> = study()
        .into_iter()
        .filter(|row| row.rule == "mup")
        .map(rename)
        .collect();
    let html = render(&report_of(&rows, Some(TARGET))).unwrap();
    assert!(!html.contains("<b>") && html.matches("</script>").count() == 1);
}

#[test]
fn the_numbers_are_embedded_and_read_back() {
    let html = render(&report()).unwrap();
    let start = html.find("id=\"analysis\">").unwrap() + "id=\"analysis\">".len();
    let json = html[start..].split("</script>").next().unwrap();
    let written = serde_json::to_string(&report().analysis).unwrap();
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(json).unwrap(),
        serde_json::from_str::<serde_json::Value>(&written).unwrap()
    );
}

#[test]
fn the_conclusion_comes_first_with_regret_interval_and_drift_of_every_rule() {
    let html = render(&report()).unwrap();
    let parts = [
        "<h1>",
        "SP, the baseline, fails: copying the best learning rate from width 128 to 256 costs 0.",
        " nats (0.",
        "Under SP the best learning rate fell from width 32 to 256: −2.",
        "μP ",
        "<h2 id=\"caveats\">",
        "<svg",
    ];
    let places: Vec<usize> = parts
        .iter()
        .map(|part| html.find(part).unwrap_or_else(|| panic!("no `{part}`")))
        .collect();
    assert!(places.is_sorted(), "{places:?}");
}

/// Names come from outside; XML takes hardly any control character, however it is written.
#[test]
fn control_characters_in_names_leave_a_picture_that_is_xml() {
    let rename = |row: Run| Run {
        rule: format!("\u{1b}[31m{}\u{0}\u{8}", row.rule),
        ..row
    };
    let rows: Vec<Run> = study().into_iter().map(rename).collect();
    let (sweeps, mut analysis) = judged(&rows, Some(TARGET));
    analysis.axis = "wi\u{7}dth".to_owned();
    let pictures = Pictures::draw(&sweeps, &analysis).unwrap();
    for (name, figure) in pictures.named() {
        for svg in [&figure.svg, &figure.narrow_svg] {
            assert!(
                !svg.contains(|c: char| c.is_control() && !"\n\t\r".contains(c)),
                "{name}"
            );
        }
        assert!(figure.svg.contains("\\u{1b}[31msp\\u{0}\\u{8}"), "{name}");
    }
}

#[test]
fn caveats_name_sizes_below_published_advice_and_what_diverged() {
    let html = render(&report()).unwrap();
    let small = "Smaller than published advice for a proxy: width 32 instead of 256, number of blocks 2 instead of 4, \
                 number of steps 300 instead of 5000.";
    assert!(
        html.contains(small)
            && html.contains("The base width, at which all rules are the same, is 32")
    );
    assert!(html.contains("Runs that diverged: "));
    let models = Models {
        width: 256,
        base_width: 256,
        depth: 4,
        batch: 32,
        context: None,
        steps: 5000,
    };
    let wide: Vec<Run> = study()
        .into_iter()
        .map(|row| Run {
            at: row.at * 8.0,
            ..row
        })
        .collect();
    let large = Report {
        models: Some(models),
        ..report_of(&wide, Some(8 * TARGET))
    };
    assert!(!render(&large).unwrap().contains("published"));
}

/// What such tables can be expected to show stands with the doubts of the rule.
#[test]
fn an_open_verdict_is_set_beside_what_such_tables_show() {
    let mut rows = study();
    for (index, run) in rows.iter_mut().enumerate() {
        if let (End::Loss(loss), "mup") = (&mut run.end, run.rule.as_str()) {
            *loss += 0.005 * ((index * index * 31 + index * 7) % 17) as f64;
        }
    }
    let (sweeps, analysis) = judged(&rows, Some(TARGET));
    let power = power_of_open(&sweeps, &analysis, &Request::default());
    let rules: Vec<&String> = power.keys().collect();
    assert_eq!(rules, ["mup"]);
    assert_eq!(power["mup"].design.target, TARGET as f64);
    let html = render(&Report {
        power,
        ..report_of(&rows, Some(TARGET))
    });
    let html = html.unwrap();
    let (_, care) = html.split_once("Read with care").unwrap();
    assert!(
        care.contains("of 200 simulated tables like this one, with "),
        "{care}"
    );
}

#[test]
fn every_metric_is_explained() {
    let html = render(&report()).unwrap();
    for metric in [
        "beta", "alpha", "s", "gamma", "kappa", "E", "L_inf", "R_inf", "fast", "flags",
    ] {
        assert!(
            html.contains(&format!("class=\"metric\">{metric}<span>")),
            "{metric}"
        );
    }
}

#[test]
fn the_cost_is_set_against_the_target() {
    let html = render(&report()).unwrap();
    // 27 (1e4 + 3e4 + 1.2e5) over 4e5, and over 27 times as much.
    assert!(html.contains(
        "took 11 times the operations of one training run at width 256, 60% less than tuning there"
    ));
    assert!(html.contains(
        "It took 27.5 s of worker time on this machine; the sweep at width 256 took 1.2 min."
    ));
    let untimed = Group {
        seconds: None,
        ..cost().proxies.remove(0)
    };
    let html = render(&Report {
        cost: Some(Cost {
            proxies: vec![untimed],
            ..cost()
        }),
        ..report()
    })
    .unwrap();
    assert!(html.contains("What tuning costs") && !html.contains("worker time"));
}

#[test]
fn the_page_can_be_used_without_eyes_or_mouse() {
    let html = render(&report()).unwrap();
    let levels: Vec<u32> = html
        .split("<h")
        .skip(1)
        .filter_map(|rest| rest.chars().next()?.to_digit(10))
        .collect();
    assert_eq!(levels[0], 1);
    assert!(
        levels.windows(2).all(|pair| pair[1] <= pair[0] + 1)
            && levels[1..].iter().all(|level| *level > 1)
    );
    let count = |part: &str| html.matches(part).count();
    assert_eq!(count("<table"), count("<caption>"));
    assert_eq!(
        count("<th "),
        count("scope=\"row\"") + count("scope=\"col\"")
    );
    assert_eq!(count("role=\"img\" aria-label=\""), count("<figure>"));
    assert_eq!(
        count("class=\"scroll\""),
        count("tabindex=\"0\" role=\"region\" aria-label=\"")
    );
    assert!(
        html.contains("<html lang=\"en\">")
            && html.contains("prefers-color-scheme: dark")
            && html.contains("@media print")
    );
}

#[test]
fn what_is_missing_leaves_no_trace() {
    let rows: Vec<Run> = study()
        .into_iter()
        .filter(|row| row.at < TARGET as f64 && row.seed == 0)
        .collect();
    let parts = Report {
        floor: None,
        models: None,
        cost: None,
        coordinates: None,
        pictures: Pictures::default(),
        ..report_of(&rows, None)
    };
    let html = render(&parts).unwrap();
    assert!(html.contains("1 seed only"));
    for absent in [
        "<figure>",
        "<svg",
        "Coordinate check",
        "What tuning costs",
        "published",
        "entropy of",
    ] {
        assert!(!html.contains(absent), "`{absent}`");
    }
}

#[test]
fn a_study_in_which_all_diverged_still_makes_a_report() {
    let rows: Vec<Run> = study()
        .into_iter()
        .map(|row| Run {
            end: End::Diverged,
            ..row
        })
        .collect();
    let html = render(&report_of(&rows, Some(TARGET))).unwrap();
    assert!(
        html.contains("is undetermined: there is no optimum at a smaller width to copy.")
            && html.contains("100% of all")
    );
}
