//! The toolchain that everything is built with is the oldest one that the crates promise to build
//! with (`rust-version`), so that the promise is kept by every build.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::cargo;

const FILE: &str = "rust-toolchain.toml";

pub(crate) fn check() -> Result<()> {
    let text = fs::read_to_string(FILE).context(FILE)?;
    let pinned = channel(&text).with_context(|| format!("{FILE} has no channel"))?;
    for package in cargo::packages()? {
        let promised = package["rust_version"].as_str().unwrap_or("none");
        if !agree(pinned, promised) {
            let name = &package["name"];
            bail!("{name} promises Rust {promised}, and {FILE} pins {pinned}");
        }
    }
    Ok(())
}

fn channel(text: &str) -> Option<&str> {
    let line = text.lines().find(|line| line.starts_with("channel"))?;
    line.split('"').nth(1)
}

/// Whether `1.95.0` is the first release of `1.95`.
fn agree(pinned: &str, promised: &str) -> bool {
    pinned == promised || pinned == format!("{promised}.0")
}

#[cfg(test)]
mod tests {
    use super::{agree, channel};

    #[test]
    fn the_first_release_of_a_version() {
        assert_eq!(
            channel("[toolchain]\nchannel = \"1.95.0\"\n"),
            Some("1.95.0")
        );
        assert!(agree("1.95.0", "1.95"));
        assert!(!agree("1.95.1", "1.95"));
        assert!(!agree("1.96.0", "1.95"));
    }
}
