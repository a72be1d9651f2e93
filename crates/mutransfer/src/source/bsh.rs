//! `.bsh` files, the base shapes of the Python package `mup`: YAML with the base size of every
//! growing dimension and `null` for the rest. Written byte for byte as `mup` 1.0.0 with PyYAML
//! writes them.

use std::collections::BTreeMap;
use std::fmt::Write;

use saphyr_parser::{Event, Parser, StrInput};

use crate::error::{Error, ShapesError, WidthsError};
use crate::growth::{Extent, Growth};
use crate::shape::ParamName;
use crate::width::Widths;

/// The content of a `.bsh` file as it is: the base size of every growing dimension, and nothing for
/// the others. Unlike [`Widths`], it need not show anything that grows, and a parameter may grow in
/// more dimensions than a plan can place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BaseShapes(BTreeMap<ParamName, Vec<Option<usize>>>);

const HEADER: &str = "\
# This is a base shape file encoded in yaml
# - `null` indicates a dimension is \"finite\", i.e. a non-\"width\" dimension
# - a number indicates the base dimension of an \"infinite\" dimension, i.e. some notion of \
\"width\"
";

/// PyYAML writes names on one line up to this length, quotes apart and its five characters for the
/// tag included.
const LONGEST_SIMPLE_KEY: usize = 127 - 5;

impl BaseShapes {
    /// Reads a `.bsh` file.
    ///
    /// ```
    /// use mutransfer::BaseShapes;
    ///
    /// let shapes = BaseShapes::from_bsh("w:\n- 64\n- null\n")?;
    /// assert_eq!(shapes.iter().next().map(|(_, dims)| dims), Some(&[Some(64), None][..]));
    /// # Ok::<(), mutransfer::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the text is no such file.
    pub fn from_bsh(text: &str) -> Result<Self, Error> {
        let mut reader = Reader {
            events: Parser::new_from_str(text),
        };
        let mut params = BTreeMap::new();
        reader.until(
            |event| matches!(event, Event::MappingStart(..)),
            "a list of sizes for each parameter name",
        )?;
        loop {
            let name = match reader.next()? {
                Event::Scalar(name, ..) => ParamName::from(name),
                Event::MappingEnd => break,
                _ => return Err(unexpected("the name of a parameter").into()),
            };
            let dims = reader.dims(&name)?;
            if params.insert(name.clone(), dims).is_some() {
                return Err(ShapesError::GivenTwice {
                    format: FORMAT,
                    name,
                }
                .into());
            }
        }
        reader.until(
            |event| matches!(event, Event::StreamEnd),
            "nothing after the sizes of the last parameter",
        )?;
        Ok(Self(params))
    }

    /// The `.bsh` file of these sizes.
    pub fn to_bsh(&self) -> String {
        let mut text = HEADER.to_owned();
        for (name, dims) in self.iter() {
            let key = key(name.as_str());
            let (start, indent) = match name.as_str().chars().count() {
                0..=LONGEST_SIMPLE_KEY => (format!("{key}:"), ["", ""]),
                _ => (format!("? {key}\n:"), ["   ", "    "]),
            };
            text.push_str(&start);
            if dims.is_empty() {
                text.push_str(" []\n");
            }
            for (at, dim) in dims.iter().enumerate() {
                let size = dim.map_or("null".to_owned(), |size| size.to_string());
                let line = if at == 0 && indent[0].is_empty() {
                    "\n"
                } else {
                    ""
                };
                let indent = indent[usize::from(at > 0)];
                let _ = writeln!(text, "{line}{indent}- {size}");
            }
        }
        text
    }

    /// Names and sizes in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&ParamName, &[Option<usize>])> {
        self.0.iter().map(|(name, dims)| (name, &dims[..]))
    }
}

