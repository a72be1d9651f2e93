//! From what was typed to shapes, widths and a parametrization.

mod files;
mod given;

use std::path::Path;

use mutransfer::error::WidthsError;
use mutransfer::{Axes, Error, Options, Parametrization, Plan, Role, Shapes, Size, Sizes, Widths};
use mutransfer_study::rule::NamedRule;

use crate::args::{ChoiceOptions, ExpertOptions, ModelOptions, RuleOptions};
use crate::failure::Failure;

pub(crate) use files::text;
pub(crate) use given::{Value, given, have_parameters};

/// What grows, and the model to train, if one was given.
pub(crate) struct Model {
    pub(crate) widths: Result<Widths, Error>,
    pub(crate) target: Option<Shapes>,
}

impl Model {
    /// Reads the files. What is wrong with the sizes themselves stays in [`Model::widths`], for
    /// `check` to report.
    ///
    /// Where `may_stay`, nothing in it need grow.
    pub(crate) fn read(options: &ModelOptions, may_stay: bool) -> Result<Self, Failure> {
        if options.base.is_empty() {
            return Err(Failure::usage(
                "no base model is given",
                Some("give --base"),
            ));
        }
        let target = files::shapes(&options.target)?;
        let delta = files::shapes(&options.delta)?;
        let widths = match (&options.base[..], &delta, &target) {
            ([bsh], ..) if files::is_bsh(bsh) => Widths::from_bsh(&files::text(bsh)?),
            (base, Some(delta), _) => Widths::between(&files::base(base)?, delta),
            (base, None, Some(target)) => {
                let base = files::base(base)?;
                match Widths::inferred(&base, target) {
                    Err(Error::Widths(WidthsError::NothingGrows)) if may_stay => {
                        Widths::unchanged(&base)
                    }
                    widths => widths,
                }
            }
            (_, None, None) => {
                let hint = Some("give --delta or --target");
                return Err(Failure::usage("nothing says what grows", hint));
            }
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
    axes: Vec<(&'a str, Axes)>,
    /// Patterns with the axis that counts blocks.
    stacked: Vec<(&'a str, usize)>,
    /// Stacks of blocks by name, with their number in base and target.
    depths: Vec<(&'a str, usize, usize)>,
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
        let axes = options.axes.iter().map(|given| axes(given));
        let stacked = options.stacked.iter().map(|given| stacked(given));
        let (axes, stacked) = (
            axes.collect::<Result<_, _>>()?,
            stacked.collect::<Result<_, _>>()?,
        );
        let (mut sizes, mut depths) = (Sizes::NONE, Vec::new());
        for given in &options.depth {
            if let Some((stack, counts)) = given.rsplit_once('=') {
                let (base, target) = base_and_target(counts, "--depth")?;
                depths.push((stack, base, target));
            } else {
                let (base, target) = base_and_target(given, "--depth")?;
                sizes = sizes.with(Size::Depth, base, target)?;
            }
        }
        if let Some(given) = &options.head_dim {
            let (base, target) = base_and_target(given, "--head-dim")?;
            sizes = sizes.with(Size::HeadDim, base, target)?;
        }
        let sizes = with_experts(sizes, &options.experts)?;
        Ok(Self {
            roles,
            ties,
            axes,
            stacked,
            depths,
            sizes,
        })
    }

    fn apply(&self, mut widths: Widths, options: &ModelOptions) -> Result<Widths, Error> {
        if let Some(layout) = options.layout {
            widths = widths.with_layout(layout);
        }
        for (pattern, axes) in &self.axes {
            widths = widths.with_axes(pattern, *axes)?;
        }
        for (pattern, axis) in &self.stacked {
            widths = widths.with_stacked(pattern, *axis)?;
        }
        for pattern in &options.branch_end {
            widths = widths.with_branch_ends(pattern)?;
        }
        for pattern in &options.shortcut {
            widths = widths.with_shortcuts(pattern)?;
        }
        for (pattern, role) in &self.roles {
            widths = widths.declare(pattern, *role)?;
        }
        for (readout, embedding) in &self.ties {
            widths = widths.tie(readout, embedding)?;
        }
        for (stack, base, target) in &self.depths {
            widths = widths.with_depth(stack, *base, *target)?;
        }
        Ok(widths.with_sizes(self.sizes))
    }
}

/// The plan of a model, with everything declared about its forward pass.
pub(crate) fn completed(mut plan: Plan, model: &ModelOptions) -> Result<Plan, Error> {
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
    let mut rule = NamedRule::find(name, Path::new(""))?.parametrization();
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

fn pair<'a>(text: &'a str, wanted: &str) -> Result<(&'a str, &'a str), Failure> {
    text.rsplit_once('=').ok_or_else(|| {
        let message = format!("options: `{text}` is not of the form {wanted}");
        Failure::usage(message, None)
    })
}

/// `PATTERN=FAN_IN:FAN_OUT`.
fn axes(given: &str) -> Result<(&str, Axes), Failure> {
    let (pattern, both) = pair(given, "PATTERN=FAN_IN:FAN_OUT")?;
    let axis = |text: &str| text.trim().parse().ok();
    let found = both
        .split_once(':')
        .and_then(|(left, right)| axis(left).zip(axis(right)));
    let (fan_in, fan_out) = found.ok_or_else(|| {
        let message = format!("options: --axes is `{given}`; axes are numbers from 0, such as 1:2");
        Failure::usage(message, None)
    })?;
    let axes = Axes {
        fan_in: Some(fan_in),
        fan_out: Some(fan_out),
    };
    Ok((pattern, axes))
}

/// `PATTERN=AXIS`.
fn stacked(given: &str) -> Result<(&str, usize), Failure> {
    let (pattern, axis) = pair(given, "PATTERN=AXIS")?;
    let axis = axis.trim().parse().map_err(|_| {
        let message = format!("options: --stacked is `{given}`; an axis is a number from 0");
        Failure::usage(message, None)
    })?;
    Ok((pattern, axis))
}

/// With what is said of experts. Without shared ones their width is 0.
fn with_experts(mut sizes: Sizes, options: &ExpertOptions) -> Result<Sizes, Failure> {
    for (flag, size, given) in [
        ("--active", Size::Active, &options.active),
        ("--experts", Size::Experts, &options.experts),
        ("--expert-width", Size::ExpertWidth, &options.expert_width),
        ("--shared-width", Size::SharedWidth, &options.shared_width),
    ] {
        if let Some(given) = given {
            let may_be_none = size == Size::SharedWidth;
            let (base, target) = pair_of(given, flag, if may_be_none { whole } else { positive })?;
            sizes = sizes.with(size, base, target)?;
        }
    }
    Ok(sizes)
}

pub(crate) fn base_and_target(text: &str, flag: &str) -> Result<(usize, usize), Failure> {
    pair_of(text, flag, positive)
}

fn pair_of(
    text: &str,
    flag: &str,
    size: fn(&str) -> Option<usize>,
) -> Result<(usize, usize), Failure> {
    text.split_once(':')
        .and_then(|(base, target)| Some((size(base)?, size(target)?)))
        .ok_or_else(|| {
            let message =
                format!("options: {flag} is `{text}`; it must be BASE:TARGET, such as 16:64");
            Failure::usage(message, None)
        })
}

fn positive(text: &str) -> Option<usize> {
    whole(text).filter(|size| *size > 0)
}

/// A size, such as `64` or `1e9`.
fn whole(text: &str) -> Option<usize> {
    let written = text.trim();
    let whole = written.parse().ok();
    whole.or_else(|| {
        let number: f64 = written.parse().ok()?;
        let is_whole = number.fract() == 0.0 && (0.0..=MOST).contains(&number);
        is_whole.then_some(number as usize)
    })
}

/// Larger whole numbers have no exact place in a float.
const MOST: f64 = 9e15;
