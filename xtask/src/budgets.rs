//! Budgets: warnings, and a few numbers that show where the house is going. What is over budget
//! needs a sentence of reason where it stands.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::source;

const FILE_LINES: usize = 400;
/// Of a rule, or of an adapter to a framework.
const SMALL_FILE_LINES: usize = 200;
const SMALL_FOLDERS: [&str; 2] = ["crates/mutransfer/src/rules", "crates/mutransfer-burn/src"];
const FUNCTION_LINES: usize = 40;
const COLUMNS: usize = 100;
const NAMED_CLOSURES_IN_THOUSAND_LINES: f64 = 5.0;
const CORE_ITEMS: usize = 60;
const CORE: &str = "crates/mutransfer/src/lib.rs";

/// What all files together have.
#[derive(Default)]
struct Sum {
    lines: usize,
    named_closures: usize,
    long_functions: usize,
    long_lines: usize,
}

pub(crate) fn check() -> Result<()> {
    let mut sum = Sum::default();
    for file in sources()? {
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        measure(&file, &text, &mut sum);
    }
    let items = public_items(&fs::read_to_string(CORE).context(CORE)?);
    if items > CORE_ITEMS {
        warn(&format!("{CORE} exports {items} items, of {CORE_ITEMS}"));
    }
    let closures = 1000.0 * sum.named_closures as f64 / sum.lines as f64;
    if closures > NAMED_CLOSURES_IN_THOUSAND_LINES {
        warn(&format!(
            "{closures:.1} named closures in 1000 lines, of {NAMED_CLOSURES_IN_THOUSAND_LINES}"
        ));
    }
    eprintln!(
        "    {} lines of src; {} functions over {FUNCTION_LINES} lines, {} lines over {COLUMNS} \
         columns, {closures:.1} named closures in 1000 lines, {items} public items of the core",
        sum.lines, sum.long_functions, sum.long_lines
    );
    Ok(())
}

fn measure(file: &Path, text: &str, sum: &mut Sum) {
    let shown = file.display();
    let lines = text.lines().count();
    let budget = budget(file);
    if lines > budget {
        warn(&format!("{shown} has {lines} lines, of {budget}"));
    }
    for (at, line) in text.lines().enumerate() {
        let columns = line.chars().count();
        if columns > COLUMNS {
            sum.long_lines += 1;
            warn(&format!("{shown}:{} has {columns} columns", at + 1));
        }
    }
    let code = source::code(text);
    for function in source::functions(&code) {
        if function.lines > FUNCTION_LINES {
            sum.long_functions += 1;
            let source::Function { name, line, lines } = function;
            warn(&format!(
                "{shown}:{line} `{name}` has {lines} lines, of {FUNCTION_LINES}"
            ));
        }
    }
    sum.lines += lines;
    sum.named_closures += source::named_closures(&code);
}

fn budget(file: &Path) -> usize {
    let is_small = SMALL_FOLDERS.iter().any(|folder| file.starts_with(folder));
    if is_small {
        SMALL_FILE_LINES
    } else {
        FILE_LINES
    }
}

fn warn(what: &str) {
    eprintln!("    warning: {what}");
}

/// The files of `src` of all crates, without tests, in order.
fn sources() -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in entries(Path::new("crates"))? {
        collect(&folder.join("src"), &mut found)?;
    }
    Ok(found)
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for path in entries(folder)? {
        let is_test = path.file_stem().is_some_and(|stem| stem == "tests");
        if path.is_dir() && !is_test {
            collect(&path, found)?;
        } else if path.extension().is_some_and(|end| end == "rs") && !is_test {
            found.push(path);
        }
    }
    Ok(())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let paths: std::io::Result<Vec<PathBuf>> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths?;
    paths.sort();
    Ok(paths)
}

/// How many names a `lib.rs` exports: of its `pub use`, and its public modules.
fn public_items(lib: &str) -> usize {
    let code = source::code(lib);
    let statements = code.split(';').map(str::trim);
    statements.map(exported).sum()
}

fn exported(statement: &str) -> usize {
    if statement.starts_with("pub mod ") {
        return 1;
    }
    let Some(path) = statement.strip_prefix("pub use ") else {
        return 0;
    };
    let names = path.split_once('{').map_or(path, |(_, names)| names);
    let names = names.trim_end_matches('}').split(',');
    names.filter(|name| !name.trim().is_empty()).count()
}

#[cfg(test)]
mod tests {
    use super::public_items;

    #[test]
    fn names_that_a_library_exports() {
        let lib = "mod a;\npub mod b;\npub use a::{\n    C,\n    D,\n};\npub use a::E;\n";
        assert_eq!(public_items(lib), 4);
    }
}