impl<N: Into<ParamName>> FromIterator<(N, Vec<Option<usize>>)> for BaseShapes {
    fn from_iter<I: IntoIterator<Item = (N, Vec<Option<usize>>)>>(items: I) -> Self {
        let named = items.into_iter().map(|(name, dims)| (name.into(), dims));
        Self(named.collect())
    }
}

impl Widths {
    /// Reads a `.bsh` file, which says what grows without a delta model. It does not say how
    /// weights are stored: see [`Widths::with_layout`].
    ///
    /// # Errors
    /// When the text is no such file, or when more than two dimensions of a parameter grow.
    pub fn from_bsh(text: &str) -> Result<Self, Error> {
        let shapes = BaseShapes::from_bsh(text)?;
        let mut params = BTreeMap::new();
        for (name, dims) in shapes.0 {
            let growth = growth(&name, &dims)?;
            params.insert(name, growth);
        }
        Self::of(params)
    }

    /// The `.bsh` file of these widths.
    pub fn to_bsh(&self) -> String {
        let sizes = |growth: &Growth| {
            let size = |extent: &Extent| match extent {
                Extent::Fixed(_) => None,
                Extent::Grows(size) => Some(*size),
            };
            growth.extents.iter().map(size).collect()
        };
        let named = self.params.iter();
        let shapes: BaseShapes = named
            .map(|(name, growth)| (name.clone(), sizes(growth)))
            .collect();
        shapes.to_bsh()
    }
}

/// What grows of one parameter.
fn growth(name: &ParamName, dims: &[Option<usize>]) -> Result<Growth, WidthsError> {
    if let Some(axis) = dims.iter().position(|size| *size == Some(0)) {
        return Err(WidthsError::ZeroDimension {
            name: name.clone(),
            axis,
            model: "base",
        });
    }
    let extents = dims
        .iter()
        .map(|size| size.map_or(Extent::Fixed(None), Extent::Grows));
    let growth = Growth::new(extents.collect(), None);
    growth.is_placeable(name)?;
    Ok(growth)
}

const FORMAT: &str = ".bsh";

fn unexpected(wanted: impl Into<String>) -> ShapesError {
    ShapesError::Unexpected {
        format: FORMAT,
        wanted: wanted.into(),
    }
}

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Event<'a>, ShapesError> {
        match self.events.next() {
            Some(Ok((event, _))) => Ok(event),
            Some(Err(error)) => Err(ShapesError::Syntax {
                format: FORMAT,
                message: error.to_string(),
            }),
            None => Err(ShapesError::Ends { format: FORMAT }),
        }
    }

    fn until(
        &mut self,
        found: impl Fn(&Event<'a>) -> bool,
        wanted: &str,
    ) -> Result<(), ShapesError> {
        loop {
            match self.next()? {
                event if found(&event) => return Ok(()),
                Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd => {}
                _ => return Err(unexpected(wanted)),
            }
        }
    }

    /// The sizes of one parameter.
    fn dims(&mut self, name: &ParamName) -> Result<Vec<Option<usize>>, ShapesError> {
        let Event::SequenceStart(..) = self.next()? else {
            return Err(no_sizes(name));
        };
        let mut dims = Vec::new();
        loop {
            match self.next()? {
                Event::SequenceEnd => return Ok(dims),
                Event::Scalar(size, ..) => dims.push(dim(&size).map_err(|_| no_sizes(name))?),
                _ => return Err(no_sizes(name)),
            }
        }
    }
}

fn no_sizes(name: &ParamName) -> ShapesError {
    unexpected(format!("a list of sizes or nulls for `{name}`"))
}

/// A dimension as written.
fn dim(size: &str) -> Result<Option<usize>, std::num::ParseIntError> {
    match size {
        "null" | "~" | "" => Ok(None),
        size => size.parse().map(Some),
    }
}

/// A key as PyYAML writes it: quoted where a reader would take it for something else than text.
fn key(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-+./:<>=?'@ ".contains(c);
    match () {
        () if !name.is_ascii() || name.chars().any(|c| c.is_ascii_control()) => double_quoted(name),
        () if name.chars().all(is_plain) && starts_plain(name) && !resolves(name) => {
            name.to_owned()
        }
        () => format!("'{}'", name.replace('\'', "''")),
    }
}

