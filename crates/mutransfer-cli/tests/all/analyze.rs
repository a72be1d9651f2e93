//! `mutransfer analyze`: tables of any program in, a verdict out; bad tables are named by file,
//! line and column.

use crate::common;

use std::fmt::Write;

use common::{mutransfer, write};
use serde_json::Value;

/// Exit code, stdout and stderr of an analysis of one table.
fn analyze(table: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "runs.csv", table);
    let output = mutransfer()
        .arg("analyze")
        .arg(file)
        .args(arguments)
        .output()
        .unwrap();
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(!stderr.contains("panicked"), "{stderr}");
    (output.status.code(), stdout, stderr)
}

#[track_caller]
fn refused(table: &str, arguments: &[&str]) -> String {
    let (code, printed, said) = analyze(table, arguments);
    assert_eq!(code, Some(2), "{said}{printed}");
    assert_eq!(
        (
            said.matches("error: ").count(),
            said.matches("hint: ").count()
        ),
        (1, 1),
        "{said}"
    );
    assert_eq!(printed, "");
    said
}

fn json(table: &str, arguments: &[&str]) -> Value {
    let (code, printed, said) = analyze(table, &[arguments, &["--json"]].concat());
    assert_eq!(code, Some(0), "{said}");
    serde_json::from_str(&printed).unwrap()
}

/// SP drifts by an octave per doubling, μP stays; the loss falls as the root of the width.
fn drifting(more: &str, value: &str) -> String {
    let mut table = format!("loss,seed,lr{more},width,rule\n");
    for rule in ["sp", "mup"] {
        for (doublings, width) in [64, 128, 256, 512].into_iter().enumerate() {
            let best = if rule == "sp" {
                -7.3 - doublings as f64
            } else {
                -8.2
            };
            for octave in -14..=-4 {
                for seed in 0..3 {
                    let noise = 0.001 * f64::from((seed * 7 + octave + width) % 5);
                    let off = (f64::from(octave) - best) * std::f64::consts::LN_2;
                    let loss = 2.0 + 8.0 / f64::from(width).sqrt() + 0.1 * off * off + noise;
                    writeln!(
                        table,
                        "{loss},{seed},{}{value},{width},{rule}",
                        f64::from(octave).exp2()
                    )
                    .unwrap();
                }
            }
        }
    }
    table
}

#[test]
fn sp_drifts_and_mup_does_not() {
    let found = json(&drifting("", ""), &[]);
    let [sp, mup] = ["sp", "mup"].map(|rule| &found["rules"][rule]);
    assert_eq!(
        (&sp["verdict"], &mup["verdict"]),
        (&"fails".into(), &"transfers".into())
    );
    let value = |number: &Value| number["value"].as_f64().unwrap();
    assert!((value(&sp["drift_octaves"]) + 3.0).abs() < 0.1, "{sp}");
    assert!((value(&sp["beta"]) - 1.0).abs() < 0.03 && value(&mup["beta"]).abs() < 0.03);
    assert!((value(&sp["regret"]) - 0.048).abs() < 0.005 && value(&mup["regret"]) < 0.001);
    assert_eq!(found["reference"], "sp");
    assert_eq!(
        (&found["axis"], &found["sweep"]),
        (&"width".into(), &"lr".into())
    );
    assert!(value(&mup["R_inf"]).abs() < 0.05 && sp["R_inf"].is_null());
    let keys = [
        "optima",
        "drift_octaves",
        "drift_rate",
        "alpha",
        "beta",
        "s",
        "gamma",
        "kappa",
        "E",
        "L_inf",
        "R_inf",
        "fast",
        "prediction",
        "regret",
        "verdict",
        "flags",
    ];
    for key in keys {
        assert!(mup.get(key).is_some(), "{key}");
    }
    assert_eq!(
        (
            &sp["optima"][3]["at"],
            sp["optima"].as_array().unwrap().len()
        ),
        (&512.0.into(), 4)
    );
    assert!(sp["optima"][0]["log2"]["interval"][1].is_f64());
}

