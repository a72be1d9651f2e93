//! Every crate with features builds without them too.

use anyhow::{Context, Result};

use crate::cargo::{self, cargo};

pub(crate) fn check() -> Result<()> {
    for package in cargo::packages()? {
        let features = package["features"].as_object().context("features")?;
        if features.is_empty() {
            continue;
        }
        let name = package["name"].as_str().context("a name")?;
        let alone = ["--package", name, "--no-default-features"];
        cargo(&[&["check", "--release", "--locked"][..], &alone].concat())?;
    }
    Ok(())
}
