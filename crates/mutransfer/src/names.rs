//! Names as users type them.

/// A name that is none of the known ones.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown {kind} `{name}`; known: {known}")]
pub struct UnknownName {
    /// What was asked for, such as `rule`.
    pub kind: &'static str,
    /// The name given.
    pub name: String,
    /// The names there are, separated by commas.
    pub known: String,
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
        }
    }
}

/// The variants of an enum as an array; not to be compiled with another number of them.
pub(crate) const fn all<T: Copy, const N: usize>(variants: &[T]) -> [T; N] {
    match variants.first_chunk() {
        Some(all) if variants.len() == N => *all,
        _ => panic!("another number of variants"),
    }
}
