//! What rules are called, and which of them the others are compared with.

/// The standard parametrization, which people compare with.
pub const BASELINE: &str = "sp";

/// Sorts the baseline before all other rules.
pub(crate) fn after_baseline(rule: &str) -> bool {
    rule != BASELINE
}

/// What a rule is called in prose and figures: `sp` is SP, `mup` is μP, any other name stays as it
/// is.
pub fn display_name(rule: &str) -> &str {
    match rule {
        BASELINE => "SP",
        "mup" => "μP",
        other => other,
    }
}
