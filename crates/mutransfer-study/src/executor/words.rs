//! What workers said before they ended.

use std::path::Path;

/// The first error in a log, led in by a colon; empty if it has none.
pub(super) fn error_in(log: &Path) -> String {
    let said = std::fs::read_to_string(log).unwrap_or_default();
    first_error(&said).map_or_else(String::new, |line| format!(": {line}"))
}

/// The first line that begins with `error:`, or the message of a panic, or else the first line.
fn first_error(said: &str) -> Option<String> {
    let lines: Vec<&str> = said.lines().map(str::trim).collect();
    if let Some(error) = lines.iter().find(|line| line.starts_with("error:")) {
        return Some((*error).to_owned());
    }
    let panic = lines.iter().position(|line| line.contains("panicked at"));
    let message = panic.map(|at| lines[at..].iter().take(2).copied().collect::<Vec<_>>());
    let first = || {
        lines
            .iter()
            .find(|line| !line.is_empty())
            .map(|line| (*line).to_owned())
    };
    message.map(|lines| lines.join(" ")).or_else(first)
}

#[cfg(test)]
mod tests {
    use super::first_error;

    #[test]
    fn the_first_error_of_a_worker_is_told_and_not_its_last_line() {
        let failed = "warning: odd\nerror: no data\n  because it is gone\nhint: get it\n";
        assert_eq!(first_error(failed).as_deref(), Some("error: no data"));
        let panicked = "\nthread 'main' panicked at a.rs:1:2:\nno memory\nnote: run with \
                        `RUST_BACKTRACE=1`\n";
        assert_eq!(
            first_error(panicked).as_deref(),
            Some("thread 'main' panicked at a.rs:1:2: no memory")
        );
        assert_eq!(
            first_error("memory allocation failed\n").as_deref(),
            Some("memory allocation failed")
        );
        assert_eq!(first_error(""), None);
    }
}
