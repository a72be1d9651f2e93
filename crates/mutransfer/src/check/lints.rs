//! What `check` looks for: a stable code each, with what it is, why it matters and what to do.

use std::str::FromStr;

use crate::names::UnknownName;

/// One thing that can be wrong.
#[derive(Debug, PartialEq, Eq)]
pub struct Lint {
    /// Stable code, such as `MU001`.
    pub code: &'static str,
    /// Its name, in a few words.
    pub title: &'static str,
    /// What it checks.
    pub what: &'static str,
    /// Why it breaks transfer.
    pub why: &'static str,
    /// What to do.
    pub fix: &'static str,
    /// Where this is known from.
    pub source: &'static str,
}

macro_rules! lints {
    ($(
        $name:ident $title:literal
        what $what:literal why $why:literal fix $fix:literal source $source:literal
    )*) => {
        $(pub(crate) const $name: &Lint = &Lint {
            code: stringify!($name),
            title: $title,
            what: $what,
            why: $why,
            fix: $fix,
            source: $source,
        };)*

        /// Every lint, in the order of codes.
        pub const LINTS: &[&Lint] = &[$($name),*];
    };
}

lints! {
    MU001 "readout not declared"
        what "A layer sums over a dimension that grows and writes to one that does not, and \
              nothing says that it is a readout."
        why "Such a layer needs a multiplier of order 1/fan_in, or its output grows with width. \
             And in [vocabulary, width] a readout and an embedding look alike but need opposite \
             treatment."
        fix "Declare it: output for a readout, classifier or value head, input for an embedding. \
             If the fixed dimension should have grown, make it differ between base and delta."
        source "TP5 (2203.03466) text at Table 8; the assertion of the `mup` package"
    MU002 "nothing grows"
        what "No dimension differs between the base and the delta model."
        why "All ratios are then 1 and the plan is the standard parametrization, silently."
        fix "Build the delta model with another width than the base."
        source "microsoft/mup issues 25 and 41"
    MU003 "silent standard parametrization"
        what "The target model has the sizes of the base, so that every ratio is 1."
        why "At the base every rule is the standard parametrization: nothing will be scaled, and a \
             coordinate check at this width alone proves nothing."
        fix "Give the target's own shapes, or a base that is smaller than the target."
        source "microsoft/mup issues 25 and 41; gpt-neox pull request 1061"
    MU004 "scaled twice"
        what "The table scales the same thing in two ways: multiplier and learning rate of the \
              readout, or the learning rate of a matrix whose optimizer has a factor of its own."
        why "Each of them alone makes the update right; together they shrink it as the network \
             grows."
        fix "Take the readout from one table: multiplier 1/m_in with learning rate 1 (Table 8), or \
             learning rate 1/m_in without multiplier (Table 3). Divide the optimizer's own factor \
             out with m_own^-1."
        source "TP5 Tables 3 and 8; microsoft/mup issues 7, 47, 57; Megatron-LM pull request 3715"
    MU005 "tied without multiplier"
        what "An embedding serves as readout, but the logits have no multiplier; or there is no \
              readout at all and the tie was not declared."
        why "An embedding has entries of order one, so logits grow as the width without a \
             multiplier 1/m_in. A readout that is a tied tensor disappears from most checkpoints, \
             and its multiplier is then forgotten."
        fix "Declare the tie and use the form of Table 8, where one init, learning rate and decay \
             serve both uses."
        source "TP5 section B.1; microsoft/mup issue 55"
    MU006 "fan-in unknown"
        what "A matrix grows, but nothing says which of its axes the layer sums over."
        why "Learning rate and init follow the fan-in. Frameworks store weights either way round."
        fix "Say the layout, give the axes in the shapes file, or declare the role."
        source "`mup` takes the last infinite dimension, which is wrong for weights stored [in, \
                out]"
    MU007 "parts of a fused matrix grow unequally"
        what "A matrix that looks like several in one (queries, keys and values; gate and up) has \
              a fan-out that does not grow as its fan-in does."
        why "Then its parts have different ratios, and no single number is right for all of them: \
             with grouped key and value heads, queries grow and keys do not."
        fix "Store the parts as parameters of their own, or scale their widths together."
        source "TP5 appendix D; Megatron-LM, one global ratio for matrices that scale unequally"
    MU008 "sizes contradict each other"
        what "A parameter is missing in one of the models, has another rank, differs in a \
              dimension that does not grow, grows in more than two, or contradicts its \
              declaration."
        why "Ratios would be those of other tensors."
        fix "Build base, delta and target from the same code, with fixed sizes (vocabulary, \
             context, kernel) equal."
        source "TP5 appendix B"
    MU009 "weight decay in the gradient"
        what "The optimizer normalises the entries of its gradient, and weight decay is added to \
              that gradient. LAMB and LARS, which take one norm of a whole tensor, do not."
        why "The decay's share of the gradient then depends on width, and no scaling of it \
             transfers."
        fix "Use decoupled decay: adamw instead of adam, times-lr or independent instead of l2."
        source "TP5 section B.3"
    MU010 "zero init under a trust ratio"
        what "A parameter that starts at zero is trained by steps proportional to its norm."
        why "Its steps are zero for ever, unless the optimizer has a floor for the norm."
        fix "Start it away from zero, or train it with another optimizer."
        source "2203.03466 section B.3; the trust ratio's definition"
    MU011 "gradient norm grows with width"
        what "In this form the gradient norm of a tensor grows with width, and gradients are \
              clipped at a constant norm."
        why "The wider the model, the more steps are clipped, and the effective learning rate \
             falls."
        fix "Use the form of Table 8, or multiply each tensor's norm by the plan's clip factor."
        source "TP5 appendix B.3 says constant thresholds fit every form; measured slopes say not \
                Table 3"
    MU012 "setting differs from the plan"
        what "A trainer's number for a parameter is not the one of the rule."
        why "A scheduler that sets absolute learning rates, a flag set after the model was built, \
             one ratio used for all matrices, or a forgotten attention scale all look like this, \
             and none of them fails."
        fix "Take the number from the plan; let schedules be factors."
        source "gpt-neox pull request 1061; DeepSpeed issue 7713; Megatron-LM"
    MU013 "rule does not transfer"
        what "In the limit of infinite width the table is unstable, trivial, or learns no \
              features, or some layer is not updated maximally."
        why "The best learning rate then moves with width, or wide networks do not learn what \
             narrow ones do."
        fix "Mend the exponents of the layer that the theory names."
        source "TP4 (2011.14522) theorems 3.3 to 5.6; 2308.01814 section 2.8"
    MU014 "epsilon does not follow the gradient"
        what "A table of your own, or an option, gives epsilon another power of the sizes than the \
              gradient's entries have."
        why "Gradients shrink as networks grow. Once they are as small as epsilon, the optimizer \
             turns into SGD with a tiny learning rate; if epsilon shrinks faster than they do, it \
             does nothing where it was tuned to do something."
        fix "Use eps=faithful, or give the powers that the theory has as d."
        source "2308.01814 equation 2.26; 2407.05872 on epsilon underflow"
    MU015 "a size of the data taken for a width"
        what "A dimension grows, and nothing shows that it is a width: it lies outside of the \
              blocks and grows by a factor of its own, or the parameter is named as an embedding \
              or a readout and grows in both axes."
        why "A vocabulary padded to another multiple, a longer context or more mel bins are no \
             widths. With a width's exponents embedding and readout get the learning rate of \
             hidden matrices, and the readout no multiplier."
        fix "Declare it: input for an embedding or first layer, output for a readout, hidden if it \
             is a width. Or give a delta model, in which widths differ and nothing else."
        source "TP5 (2203.03466) appendix B: dimensions are finite or infinite by what they stand \
         for"
    MU016 "nothing reads data"
        what "No parameter has a fixed fan-in and a growing fan-out."
        why "A network reads data of a fixed size. Where nothing does, a size of the data has been \
             taken for a width."
        fix "Declare the embedding or first layer input."
        source "TP5 (2203.03466) Table 8"
    MU017 "a matrix grows alone"
        what "One axis of a hidden matrix grows by a factor that no other parameter has, or does \
              not grow where the other does."
        why "A width is written by one layer and read by another. An axis that no other parameter \
             shares is often one of the data."
        fix "If it is of the data, declare the matrix input or output; if it is a width, hidden."
        source "TP5 (2203.03466) appendix B"
    MU018 "depth counted twice"
        what "Residual branches have a multiplier for depth, and the weights that end them start \
              smaller by the root of the depth too; or the plan has the multiplier in those \
              weights, and the forward pass multiplies as well."
        why "Either makes the sum over blocks independent of their number. Both make branches \
             vanish as networks grow deeper."
        fix "Take one: the plan's multiplier with initial weights that do not know the depth \
             (without the 1/sqrt(2 depth) of GPT-2, or with that of the base), or the form folded."
        source "2505.01618 Table 1; GPT-2's initial weights"
    MU019 "a factor of its own in the forward pass"
        what "A module has a number that differs between base and target, such as an embedding \
              that is multiplied by the root of the width."
        why "The plan has every factor that follows the width already. One that the model has by \
             itself is applied on top of it, so that activations grow with the width."
        fix "Fix the factor to its value in the base. The coordinate check shows those that no \
             module has as a number."
        source "TP5 (2203.03466) Table 8; Gemma and T5 in transformers scale embeddings and logits \
                by their width"
    MU020 "checkpoint of another plan"
        what "The weights of a model carry the record of another plan than the one that its \
              optimizer is to follow."
        why "Multipliers and weights belong together: with those of another base, rule or form the \
             logits are off by the ratio of the widths, and nothing says so."
        fix "Plan with the base, rule and optimizer that the checkpoint was trained with, or fold \
             it into a plain model before it is saved."
        source "microsoft/mup issue 21, where the multiplier is lost with the base shapes"
    MU021 "another share of active experts"
        what "Another share of the experts is active in the target than in the base; of a dense \
              base, all are."
        why "Fewer tokens reach each expert, and the noise of its gradient grows as the root. The \
             first-order corrections cancel and what is left is not corrected, so the transfer is \
             approximate."
        fix "Nothing, if you can live with that: the plan says by how much noise changes. Or keep \
             the share. The option density says that it may change (allow) or must not (forbid)."
        source "2605.23893, Bridge II; 2601.20205 keeps the share"
    MU022 "a gate that the rule does not cover"
        what "Experts are weighed by another gate than a sigmoid that is normalised over the \
              active experts."
        why "The rule's factors hold where the squared weights of the active experts sum to about \
             one over their number. Other gates are sharper or not normalised, so that the output \
             of the layer follows how sharp they are."
        fix "Take the normalised sigmoid, or measure the routing variance: the number of active \
             experts times the sum of their squared weights, which should stay below 1.3."
        source "2605.23893 Table 1"
    MU023 "a router without a gradient"
        what "One expert is active, and weights are normalised over the active experts."
        why "Its weight is then always 1, whatever the router says, so the loss passes nothing \
             back to the router, which only balancing moves."
        fix "Take a gate that is not normalised (the option gate=sigmoid), or two active experts."
        source "2605.23893 Table 1 at a = 1"
    MU024 "experts under a rule without laws for them"
        what "More or fewer experts are active in the target than in the base, and the rule treats \
              their matrices as hidden ones."
        why "The output of the layer then starts as one over the root of the number of active \
             experts, and learns as one over it, so that the best learning rate moves with it."
        fix "Take a rule with laws for experts, such as complete-mue."
        source "2605.23893 Table 1"
    MU025 "a router that starts at zero"
        what "A router is among what starts at zero."
        why "All experts are then scored alike, ties are broken by their order, and the same ones \
             are active for every token: a fixed part of the network, which is all that learns."
        fix "Draw the router at random, as the plan has it."
        source "2601.20205"
    MU026 "experts of several widths"
        what "Experts of one layer differ in their hidden widths."
        why "The active width then depends on which experts a token is routed to, and the rule has \
             one for all."
        fix "Declare the expected one as the width of an expert, and know that it is an average."
        source "2605.23893 Table 1, which has one width"
}

impl FromStr for &'static Lint {
    type Err = UnknownName;

    fn from_str(code: &str) -> Result<Self, UnknownName> {
        let found = LINTS
            .iter()
            .find(|lint| lint.code.eq_ignore_ascii_case(code))
            .copied();
        found.ok_or_else(|| {
            let codes = LINTS.iter().map(|lint| lint.code);
            UnknownName::new("lint", codes, code)
        })
    }
}
