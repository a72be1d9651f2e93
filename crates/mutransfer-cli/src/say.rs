//! Where words go: results to standard output, everything else to standard error.
//!
//! Neither may end the program: a study outlives the reader of its messages, and a pipe that is
//! closed ends a listing quietly. Text that comes from files is shown with its control characters
//! spelt out, since a terminal would obey them.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, ErrorKind, Write, stderr, stdout};
use std::sync::OnceLock;

/// Why standard output takes nothing any more.
static LOST: OnceLock<io::Error> = OnceLock::new();

/// Prints a line of results on standard output.
macro_rules! say {
    ($($text:tt)*) => {
        $crate::say::result(format_args!($($text)*), "\n")
    };
}

/// Prints results on standard output as they are, without a line end.
macro_rules! say_text {
    ($($text:tt)*) => {
        $crate::say::result(format_args!($($text)*), "")
    };
}

/// Prints a line about what happens on standard error.
macro_rules! note {
    ($($text:tt)*) => {
        $crate::say::message(format_args!($($text)*))
    };
}

pub(crate) use {note, say, say_text};

/// Writes to standard output, until it fails for the first time.
pub(crate) fn result(text: fmt::Arguments, end: &str) {
    if LOST.get().is_none() {
        let text = text.to_string();
        if let Err(error) = write!(stdout(), "{}{end}", harmless(&text)) {
            // Only the first error counts.
            let _ = LOST.set(error);
        }
    }
}

/// Writes a line to standard error; that nobody reads it is no reason to stop.
pub(crate) fn message(text: fmt::Arguments) {
    let text = text.to_string();
    let _ = writeln!(stderr(), "{}", harmless(&text));
}

/// Flushes standard output, and says whether all of it was written or its reader wanted no more.
pub(crate) fn finish() -> io::Result<()> {
    let flushed = stdout().flush().err();
    let lost = LOST.get().map(std::io::Error::kind);
    match lost.or(flushed.map(|error| error.kind())) {
        None | Some(ErrorKind::BrokenPipe) => Ok(()),
        Some(kind) => Err(kind.into()),
    }
}

/// The text with every control character but line ends and tabs spelt out, as `\u{1b}`.
fn harmless(text: &str) -> Cow<'_, str> {
    let is_obeyed = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !text.contains(is_obeyed) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_obeyed(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown.into()
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn what_a_terminal_would_obey_is_spelt_out() {
        assert_eq!(harmless("μP\t1\n"), "μP\t1\n");
        assert_eq!(
            harmless("a\u{1b}[31mb\u{7}\u{9b}\r"),
            "a\\u{1b}[31mb\\u{7}\\u{9b}\\r"
        );
    }
}