fn starts_plain(name: &str) -> bool {
    let indicator = match name.as_bytes() {
        [] | [b'\'' | b'>' | b'@' | b'=' | b' ', ..] => true,
        [b'-' | b'?' | b':', rest @ ..] => matches!(rest, [] | [b' ', ..]),
        _ => false,
    };
    let marker = name.starts_with("---") || name.starts_with("...");
    !indicator && !marker && !name.ends_with([' ', ':']) && !name.contains(": ")
}

/// Whether YAML 1.1 takes the text for null, a truth value, a number or a date, as the names in
/// lists of parameters are: `0`, `2.1`.
fn resolves(name: &str) -> bool {
    const WORDS: [&str; 7] = ["yes", "no", "on", "off", "true", "false", "null"];
    let lower = name.to_ascii_lowercase();
    let cased = name == lower || name == name.to_ascii_uppercase() || name[1..] == lower[1..];
    let is_word = cased && WORDS.contains(&lower.as_str());
    is_word || is_integer(name) || is_float(name) || is_date(name) || matches!(name, "~" | "<<")
}

const DIGITS: &str = "0123456789_";

fn made_of(text: &str, digits: &str) -> bool {
    text.chars().all(|c| digits.contains(c))
}

fn is_integer(name: &str) -> bool {
    let number = name.strip_prefix(['-', '+']).unwrap_or(name);
    match number.as_bytes() {
        [b'0', b'b', _, ..] => made_of(&number[2..], "01_"),
        [b'0', b'x', _, ..] => made_of(&number[2..], "0123456789abcdefABCDEF_"),
        [b'0', ..] => made_of(number, "01234567_"),
        [b'1'..=b'9', ..] => made_of(number, DIGITS),
        _ => false,
    }
}

fn is_float(name: &str) -> bool {
    let number = name.strip_prefix(['-', '+']).unwrap_or(name);
    let starts = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    let is_exponent = |text: &str| {
        text.strip_prefix(['-', '+'])
            .is_some_and(|digits| starts(digits) && made_of(digits, "0123456789"))
    };
    let (mantissa, exponent) = number
        .split_once(['e', 'E'])
        .map_or((number, None), |(left, right)| (left, Some(right)));
    let is_decimal = mantissa.split_once('.').is_some_and(|(whole, fraction)| {
        let has_digit = starts(whole) || (number == name && whole.is_empty() && starts(fraction));
        has_digit && made_of(whole, DIGITS) && made_of(fraction, DIGITS)
    });
    let is_infinite =
        matches!(number, ".inf" | ".Inf" | ".INF") || matches!(name, ".nan" | ".NaN" | ".NAN");
    (is_decimal && exponent.is_none_or(is_exponent)) || is_infinite
}

fn is_date(name: &str) -> bool {
    let is_digit_or_dash = |(at, byte): (usize, u8)| {
        if matches!(at, 4 | 7) {
            byte == b'-'
        } else {
            byte.is_ascii_digit()
        }
    };
    name.len() == 10 && name.bytes().enumerate().all(is_digit_or_dash)
}

fn double_quoted(name: &str) -> String {
    let mut text = String::from("\"");
    for c in name.chars() {
        let _ = match c {
            '"' | '\\' => write!(text, "\\{c}"),
            ' '..='~' => write!(text, "{c}"),
            '\t' => write!(text, "\\t"),
            '\n' => write!(text, "\\n"),
            _ if u32::from(c) < 0x100 => write!(text, "\\x{:02X}", u32::from(c)),
            _ if u32::from(c) < 0x10000 => write!(text, "\\u{:04X}", u32::from(c)),
            _ => write!(text, "\\U{:08X}", u32::from(c)),
        };
    }
    text.push('"');
    text
}
