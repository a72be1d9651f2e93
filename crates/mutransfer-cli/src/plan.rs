//! `mutransfer plan`: the proxy's hyperparameters, scaled to a model.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Context;
use mutransfer::{
    Check, Dim, Experts, Finding, Given, Hyper, Optimizer, ParamName, ParamPlan, Plan,
    PlanDocument, Role,
};

use mutransfer_study::limits;
use mutransfer_study::study::Study;
use mutransfer_study::subject::ModelSizes;

use crate::args::PlanOptions;
use crate::failure::Failure;
use crate::horizon::Horizons;
use crate::model::{self, Model};
use crate::say::{note, say, say_text};
use crate::subject::open_typed;
use crate::table;

/// Findings that say that a plan is not what its user thinks; the others are for `check`.
const WARNINGS: [&str; 13] = [
    "MU003", "MU005", "MU007", "MU009", "MU010", "MU016", "MU017", "MU021", "MU022", "MU023",
    "MU024", "MU025", "MU026",
];

pub(crate) fn plan(options: &PlanOptions) -> Result<(), Failure> {
    let given = model::given(&options.hyper)?;
    if let Some(path) = &options.study {
        return plan_of_study(&Study::read(path)?, given, options);
    }
    let horizon = Horizons::of(&options.horizon)?;
    let Model { widths, target } = Model::read(&options.model, horizon.is_given())?;
    let widths = widths?;
    if options.bsh {
        say_text!("{}", widths.to_bsh());
        return Ok(());
    }
    let target =
        target.ok_or_else(|| Failure::usage("no model to plan for", Some("give --target")))?;
    let rule = model::parametrization(&options.rule)?;
    let check = Check {
        widths: &widths,
        target: &target,
        rule: &rule,
        optimizer: options.rule.optimizer,
        decays: given.weight_decay.is_some_and(|decay| decay > 0.0),
        clips: false,
        zero_init: &options.model.zero_init,
    };
    let (plan, findings) = check.planned()?;
    let plan = model::completed(plan?, &options.model)?;
    warn(&findings);
    say_what_decays(options, &given, &plan);
    horizon.note();
    tell(&plan, given, &horizon, options.json)
}

/// The plan of the target of a study, or of another width, with its hyperparameters where none were
/// typed.
fn plan_of_study(study: &Study, typed: Given, options: &PlanOptions) -> Result<(), Failure> {
    let target = study.target().sizes;
    let width = options.width.unwrap_or(target.width);
    limits::check_width("width", width)?;
    let sizes = ModelSizes { width, ..target };
    let subject = open_typed(study.subject(), None, Arc::default())?;
    let rule = model::parametrization(&options.rule)?;
    let plan = subject.plan(&sizes, &rule, study.optimizer())?;
    let own = Given::from(&study.hyper(1.0));
    let given = Given {
        lr: typed.lr,
        weight_decay: typed.weight_decay.or(own.weight_decay),
        eps: typed.eps.or(own.eps),
        init: typed.init.or(own.init),
        own: typed.own,
        ..own
    };
    let tokens = if subject.has_sequences() {
        sizes.context
    } else {
        1
    };
    let horizon = Horizons::of(&options.horizon)?.or_of_study(study, &rule, tokens)?;
    tell(&plan, given, &horizon, options.json)
}

fn tell(plan: &Plan, given: Given, horizon: &Horizons, json: bool) -> Result<(), Failure> {
    model::have_parameters(&given, plan)?;
    let document = horizon.applied(plan.document(given))?;
    if json {
        let text = serde_json::to_string_pretty(&document).context("cannot print JSON")?;
        say!("{text}");
    } else {
        print(plan, &document);
        horizon.print(&document);
    }
    Ok(())
}

/// Nothing tells a matrix from a bias by its role where neither grows, so that is said.
fn say_what_decays(options: &PlanOptions, given: &Given, plan: &Plan) {
    let decays = given.weight_decay.is_some_and(|decay| decay > 0.0);
    if !decays || options.hyper.decay_vectors {
        return;
    }
    note!("note: biases and gains are not decayed; --decay-vectors decays them too");
    let is_fixed = |param: &ParamPlan| {
        let axes = param.dims.iter().filter(|dim| dim.size() > 1);
        param.role == Role::Fixed && axes.count() > 1 && given.factors.fixed.weight_decay == 0.0
    };
    let mut matrices = plan.params().filter(|(_, param)| is_fixed(param));
    if let Some((name, _)) = matrices.next() {
        note!(
            "warning: nothing of `{name}` grows, nor of {} more matrices, so they are not decayed \
             either; --decay-vectors decays all, --weight-decay '{name}=0.1' some",
            matrices.count()
        );
    }
}

fn warn(findings: &[Finding]) {
    for finding in findings {
        let code = finding.lint.code;
        if !WARNINGS.contains(&code) {
            continue;
        }
        let about = match &finding.parameter {
            Some(name) => format!("`{name}`: "),
            None => String::new(),
        };
        note!("warning[{code}]: {about}{}", finding.message);
    }
}

