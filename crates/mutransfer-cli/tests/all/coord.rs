//! `mutransfer coord`: a verdict with an exit code, on the built-in models and on tables of other
//! programs.

use crate::common;

use std::fs;
use std::path::Path;

use common::{mutransfer, write};
use serde_json::Value;

/// Exit code, stdout and stderr of a check that writes to `out`.
fn coord(out: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = mutransfer()
        .arg("coord")
        .args(arguments)
        .arg("--out")
        .arg(out)
        .output()
        .unwrap();
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(!stderr.contains("panicked"), "{stderr}");
    (output.status.code(), stdout, stderr)
}

const SMALL: [&str; 12] = [
    "--widths",
    "32,64,128,256",
    "--steps",
    "3",
    "--seeds",
    "5",
    "--batch",
    "8",
    "--context",
    "32",
    "--model",
    "mlp",
];

#[test]
fn sp_fails_with_a_diagnosis_and_mup_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let (code, printed, said) = coord(folder.path(), &[&SMALL[..], &["--rule", "sp"]].concat());
    assert_eq!(code, Some(1), "{printed}");
    assert!(said.contains("error: the coordinate check fails"), "{said}");
    assert!(
        printed.contains("own update of readout at t = 1")
            && printed.contains("lacks a multiplier of 1/fan-in"),
        "{printed}"
    );
    let (code, printed, _) = coord(folder.path(), &[&SMALL[..], &["--rule", "mup"]].concat());
    assert_ne!(code, Some(1), "{printed}");
}

#[test]
fn everything_is_written_and_json_has_the_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let (code, printed, _) = coord(
        folder.path(),
        &[&SMALL[..], &["--rule", "sp", "--json"]].concat(),
    );
    assert_eq!(code, Some(1));
    let checks: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(
        (&checks[0]["rule"], &checks[0]["verdict"]),
        (&"sp".into(), &"fail".into())
    );
    let cells = checks[0]["cells"].as_array().unwrap();
    let hidden = cells.iter().find(|cell| {
        cell["module"] == "hidden.0" && cell["quantity"] == "own-update" && cell["step"] == 2
    });
    let fit = &hidden.unwrap()["fit"];
    assert!(
        fit["slope"].as_f64().unwrap() > 0.5 && fit["interval"][0].as_f64().is_some(),
        "{fit}"
    );
    let table = fs::read_to_string(folder.path().join("coordinates.csv")).unwrap();
    assert!(table.starts_with("rule,width,seed,step,module,layer,quantity,l1,l2,std\n"));
    for figure in ["coordinates.png", "changes.png", "own-updates.png"] {
        assert!(
            fs::metadata(folder.path().join(figure)).unwrap().len() > 1000,
            "{figure}"
        );
    }
    let verdict: Value =
        serde_json::from_str(&fs::read_to_string(folder.path().join("verdict.json")).unwrap())
            .unwrap();
    assert_eq!(verdict, checks);
}

/// The same measurements give the same verdict whether they come from training or from a file.
#[test]
fn a_table_is_judged_as_the_training_that_made_it() {
    let (trained, judged) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (code, printed, _) = coord(trained.path(), &[&SMALL[..], &["--json"]].concat());
    let table = trained.path().join("coordinates.csv");
    let (again, reprinted, _) = coord(
        judged.path(),
        &["--from", table.to_str().unwrap(), "--json"],
    );
    assert_eq!((again, reprinted), (code, printed));
}

#[test]
fn bad_tables_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |text: &str| {
        let file = write(folder.path(), "coords.csv", text);
        let (code, _, said) = coord(folder.path(), &["--from", &file]);
        assert_eq!(code, Some(2), "{said}");
        said
    };
    let cases = [
        ("width,step,l1\n64,0,1\n", "missing field `module`"),
        ("width,step,module,l1\n64,0,m,big\n", "line: 2"),
        (
            "width,step,module,l1\n64,0,lm_head,1\n",
            "measured at a single width",
        ),
        (
            "width,step,module,l1\n64,0,m,0\n128,0,m,0\n64,0,lm_head,1\n128,0,lm_head,1\n",
            "is zero at some width",
        ),
        (
            "width,step,module,l1,rule\n64,0,lm_head,1,mine\n128,0,lm_head,1,mine\n",
            "rule `mine`",
        ),
        ("width,step,module,l1\n", "no rows"),
    ];
    for (text, part) in cases {
        let said = refused(text);
        assert!(
            said.contains(part) && said.contains("hint: "),
            "`{part}` is missing in: {said}"
        );
    }
}

/// Its first logits are of any size, and only what its own updates do is judged.
#[test]
fn a_readout_that_is_an_embedding_is_said_or_planned() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| write(folder.path(), name, text);
    let mut table = "width,seed,step,module,quantity,l1\n".to_owned();
    for width in [64, 128, 256, 512] {
        for seed in 0..4 {
            let noise = 1.0 + f64::from(seed) / 1e3;
            let logits = noise * f64::from(width).sqrt();
            table += &format!("{width},{seed},1,head,activation,{logits}\n");
            table += &format!("{width},{seed},1,head,own-update,{noise}\n");
        }
    }
    let table = file("table.csv", &table);
    let from = ["--from", &table, "--embedding", "none"];
    let verdict = |more: &[&str]| coord(&folder.path().join("out"), &[&from[..], more].concat()).0;
    assert_eq!(verdict(&["--readout", "head"]), Some(1));
    assert_eq!(verdict(&["--readout", "head", "--tied"]), Some(0));

    let shapes =
        |width| format!("{{\"token.weight\": [50, {width}], \"mix.weight\": [{width}, {width}]}}");
    let base = file("base.json", &shapes(64));
    let target = file("target.json", &shapes(256));
    let planned = mutransfer()
        .args(["plan", "--base", &base, "--target", &target, "--json"])
        .args(["--layout", "out-in", "--declare", "token.weight=input"])
        .args(["--tie", "head.weight=token.weight"])
        .output()
        .unwrap();
    let plan = file("plan.json", &String::from_utf8(planned.stdout).unwrap());
    assert_eq!(verdict(&["--plan", &plan]), Some(0));
}
