//! The lists of keys in the help are those that are read: of a study, and of `--option`.

use crate::common;

use std::collections::BTreeSet;

use common::{mutransfer, write};

/// Standard output and standard error.
fn said(arguments: &[&str]) -> (String, String) {
    let output = mutransfer().args(arguments).output().unwrap();
    let [results, messages] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (results, messages)
}

/// The keys that are known where an unknown one is refused: "expected one of `a`, `b`".
fn known(refusal: &str) -> BTreeSet<&str> {
    let (_, list) = refusal.split_once("expected one of ").unwrap();
    let list = list.lines().next().unwrap();
    list.split('`').skip(1).step_by(2).collect()
}

/// The first words of the lines of a list in the help, which are less indented than what explains
/// them.
fn listed<'a>(help: &'a str, heading: &str) -> BTreeSet<&'a str> {
    let (_, list) = help.split_once(heading).unwrap();
    let list = list.split("\n\n").next().unwrap();
    let lines = list.lines().skip(1);
    let keys = lines.filter_map(|line| line.strip_prefix("  "));
    let keys = keys.filter(|line| !line.starts_with(' '));
    keys.map(|line| line.split(' ').next().unwrap()).collect()
}

#[test]
fn every_key_of_a_study_is_in_the_help_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let study = write(folder.path(), "study.toml", "no_such_key = 1");
    let (_, refusal) = said(&["transfer", &study]);
    let (help, _) = said(&["transfer", "--help"]);
    let mut keys = listed(&help, "Keys of a study, all optional");
    keys.extend(listed(&help, "Keys of a study that a program trains"));
    assert_eq!(keys, known(&refusal));
}

#[test]
fn every_option_of_a_rule_is_in_the_help_and_no_other() {
    let (_, refusal) = said(&["rules", "mup", "--option", "no-such-key=1"]);
    let (help, _) = said(&["rules", "--help"]);
    let heading = "Choices where the literature disagrees";
    assert_eq!(listed(&help, heading), known(&refusal));
}

#[test]
fn every_value_of_an_option_is_in_the_help() {
    let (help, _) = said(&["rules", "--help"]);
    for key in listed(&help, "Choices where the literature disagrees") {
        let (_, refusal) = said(&["rules", "mup", "--option", &format!("{key}=no-such-value")]);
        // Exponents are described, not listed.
        if !refusal.contains("expected one of ") {
            continue;
        }
        for value in known(&refusal) {
            assert!(help.contains(value), "{value} of {key} is not in the help");
        }
    }
}
