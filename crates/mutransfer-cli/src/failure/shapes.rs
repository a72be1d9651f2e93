//! What the rules refuse of shapes, sizes and names, and the step that mends it, in flags.

use mutransfer::Fix;
use mutransfer::error::{PlanError, WidthsError};

use super::{Failure, USAGE};

impl From<mutransfer::UnknownName> for Failure {
    fn from(error: mutransfer::UnknownName) -> Self {
        mutransfer::Error::from(error).into()
    }
}

impl From<mutransfer::Error> for Failure {
    fn from(error: mutransfer::Error) -> Self {
        let hint = match (&error, error.fix()) {
            (mutransfer::Error::Widths(error), _) if about_widths(error).is_some() => {
                about_widths(error)
            }
            (mutransfer::Error::Plan(PlanError::UnknownExpert { name }), _) => Some(format!(
                "--declare '{name}=expert-in' where it reads, '{name}=expert-out' where it writes"
            )),
            (_, Some(Fix::FormForTies)) => {
                Some("tied embeddings need --form table8 (or table9)".to_owned())
            }
            (_, fix) => fix.map(|fix| advice(fix).to_owned()),
        };
        Self {
            code: USAGE,
            error: error.into(),
            hint,
        }
    }
}

/// What to do about a parameter or a stack of blocks, by the flags that say it.
fn about_widths(error: &WidthsError) -> Option<String> {
    match error {
        WidthsError::UnknownAxes { name, .. } => Some(format!(
            "--layout out-in (torch, candle) or in-out (burn, JAX) says how weights are stored; if \
             it is given, say what this one is: {}",
            roles(name)
        )),
        WidthsError::NoWidth { name, rank, .. } => Some(format!(
            "--delta with the shapes of another width shows what grows; or say what this one is: \
             {}",
            if *rank == 1 {
                vector(name)
            } else {
                roles(name)
            }
        )),
        WidthsError::Unproven { name, .. } | WidthsError::ReadoutInBlock { name, .. } => {
            Some(format!("say what it is: {}", roles(name)))
        }
        WidthsError::OtherDepth { found, .. } => deepest(found).map(|stack| {
            format!(
                "--depth '{}={}:{}' names a stack; it may be given for several",
                stack.name, stack.base, stack.target
            )
        }),
        WidthsError::UnequalBlocks { .. } => Some(
            "give the files of the base at the target's number of blocks, and its own number by \
             --depth STACK=BASE:TARGET; --shortcut names what is beside the branches, such as the \
             projections where a stage begins"
                .to_owned(),
        ),
        WidthsError::UnsaidDepth { name, blocks } => Some(format!(
            "say that too, as of the other stages: --depth '{name}=BASE:{blocks}', \
             '{name}={blocks}:{blocks}' if it does not grow"
        )),
        WidthsError::OtherNumber { name, base, target } => Some(format!(
            "keep their number equal; if they are blocks after all: --depth \
             '{name}={base}:{target}'"
        )),
        _ => None,
    }
}

/// The declarations that a bias or gain may need.
fn vector(name: &mutransfer::ParamName) -> String {
    format!("--declare '{name}=vector' if it is a width, '{name}=fixed' if it is of the data")
}

/// A stack that differs in number, else any.
fn deepest(found: &[mutransfer::Stack]) -> Option<&mutransfer::Stack> {
    let differs = |stack: &&mutransfer::Stack| stack.base != stack.target;
    found.iter().find(differs).or(found.first())
}

/// The declarations that a matrix may need. What LoRA adds to a matrix is known by its name: its
/// first factor reads the width, its second writes it (2402.12354).
fn roles(name: &mutransfer::ParamName) -> String {
    if name.as_str().contains("lora_A") || name.as_str().contains("lora_a") {
        return format!(
            "--declare '{name}=hidden', as it reads the width and stays in the network"
        );
    }
    if name.as_str().contains("lora_B") || name.as_str().contains("lora_b") {
        return format!("--declare '{name}=input', as it reads the rank, which is fixed");
    }
    format!(
        "--declare '{name}=output' for a readout, '{name}=input' for an embedding or first layer, \
         '{name}=hidden' inside the network (keys and values of a fixed number of heads, a \
         feed-forward part that grows alone)"
    )
}

/// What to do, where no flag does it.
pub(super) fn advice(fix: Fix) -> &'static str {
    match fix {
        Fix::SameCode => "build base, delta and target from the same code at different widths",
        Fix::GrowOrKeep => {
            "make this dimension differ between base and delta if it is a width, or keep it fixed"
        }
        Fix::Orient => {
            "say how weights are stored (layout out-in: torch, candle; in-out: burn, JAX); an \
             embedding and a readout look alike in [vocabulary, width], so declare such a matrix \
             input or output"
        }
        Fix::DeclareRole => "say which role it has, or give a delta model",
        Fix::NameStack => {
            "build all blocks of a stack with the same sizes, or say which stack has more blocks"
        }
        Fix::WidenDelta => "build the delta model with another width than the base model",
        Fix::KeepFixed => {
            "keep fixed dimensions (vocabulary, context, kernel, experts) equal in base and delta; \
             an axis that counts blocks is said by --stacked"
        }
        Fix::FormForTies => "tied embeddings need the form table8 (or table9)",
        Fix::DeclareBranchEnds => "name them, as in --branch-end 'blocks.*.down.*'",
        Fix::DeclareExperts => {
            "say how many are active, as in --active 1:8, and how wide one is where shapes do not, \
             as in --expert-width 512:128"
        }
        Fix::OtherRule => "`mutransfer rules` lists which families each rule covers",
    }
}
