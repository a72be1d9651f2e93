//! Learning rates and batches that others have fitted for language models, as they were published.
//!
//! They hold for the data, architecture and schedule that they were fitted on, and differ by
//! factors: side by side they say how wide the choice is, not what is right.

use serde::Serialize;

/// `constant · params^p · tokens^d`, with parameters and tokens in all.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PowerLaw {
    /// What it is multiplied by.
    pub constant: f64,
    /// Exponent of the number of parameters.
    pub params: f64,
    /// Exponent of the number of training tokens.
    pub tokens: f64,
}

impl PowerLaw {
    const fn new(constant: f64, params: f64, tokens: f64) -> Self {
        Self {
            constant,
            params,
            tokens,
        }
    }

    /// Its value for a model of so many parameters trained on so many tokens.
    pub fn at(&self, params: f64, tokens: f64) -> f64 {
        self.constant * params.powf(self.params) * tokens.powf(self.tokens)
    }
}

/// A published law of learning rate or batch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PublishedLaw {
    /// What it is called.
    pub name: &'static str,
    /// Where it was published.
    pub source: &'static str,
    /// Best peak learning rate, if it gives one.
    pub learning_rate: Option<PowerLaw>,
    /// Best batch in tokens, if it gives one.
    pub batch: Option<PowerLaw>,
    /// Least and most parameters that it was fitted on, where that is known.
    pub params: Option<[f64; 2]>,
    /// Least and most training tokens that it was fitted on, where that is known.
    pub tokens: Option<[f64; 2]>,
    /// Least and most training FLOPs, 6 for every parameter and token, likewise.
    pub compute: Option<[f64; 2]>,
    /// What has to be known to read it.
    pub note: &'static str,
}

impl PublishedLaw {
    const NONE: Self = Self {
        name: "",
        source: "",
        learning_rate: None,
        batch: None,
        params: None,
        tokens: None,
        compute: None,
        note: "",
    };

    /// Whether the sizes are within what it was fitted on; none where nothing of that is known.
    pub fn covers(&self, params: f64, tokens: f64) -> Option<bool> {
        let ranges = [
            (self.params, params),
            (self.tokens, tokens),
            (self.compute, 6.0 * params * tokens),
        ];
        let known = ranges
            .into_iter()
            .filter_map(|(range, size)| range.map(|range| (range, size)));
        known
            .map(|([least, most], size)| (least..=most).contains(&size))
            .reduce(|one, other| one && other)
    }

    /// Its learning rate for a batch of so many tokens: times the root of that over its own batch,
    /// as the noise of training has it (2205.10287); none where it gives no batch.
    pub fn rate_at_batch(&self, params: f64, tokens: f64, batch: f64) -> Option<f64> {
        let (rate, own) = (self.learning_rate?, self.batch?);
        Some(rate.at(params, tokens) * (batch / own.at(params, tokens)).sqrt())
    }
}

/// Tokens in a sequence of the laws that count batches in sequences.
const SEQUENCE: f64 = 2048.0;

/// Parameters that the ladder of OLMo is relative to.
const LADDER: f64 = 1.08e8;

/// A law of the training FLOPs, which are 6 for every parameter and token.
fn by_compute(constant: f64, exponent: f64) -> PowerLaw {
    PowerLaw::new(constant * 6f64.powf(exponent), exponent, exponent)
}

/// A law of the parameters over those of the ladder.
fn ladder(constant: f64, exponent: f64) -> PowerLaw {
    PowerLaw::new(constant * LADDER.powf(-exponent), exponent, 0.0)
}

