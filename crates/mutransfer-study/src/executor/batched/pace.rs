//! How often a queue is asked: soon after something has happened, and less and less where nothing
//! does, as it serves many.

use std::time::{Duration, Instant};

const SLOW: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Pace {
    /// After something has happened.
    pub(super) soon: Duration,
    wait: Duration,
    last: Option<Instant>,
}

impl Pace {
    pub(super) fn new(soon: Duration) -> Self {
        Self {
            soon,
            wait: soon,
            last: None,
        }
    }

    /// Whether it is time to ask, which is then done.
    pub(super) fn is_due(&mut self) -> bool {
        let is_due = self.last.is_none_or(|last| last.elapsed() >= self.wait);
        if is_due {
            self.last = Some(Instant::now());
            self.wait = SLOW.min(self.wait * 3 / 2);
        }
        is_due
    }

    pub(super) fn quicken(&mut self) {
        self.wait = self.soon;
    }
}
