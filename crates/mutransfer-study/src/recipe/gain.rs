//! How much lower the training loss of wider models is.

use mutransfer_analysis::{Monitor, Pair, Window};
use serde::Serialize;

/// By how much one width is better than the next narrower one under a rule, along training.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gain {
    /// Name of the rule.
    pub rule: String,
    /// The one width.
    pub narrow: usize,
    /// The other.
    pub wide: usize,
    /// The gain in each tenth of training.
    pub windows: Vec<WindowGain>,
}

/// The gain in a part of training, in nats. Above zero, wider is better.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct WindowGain {
    /// The mean over seeds.
    pub value: f64,
    /// Its 95% interval, where there are seeds enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
}

/// The gains of all neighbouring widths.
pub fn gains(judged: &[Monitor]) -> Vec<Gain> {
    let mut gains = Vec::new();
    for monitor in judged {
        gains.extend(monitor.pairs.iter().map(|pair| gain(&monitor.rule, pair)));
    }
    gains
}

fn gain(rule: &str, pair: &Pair) -> Gain {
    Gain {
        rule: rule.to_owned(),
        narrow: pair.narrow,
        wide: pair.wide,
        windows: pair.windows.iter().map(window_gain).collect(),
    }
}

fn window_gain(window: &Window) -> WindowGain {
    let (low, high) = window.gain.interval();
    WindowGain {
        value: window.gain.mean,
        interval: window.gain.margin.map(|_| [low, high]),
    }
}