#[test]
fn people_get_tables_and_sentences() {
    let (code, printed, said) = analyze(&drifting("", ""), &["--target-width", "4096"]);
    assert_eq!((code, said.as_str()), (Some(0), ""), "{printed}");
    for part in [
        "SP",
        "μP",
        "alpha",
        "R_inf",
        "predicted log2 lr at 4096",
        "Under SP the best learning rate fell from width 64 to 512",
    ] {
        assert!(printed.contains(part), "`{part}` is missing in: {printed}");
    }
    assert!(
        printed.contains("though 4096 was not run") && printed.contains("8 times the largest"),
        "{printed}"
    );
}

#[test]
fn a_report_has_the_numbers_and_the_figures() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("deep/report");
    let (code, ..) = analyze(&drifting("", ""), &["--report", out.to_str().unwrap()]);
    assert_eq!(code, Some(0));
    for file in [
        "report.html",
        "analysis.json",
        "losses.svg",
        "losses.png",
        "optima.svg",
        "optima.png",
        "regret.svg",
        "regret.png",
    ] {
        assert!(
            std::fs::metadata(out.join(file)).unwrap().len() > 500,
            "{file}"
        );
    }
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    for part in [
        "SP, the baseline, fails: ",
        "μP transfers: ",
        "<svg",
        "R_inf",
        "Does the learning rate transfer along width?",
    ] {
        assert!(page.contains(part), "`{part}`");
    }
    for absent in [
        "Coordinate check",
        "What tuning costs",
        "published advice",
        "entropy of",
    ] {
        assert!(!page.contains(absent), "`{absent}`");
    }
    let start = page.find("id=\"analysis\">").unwrap() + "id=\"analysis\">".len();
    let embedded: Value =
        serde_json::from_str(page[start..].split("</script>").next().unwrap()).unwrap();
    let written: Value =
        serde_json::from_str(&std::fs::read_to_string(out.join("analysis.json")).unwrap()).unwrap();
    assert_eq!(embedded, written);
    let file = write(folder.path(), "file", "");
    assert!(refused_after_printing(&drifting("", ""), &["--report", &file]).contains("--report"));
}

fn refused_after_printing(table: &str, arguments: &[&str]) -> String {
    let (code, _, said) = analyze(table, arguments);
    assert_eq!(code, Some(2), "{said}");
    said
}

#[test]
fn columns_of_one_value_are_harmless_and_the_same_bits_come_out() {
    let plain = json(&drifting("", ""), &[]);
    assert_eq!(json(&drifting(",depth,optimizer", ",2,adamw"), &[]), plain);
    assert_eq!(json(&drifting("", ""), &[]), plain);
}

#[test]
fn other_settings_are_not_pooled() {
    let two = drifting(",depth", ",2") + drifting("", ",4").split_once('\n').unwrap().1;
    let said = refused(&two, &[]);
    for part in [
        "runs.csv, line 266, column `depth`: 4 beside 2",
        "rule sp",
        "--where depth=2",
        "--axis depth",
        "--ignore depth",
    ] {
        assert!(said.contains(part), "`{part}` is missing in: {said}");
    }
    assert_eq!(
        json(&two, &["--where", "depth=4"]),
        json(&drifting("", ""), &[])
    );
    let none = refused(&two, &["--where", "depth=3"]);
    assert!(
        none.contains("no row has depth = 3; depth is 2, 4"),
        "{none}"
    );
    // Two widths of one depth and two of another are no ladder either.
    let halves = "rule,width,depth,lr,seed,loss\nsp,64,2,1,0,3\nsp,128,2,1,0,3\nsp,256,4,1,0,3\n";
    assert!(refused(halves, &[]).contains("line 4, column `depth`: 4 beside 2"));
    // What grows with the width is said, not refused.
    let ladder = "rule,width,parameters,lr,seed,loss\nsp,64,1e6,1,0,3\nsp,128,4e6,1,0,3\n";
    assert_eq!(json(ladder, &[])["along"][0], "parameters");
}

