//! From what was typed to shapes, widths and a parametrization.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use mutransfer::{
    Error, Given, Init, Options, Parametrization, Plan, Role, Shapes, Size, Sizes, Widths,
};
use mutransfer_study::rule::NamedRule;

use crate::args::{ChoiceOptions, HyperOptions, ModelOptions, RuleOptions};
use crate::failure::Failure;

/// The longest safetensors header that the format allows.
const LONGEST_HEADER: u64 = 100_000_000;

/// What grows, and the model to train, if one was given.
pub(crate) struct Model {
    pub(crate) widths: Result<Widths, Error>,
    pub(crate) target: Option<Shapes>,
}

impl Model {
    /// Reads the files. What is wrong with the sizes themselves stays in [`Model::widths`], for
    /// `check` to report.
    pub(crate) fn read(options: &ModelOptions) -> Result<Self, Failure> {
        let target = options.target.as_deref().map(shapes).transpose()?;
        let grown = |target: &Option<Shapes>| match (&options.delta, target) {
            (Some(delta), _) => shapes(delta),
            (None, Some(target)) => Ok(target.clone()),
            (None, None) => Err(Failure::usage(
                "nothing says what grows",
                Some("give --delta or --target"),
            )),
        };
        let widths = match is_bsh(&options.base) {
            true => Widths::from_bsh(&text(&options.base)?),
            false => Widths::between(&shapes(&options.base)?, &grown(&target)?),
        };
        if let Err(error @ Error::Shapes(_)) = widths {
            return Err(error.into());
        }
        let declared = Declared::read(options)?;
        Ok(Self {
            widths: widths.and_then(|widths| declared.apply(widths, options)),
            target,
        })
    }
}

/// Everything declared about widths, as typed.
struct Declared<'a> {
    roles: Vec<(&'a str, Role)>,
    ties: Vec<(&'a str, &'a str)>,
    sizes: Sizes,
}

impl<'a> Declared<'a> {
    fn read(options: &'a ModelOptions) -> Result<Self, Failure> {
        let mut roles = Vec::new();
        for declaration in &options.declare {
            let (pattern, role) = pair(declaration, "PATTERN=ROLE")?;
            roles.push((pattern, role.parse()?));
        }
        let ties = options.tie.iter().map(|tie| pair(tie, "A=B"));
        let ties = ties.collect::<Result<_, _>>()?;
        let mut sizes = Sizes::NONE;
        for (size, flag, given) in [
            (Size::Depth, "--depth", &options.depth),
            (Size::HeadDim, "--head-dim", &options.head_dim),
        ] {
            if let Some(given) = given {
                let (base, target) = base_and_target(given, flag)?;
                sizes = sizes.with(size, base, target)?;
            }
        }
        Ok(Self { roles, ties, sizes })
    }

    fn apply(&self, mut widths: Widths, options: &ModelOptions) -> Result<Widths, Error> {
        if let Some(layout) = options.layout {
            widths = widths.with_layout(layout);
        }
        for (pattern, role) in &self.roles {
            widths = widths.declare(pattern, *role)?;
        }
        for (readout, embedding) in &self.ties {
            widths = widths.tie(readout, embedding)?;
        }
        Ok(widths.with_sizes(self.sizes))
    }
}

/// The plan of a model, with everything declared about its forward pass.
pub(crate) fn plan(
    widths: &Widths,
    target: &Shapes,
    rule: &Parametrization,
    model: &ModelOptions,
    optimizer: mutransfer::Optimizer,
) -> Result<Plan, Error> {
    let mut plan = Plan::new(widths, target, rule.clone(), optimizer)?;
    for pattern in &model.zero_init {
        plan = plan.with_zero_init(pattern)?;
    }
    Ok(plan)
}

/// The rule with everything that completes it.
pub(crate) fn parametrization(options: &RuleOptions) -> Result<Parametrization, Failure> {
    rule(&options.rule, &options.choices)
}

