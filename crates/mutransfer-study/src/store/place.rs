//! On what kind of file system a folder lies, and on which machine this is.

use std::path::Path;

/// File systems that several machines share, by the number that `statfs(2)` gives for each
/// (`linux/magic.h` and the systems' own headers).
const SHARED: [(u32, &str); 10] = [
    (0x0000_6969, "NFS"),
    (0x0BD0_0BD0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x1983_0326, "BeeGFS"),
    (0x00C3_6400, "Ceph"),
    (0x5346_414F, "AFS"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB"),
    (0x0102_1997, "9P"),
    (0x6573_5546, "FUSE"),
];

/// The name of the file system that a folder lies on, where other machines may share it.
pub(crate) fn shared(folder: &Path) -> Option<&'static str> {
    let kind = kind(folder)?;
    let found = SHARED.iter().find(|(number, _)| *number == kind);
    found.map(|(_, name)| *name)
}

/// Whether other machines may share the file system that a folder lies on.
pub(crate) fn is_shared(folder: &Path) -> bool {
    shared(folder).is_some()
}

#[cfg(target_os = "linux")]
fn kind(folder: &Path) -> Option<u32> {
    let about = rustix::fs::statfs(folder).ok()?;
    Some(about.f_type as u32)
}

#[cfg(not(target_os = "linux"))]
fn kind(_: &Path) -> Option<u32> {
    None
}

/// The name of this machine.
pub(crate) fn host() -> String {
    let linux = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = linux.or_else(|| std::env::var("HOSTNAME").ok());
    name.map_or_else(|| "localhost".to_owned(), |name| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn memory_and_what_the_kernel_shows_are_of_this_machine_only() {
        assert_eq!(kind(Path::new("/proc")), Some(0x9fa0));
        assert_eq!(shared(Path::new("/proc")), None);
        assert_eq!(shared(Path::new("/no such folder")), None);
        assert!(!host().is_empty());
    }
}