#[test]
fn a_setting_that_only_one_file_has_is_not_pooled_with_its_absence() {
    let folder = tempfile::tempdir().unwrap();
    let with = write(
        folder.path(),
        "with.csv",
        "rule,width,depth,lr,seed,loss\nsp,64,2,1,0,3\n",
    );
    let without = write(
        folder.path(),
        "without.csv",
        "rule,width,lr,seed,loss\nsp,64,1,1,3\n",
    );
    for (files, message) in [
        (
            [&with, &without],
            "without.csv, line 2, column `depth`: no value beside 2",
        ),
        (
            [&without, &with],
            "with.csv, line 2, column `depth`: 2 beside no value",
        ),
    ] {
        let output = mutransfer().arg("analyze").args(files).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.code() == Some(2) && said.contains(message),
            "{said}"
        );
    }
    let output = mutransfer()
        .args(["analyze", "--ignore", "depth", &with, &without])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn bad_tables_are_named_by_line_and_column() {
    let row = |line: &str| {
        format!("rule,width,lr,seed,loss,status,first_loss\nsp,64,0.1,0,3,ok,5\n{line}\n")
    };
    let cases = [
        (String::new(), "no rows to analyse"),
        ("rule,width,lr,seed,loss\n".to_owned(), "no rows to analyse"),
        (
            "rule,width,seed,loss\nsp,1,1,1\n".to_owned(),
            "line 1: there is no column `lr`; the columns are rule, width",
        ),
        (
            "rule,width,lr,loss\nsp,1,1,1\nsp,1,1,2\n".to_owned(),
            "line 3, column `loss`: 2, but line 2 lists the same run with 1",
        ),
        (
            "rule,width,lr,lr,seed,loss\nsp,1,1,1,1,1\n".to_owned(),
            "two columns `lr`",
        ),
        (
            row("sp,64,0.2,0,3"),
            "line 3: 5 cells, but the header has 7",
        ),
        (
            row("sp,wide,0.2,0,3,ok,5"),
            "line 3, column `width`: `wide` is not a number",
        ),
        (
            row("sp,0,0.2,0,3,ok,5"),
            "line 3, column `width`: the value is 0",
        ),
        (
            row("sp,64,-0.2,0,3,ok,5"),
            "line 3, column `lr`: the value is -0.2",
        ),
        (
            row("sp,64,nan,0,3,ok,5"),
            "line 3, column `lr`: the value is NaN",
        ),
        (
            row("sp,64,inf,0,3,ok,5"),
            "line 3, column `lr`: the value is inf",
        ),
        (
            row("sp,64,0.2,0.5,3,ok,5"),
            "line 3, column `seed`: `0.5` is not a whole number",
        ),
        (
            row("sp,64,0.2,0,3,fine,5"),
            "line 3, column `status`: unknown status `fine`",
        ),
        (row(",64,0.2,0,3,ok,5"), "line 3, column `rule`: empty"),
        (
            row("sp,64,0.1,0,3.5,ok,5"),
            "line 3, column `loss`: 3.5, but line 2 lists the same run with 3",
        ),
        (
            row("sp,64,0.1,0,9,ok,5"),
            "line 3, column `loss`: diverged, but line 2 lists the same run with 3",
        ),
    ];
    for (table, part) in cases {
        let said = refused(&table, &[]);
        assert!(
            said.contains(part) && said.contains("runs.csv"),
            "`{part}` is missing in: {said}"
        );
    }
}

