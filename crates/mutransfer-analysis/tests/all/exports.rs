//! Tables as other programs export them, in the shape that these write.

use std::fmt::Write;

use mutransfer_analysis::{Columns, Naming, Sweeps, TableError, read_tables};

fn read(text: &str, columns: &Columns) -> Result<Sweeps, TableError> {
    read_tables(&[("runs.csv".to_owned(), text.to_owned())], columns)
}

fn named(axis: &str, sweep: &str, loss: &str) -> Columns {
    Columns {
        axis: axis.to_owned(),
        sweep: sweep.to_owned(),
        loss: loss.to_owned(),
        ..Columns::default()
    }
}

/// The only curve at a width: log2 of the values, seeds that ended and that diverged.
fn curve(sweeps: &Sweeps, rule: &str, at: f64) -> Vec<(f64, usize, usize)> {
    let curves = &sweeps.rules[rule];
    let curve = curves.iter().find(|curve| curve.at == at).unwrap();
    let trials = curve.trials.iter();
    trials
        .map(|trials| {
            (
                trials.value.log2().round(),
                trials.losses.len(),
                trials.diverged,
            )
        })
        .collect()
}

/// "Export as CSV" of a table of runs: all cells quoted, names first, then config and summary.
#[test]
fn runs_of_weights_and_biases() {
    let text = r#""Name","State","Notes","User","Tags","Created","Runtime","Sweep","lr","seed","width","rule","val/loss"
"jolly-haze-1","finished","-","me","","2026-08-01T10:00:01.000Z","3801","","0.00390625","0","256","mup","3.01"
"deft-fog-2","finished","-","me","","2026-08-01T11:00:02.000Z","3796","","0.0078125","0","256","mup","2.98"
"glad-sky-3","crashed","-","me","","2026-08-01T12:00:03.000Z","12","","0.015625","0","256","mup",""
"warm-sun-4","finished","-","me","","2026-08-01T13:00:04.000Z","3799","","0.03125","0","256","mup","NaN"
"cold-sea-5","running","-","me","","2026-08-01T14:00:05.000Z","100","","0.0625","0","256","mup","7.1"
"#;
    let sweeps = read(text, &named("width", "lr", "val/loss")).unwrap();
    assert_eq!(
        curve(&sweeps, "mup", 256.0),
        [(-8.0, 1, 0), (-7.0, 1, 0), (-5.0, 0, 1)]
    );
    assert_eq!((sweeps.rows.failed, sweeps.rows.diverged), (2, 1));
    assert_eq!(
        sweeps.left_out,
        ["Created", "Name", "Notes", "Runtime", "User"]
    );
}

/// `study.trials_dataframe().to_csv()`: an index without a name, `params_`, states in capitals.
#[test]
fn trials_of_optuna() {
    let text = "\
,number,value,datetime_start,datetime_complete,duration,params_lr,params_width,user_attrs_seed,state
0,0,3.01,2026-08-01 10:00:00.1,2026-08-01 10:10:00.2,0 days 00:10:00.100000,0.00390625,256,0,COMPLETE
1,1,2.98,2026-08-01 10:10:01.1,2026-08-01 10:20:00.2,0 days 00:09:59.100000,0.0078125,256,0,COMPLETE
2,2,,2026-08-01 10:20:01.1,2026-08-01 10:20:09.2,0 days 00:00:08.100000,0.015625,256,0,FAIL
3,3,5.5,2026-08-01 10:21:01.1,2026-08-01 10:22:00.2,0 days 00:00:59.100000,0.03125,256,0,PRUNED
4,4,inf,2026-08-01 10:23:01.1,2026-08-01 10:33:00.2,0 days 00:09:59.100000,0.0625,256,0,COMPLETE
";
    let columns = Columns {
        rule: Some(Naming::Rule("mup".to_owned())),
        seed: Some("user_attrs_seed".to_owned()),
        ..named("width", "lr", "value")
    };
    let sweeps = read(text, &columns).unwrap();
    assert_eq!(
        curve(&sweeps, "mup", 256.0),
        [(-8.0, 1, 0), (-7.0, 1, 0), (-4.0, 0, 1)]
    );
    assert_eq!(sweeps.rows.failed, 2);
    assert_eq!(
        sweeps.left_out,
        ["datetime_complete", "datetime_start", "duration", "number"]
    );
}

/// `results.get_dataframe().to_csv()`: what a trainable reports by itself, and `config/`.
#[test]
fn results_of_ray_tune() {
    let mut text = "loss,time_this_iter_s,done,training_iteration,trial_id,date,timestamp,\
                    time_total_s,pid,hostname,node_ip,time_since_restore,\
                    iterations_since_restore,config/lr,config/width,logdir\n"
        .to_owned();
    for (index, loss) in ["3.01", "2.98", "3.05"].iter().enumerate() {
        let lr = 2_f64.powi(index as i32 - 8);
        writeln!(
            text,
            "{loss},12.{index},True,10,ab12{index},2026-08-01_10-0{index}-00,178557120{index},\
             120.{index},41{index},node{index},10.0.0.{index},120.{index},10,{lr},256.0,c_{index}"
        )
        .unwrap();
    }
    let sweeps = read(&text, &Columns::default()).unwrap();
    assert_eq!(curve(&sweeps, "runs", 256.0).len(), 3);
    for column in [
        "date",
        "hostname",
        "node_ip",
        "pid",
        "trial_id",
        "time_total_s",
        "logdir",
    ] {
        assert!(
            sweeps.left_out.iter().any(|left| left == column),
            "{column}"
        );
    }
}

