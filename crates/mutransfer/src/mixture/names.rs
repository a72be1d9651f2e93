//! What the name of a parameter says of a part of a layer of experts. Its sizes must bear it out.

/// A parameter that is called as one of an expert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named<'a> {
    /// What stands before: `model.layers.0.mlp.`
    pub(super) prefix: &'a str,
    /// Whether every token passes it.
    pub(super) is_shared: bool,
    /// Which expert it is of, where each has tensors of its own.
    pub(super) number: Option<usize>,
    /// What stands behind: `down_proj.weight`
    pub(super) rest: &'a str,
}

/// `block_sparse_moe.experts.3.w1.weight`, `mlp.experts.gate_up_proj`,
/// `mlp.shared_experts.up_proj.weight` and their like; none for a gate of shared experts.
pub(super) fn named(name: &str) -> Option<Named<'_>> {
    let mut start = 0;
    for part in name.split(['.', '/']) {
        let end = start + part.len();
        let lower = part.to_ascii_lowercase();
        if lower.contains("expert") && !lower.contains("gate") {
            let rest = name.get(end + 1..)?;
            let (first, behind) = rest.split_once(['.', '/']).unwrap_or((rest, ""));
            let number = first.parse().ok();
            return Some(Named {
                prefix: &name[..start],
                is_shared: lower.contains("shared"),
                number,
                rest: if number.is_some() { behind } else { rest },
            });
        }
        start = end + 1;
    }
    None
}

/// The block that a layer is in: its name up to its last number.
pub(super) fn block(prefix: &str) -> &str {
    let mut end = 0;
    let mut at = 0;
    for part in prefix.split_inclusive(['.', '/']) {
        at += part.len();
        if part.trim_end_matches(['.', '/']).parse::<usize>().is_ok() {
            end = at;
        }
    }
    &prefix[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_field() {
        let of = |name| {
            let named = named(name).expect("of an expert");
            (named.prefix, named.is_shared, named.number, named.rest)
        };
        assert_eq!(
            of("model.layers.0.block_sparse_moe.experts.3.w1.weight"),
            (
                "model.layers.0.block_sparse_moe.",
                false,
                Some(3),
                "w1.weight"
            )
        );
        assert_eq!(
            of("model.layers.7.mlp.experts.gate_up_proj"),
            ("model.layers.7.mlp.", false, None, "gate_up_proj")
        );
        assert_eq!(
            of("layers.1.mlp.shared_expert.down_proj.weight"),
            ("layers.1.mlp.", true, None, "down_proj.weight")
        );
        assert_eq!(named("layers.1.mlp.shared_expert_gate.weight"), None);
        assert_eq!(named("layers.1.mlp.gate.weight"), None);
    }

    #[test]
    fn a_block_ends_with_its_number() {
        assert_eq!(block("model.layers.12.mlp."), "model.layers.12.");
        assert_eq!(block("mlp."), "");
    }
}
