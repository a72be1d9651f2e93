//! Names as users type them.

/// A name that is none of the known ones.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", match why {
    Some(why) => format!("no rule holds for {kind} `{name}`: {why}"),
    None => format!("unknown {kind} `{name}`; known: {known}"),
})]
pub struct UnknownName {
    /// What was asked for, such as `rule`.
    pub kind: &'static str,
    /// The name given.
    pub name: String,
    /// The names there are, separated by commas.
    pub known: String,
    /// Why it is left out, where it is on purpose, and what to take instead.
    pub why: Option<&'static str>,
}

impl UnknownName {
    /// A name that is not among `known`.
    pub fn new<T: ToString>(
        kind: &'static str,
        known: impl IntoIterator<Item = T>,
        name: &str,
    ) -> Self {
        let known: Vec<String> = known.into_iter().map(|known| known.to_string()).collect();
        Self {
            kind,
            name: name.to_owned(),
            known: known.join(", "),
            why: None,
        }
    }

    /// With the reason why it is left out, if it is among `refused`.
    pub(crate) fn unless_refused(self, refused: &[(&str, &'static str)]) -> Self {
        let found = refused.iter().find(|(name, _)| *name == self.name);
        let why = found.map(|(_, why)| *why);
        Self { why, ..self }
    }
}

/// The variants of an enum as an array; not to be compiled with another number of them.
pub(crate) const fn all<T: Copy, const N: usize>(variants: &[T]) -> [T; N] {
    match variants.first_chunk() {
        Some(all) if variants.len() == N => *all,
        _ => panic!("another number of variants"),
    }
}
