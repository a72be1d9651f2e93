//! What dependencies may be: their licences, names and sources, by `deny.toml`.
//!
//! The file is that of cargo-deny, which takes minutes to compile and for its advisories a database
//! from the network. Licences, bans and sources are checked here from what `cargo tree` says is
//! built on this machine; advisories are left to cargo-deny where somebody has it.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::cargo;

const FILE: &str = "deny.toml";

/// A dependency as `cargo tree` shows it.
struct Dependency<'a> {
    name: &'a str,
    /// In parentheses behind the version, where it does not come from crates.io.
    source: Option<&'a str>,
    licence: &'a str,
}

pub(crate) fn check() -> Result<()> {
    let rules = fs::read_to_string(FILE).context(FILE)?;
    let allowed = list(&rules, "allow")?;
    let banned = list(&rules, "deny")?;
    let tree = [
        "tree",
        "--workspace",
        "--locked",
        "--prefix=none",
        "--edges=normal,build,dev",
        "--no-dedupe",
        "--format={p}|{l}",
    ];
    let tree = cargo::output(&mut cargo::command(&tree))?;
    let mut lines: Vec<&str> = tree.lines().filter(|line| !line.is_empty()).collect();
    lines.sort_unstable();
    lines.dedup();
    let mut faults = Vec::new();
    for line in &lines {
        let dependency = dependency(line).with_context(|| format!("`{line}` of cargo tree"))?;
        faults.extend(fault(&dependency, &allowed, &banned));
    }
    if !faults.is_empty() {
        bail!("{}; see {FILE}", faults.join("; "));
    }
    eprintln!(
        "    {} crates; skipped: advisories, whose database is not here (`cargo deny check` has it)",
        lines.len()
    );
    Ok(())
}

fn fault(dependency: &Dependency, allowed: &[&str], banned: &[&str]) -> Option<String> {
    let Dependency {
        name,
        source,
        licence,
    } = dependency;
    if banned.contains(name) {
        return Some(format!("{name} is banned"));
    }
    if let Some(source) = source {
        return Some(format!("{name} is from {source}, not from crates.io"));
    }
    let is_allowed = permits(licence, allowed);
    (!is_allowed).then(|| format!("the licence of {name} is `{licence}`"))
}

/// `name v1.2.3 (source)|licence`, where the source is that of a macro, a folder here, or elsewhere.
fn dependency(line: &str) -> Option<Dependency<'_>> {
    let (package, licence) = line.split_once('|')?;
    let (name, version) = package.split_once(' ')?;
    let source = version.split_once(" (").map(|(_, source)| source);
    let source = source.map(|source| source.trim_end_matches(')'));
    let is_ours = |source: &&str| source.starts_with('/') || *source == "proc-macro";
    Some(Dependency {
        name,
        source: source.filter(|source| !is_ours(source)),
        licence,
    })
}

/// The texts of a list of the file, one on each line.
fn list<'a>(file: &'a str, key: &str) -> Result<Vec<&'a str>> {
    let start = format!("{key} = [");
    let mut lines = file.lines().skip_while(|line| *line != start);
    lines.next().with_context(|| format!("no list `{key}`"))?;
    let inside = lines.take_while(|line| *line != "]");
    Ok(inside.filter_map(|line| line.split('"').nth(1)).collect())
}

/// Whether an SPDX expression can be satisfied with the licences that are allowed. `/` is an old
/// `OR`.
fn permits(expression: &str, allowed: &[&str]) -> bool {
    let expression = expression.replace('/', " OR ");
    let expression = expression.replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = expression.split_whitespace().collect();
    let mut words = words.into_iter().peekable();
    any(&mut words, allowed)
}

type Words<'a> = std::iter::Peekable<std::vec::IntoIter<&'a str>>;

fn any(words: &mut Words, allowed: &[&str]) -> bool {
    let mut permitted = all(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        permitted |= all(words, allowed);
    }
    permitted
}

fn all(words: &mut Words, allowed: &[&str]) -> bool {
    let mut permitted = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        permitted &= one(words, allowed);
    }
    permitted
}

fn one(words: &mut Words, allowed: &[&str]) -> bool {
    match words.next() {
        Some("(") => {
            let permitted = any(words, allowed);
            words.next_if_eq(&")").is_some() && permitted
        }
        // An exception permits more.
        Some(licence) => {
            if words.next_if_eq(&"WITH").is_some() {
                words.next();
            }
            allowed.contains(&licence)
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{dependency, fault, list, permits};

    #[test]
    fn expressions_of_licences() {
        let allowed = ["MIT", "Apache-2.0", "Unicode-3.0"];
        for good in [
            "MIT",
            "GPL-3.0 OR MIT",
            "MIT/GPL-3.0",
            "(MIT OR GPL-3.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception",
        ] {
            assert!(permits(good, &allowed), "{good}");
        }
        for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT"] {
            assert!(!permits(bad, &allowed), "{bad}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_dependency() {
        let fault = |line: &str| fault(&dependency(line)?, &["MIT"], &["tokio"]);
        assert_eq!(fault("a v1.0.0|MIT"), None);
        assert_eq!(fault("a v1.0.0 (proc-macro)|MIT"), None);
        assert_eq!(fault("ours v1.0.0 (/here/ours)|MIT"), None);
        assert_eq!(
            fault("tokio v1.0.0|MIT").as_deref(),
            Some("tokio is banned")
        );
        assert_eq!(
            fault("a v1.0.0 (https://git)|MIT").as_deref(),
            Some("a is from https://git, not from crates.io")
        );
        assert_eq!(
            fault("a v1.0.0|").as_deref(),
            Some("the licence of a is ``")
        );
    }

    #[test]
    fn a_list_of_the_file() {
        let file = "[licenses]\nallow = [\n    \"MIT\", # a note\n]\n";
        assert_eq!(list(file, "allow").ok(), Some(vec!["MIT"]));
        assert!(list(file, "deny").is_err());
    }
}