/// The `logs.tsv` of microsoft/mup's examples: tabs, log2 of the rate, all epochs of a run.
#[test]
fn logs_of_mup() {
    let mut text = "\tepoch\tmodel_type\tlog2lr\ttrain_loss\twidth\n".to_owned();
    let mut row = 0;
    for model in ["SP MLP", "muP MLP"] {
        for log2 in -10..=-6 {
            for epoch in 1..=2 {
                let loss = 2.0 / f64::from(epoch) + 0.01 * f64::from((log2 + 8) * (log2 + 8));
                writeln!(text, "{row}\t{epoch}\t{model}\t{log2}\t{loss}\t256").unwrap();
                row += 1;
            }
        }
    }
    let mut columns = Columns {
        rule: Some(Naming::Column("model_type".to_owned())),
        ..named("width", "lr", "train_loss")
    };
    let error = read(&text, &columns).unwrap_err().to_string();
    assert!(error.contains("column `epoch`: 2 beside 1"), "{error}");
    columns.filters = vec![("epoch".to_owned(), "2".to_owned())];
    let sweeps = read(&text, &columns).unwrap();
    assert_eq!(sweeps.rules.len(), 2);
    let rates: Vec<f64> = curve(&sweeps, "muP MLP", 256.0)
        .iter()
        .map(|found| found.0)
        .collect();
    assert_eq!(rates, [-10.0, -9.0, -8.0, -7.0, -6.0]);
}

/// A column of logarithms that does not say so by its name.
#[test]
fn a_column_of_logarithms_is_declared() {
    let text = "width,x,loss\n256,-8,3.1\n256,-7,3.0\n256,-6,3.2\n";
    let error = read(text, &named("width", "x", "loss")).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("3 problems\n  runs.csv, line 2, column `x`"),
        "{error}"
    );
    let columns = Columns {
        log2: vec!["x".to_owned()],
        ..named("width", "x", "loss")
    };
    let sweeps = read(text, &columns).unwrap();
    assert_eq!(curve(&sweeps, "runs", 256.0)[0].0, -8.0);
}

#[test]
fn every_dialect_is_the_same_table() {
    let plain = "rule,width,lr,seed,loss\nmup,256,0.5,0,3\nmup,256,0.25,0,3.1\n";
    let expected = read(plain, &Columns::default()).unwrap();
    for (delimiter, line, mark) in [
        ("\t", "\n", ""),
        (";", "\r\n", "\u{feff}"),
        (",", "\r\n", "\u{feff}"),
        (";", "\n", ""),
    ] {
        let text = plain
            .replace(',', delimiter)
            .replace('\n', line)
            .replace("256", "256.0");
        let read = read(&format!("{mark}{text}"), &Columns::default()).unwrap();
        assert_eq!(read, expected, "{delimiter:?} {line:?}");
    }
    // Quoted names do not count.
    let quoted = "\"rule,a;b\";lr;width;loss\nmup;0.5;256;3\n";
    let columns = Columns {
        rule: Some(Naming::Column("rule,a;b".to_owned())),
        ..Columns::default()
    };
    assert!(read(quoted, &columns).unwrap().rules.contains_key("mup"));
}

#[test]
fn lines_are_counted_as_an_editor_counts_them() {
    for line in ["\n", "\r\n"] {
        let text = [
            "rule,width,lr,seed,loss",
            "mup,256,0.5,0,3",
            "mup,256,x,0,3",
            "",
        ]
        .join(line);
        let error = read(&text, &Columns::default()).unwrap_err().to_string();
        assert!(
            error.starts_with("runs.csv, line 3, column `lr`"),
            "{error}"
        );
    }
}

#[test]
fn every_problem_is_told_at_once() {
    let error = read("a,b\n1,2\n", &Columns::default())
        .unwrap_err()
        .to_string();
    for column in ["width", "lr", "loss"] {
        assert!(
            error.contains(&format!("there is no column `{column}`")),
            "{error}"
        );
    }
    let rows = "width,lr,loss\n256,0.5,3\n,0.5,3\n256,x,3\n256,0.25\n256,0.25,y\n";
    let error = read(rows, &Columns::default()).unwrap_err().to_string();
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(
        lines,
        [
            "4 problems",
            "  runs.csv, line 3, column `width`: empty",
            "  runs.csv, line 4, column `lr`: `x` is not a number",
            "  runs.csv, line 5: 2 cells, but the header has 3",
            "  runs.csv, line 6, column `loss`: `y` is not a number",
        ]
    );
}

/// A setting whose values come back is no name, whatever it is called.
#[test]
fn settings_are_still_not_averaged_over() {
    let text = "width,lr,optimizer,loss\n256,0.5,adam,3\n256,0.25,adam,3\n256,0.5,lion,2\n";
    let error = read(text, &Columns::default()).unwrap_err().to_string();
    assert!(error.contains("lion beside adam"), "{error}");
}

#[test]
fn a_column_that_was_asked_for_must_be_there() {
    let text = "width,lr,loss\n256,0.5,3\n";
    let columns = Columns {
        rule: Some(Naming::Column("kind".to_owned())),
        seed: Some("trial".to_owned()),
        ..Columns::default()
    };
    let error = read(text, &columns).unwrap_err().to_string();
    assert!(
        error.contains("`kind`") && error.contains("`trial`"),
        "{error}"
    );
}
