//! `mutransfer monitor`: a verdict with an exit code, on tables of other programs and on the folder
//! of a study.

use crate::common;

use std::fs;
use std::path::Path;

use common::{mutransfer, study, write};
use serde_json::Value;

/// Exit code, stdout and stderr of a judgement of `source` that writes to `out`.
fn monitor(out: &Path, source: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = mutransfer()
        .args(["monitor", source])
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

/// Curves of two widths over 100 steps, with a small wobble over steps and seeds.
fn table(seeds: usize, loss: impl Fn(usize, usize) -> f64) -> String {
    let mut text = "rule,width,seed,step,loss,tokens_per_second\n".to_owned();
    for (width, seed, step) in [64, 128].into_iter().flat_map(|width| {
        (0..seeds).flat_map(move |seed| (0..100).map(move |step| (width, seed, step)))
    }) {
        let wobble = 0.01 * ((width * (seed + 1) + step) as f64).sin();
        text += &format!(
            "mup,{width},{seed},{step},{},9\n",
            loss(width, step) + wobble
        );
    }
    text
}

fn better(width: usize, step: usize) -> f64 {
    4.0 - 0.01 * step as f64 - 0.1 * (width as f64 / 64.0).log2()
}

fn crossing(width: usize, step: usize) -> f64 {
    if width == 128 && step >= 60 {
        3.9
    } else {
        better(width, step)
    }
}

#[test]
fn verdicts_have_exit_codes_and_sentences() {
    let folder = tempfile::tempdir().unwrap();
    let diverges = |width, step| {
        if width == 128 && step > 40 {
            f64::NAN
        } else {
            better(width, step)
        }
    };
    let cases: [(&str, String, i32, &str); 4] = [
        ("pass", table(3, better), 0, "μP: pass"),
        (
            "fail",
            table(3, crossing),
            1,
            "width 128 is worse than 64 at steps 60 to 69",
        ),
        ("single", table(1, better), 3, "share one seed only"),
        (
            "nan",
            table(3, diverges),
            1,
            "width 128, seed 0 diverged: its loss at step 41 is not finite",
        ),
    ];
    for (name, text, expected, part) in cases {
        let file = write(folder.path(), &format!("{name}.csv"), &text);
        let (code, printed, said) = monitor(&folder.path().join(name), &file, &[]);
        assert_eq!(code, Some(expected), "{name}: {printed}{said}");
        assert!(
            printed.contains(part),
            "{name}: `{part}` is missing in {printed}"
        );
        assert_eq!(said.contains("hint: "), expected != 0, "{said}");
        for written in ["curves.csv", "curves.svg", "curves.png", "verdict.json"] {
            assert!(
                fs::metadata(folder.path().join(name).join(written))
                    .unwrap()
                    .len()
                    > 100,
                "{written}"
            );
        }
    }
}

#[test]
fn json_has_the_judgement() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "table.csv", &table(3, crossing));
    let (code, printed, _) = monitor(folder.path(), &file, &["--json"]);
    assert_eq!(code, Some(1));
    let judged: Value = serde_json::from_str(&printed).unwrap();
    let pair = &judged[0]["pairs"][0];
    assert_eq!(
        (&judged[0]["verdict"], &pair["narrow"], &pair["wide"]),
        (&"fail".into(), &64.into(), &128.into())
    );
    assert_eq!(pair["crossings"], serde_json::json!([60]));
    assert!(pair["windows"][9]["p"].as_f64().unwrap() < 0.05 && pair["windows"][0]["p"].is_null());
    assert_eq!(
        serde_json::from_slice::<Value>(&fs::read(folder.path().join("verdict.json")).unwrap())
            .unwrap(),
        judged
    );
}

#[test]
fn bad_input_is_refused_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        ("", "no losses to compare"),
        ("width,step,loss\n", "no losses to compare"),
        ("width,step\n64,0\n", "there is no column `loss`"),
        ("step,loss\n0,1\n", "there is no column `width`"),
        ("width,step,loss\n64,0,high\n", "line: 2"),
        ("width,step,loss\n64,0\n", "line: 2"),
        (
            "width,step,loss\n64,0,1\n64,1,1\n",
            "all curves have width 64",
        ),
        (
            "width,step,loss\n64,0,1\n128,1,1\n",
            "have no step in common",
        ),
        (
            "width,step,loss,seed\n64,0,1,0\n128,0,1,1\n",
            "have no seed in common",
        ),
        (
            "width,step,loss\n64,0,1\n64,0,2\n128,0,1\n",
            "step 0 is listed twice, with losses 1 and 2",
        ),
    ];
    for (text, part) in cases {
        let file = write(folder.path(), "curves.csv", text);
        let (code, _, said) = monitor(folder.path(), &file, &[]);
        assert_eq!(code, Some(2), "{said}");
        assert!(
            said.contains(part) && said.contains("curves.csv") && said.contains("hint: "),
            "`{part}`: {said}"
        );
    }
    let file = write(folder.path(), "curves.csv", &table(2, better));
    let refused = |source: &str, arguments: &[&str], part: &str| {
        let (code, _, said) = monitor(folder.path(), source, arguments);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(part), "`{part}` is missing in: {said}");
    };
    refused(&file, &["--lr", "2^-7"], "this is a table");
    refused(&file, &["--lr", "fast"], "not a learning rate: fast");
    refused(&file, &["--tolerance", "-1"], "--tolerance is -1");
    refused(
        "/no/such/curves.csv",
        &[],
        "cannot read /no/such/curves.csv",
    );
    let empty = tempfile::tempdir().unwrap();
    refused(empty.path().to_str().unwrap(), &[], "holds no study");
}

#[test]
fn a_study_is_judged_at_the_rate_it_carried_over() {
    let folder = tempfile::tempdir().unwrap();
    let text = study("seeds = 2\nrules = [\"mup\"]\nsteps = 40");
    let file = write(folder.path(), "study.toml", &text);
    let out = folder.path().join("out");
    let ran = mutransfer()
        .args(["transfer", &file, "--out"])
        .arg(&out)
        .output()
        .unwrap();
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    let source = out.to_str().unwrap();
    let (code, printed, said) = monitor(&folder.path().join("usual"), source, &[]);
    assert!(matches!(code, Some(0 | 1 | 3)), "{said}");
    assert!(
        said.contains("μP: learning rate 2^") && printed.contains("16 to 32"),
        "{said}{printed}"
    );
    let (_, printed, said) = monitor(&folder.path().join("chosen"), source, &["--lr", "2^-6"]);
    assert!(
        said.contains("learning rate 2^-6.00") && printed.contains("8 to 16"),
        "{said}{printed}"
    );
    let curves = fs::read_to_string(folder.path().join("chosen").join("curves.csv")).unwrap();
    assert_eq!(
        curves.lines().count(),
        1 + 3 * 2 * 40,
        "three widths, two seeds"
    );
    let (code, _, said) = monitor(folder.path(), source, &["--lr", "2^-20"]);
    assert_eq!(code, Some(2));
    assert!(
        said.contains("hint: tried at most sizes: 2^-9, 2^-7.5"),
        "{said}"
    );
}
