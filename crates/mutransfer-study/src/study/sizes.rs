//! The sizes of a study as they are written.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::file::{ExpertsFile, StudyFile};
use crate::error::ReadError;

/// Blocks of the base where nothing is said of them.
pub(super) const DEPTH: usize = 2;
/// Widths of the proxies where nothing is said of any size, and that of the target.
const WIDTHS: [usize; 3] = [32, 64, 128];
const TARGET_WIDTH: usize = 256;

/// Sizes of the base.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "sizes such as { width = 64, depth = 2 }"
)]
pub(super) struct BaseFile {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) width: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) depth: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) experts: Option<ExpertsFile>,
}

/// Sizes of a proxy or of the target; those of the base where they are not given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "sizes such as { width = 256, depth = 8, tokens = \"4x\" }"
)]
pub(super) struct SizesFile {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) width: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) depth: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) batch: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tokens: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) experts: Option<ExpertsFile>,
}

impl SizesFile {
    fn of_width(width: usize) -> Self {
        Self {
            width: Some(Amount::Number(width)),
            ..Self::default()
        }
    }
}

/// A size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub(super) enum Amount {
    /// As it is.
    Number(usize),
    /// A factor above zero on that of the base.
    Times(f64),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "a size such as 256, or a factor such as \"4x\"")]
enum Written {
    Number(usize),
    Text(String),
}

impl TryFrom<Written> for Amount {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let text = match written {
            Written::Number(number) => return Ok(Self::Number(number)),
            Written::Text(text) => text,
        };
        let times = text.trim().strip_suffix('x').map(str::parse::<f64>);
        match times {
            Some(Ok(times)) if times.is_finite() && times > 0.0 => Ok(Self::Times(times)),
            _ => Err(format!(
                "not a size: {text:?}; write 256, or \"4x\" for a factor"
            )),
        }
    }
}

impl From<Amount> for Written {
    fn from(amount: Amount) -> Self {
        match amount {
            Amount::Number(number) => Self::Number(number),
            Amount::Times(times) => Self::Text(format!("{times}x")),
        }
    }
}

impl StudyFile {
    /// The proxies, in whichever form.
    pub(super) fn proxy_sizes(&self) -> Vec<SizesFile> {
        let widths = || self.widths.clone().unwrap_or(WIDTHS.to_vec());
        let of_widths = || widths().into_iter().map(SizesFile::of_width).collect();
        self.proxies.clone().unwrap_or_else(of_widths)
    }

    /// The target, in whichever form.
    pub(super) fn target_size(&self) -> SizesFile {
        let width = || self.target_width.unwrap_or(TARGET_WIDTH);
        self.target.unwrap_or_else(|| SizesFile::of_width(width()))
    }

    /// Whether experts are given of anything.
    pub(super) fn has_experts(&self) -> bool {
        let mut sizes = self.proxy_sizes();
        sizes.push(self.target_size());
        self.experts.is_some() || sizes.iter().any(|own| own.experts.is_some())
    }

    /// Experts of the base, in whichever form.
    pub(super) fn own_experts(&self) -> Option<ExpertsFile> {
        self.base
            .and_then(|base| base.experts)
            .or(self.base_experts)
    }

    /// The same with every size that was left out and is the usual one.
    pub(super) fn filled(&self) -> Self {
        let mut filled = self.clone();
        if self.proxies.is_none() {
            filled.widths.get_or_insert(WIDTHS.to_vec());
        }
        if self.target.is_none() {
            filled.target_width.get_or_insert(TARGET_WIDTH);
        }
        if self.base.and_then(|base| base.depth).is_none() {
            filled.depth.get_or_insert(DEPTH);
        }
        filled
    }

    /// A size is given in one form, and where one is given in the long one the others are there
    /// too.
    pub(super) fn check_forms(&self, path: &Path) -> Result<(), ReadError> {
        let base = self.base.is_some();
        let experts = self.base.is_some_and(|base| base.experts.is_some());
        let [proxies, widths] = [self.proxies.is_some(), self.widths.is_some()];
        let [target, target_width] = [self.target.is_some(), self.target_width.is_some()];
        let forms: [Forms; 5] = [
            ("base", "base_width", [base, self.base_width.is_some()]),
            ("base", "base_depth", [base, self.base_depth.is_some()]),
            (
                "base.experts",
                "base_experts",
                [experts, self.base_experts.is_some()],
            ),
            ("proxies", "widths", [proxies, widths]),
            ("target", "target_width", [target, target_width]),
        ];
        let twice = forms.into_iter().find(|(.., given)| *given == [true; 2]);
        if let Some((key, short, _)) = twice {
            let problem = format!("and `{key}` are both given; `{short}` is its short form");
            return Err(ReadError::value(path, short, problem));
        }
        let needed: [Needed; 2] = [
            ("proxies", proxies || widths, "[{ width = 64, depth = 2 }]"),
            ("target", target || target_width, "{ width = 256 }"),
        ];
        let is_long = base || proxies || target;
        let missing = needed.into_iter().find(|(_, is_given, _)| !is_given);
        match missing.filter(|_| is_long) {
            None => Ok(()),
            Some((key, _, example)) => {
                let problem = format!("is missing beside the other sizes; give {key} = {example}");
                Err(ReadError::value(path, key, problem))
            }
        }
    }
}

/// What may be given in two forms: the key, its short form, and whether each is there.
type Forms = (&'static str, &'static str, [bool; 2]);

/// What is to be there beside other sizes: the key, whether it is, and an example.
type Needed = (&'static str, bool, &'static str);
