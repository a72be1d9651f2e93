//! What there is to see of a study at a moment.

use std::collections::BTreeMap;
use std::path::Path;

use mutransfer_analysis::display_name;
use mutransfer_study::axis::{At, Axis, Rung};
use mutransfer_study::error::StoreError;
use mutransfer_study::store::{Recorded, Running, holder, read, running};
use mutransfer_study::trial::{Outcome, Trial};

/// A study at a moment.
pub(super) struct Sight {
    /// Who runs it.
    pub(super) holder: Option<String>,
    /// What grows.
    axis: Axis,
    /// By rule and size along the axis.
    groups: BTreeMap<(String, At), Group>,
    running: Vec<Running>,
}

/// The trials of a rule at a size.
#[derive(Default)]
struct Group {
    trials: usize,
    ended: usize,
    diverged: usize,
    /// Losses of those that finished, by the bits of the learning rate, whose order is theirs.
    losses: BTreeMap<u64, Vec<f64>>,
}

impl Sight {
    pub(super) fn of(folder: &Path) -> Result<Self, StoreError> {
        // Who runs it is asked first, so that nothing ends unseen between the two.
        let holder = holder(folder);
        let mut groups: BTreeMap<_, Group> = BTreeMap::new();
        let recorded = read(folder)?;
        let axis = Axis::of(&Rung::distinct(
            recorded.iter().map(|recorded| &recorded.trial),
        ));
        for recorded in &recorded {
            let Trial { rule, .. } = &recorded.trial;
            let at = axis.at(&recorded.trial.rung());
            let key = (display_name(rule.name()).to_owned(), at);
            groups.entry(key).or_default().add(recorded);
        }
        let running = running(folder)?;
        Ok(Self {
            holder,
            axis,
            groups,
            running,
        })
    }

    /// A line that says how far it is.
    pub(super) fn line(&self) -> String {
        let sum = |of: fn(&Group) -> usize| -> usize { self.groups.values().map(of).sum() };
        let (ended, all) = (sum(|group| group.ended), sum(|group| group.trials));
        let diverged = sum(|group| group.diverged);
        let running = self.running.len();
        format!("{ended}/{all} trials have ended, {diverged} of them diverged; {running} run")
    }

    /// As many lines as there is room for; what runs is left out first.
    pub(super) fn screen(&self, room: usize) -> Vec<String> {
        let mut lines = vec![
            self.line(),
            row(["rule", self.axis.name(), "ended", "best lr", "loss"]),
        ];
        lines.extend(self.groups.iter().map(|((rule, at), group)| {
            let (lr, loss) = group.best().map_or_else(
                || ("-".to_owned(), "-".to_owned()),
                |(lr, loss)| (rate(lr), format!("{loss:.4}")),
            );
            let ended = format!("{}/{}", group.ended, group.trials);
            row([rule, &at.to_string(), &ended, &lr, &loss])
        }));
        lines.extend(
            self.running
                .iter()
                .map(|running| under_way(running, self.axis)),
        );
        if lines.len() > room {
            lines.truncate(room.saturating_sub(1));
            lines.push("…".to_owned());
        }
        lines
    }

    /// What to know of a study that nobody runs.
    pub(super) fn last_words(&self) -> String {
        let missing = self.groups.values().map(|group| group.trials - group.ended);
        match missing.sum() {
            0 => "Nothing is missing.".to_owned(),
            missing => format!(
                "{missing} trials are missing, and nobody runs them; the command that began the \
                 study continues."
            ),
        }
    }
}

impl Group {
    fn add(&mut self, recorded: &Recorded) {
        self.trials += 1;
        match recorded.record.as_ref().map(|record| &record.outcome) {
            Some(Outcome::Finished { loss, .. }) => {
                self.ended += 1;
                let lr = recorded.trial.hyper.learning_rate.to_bits();
                self.losses.entry(lr).or_default().push(*loss);
            }
            Some(Outcome::Diverged { .. }) => {
                self.ended += 1;
                self.diverged += 1;
            }
            Some(Outcome::Stopped | Outcome::Failed { .. }) | None => {}
        }
    }

    /// The learning rate with the lowest mean loss so far, and that.
    fn best(&self) -> Option<(f64, f64)> {
        let means = self.losses.iter().map(|(lr, losses)| {
            let mean = losses.iter().sum::<f64>() / losses.len() as f64;
            (f64::from_bits(*lr), mean)
        });
        means.min_by(|a, b| a.1.total_cmp(&b.1))
    }
}

/// Five cells in 38 columns, for narrow screens.
fn row(cells: [&str; 5]) -> String {
    let [rule, size, ended, lr, loss] = cells;
    format!("{rule:<6} {size:>6} {ended:>9} {lr:>7} {loss:>7}")
}

fn rate(lr: f64) -> String {
    let log2 = lr.log2();
    if log2.fract() == 0.0 {
        format!("2^{log2}")
    } else {
        format!("2^{log2:.1}")
    }
}

fn under_way(running: &Running, axis: Axis) -> String {
    let Running { trial, step, loss } = running;
    let loss = loss.map_or_else(String::new, |loss| format!(" {loss:.3}"));
    format!(
        "> {} {} {} step {step}/{}{loss}",
        display_name(trial.rule.name()),
        axis.at(&trial.rung()),
        rate(trial.hyper.learning_rate),
        trial.budget.steps,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(widths: &[f64]) -> Sight {
        let group = |width: &f64| {
            let group = Group {
                trials: 1000,
                ended: 900,
                diverged: 10,
                losses: BTreeMap::from([
                    ((0.5_f64).powi(9).to_bits(), vec![2.5, 2.7]),
                    ((0.5_f64).powf(7.5).to_bits(), vec![2.5]),
                ]),
            };
            (("μP".to_owned(), At::from(*width)), group)
        };
        Sight {
            holder: None,
            axis: Axis::Width,
            groups: widths.iter().map(group).collect(),
            running: Vec::new(),
        }
    }

    #[test]
    fn a_row_fits_forty_columns_and_has_the_rate_of_the_lowest_mean() {
        let screen = sight(&[65536.0]).screen(10);
        assert_eq!(
            screen[1..],
            [
                "rule    width     ended best lr    loss",
                "μP      65536  900/1000  2^-7.5  2.5000"
            ]
        );
        assert!(screen[1..].iter().all(|row| row.chars().count() <= 40));
    }

    #[test]
    fn what_is_too_much_for_the_screen_is_left_out_and_said() {
        let sight = sight(&[1.0, 2.0, 3.0, 4.0]);
        assert_eq!(sight.screen(6).len(), 6);
        let cut = sight.screen(5);
        assert_eq!((cut.len(), cut[4].as_str()), (5, "…"));
    }
}
