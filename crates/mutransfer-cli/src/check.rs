//! `mutransfer check`: what shapes, declarations, tables and settings show to be wrong.

use std::path::Path;

use anyhow::Context;
use mutransfer::error::WidthsError;
use mutransfer::{Check, Finding, Given, Settings};
use serde_json::json;

use crate::args::CheckOptions;
use crate::failure::Failure;
use crate::model::{self, Model};
use crate::say::{note, say};

pub(crate) fn check(options: &CheckOptions) -> Result<(), Failure> {
    let findings = findings(options)?;
    if options.json {
        let all: Vec<_> = findings.iter().map(finding_json).collect();
        say!(
            "{}",
            serde_json::to_string_pretty(&all).context("cannot print JSON")?
        );
    } else {
        for Finding {
            lint,
            parameter,
            message,
        } in &findings
        {
            let about = parameter
                .as_ref()
                .map_or(String::new(), |name| format!(" `{name}`"));
            say!("{}{about} {}: {message}", lint.code, lint.title);
        }
    }
    match findings.len() {
        0 => {
            note!("nothing found");
            Ok(())
        }
        count => Err(Failure::findings(count)),
    }
}

fn findings(options: &CheckOptions) -> Result<Vec<Finding>, Failure> {
    let given = model::given(&options.hyper)?;
    let rule = model::parametrization(&options.rule)?;
    let settings = read_settings(options.settings.as_deref())?;
    let proxy = read_settings(options.base_settings.as_deref())?;
    let Model { widths, target } = Model::read(&options.model, false)?;
    let widths = match widths {
        Ok(widths) => widths,
        Err(error @ mutransfer::Error::Widths(WidthsError::NoMatch { .. })) => {
            return Err(error.into());
        }
        Err(error) => return Ok(vec![Finding::of_error(&error)]),
    };
    let target =
        target.ok_or_else(|| Failure::usage("no model to check", Some("give --target")))?;
    let optimizer = options.rule.optimizer;
    let check = Check {
        widths: &widths,
        target: &target,
        rule: &rule,
        optimizer,
        decays: given.weight_decay.is_some_and(|decay| decay > 0.0),
        clips: options.clip,
        zero_init: &options.model.zero_init,
    };
    let (plan, mut findings) = check.planned()?;
    if let Some(settings) = settings {
        let plan = model::completed(plan?, &options.model)?;
        model::have_parameters(&given, &plan)?;
        findings.extend(match proxy {
            // Whether biases and gains decay is seen from the proxy.
            Some(proxy) => settings.compare_to(&proxy, &plan.document(Given::default())),
            None => settings.compare(&plan.document(given)),
        });
    }
    Ok(findings)
}

/// A trainer's numbers in a file.
fn read_settings(path: Option<&Path>) -> Result<Option<Settings>, Failure> {
    let read = |path: &Path| {
        let read = Settings::from_json(&model::text(path)?);
        read.map_err(|error| Failure::from(error).in_file(path))
    };
    path.map(read).transpose()
}

fn finding_json(finding: &Finding) -> serde_json::Value {
    json!({
        "code": finding.lint.code,
        "title": finding.lint.title,
        "parameter": finding.parameter,
        "message": finding.message,
        "fix": finding.lint.fix,
    })
}
