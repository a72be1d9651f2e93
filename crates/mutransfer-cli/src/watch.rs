//! `mutransfer watch`: a study while it runs, on one screen, or a line now and then where there is
//! none.

mod sight;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use console::{Term, truncate_str};

use crate::args::WatchOptions;
use crate::failure::Failure;
use crate::say::say;
use crate::signals;
use sight::Sight;

/// Looks may take this part of the time, so that a large study is not read all the time.
const SHARE: u32 = 5;

pub(crate) fn watch(options: &WatchOptions) -> Result<(), Failure> {
    let stop = signals::stop().context("cannot listen for signals")?;
    let term = Term::stdout();
    let usual = if term.is_term() { 1 } else { 30 };
    let every = Duration::from_secs(options.every.map_or(usual, u64::from));
    let mut lines = 0;
    loop {
        let begun = Instant::now();
        let sight = Sight::of(&options.folder)?;
        lines = show(&term, lines, &sight).context("cannot write to the terminal")?;
        if sight.holder.is_none() {
            say!("{}", sight.last_words());
            return Ok(());
        }
        wait(every.max(begun.elapsed() * SHARE), &stop);
        if stop.load(Ordering::Relaxed) {
            return Ok(());
        }
    }
}

/// Draws over the last look, or adds a line; gives how many lines were drawn.
fn show(term: &Term, lines: usize, sight: &Sight) -> std::io::Result<usize> {
    if !term.is_term() {
        say!("{}", sight.line());
        return Ok(0);
    }
    let (rows, columns) = term.size();
    let room = usize::from(rows).saturating_sub(2).max(1);
    let drawn: Vec<String> = sight
        .screen(room)
        .iter()
        .map(|line| truncate_str(line, usize::from(columns), "…").into_owned())
        .collect();
    term.clear_last_lines(lines)?;
    for line in &drawn {
        term.write_line(line)?;
    }
    Ok(drawn.len())
}

fn wait(time: Duration, stop: &AtomicBool) {
    let begun = Instant::now();
    while begun.elapsed() < time && !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(50).min(time));
    }
}