fn print(plan: &Plan, document: &PlanDocument) {
    let hyper = Hyper::from(&document.hyper);
    say!("{}", parameters(plan, document));
    say!(
        "{} in the form {}, for {} with {} decay: {}; {} optimizer groups",
        plan.rule(),
        plan.form(),
        plan.optimizer(),
        plan.decay(),
        roles(plan),
        groups(document)
    );
    print_forward(plan, &hyper);
    if document.clip.is_some() {
        say!("gradient clipping needs a factor per tensor in this form; --json has them");
    }
    say!("plan {}", &document.hash[..16]);
}

/// What the forward pass applies, and of how many blocks.
fn print_forward(plan: &Plan, hyper: &Hyper) {
    let forward = plan.forward_at(hyper);
    let lines = [
        ("attention scale", forward.attention),
        ("residual branches times", forward.residual),
    ];
    for (what, value) in lines {
        if let Some(value) = value {
            say!("{what} {}", number(value));
        }
    }
    for stack in plan.stacks() {
        say!(
            "{} has {} blocks, {} in the base",
            stack.name,
            stack.target,
            stack.base
        );
    }
    for (stack, value) in &forward.residual_in {
        say!("residual branches of {stack} times {}", number(*value));
    }
    if let Some(experts) = &forward.experts {
        print_experts(experts);
    }
    for (readout, value) in &forward.readout {
        say!("tied readout {readout} times {}", number(*value));
    }
}

/// What a layer of experts is, what it applies, and what nothing corrects.
fn print_experts(experts: &Experts) {
    let [base, target] = experts.active_width;
    let ([own, active], [all, count]) = (experts.active, experts.experts);
    say!(
        "{active} of {count} experts active, {own} of {all} in the base: a token passes {target} \
         hidden entries, {base} in the base"
    );
    say!(
        "routed experts times {} after their weights; the multiplier of what writes an expert is \
         in the table",
        number(experts.route)
    );
    if experts.noise != 1.0 {
        say!(
            "noise of an expert's gradient times {} at the same batch, which no law corrects",
            number(experts.noise)
        );
    }
}

/// How many groups an optimizer needs: one for each set of its settings.
fn groups(document: &PlanDocument) -> usize {
    let settings = document
        .params
        .values()
        .map(|param| [param.lr, param.weight_decay, param.eps].map(f64::to_bits));
    settings.collect::<BTreeSet<_>>().len()
}

/// How many parameters play each role.
fn roles(plan: &Plan) -> String {
    let mut counted = Vec::new();
    for role in Role::ALL {
        let playing = plan.params().filter(|(_, param)| param.role == role);
        let count = playing.count();
        if count > 0 {
            counted.push(format!("{count} {role}"));
        }
    }
    counted.join(", ")
}

/// A row for every parameter; blocks with equal numbers share theirs.
fn parameters(plan: &Plan, document: &PlanDocument) -> String {
    let given = &document.hyper;
    let headed = |name: &str, given: Option<f64>| match given {
        Some(_) => name.to_owned(),
        None => format!("{name} scale"),
    };
    let mut header = Vec::from([
        "parameter".to_owned(),
        "dims".to_owned(),
        "role".to_owned(),
        headed("lr", given.lr),
        headed("weight decay", given.weight_decay),
        headed("eps", given.eps),
        headed("init std", given.init.map(|_| 0.0)),
        "multiplier".to_owned(),
    ]);
    if plan.optimizer() == Optimizer::Sophia {
        header.push("rho scale".to_owned());
    }
    let mut table = table::new(header);
    for (name, count, dims, cells) in rows(plan, document) {
        let name = if count == 1 {
            name
        } else {
            format!("{name} ({count})")
        };
        table.add_row([name, dims].into_iter().chain(cells));
    }
    table.to_string()
}

type Row = (String, usize, String, Vec<String>);

fn rows(plan: &Plan, document: &PlanDocument) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut places: BTreeMap<(String, Vec<String>), usize> = BTreeMap::new();
    for (name, param) in plan.params() {
        let (dims, cells) = (dimensions(param), cells(name, document));
        let key = (format!("{} {dims}", name.template()), cells.clone());
        match places.get(&key) {
            Some(&at) => {
                rows[at].0 = name.template();
                rows[at].1 += 1;
            }
            None => {
                places.insert(key, rows.len());
                rows.push((name.to_string(), 1, dims, cells));
            }
        }
    }
    rows
}

fn cells(name: &ParamName, document: &PlanDocument) -> Vec<String> {
    let param = &document.params[name.as_str()];
    let numbers = [param.lr, param.weight_decay, param.eps].map(number);
    let init = param.init_std.map_or("constant".to_owned(), number);
    [
        vec![param.role.to_string()],
        numbers.to_vec(),
        vec![init, number(param.multiplier)],
        param.rho.map(number).into_iter().collect(),
    ]
    .concat()
}

/// `64→256 x 10`: base and target of what grows.
fn dimensions(param: &ParamPlan) -> String {
    let dim = |dim: &Dim| match dim {
        Dim::Fixed(size) => size.to_string(),
        Dim::Width { base, size } => format!("{base}→{size}"),
    };
    param.dims.iter().map(dim).collect::<Vec<_>>().join(" x ")
}

/// A number as short as it can be said at six digits.
pub(crate) fn number(value: f64) -> String {
    let rounded: f64 = format!("{value:.5e}").parse().unwrap_or(value);
    if rounded == 0.0 || (1e-4..1e5).contains(&rounded.abs()) {
        rounded.to_string()
    } else {
        format!("{rounded:e}")
    }
}