#[test]
fn bad_requests_are_refused() {
    let table = drifting("", "");
    let cases: [(&[&str], &str); 8] = [
        (
            &["--reference", "magic"],
            "--reference magic is not a rule of the table, which has mup, sp",
        ),
        (
            &["--target-width", "64"],
            "--target-width 64 is not above the smallest width of the table, 64",
        ),
        (&["--target-width=-1"], "--target-width is -1"),
        (&["--tolerance", "0"], "--tolerance is 0"),
        (&["--where", "depth"], "not of the form COLUMN=VALUE"),
        (&["--where", "depth=2"], "there is no column `depth`"),
        (
            &["--axis", "lr"],
            "column `lr` cannot be both the axis and the swept hyperparameter",
        ),
        (&["--axis", "tokens"], "there is no column `tokens`"),
    ];
    for (arguments, part) in cases {
        let (code, _, said) = analyze(&table, arguments);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(part), "`{part}` is missing in: {said}");
    }
    let output = mutransfer()
        .args(["analyze", "/no/such/table.csv"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot read /no/such/table.csv"));
}

#[test]
fn what_became_of_the_rows_is_told() {
    let mut table = String::from("rule,width,lr,seed,loss,status,first_loss\n");
    for (octave, loss) in [
        (-9, "3.1"),
        (-8, "3.0"),
        (-7, "3.06"),
        (-6, "6"),
        (-5, "inf"),
        (-4, "NaN"),
    ] {
        writeln!(table, "mup,64,{},0,{loss},ok,5", f64::from(octave).exp2()).unwrap();
    }
    table += "mup,64,1,0,,diverged,\nmup,64,2,,,failed,\nmup,64,0.00390625,0,3.0,ok,5\n";
    let found = json(&table, &[]);
    let rows = &found["rows"];
    let counts =
        ["read", "failed", "diverged", "repeated"].map(|name| rows[name].as_u64().unwrap());
    assert_eq!(counts, [9, 1, 4, 1]);
    let best = &found["rules"]["mup"]["optima"][0];
    assert!(
        (best["log2"]["value"].as_f64().unwrap() + 7.875).abs() < 1e-9,
        "{best}"
    );
    assert_eq!(found["rules"]["mup"]["verdict"], "undetermined");
    let (_, printed, _) = analyze(&table, &[]);
    assert!(
        printed.contains("failed and were left out: 1.") && printed.contains("diverged: 4,"),
        "{printed}"
    );
}

/// A million rows; the time it takes is measured elsewhere.
#[test]
fn a_million_rows_are_analysed() {
    let mut table = String::from("rule,width,lr,seed,loss\n");
    for width in [64, 128, 256, 512, 1024] {
        for octave in -12..=-3 {
            for seed in 0..20_000 {
                let loss = 3.0
                    + 0.01 * f64::from((octave + 7) * (octave + 7))
                    + 0.001 * f64::from(seed % 7);
                writeln!(
                    table,
                    "mup,{width},{},{seed},{loss}",
                    f64::from(octave).exp2()
                )
                .unwrap();
            }
        }
    }
    let found = json(&table, &[]);
    assert_eq!(found["rows"]["read"], 1_000_000);
    assert_eq!(found["rules"]["mup"]["verdict"], "transfers");
}

/// Names of rules, columns and files come from outside.
#[test]
fn a_report_of_any_axis_and_any_name_is_escaped() {
    let folder = tempfile::tempdir().unwrap();
    let mut table = String::from("rule,tokens,weight_decay,seed,loss\n");
    for (tokens, octave) in [1e6, 2e6, 4e6]
        .into_iter()
        .flat_map(|tokens| (-9..=-5).map(move |octave| (tokens, octave)))
    {
        let loss = 2.0 + 0.1 * f64::from((octave + 7) * (octave + 7));
        writeln!(
            table,
            "<b>x</b>,{tokens},{},0,{loss}",
            f64::from(octave).exp2()
        )
        .unwrap();
    }
    let out = folder.path().join("out");
    let arguments = [
        "--axis",
        "tokens",
        "--sweep",
        "weight_decay",
        "--report",
        out.to_str().unwrap(),
    ];
    let (code, _, said) = analyze(&table, &arguments);
    assert_eq!(code, Some(0), "{said}");
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(
        page.contains("Does the weight_decay transfer along tokens?")
            && page.contains("&lt;b&gt;x&lt;"),
        "{page}"
    );
    assert!(!page.contains("<b>") && page.matches("</script>").count() == 1);
}
