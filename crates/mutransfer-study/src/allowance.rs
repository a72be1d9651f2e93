//! What a trial may use: time, memory, further tries, GPUs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a trial may use. Its result does not depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Allowance {
    /// How long it may run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Duration>,
    /// Bytes of memory that a program and all that it starts may take together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// How often a program that fails is tried again.
    pub retries: u32,
    /// GPUs that it has for itself.
    pub gpus: usize,
}

impl Allowance {
    pub(crate) fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// How long all tries together may take, with the pauses between them.
    pub(crate) fn in_all(&self) -> Option<Duration> {
        let tries = self.time?.saturating_mul(self.retries.saturating_add(1));
        let pauses = (0..self.retries).map(pause);
        Some(pauses.fold(tries, Duration::saturating_add))
    }
}

/// The first pause before a program is tried again; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(500);
/// The longest.
const LONGEST: Duration = Duration::from_mins(1);

/// How long to wait after the try of this number, from 0.
pub(crate) fn pause(after: u32) -> Duration {
    FIRST.saturating_mul(1 << after.min(16)).min(LONGEST)
}

/// A time such as `90`, in seconds, or `"10m"`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "f64")]
pub(crate) struct Seconds(pub(crate) Duration);

/// Memory such as `"2 GiB"`, or a number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "u64")]
pub(crate) struct Bytes(pub(crate) u64);

#[derive(Deserialize)]
#[serde(untagged, expecting = "a number, or a number with its unit")]
enum Written {
    Number(f64),
    Text(String),
}

/// Units of time, in seconds.
const TIMES: [(&str, f64); 4] = [("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86400.0)];
/// Units of memory, in bytes.
const MEMORIES: [(&str, f64); 6] = [
    ("MiB", 1048576.0),
    ("GiB", 1073741824.0),
    ("TiB", 1099511627776.0),
    ("MB", 1e6),
    ("GB", 1e9),
    ("TB", 1e12),
];

impl Written {
    /// The number in units of the first, or none where it is none.
    fn number(&self, units: &[(&str, f64)]) -> Option<f64> {
        let number = match self {
            Self::Number(number) => *number,
            Self::Text(text) => {
                let text = text.trim();
                let begins = text
                    .find(|c: char| c.is_ascii_alphabetic())
                    .unwrap_or(text.len());
                let (number, unit) = text.split_at(begins);
                let unit = units.iter().find(|(name, _)| *name == unit)?;
                number.trim().parse::<f64>().ok()? * unit.1
            }
        };
        (number.is_finite() && number > 0.0).then_some(number)
    }
}

impl TryFrom<Written> for Seconds {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let seconds = written.number(&TIMES).map(Duration::try_from_secs_f64);
        match seconds {
            Some(Ok(duration)) => Ok(Self(duration)),
            _ => Err("no time; write \"90s\", \"10m\", \"2h\" or a number of seconds"),
        }
    }
}

impl From<Seconds> for f64 {
    fn from(seconds: Seconds) -> Self {
        seconds.0.as_secs_f64()
    }
}

impl TryFrom<Written> for Bytes {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let bytes = written.number(&MEMORIES);
        let bytes = bytes.ok_or("no memory; write \"500 MiB\", \"2 GiB\" or a number of bytes")?;
        Ok(Self(bytes as u64))
    }
}

impl From<Bytes> for u64 {
    fn from(bytes: Bytes) -> Self {
        bytes.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_memories_have_units() {
        let time = |text: &str| serde_json::from_str::<Seconds>(text).map(|time| time.0);
        assert_eq!(time("90").unwrap(), Duration::from_secs(90));
        assert_eq!(time("\"1.5m\"").unwrap(), Duration::from_secs(90));
        let memory = |text: &str| serde_json::from_str::<Bytes>(text).map(|memory| memory.0);
        assert_eq!(memory("\"2 GiB\"").unwrap(), 2 << 30);
        assert_eq!(memory("\"500MB\"").unwrap(), 500_000_000);
        for wrong in ["\"10\"", "\"10 weeks\"", "0", "-1", "\"s\"", "\"1e999s\""] {
            assert!(time(wrong).is_err() && memory(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn pauses_double_up_to_a_minute() {
        let seconds = [0, 1, 2, 7, 40].map(|after| pause(after).as_secs_f64());
        assert_eq!(seconds, [0.5, 1.0, 2.0, 60.0, 60.0]);
    }
}
