//! Which run a column of losses is of, where every run has a column.

use crate::wider::along::Along;

/// A run by the name of its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) at: usize,
    /// None where the name has none.
    pub(crate) seed: Option<u64>,
}

/// Extremes within a stretch of steps, which W&B exports beside every column.
const EXTREMES: [&str; 2] = ["__min", "__max"];

impl Run {
    /// `64` as pandas' `pivot` writes it, `width=64`, or a name that has it, such as
    /// `width=64 seed=1 - loss`; none of other columns.
    pub(crate) fn of_column(name: &str, along: Along) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        if EXTREMES.iter().any(|end| name.ends_with(end)) {
            return None;
        }
        let at = whole(&name).or_else(|| after(&name, &along.to_string()))?;
        Some(Self {
            at: usize::try_from(at).ok().filter(|at| *at > 0)?,
            seed: after(&name, "seed"),
        })
    }
}

/// A whole number, with `.0` after it or without, as pandas writes numbers of columns with gaps.
fn whole(name: &str) -> Option<u64> {
    name.strip_suffix(".0").unwrap_or(name).parse().ok()
}

/// The whole number after a word, with a sign between them or without.
fn after(name: &str, word: &str) -> Option<u64> {
    name.match_indices(word).find_map(|(at, _)| {
        if name[..at].ends_with(|before: char| before.is_alphanumeric()) {
            return None;
        }
        let rest = &name[at + word.len()..];
        let rest = rest.strip_prefix(['=', '_', '-', ' ', ':']).unwrap_or(rest);
        let end = rest.find(|c: char| !c.is_ascii_digit());
        rest[..end.unwrap_or(rest.len())].parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_width_and_seed() {
        let run = |name| Run::of_column(name, Along::Width).map(|run| (run.at, run.seed));
        assert_eq!(run("64"), Some((64, None)));
        assert_eq!(run("128.0"), Some((128, None)));
        assert_eq!(run("Width=256"), Some((256, None)));
        assert_eq!(run("mup width_64, seed-3 - loss"), Some((64, Some(3))));
        for other in [
            "",
            "0",
            "64.5",
            "-64",
            "bandwidth=64",
            "width",
            "width=64__MAX",
            "lr=2",
        ] {
            assert_eq!(run(other), None, "{other}");
        }
        let deep = Run::of_column("depth=8 width=64", Along::Depth).map(|run| run.at);
        assert_eq!(deep, Some(8));
    }
}
