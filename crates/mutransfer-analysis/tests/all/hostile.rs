//! Tables that nobody meant: an answer or an error, never a panic.

use mutransfer_analysis::{Analysis, Columns, Request, Sweeps, analyze, findings, read_tables};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

fn pick<'a>(random: &mut ChaCha8Rng, from: &[&'a str]) -> &'a str {
    from[random.next_u32() as usize % from.len()]
}

/// Reads and analyses a table, says what is found, and may draw it, which takes long.
fn judge(text: &str, target: Option<f64>, drawn: bool) -> bool {
    let request = Request {
        target,
        replicates: 50,
        ..Request::default()
    };
    let sweeps = read_tables(
        &[("runs.csv".to_owned(), text.to_owned())],
        &Columns::default(),
    );
    let analysis =
        sweeps.and_then(|sweeps| Ok((analyze(&sweeps, "width", "lr", &request)?, sweeps)));
    match analysis {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok((analysis, sweeps)) => {
            assert!(serde_json::to_string(&analysis).is_ok());
            assert!(
                findings(&analysis)
                    .iter()
                    .all(|sentence| sentence.ends_with('.'))
            );
            if drawn {
                draw(&sweeps, &analysis);
            }
            return true;
        }
    }
    false
}

#[cfg(feature = "report")]
fn draw(sweeps: &Sweeps, analysis: &Analysis) {
    let _ = mutransfer_analysis::figures::Pictures::draw(sweeps, analysis);
}

#[cfg(not(feature = "report"))]
fn draw(_: &Sweeps, _: &Analysis) {}

#[test]
fn cells_at_random_never_panic() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let mut judged = 0;
    for table in 0..1000 {
        // Strange cells are rare, or else no table would get past its first row.
        let wild = table % 2 == 0;
        let mut text = "rule,width,lr,seed,loss,status\n".to_owned();
        for _ in 0..random.next_u32() % 60 {
            let strange = wild && random.next_u32() % 40 == 0;
            let cells = if strange {
                [
                    &["", "a\"b", "sp"][..],
                    &["0", "-1", "1e400", "x"],
                    &["nan", "0", "inf"],
                    &["-1", "1.5"],
                    &["", "?"],
                    &["OK", "lost"],
                ]
            } else {
                [
                    &["sp", "mup"][..],
                    &["1", "64", "128", "256", "512", "1e300", "0.5"],
                    &["1e-3", "2e-3", "4e-3", "8e-3", "1e-300", "1e300"],
                    &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
                    &["3.0", "3.0", "3.0", "nan", "inf", "1e308", "-1e308", "-2"],
                    &["ok", "ok", "ok", "diverged", "failed"],
                ]
            };
            // The seed makes rows distinct, so that duplicates are rare too.
            let mut row = cells.map(|cells| pick(&mut random, cells).to_owned());
            if !strange {
                row[3] = random.next_u32().to_string();
            }
            text += &(row.join(",") + "\n");
        }
        judged += usize::from(judge(
            &text,
            (table % 3 == 0).then_some(4096.0),
            table % 25 == 0,
        ));
    }
    assert!(judged > 300, "{judged}");
}

#[test]
fn text_that_is_no_table_never_panics() {
    let texts = [
        "\n",
        ",",
        "\u{feff}rule,width,lr,seed,loss\nsp,1,1,1,1\n",
        "\"",
        "rule;width\n1;2",
        "\0\0",
        "rule,width,lr,seed,loss\r\n\r\n",
    ];
    for text in texts {
        judge(text, None, true);
    }
    assert!(
        judge(texts[2], None, true),
        "a byte order mark is no part of the first name"
    );
}
