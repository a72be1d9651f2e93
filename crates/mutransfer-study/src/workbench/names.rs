//! Names that have a meaning in the folder of a study.

/// Names of all files that a study writes into its folder, some of them only where there is
/// something to show.
pub const FILES: [&str; 20] = [
    "study.db",
    "results.csv",
    "summary.json",
    "analysis.json",
    "plan.json",
    "tuned.json",
    "search.svg",
    "search.png",
    "surface.svg",
    "surface.png",
    "coordinates.csv",
    "report.html",
    "losses.svg",
    "losses.png",
    "optima.svg",
    "optima.png",
    "regret.svg",
    "regret.png",
    "coordinates.svg",
    "coordinates.png",
];

/// What else is written there: the folders of trials and curves, and what became of a recipe.
const OTHERS: [&str; 3] = ["trials", "monitor", "recipe.json"];
/// How files begin that belong to the database of trials.
const DATABASE: &str = "study.";

/// Whether the program writes something of this name into the folder of a study by itself.
pub fn is_own(name: &str) -> bool {
    // Names may differ by their case only, where a file system does not tell them apart.
    let name = name.to_lowercase();
    FILES.contains(&name.as_str())
        || OTHERS.contains(&name.as_str())
        || name.starts_with('.')
        || name.starts_with(DATABASE)
}
