//! What a search has found, in words.

use super::report::{Flag, Report};
use super::space::Space;

/// What flags say, and what to do about them.
const FLAGS: [(Flag, &str); 5] = [
    (
        Flag::Edge,
        "The best value is at the end of its range: there may be better ones beyond it.",
    ),
    (
        Flag::Censored,
        "More than half of the runs diverged or were far from the best: start elsewhere, or give \
         ranges.",
    ),
    (
        Flag::Noise,
        "Runs scatter by more than what is to be told apart: take several seeds for each run.",
    ),
    (
        Flag::Budget,
        "More is to be gained than the tolerance: a larger `budget` goes on from here.",
    ),
    (
        Flag::Coarse,
        "More is to be gained between the points of the grid than the tolerance: lower a `step`, \
         or give \"auto\".",
    ),
];

/// Octaves an octave below which two do not hang together.
const ALONE: f64 = 0.05;

impl Report {
    /// A row for each hyperparameter: its name, its value, its interval, and how much it matters.
    pub fn rows(&self, space: &Space) -> Vec<[String; 4]> {
        let point = self.point();
        let row = |(axis, finding): (usize, &super::report::Finding)| {
            let at = |coordinate: f64| {
                let mut moved = point.clone();
                moved[axis] = coordinate;
                space.values(&moved)[axis]
            };
            // One minus a mean falls where the mean rises.
            let mut ends = [at(finding.interval.0), at(finding.interval.1)];
            ends.sort_by(f64::total_cmp);
            [
                finding.name.clone(),
                number(at(finding.at)),
                ends.map(number).join(" to "),
                format!("{:.0} %", 100.0 * finding.share),
            ]
        };
        self.findings.iter().enumerate().map(row).collect()
    }

    /// Which two hang together most, and how.
    pub fn together(&self, space: &Space) -> Option<String> {
        let pair = self.pair.as_ref()?;
        let labels = space.labels();
        let [first, second] = pair.axes.map(|axis| &labels[axis]);
        let way = match pair.slope.filter(|slope| slope.abs() >= ALONE)? {
            slope if slope < 0.0 => format!("{:.2} octaves lower", -slope),
            slope => format!("{slope:.2} octaves higher"),
        };
        Some(format!(
            "{first} and {second} hang together most: with an octave more of {first}, the best \
             {second} is {way}."
        ))
    }

    /// What it is worth, and what should be known about it.
    pub fn worth(&self) -> Vec<String> {
        let loss = format!(
            "Loss {:.4} after {} runs ({} diverged), where an octave grid has {} points.",
            self.loss, self.runs, self.diverged, self.octave_grid
        );
        let regret = format!(
            "Expected regret {:.4}, at most {:.4} with 95 % probability.",
            self.expected_regret, self.regret_bound
        );
        // A search that has found what it looked for has been far from it on its way.
        let is_open = [Flag::Budget, Flag::Coarse]
            .iter()
            .any(|flag| self.flags.contains(flag));
        let is_said =
            |flag: &Flag| self.flags.contains(flag) && (is_open || *flag != Flag::Censored);
        let raised = FLAGS.iter().filter(|(flag, _)| is_said(flag));
        let flags = raised.map(|(_, words)| (*words).to_owned());
        [loss, regret].into_iter().chain(flags).collect()
    }
}

/// Values by their names: `lr 0.00400, output.multiplier 1.41`.
pub fn named(values: &[(String, f64)]) -> String {
    let named = values
        .iter()
        .map(|(name, value)| format!("{name} {}", number(*value)));
    named.collect::<Vec<_>>().join(", ")
}

/// Three digits, as they are read best; of what is just below one, three of what is missing.
fn number(value: f64) -> String {
    if (0.9..1.0).contains(&value) {
        let digits = (2 - (1.0 - value).log10().floor() as i32).max(0) as usize;
        return format!("{value:.digits$}");
    }
    if (0.01..1000.0).contains(&value) {
        let digits = (2 - value.log10().floor() as i32).max(0) as usize;
        format!("{value:.digits$}")
    } else {
        format!("{value:.2e}")
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn three_digits_tell_values_apart() {
        let cases = [
            (0.004, "4.00e-3"),
            (0.0207, "0.0207"),
            (1.414, "1.41"),
            (151.2, "151"),
            (0.999_86, "0.999860"),
            (0.95, "0.9500"),
        ];
        for (value, wanted) in cases {
            assert_eq!(number(value), wanted);
        }
    }
}
