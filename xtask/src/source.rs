//! Rust source as far as sizes go: without comments and texts, functions and closures are found by
//! their words and braces. A parser would know more and take longer to build than this to run.

/// A function, and how many lines it takes from `fn` to its last brace.
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) lines: usize,
}

/// The source with comments and the insides of texts blanked; lines stay where they are.
pub(crate) fn code(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let length = skipped(rest, code.chars().next_back()).unwrap_or(0);
        if length > 0 {
            code.extend(rest[..length].chars().map(blank));
            rest = &rest[length..];
        } else {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    code
}

fn blank(c: char) -> char {
    if c == '\n' { '\n' } else { ' ' }
}

/// The length of a comment or text that starts here.
fn skipped(rest: &str, before: Option<char>) -> Option<usize> {
    let in_word = before.is_some_and(is_of_a_word);
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if let Some(inside) = rest.strip_prefix("/*") {
        return Some(inside.find("*/").map_or(rest.len(), |end| end + 4));
    }
    if let Some(inside) = rest.strip_prefix('"') {
        return Some(1 + closing(inside, '"'));
    }
    if rest.starts_with('r') && !in_word {
        return raw(rest);
    }
    rest.starts_with('\'').then(|| character(rest)).flatten()
}

/// The length of `r"..."` or `r#"..."#`.
fn raw(rest: &str) -> Option<usize> {
    let hashes = rest[1..].bytes().take_while(|byte| *byte == b'#').count();
    let start = 1 + hashes;
    if !rest[start..].starts_with('"') {
        return None;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let inside = &rest[start + 1..];
    Some(start + 1 + inside.find(&end).map_or(inside.len(), |at| at + end.len()))
}

/// The length of a character between quotes; nothing for a lifetime.
fn character(rest: &str) -> Option<usize> {
    let inside = &rest[1..];
    if inside.starts_with('\\') {
        return Some(1 + closing(inside, '\''));
    }
    let c = inside.chars().next()?;
    inside[c.len_utf8()..]
        .starts_with('\'')
        .then_some(2 + c.len_utf8())
}

/// The length up to and with a quote that is not escaped.
fn closing(inside: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, c) in inside.char_indices() {
        if c == quote && !is_escaped {
            return at + 1;
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    inside.len()
}

fn is_of_a_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The functions with a body.
pub(crate) fn functions(code: &str) -> Vec<Function> {
    let starts = words(code, "fn");
    starts.filter_map(|at| function(code, at)).collect()
}

fn function(code: &str, start: usize) -> Option<Function> {
    let rest = &code[start..];
    let name: String = rest[2..]
        .trim_start()
        .chars()
        .take_while(|c| is_of_a_word(*c))
        .collect();
    let body = body(rest)?;
    let end = matching(&rest[body..])?;
    let line = code[..start].matches('\n').count() + 1;
    let lines = rest[..body + end].matches('\n').count() + 1;
    (!name.is_empty()).then_some(Function { name, line, lines })
}

/// Where the body begins: the first brace outside of parentheses, and none for a declaration
/// or a line of a macro.
fn body(rest: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in rest.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            '{' if depth == 0 => return Some(at),
            ';' | '}' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// The place of the brace that closes the first one.
fn matching(rest: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in rest.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// How many closures have a name: `let name = |...`.
pub(crate) fn named_closures(code: &str) -> usize {
    let lets = words(code, "let").map(|at| &code[at..]);
    lets.filter(|rest| is_closure(rest)).count()
}

fn is_closure(rest: &str) -> bool {
    let statement = rest.split(['{', ';']).next().unwrap_or(rest);
    let Some((_, value)) = statement.split_once(" = ").or(statement.split_once("=\n")) else {
        return false;
    };
    let value = value.trim_start();
    let value = value.strip_prefix("move").unwrap_or(value);
    value.trim_start().starts_with('|')
}

/// Where a word stands by itself.
fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |at| {
            let before = code[..*at].chars().next_back();
            let after = code[at + word.len()..].chars().next();
            !before.is_some_and(is_of_a_word) && after.is_some_and(char::is_whitespace)
        })
}

#[cfg(test)]
mod tests {
    use super::{code, functions, named_closures};

    #[test]
    fn comments_and_texts_are_blank() {
        assert_eq!(code("a // fn x\nb"), "a        \nb");
        assert_eq!(
            code("a(\"}\\\"\", '{', 'a, r#\"{\"#)"),
            "a(     ,    , 'a,       )"
        );
        assert_eq!(code("a /* { */ b"), "a         b");
    }

    #[test]
    fn functions_with_their_lines() {
        let text = "trait A {\n    fn none(&self);\n}\nfn two(a: [u8; 2]) {\n}\nfn one() {}\n";
        let found = functions(text);
        let found: Vec<_> = found
            .iter()
            .map(|f| (f.name.as_str(), f.line, f.lines))
            .collect();
        assert_eq!(found, [("two", 4, 2), ("one", 6, 1)]);
    }

    #[test]
    fn closures_with_a_name() {
        assert_eq!(
            named_closures("let a = |x| x; let b: F = move || 1;\nlet c =\n    |y| y;"),
            3
        );
        assert_eq!(named_closures("let a = b | c; let d = e.map(|x| x);"), 0);
    }
}
