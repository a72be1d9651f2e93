//! Data: keyed by seed and step, split as stated, and with the entropy that is claimed.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use mutransfer_models::data::{Corpus, Dataset, Images, Language, Text};

fn text_of(bytes: usize) -> (tempfile::TempDir, Text) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text");
    fs::write(
        &path,
        (0..bytes)
            .map(|index| (index % 251) as u8)
            .collect::<Vec<_>>(),
    )
    .unwrap();
    let text = Text::read(&path).unwrap();
    (folder, text)
}

#[test]
fn a_batch_depends_on_seed_and_step_only() {
    for corpus in [
        Corpus::Synthetic(Language::new(0)),
        Corpus::Text(text_of(5000).1),
    ] {
        let batch = |seed, step| corpus.batch(seed, step, 4, 33);
        assert_eq!(batch(1, 2), batch(1, 2));
        assert_ne!(batch(1, 2), batch(1, 3));
        assert_ne!(batch(1, 2), batch(2, 2));
        assert!(batch(1, 2).iter().all(|sequence| sequence.len() == 33));
        assert_eq!(corpus.validation(33), corpus.validation(33));
    }
}

#[test]
fn the_last_tenth_of_a_text_is_held_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text");
    fs::write(&path, [vec![b'a'; 900], vec![b'b'; 100]].concat()).unwrap();
    let corpus = Corpus::Text(Text::read(&path).unwrap());
    let seen: Vec<u8> = (0..200)
        .flat_map(|step| corpus.batch(0, step, 4, 20).concat())
        .collect();
    assert!(seen.iter().all(|byte| *byte == b'a'));
    let held_out = corpus.validation(20);
    assert_eq!(held_out.len(), 5);
    assert!(held_out.concat().iter().all(|byte| *byte == b'b'));
}

#[test]
fn a_folder_is_read_in_order_of_paths() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("b")).unwrap();
    for (name, text) in [("c.txt", "three"), ("a.txt", "one"), ("b/x.txt", "two")] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let whole = folder.path().join("whole");
    let text = Text::read(folder.path()).unwrap();
    fs::write(&whole, "onetwothree").unwrap();
    assert_eq!(
        text.fingerprint(),
        Text::read(&whole).unwrap().fingerprint()
    );
}

#[test]
fn data_that_cannot_be_used_is_an_error_that_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    assert!(
        Text::read(&missing)
            .unwrap_err()
            .to_string()
            .starts_with("cannot read data at ")
    );
    assert!(
        Text::read(folder.path())
            .unwrap_err()
            .to_string()
            .ends_with(" is empty")
    );
    let (_folder, text) = text_of(1000);
    assert!(text.check(8, 65).is_ok());
    let error = text.check(16, 65).unwrap_err().to_string();
    assert!(
        error.ends_with(
            "has 1000 bytes, of which training gets 900; it needs 1040 (a batch of 16 sequences of 65 bytes)"
        ),
        "{error}"
    );
    let error = text.check(1, 101).unwrap_err().to_string();
    assert!(
        error.ends_with("of which validation gets 100; it needs 101 (one sequence of 101 bytes)"),
        "{error}"
    );
}

/// Counts how often each rank is drawn by decoding a long text with the language's own definition:
/// an observer who knows the rankings pays the entropy of Zipf's law per word, and one who knows
/// only frequencies pays more.
#[test]
fn the_entropy_rate_is_the_best_possible_loss() {
    let language = Language::new(0);
    let corpus = Corpus::Synthetic(language.clone());
    let text: Vec<u8> = corpus.batch(7, 0, 1, 400_000).concat();
    let counted = |context: &dyn Fn(&[u8], usize) -> usize, contexts: usize| {
        let mut counts = vec![[0.0f64; Language::VOCABULARY]; contexts];
        for at in 1..text.len() {
            counts[context(&text, at)][usize::from(text[at])] += 1.0;
        }
        let total: f64 = counts.iter().flatten().sum();
        counts
            .iter()
            .map(|row| {
                let sum: f64 = row.iter().sum();
                row.iter()
                    .filter(|count| **count > 0.0)
                    .map(|count| -count / total * (count / sum).ln())
                    .sum::<f64>()
            })
            .sum::<f64>()
    };
    let unigram = counted(&|_, _| 0, 1);
    let bigram = counted(&|text, at| usize::from(text[at - 1]), Language::VOCABULARY);
    // The whole context: the last word, and the last ordinary word (not one of the four most
    // frequent).
    let ordinary = |text: &[u8], at: usize| {
        text[..at]
            .iter()
            .rev()
            .find(|word| **word >= 4)
            .copied()
            .unwrap_or(4)
    };
    let whole = counted(
        &|text, at| {
            usize::from(text[at - 1]) * Language::VOCABULARY + usize::from(ordinary(text, at))
        },
        Language::VOCABULARY * Language::VOCABULARY,
    );
    let floor = language.entropy_rate();
    assert!(
        unigram > bigram + 0.05 && bigram > whole + 0.05,
        "{unigram} {bigram} {whole}"
    );
    // Counting 400,000 words in the contexts that matter underestimates their entropy by little.
    assert!((whole - floor).abs() < 0.05, "{whole} is not about {floor}");
}

/// A change of a generator is a change of the data, and of the ids of all trials on it.
#[test]
fn fingerprints_tell_generators_apart() {
    let language = |seed| Dataset::Text(Corpus::Synthetic(Language::new(seed))).fingerprint();
    let images = |seed| Dataset::Images(Images::synthetic(seed)).fingerprint();
    assert_eq!(language(0), language(0));
    assert_ne!(language(0), language(1));
    assert_ne!(images(0), images(1));
    assert_eq!(&language(0)[..16], "ec285ee692280355");
    assert_eq!(&images(0)[..16], "73932e51fef1a76f");
}
