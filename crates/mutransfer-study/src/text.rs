//! Texts of files, which are judged by their size and their beginning before all of them is in
//! memory.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The largest text, in bytes: a table of ten million runs.
const MOST: u64 = 1 << 30;
const LARGE: &str = "it has more than 1 GiB";
/// The beginning, in bytes.
const BEGINNING: u64 = 1 << 16;

/// The text of a file. A pipe is read to its end.
///
/// # Errors
/// When it cannot be read, is no text, or is larger than any that makes sense, as what never ends.
pub fn read(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    if file.metadata()?.len() > MOST {
        return Err(wrong(LARGE));
    }
    let mut bytes = Vec::new();
    file.by_ref().take(BEGINNING).read_to_end(&mut bytes)?;
    if bytes.contains(&0) {
        return Err(wrong("it is no text"));
    }
    file.take(MOST).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST {
        return Err(wrong(LARGE));
    }
    String::from_utf8(bytes).map_err(|_| wrong("it is no text in UTF-8"))
}

fn wrong(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_never_ends_or_is_no_text_is_refused_by_its_beginning_or_its_size() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("text"), "width,loss\n").unwrap();
        assert_eq!(read(&at("text")).unwrap(), "width,loss\n");
        assert_eq!(read(Path::new("/dev/null")).unwrap(), "");
        let sparse = File::create(at("sparse")).unwrap();
        sparse.set_len(1 << 40).unwrap();
        std::fs::write(at("binary"), b"PAR1\0\x01").unwrap();
        std::fs::write(at("latin"), b"caf\xe9").unwrap();
        for (path, problem) in [
            (at("sparse"), LARGE),
            ("/dev/zero".into(), "it is no text"),
            (at("binary"), "it is no text"),
            (at("latin"), "it is no text in UTF-8"),
        ] {
            assert_eq!(
                read(&path).unwrap_err().to_string(),
                problem,
                "{}",
                path.display()
            );
        }
    }
}
