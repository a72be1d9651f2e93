//! Which build of the program this is, since another one may compute other bits.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// A path by which this process, and a child that it starts, find the very program that it runs,
/// whatever has come to lie where that was started from; none where the system has no such path.
pub fn own_image() -> Option<&'static Path> {
    let own = Path::new("/proc/self/exe");
    own.exists().then_some(own)
}

/// Fingerprint of the running program: a hash of its executable file.
///
/// # Errors
/// When the system does not say which file this is, or it cannot be read.
pub fn fingerprint() -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(program()?)?)?;
    Ok(hasher.finalize().to_hex()[..16].to_owned())
}

/// Copies the running program.
///
/// # Errors
/// When the system does not say which file this is, or it cannot be copied.
pub fn copy_to(path: &Path) -> io::Result<()> {
    std::fs::copy(program()?, path)?;
    Ok(())
}

fn program() -> io::Result<PathBuf> {
    own_image().map_or_else(std::env::current_exe, |own| Ok(own.to_owned()))
}
