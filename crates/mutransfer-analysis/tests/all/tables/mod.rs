//! Tables made from known laws.
#![allow(dead_code, reason = "each test file uses its part")]

use mutransfer_analysis::{Analysis, Columns, Request, RuleAnalysis, analyze, read_tables};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// `limit + amplitude n^-alpha + curvature/2 n^s (ln lr - ln(best n^-beta))²`.
#[derive(Clone, Copy)]
pub(crate) struct Law {
    pub(crate) limit: f64,
    pub(crate) amplitude: f64,
    pub(crate) alpha: f64,
    pub(crate) curvature: f64,
    pub(crate) s: f64,
    pub(crate) best: f64,
    pub(crate) beta: f64,
}

pub(crate) const WIDTHS: [f64; 5] = [64.0, 128.0, 256.0, 512.0, 1024.0];

/// Columns in an order of their own would do as well.
pub(crate) fn header() -> String {
    "rule,width,lr,seed,loss\n".to_owned()
}

impl Law {
    pub(crate) fn loss(&self, width: f64, lr: f64) -> f64 {
        let off = (lr / self.best_at(width)).ln();
        self.limit
            + self.amplitude * width.powf(-self.alpha)
            + 0.5 * self.curvature * width.powf(self.s) * off * off
    }

    pub(crate) fn best_at(&self, width: f64) -> f64 {
        self.best * width.powf(-self.beta)
    }

    /// Widths 64 to 1024, learning rates in half octaves around each optimum, normal noise of this
    /// deviation.
    pub(crate) fn table(&self, rule: &str, seeds: u64, noise: f64, key: u64) -> String {
        self.table_at(&WIDTHS, rule, seeds, noise, key)
    }

    /// The same with valleys that are no parabolas: each loss is raised by `cubic` times the cube
    /// of the distance from the optimum, in natural logarithms.
    pub(crate) fn skewed(&self, cubic: f64, seeds: u64, noise: f64, key: u64) -> String {
        let mut normal = Normal::new(key);
        let mut text = header();
        for width in WIDTHS {
            for step in -4..=4 {
                let off = f64::from(step) / 2.0 * std::f64::consts::LN_2;
                let lr = self.best_at(width) * off.exp();
                for seed in 0..seeds {
                    let loss = self.loss(width, lr) + cubic * off.powi(3) + noise * normal.draw();
                    text += &format!("mup,{width},{lr},{seed},{loss}\n");
                }
            }
        }
        text
    }

    pub(crate) fn table_at(
        &self,
        widths: &[f64],
        rule: &str,
        seeds: u64,
        noise: f64,
        key: u64,
    ) -> String {
        let mut normal = Normal::new(key);
        let mut text = header();
        for &width in widths {
            for step in -4..=4 {
                let lr = self.best_at(width) * (f64::from(step) / 2.0).exp2();
                for seed in 0..seeds {
                    let loss = self.loss(width, lr) + noise * normal.draw();
                    text += &format!("{rule},{width},{lr},{seed},{loss}\n");
                }
            }
        }
        text
    }
}

impl Law {
    /// The same learning rates at every width, in octaves, as people sweep.
    pub(crate) fn swept(
        &self,
        widths: &[f64],
        octaves: std::ops::RangeInclusive<i32>,
        seeds: u64,
        noise: f64,
        key: u64,
    ) -> String {
        let mut normal = Normal::new(key);
        let mut text = header();
        for &width in widths {
            for octave in octaves.clone() {
                for seed in 0..seeds {
                    let lr = f64::from(octave).exp2();
                    text += &format!(
                        "mup,{width},{lr},{seed},{}\n",
                        self.loss(width, lr) + noise * normal.draw()
                    );
                }
            }
        }
        text
    }
}

/// One seed of a loss at every width and learning rate.
pub(crate) fn swept(widths: &[f64], rates: &[f64], loss: impl Fn(f64, f64) -> f64) -> String {
    let rows = widths
        .iter()
        .flat_map(|width| rates.iter().map(move |lr| (width, lr)));
    header()
        + &rows
            .map(|(width, lr)| format!("mup,{width},{lr},0,{}\n", loss(*width, *lr)))
            .collect::<String>()
}

pub(crate) fn analysis(text: &str, request: &Request) -> Analysis {
    let sweeps = read_tables(
        &[("runs.csv".to_owned(), text.to_owned())],
        &Columns::default(),
    )
    .unwrap();
    analyze(&sweeps, "width", "lr", request).unwrap()
}

/// The only rule of a table.
pub(crate) fn rule(text: &str) -> RuleAnalysis {
    analysis(text, &Request::default())
        .rules
        .into_values()
        .next()
        .unwrap()
}

/// Normal numbers by Box and Muller.
pub(crate) struct Normal(ChaCha8Rng);

impl Normal {
    pub(crate) fn new(key: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(key))
    }

    pub(crate) fn draw(&mut self) -> f64 {
        let (radius, angle) = (
            (-2.0 * self.uniform().ln()).sqrt(),
            std::f64::consts::TAU * self.uniform(),
        );
        radius * angle.cos()
    }

    /// Between 0 and 1.
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.0.next_u32() as f64 + 0.5) / 2_f64.powi(32)
    }
}
