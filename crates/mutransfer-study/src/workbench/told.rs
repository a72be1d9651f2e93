//! What a search, its confirmation and its transfer have found, in sentences.

use mutransfer_analysis::{Measured, display_name, with_interval};

use super::drift::Drift;
use super::tuned::{AtTarget, Compared, Confirmed, Tuned, TunedRule};
use crate::search::named;

impl TunedRule {
    /// The rule, and where it was searched.
    pub fn heading(&self) -> String {
        format!("{}, searched at {}", display_name(&self.rule), self.proxy)
    }

    /// What was found, what confirms it, and what it gives at the target.
    pub fn sentences(&self) -> Vec<String> {
        let mut sentences = self.report.worth();
        sentences.extend([confirmed(&self.confirmed), at_target(self)]);
        sentences
    }
}

impl Tuned {
    /// How what was carried compares with searches at the target.
    pub fn comparison(&self) -> Vec<String> {
        let first = self.rules.first();
        let beside = |compared| first.map(|first| beside(first, compared));
        self.compared.iter().filter_map(beside).collect()
    }
}

fn confirmed(confirmed: &Confirmed) -> String {
    let mut text = format!(
        "At {} its loss is {}",
        confirmed.at,
        loss(confirmed.loss.as_ref())
    );
    for neighbour in &confirmed.neighbours {
        let values = named(&neighbour.values.0[..1]);
        text += &match &neighbour.difference {
            None => format!("; {values} diverges"),
            Some(difference) => format!("; {values} is {}", apart(difference)),
        };
    }
    if let Some(shift) = &confirmed.shift {
        let octaves = with_interval(shift, 2);
        text += &format!(". The best learning rate lies {octaves} octaves from the one found");
    }
    text + "."
}

fn at_target(rule: &TunedRule) -> String {
    let AtTarget { at, loss: of, .. } = &rule.target;
    let values = named(&rule.values.0);
    let mut text = format!("Carried to {at}, {values}: loss {}", loss(of.as_ref()));
    let worth = (rule.target.expected_regret, rule.target.regret_bound);
    if let (Some(expected), Some(bound)) = worth {
        let Drift { mean, deviation } = rule.target.drift;
        text += &format!(
            ". It is expected to be {expected:.4} above the best there, and {bound:.4} at most \
             with 95 % probability, if the learning rate drifts by {mean:.2} \u{b1} {deviation:.2} \
             octaves a doubling and the rest stays"
        );
    }
    let trainings = rule.operations / rule.target.operations;
    text + &format!(". Tuning took as many operations as {trainings:.2} trainings of the target.")
}

fn beside(first: &TunedRule, compared: &Compared) -> String {
    let name = display_name(&compared.rule);
    let values = named(&compared.values.0);
    let (of, runs) = (loss(compared.loss.as_ref()), compared.report.runs);
    let difference = compared.difference.as_ref();
    let difference = difference.map_or(String::new(), |difference| {
        format!("; what was carried is {}", apart(difference))
    });
    let times = compared.operations / first.operations;
    format!(
        "{name} searched at the target itself, {runs} runs, {times:.1} times the operations of the \
         tuning: {values}, loss {of}{difference}."
    )
}

fn loss(of: Option<&Measured>) -> String {
    of.map_or("that of a run that diverged".to_owned(), |of| {
        with_interval(of, 4)
    })
}

/// `higher by 0.0120 (0.0030 to 0.0210)`.
fn apart(difference: &Measured) -> String {
    let Measured {
        value, interval, ..
    } = *difference;
    if value >= 0.0 {
        return format!("higher by {}", with_interval(difference, 4));
    }
    let turned = Measured {
        value: -value,
        interval: interval.map(|[low, high]| [-high, -low]),
        ..*difference
    };
    format!("lower by {}", with_interval(&turned, 4))
}