/// Those that give numbers, from the oldest.
// Long, as it is one table.
pub fn published_laws() -> Vec<PublishedLaw> {
    vec![
        PublishedLaw {
            name: "DeepSeek LLM",
            source: "2401.02954",
            learning_rate: Some(by_compute(0.3118, -0.125)),
            batch: Some(by_compute(0.2920, 0.3271)),
            compute: Some([1e17, 2e19]),
            note: "constants and range not compared with the paper",
            ..PublishedLaw::NONE
        },
        PublishedLaw {
            name: "OLMo ladder",
            source: "2412.04403",
            learning_rate: Some(ladder(0.0047, -1.0 / 3.0)),
            batch: Some(ladder(160.0 * SEQUENCE, 2.0 / 3.0)),
            params: Some([1.9e8, 1.3e9]),
            note: "constants and range not compared with the paper",
            ..PublishedLaw::NONE
        },
        PublishedLaw {
            name: "Step Law",
            source: "2503.04715",
            learning_rate: Some(PowerLaw::new(1.79, -0.713, 0.307)),
            batch: Some(PowerLaw::new(0.58, 0.0, 0.571)),
            note: "parameters without embeddings; the rate is for the law's own batch",
            ..PublishedLaw::NONE
        },
        PublishedLaw {
            name: "Power Lines",
            source: "2505.13738",
            batch: Some(PowerLaw::new(0.0306 * SEQUENCE, 0.0, 0.383)),
            note: "constant not compared with the paper, taken to count sequences of 2048 tokens",
            ..PublishedLaw::NONE
        },
        PublishedLaw {
            name: "Zhou et al.",
            source: "2601.05049",
            learning_rate: Some(PowerLaw::new(38.46, -0.222, -0.351)),
            note: "from another author's account of it",
            ..PublishedLaw::NONE
        },
    ]
}

/// Those that say how a learning rate moves, and not where it is: what they say, and where.
pub const RELATIVE_LAWS: [(&str, &str, &str); 2] = [
    (
        "Bjorck et al.",
        "learning rate as params^-0.23 tokens^-0.32",
        "2409.19913",
    ),
    (
        "nanochat",
        "learning rate as batch^1/2, of embedding and readout also as width^-1/2",
        "its code",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: 1.79 (1e9)^-0.713 (2e10)^0.307 and 0.58 (2e10)^0.571 of 2503.04715; 38.46
    /// (1e9)^-0.222 (2e10)^-0.351 of 2601.05049; the ladder at its own size.
    #[test]
    fn laws_as_printed() {
        let laws = published_laws();
        let of = |name: &str| laws.iter().find(|law| law.name == name).expect(name);
        let is_near = |value: f64, expected: f64| {
            assert!((value / expected - 1.0).abs() < 2e-3, "{value} {expected}");
        };
        let (params, tokens) = (1e9, 2e10);
        let step = of("Step Law");
        let rate = |law: &PublishedLaw| law.learning_rate.expect("a rate").at(params, tokens);
        let batch = |law: &PublishedLaw| law.batch.expect("a batch").at(params, tokens);
        // ln: 0.5822 - 0.713 * 20.7233 + 0.307 * 23.7190 = -6.9118
        is_near(rate(step), (-6.9118f64).exp());
        // ln: -0.5447 + 0.571 * 23.7190 = 12.9988
        is_near(batch(step), 12.9988f64.exp());
        // ln: 3.6496 - 0.222 * 20.7233 - 0.351 * 23.7190 = -9.2764
        is_near(rate(of("Zhou et al.")), (-9.2764f64).exp());
        let ladder = of("OLMo ladder");
        is_near(
            ladder.learning_rate.expect("a rate").at(LADDER, 1.0),
            0.0047,
        );
        is_near(
            ladder.batch.expect("a batch").at(LADDER, 1.0),
            160.0 * 2048.0,
        );
        // C = 6 N D = 1.2e20: ln 0.3118 - 0.125 * 46.2341 = -6.9446
        is_near(rate(of("DeepSeek LLM")), (-6.9446f64).exp());
    }

    #[test]
    fn out_of_range_and_other_batches() {
        let laws = published_laws();
        let ladder = laws
            .iter()
            .find(|law| law.name == "OLMo ladder")
            .expect("it");
        assert_eq!(ladder.covers(1e9, 1e10), Some(true));
        assert_eq!(ladder.covers(7e10, 1e10), Some(false));
        let own = ladder.batch.expect("a batch").at(1e9, 1e10);
        let rate = ladder.learning_rate.expect("a rate").at(1e9, 1e10);
        let quadrupled = ladder.rate_at_batch(1e9, 1e10, 4.0 * own);
        assert!((quadrupled.expect("a rate") / rate - 2.0).abs() < 1e-12);
        let lines = laws
            .iter()
            .find(|law| law.name == "Power Lines")
            .expect("it");
        assert_eq!(lines.rate_at_batch(1e9, 1e10, own), None);
        assert_eq!(lines.covers(1e9, 1e10), None);
    }
}
