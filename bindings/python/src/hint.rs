//! What to do about errors of the core, in the words of a caller in Python.

use mutransfer::error::{RuleError, ShapesError, WidthsError};
use mutransfer::{Error, Fix};

/// Nothing where the message says it itself.
pub(crate) fn hint(error: &Error) -> Option<String> {
    match error {
        Error::Widths(
            WidthsError::ReadoutInBlock { name, .. } | WidthsError::Unproven { name, .. },
        ) => Some(format!("say what it is: {}", roles(name))),
        Error::Widths(WidthsError::NoWidth { name, .. }) => Some(format!(
            "delta= of another width shows what grows; or say what this one is: {}",
            roles(name)
        )),
        _ => words(error).or(error.fix().map(advice)).map(str::to_owned),
    }
}

/// About what only Python has in these words.
fn words(error: &Error) -> Option<&'static str> {
    Some(match error {
        Error::Widths(WidthsError::NoMatch { .. }) => "`*` is any text between two dots of a name",
        Error::Widths(WidthsError::Contradiction { .. }) => "declare= the role that its axes have",
        Error::Widths(WidthsError::AxisOutOfRange { .. } | WidthsError::SameAxis { .. }) => {
            "axes count from 0: Shape(dims, fan_in, fan_out)"
        }
        Error::Widths(WidthsError::TiedSizes { .. } | WidthsError::TiedToItself { .. }) => {
            "ties= takes pairs of a readout and the embedding whose tensor it uses"
        }
        Error::Widths(WidthsError::ZeroDimension { .. }) => "take the sizes of whole parameters",
        Error::Shapes(ShapesError::Ends { .. } | ShapesError::ShortHeader { .. }) => {
            "it is cut off, or of another format"
        }
        Error::Shapes(
            ShapesError::Syntax { format: "JSON", .. }
            | ShapesError::Unexpected { format: "JSON", .. },
        ) => "names with sizes: {\"up.weight\": [256, 64]}",
        Error::Shapes(ShapesError::Syntax { .. } | ShapesError::Unexpected { .. }) => {
            "mup.save_base_shapes and safetensors write such files"
        }
        Error::Rule(RuleError::Table { .. }) => "docs/rules.md says how one is written",
        Error::Rule(RuleError::NotClassified { .. }) => "plans are made for it all the same",
        _ => return None,
    })
}

fn roles(name: &mutransfer::ParamName) -> String {
    format!(
        "declare=[(\"{name}\", ROLE)] with \"output\" for a readout, \"input\" for an embedding or \
         first layer, \"hidden\" inside the network, \"fixed\" if it is of the data"
    )
}

fn advice(fix: Fix) -> &'static str {
    match fix {
        Fix::SameCode => "build base, delta and target from the same code at different widths",
        Fix::GrowOrKeep => {
            "make this dimension differ between base and delta if it is a width, or keep it fixed"
        }
        Fix::Orient => {
            "say which axis is summed over: Shape(dims, fan_in, fan_out), or layout=\"out-in\" \
             (torch) or \"in-out\" for all; or declare=[(name, role)]"
        }
        Fix::DeclareRole => "say which role it has with declare=, or give delta=",
        Fix::NameStack => "build all blocks of a stack with the same sizes",
        Fix::WidenDelta => "build the delta model with another width than the base model",
        Fix::KeepFixed => {
            "keep fixed dimensions (vocabulary, context, kernel, experts) equal in base and delta"
        }
        Fix::FormForTies => "tied embeddings need form=\"table8\" (or \"table9\")",
        Fix::DeclareBranchEnds => "take a rule that scales no ends of branches, such as complete-p",
        Fix::DeclareExperts => {
            "say how many are active in base and target, as active=(1, 8), and how wide one is where \
             shapes do not, as expert_width=(512, 128)"
        }
        Fix::OtherRule => "mutransfer.rules() lists which families each rule covers",
    }
}