/// A rule by its name, or a table in a file.
pub(crate) fn rule(name: &str, choices: &ChoiceOptions) -> Result<Parametrization, Failure> {
    let mut rule = NamedRule::find(name, Path::new(""))?
        .parametrization()
        .clone();
    if let Some(form) = choices.form {
        rule = rule.with_form(form);
    }
    if let Some(decay) = choices.decay {
        rule = rule.with_decay(decay);
    }
    let pairs = choices
        .options
        .iter()
        .map(|option| pair(option, "KEY=VALUE"));
    Ok(rule.with_options(Options::from_pairs(pairs.collect::<Result<Vec<_>, _>>()?)?))
}

/// The hyperparameters typed, which must be numbers that make sense.
pub(crate) fn given(options: &HyperOptions) -> Result<Given, Failure> {
    let all = [
        ("--lr", options.lr, true),
        ("--weight-decay", options.weight_decay, false),
        ("--eps", options.eps, false),
        ("--init-std", options.init_std, false),
    ];
    for (flag, value, positive) in all {
        let wrong =
            value.filter(|value| !value.is_finite() || *value < 0.0 || (positive && *value == 0.0));
        if let Some(value) = wrong {
            let wanted = if positive {
                "a positive number"
            } else {
                "zero or a positive number"
            };
            return Err(Failure::usage(
                format!("{flag} is {value}; it must be {wanted}"),
                None,
            ));
        }
    }
    let init = options.init_std.map(Init::Constant);
    Ok(Given {
        lr: options.lr,
        weight_decay: options.weight_decay,
        eps: options.eps,
        init,
        ..Given::default()
    })
}

/// Shapes from a file: safetensors by its extension, else JSON.
fn shapes(path: &Path) -> Result<Shapes, Failure> {
    let read = match path.extension().and_then(|extension| extension.to_str()) {
        Some("safetensors") => Shapes::from_safetensors(&header(path)?),
        Some("bsh") => {
            let message = format!(
                "{} has base sizes only; a .bsh file can be given as --base",
                path.display()
            );
            return Err(Failure::usage(message, None));
        }
        _ => Shapes::from_json(&text(path)?),
    };
    let shapes = read.map_err(|error| Failure::from(error).in_file(path))?;
    match shapes.is_empty() {
        true => Err(Failure::usage(
            format!("{} holds no shape", path.display()),
            None,
        )),
        false => Ok(shapes),
    }
}

fn is_bsh(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "bsh")
}

pub(crate) fn text(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| unreadable(path, error))
}

/// The beginning of a safetensors file: a checkpoint of many gigabytes is not read for its shapes.
fn header(path: &Path) -> Result<Vec<u8>, Failure> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let mut bytes = Vec::new();
        file.by_ref().take(8).read_to_end(&mut bytes)?;
        let length = bytes
            .first_chunk()
            .map_or(0, |length| u64::from_le_bytes(*length));
        file.take(length.min(LONGEST_HEADER))
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|error| unreadable(path, error))
}

fn unreadable(path: &Path, error: std::io::Error) -> Failure {
    Failure::unreadable(path, error)
}

fn pair<'a>(text: &'a str, wanted: &str) -> Result<(&'a str, &'a str), Failure> {
    text.rsplit_once('=').ok_or_else(|| {
        let message = format!("options: `{text}` is not of the form {wanted}");
        Failure::usage(message, None)
    })
}

fn base_and_target(text: &str, flag: &str) -> Result<(usize, usize), Failure> {
    text.split_once(':')
        .and_then(|(base, target)| Some((positive(base)?, positive(target)?)))
        .ok_or_else(|| {
            let message =
                format!("options: {flag} is `{text}`; it must be BASE:TARGET, such as 16:64");
            Failure::usage(message, None)
        })
}

fn positive(text: &str) -> Option<usize> {
    text.trim().parse().ok().filter(|size| *size > 0)
}
