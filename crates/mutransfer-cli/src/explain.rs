//! `mutransfer explain`: what a finding means.

use mutransfer::{LINTS, Lint};

use crate::args::ExplainOptions;
use crate::failure::Failure;
use crate::say::say;

pub(crate) fn explain(options: &ExplainOptions) -> Result<(), Failure> {
    match &options.code {
        None => LINTS
            .iter()
            .for_each(|lint| say!("{}  {}", lint.code, lint.title)),
        Some(code) => {
            let Lint {
                code,
                title,
                what,
                why,
                fix,
                source,
            } = *code.parse::<&Lint>()?;
            say!("{code}: {title}\n");
            for (heading, text) in [
                ("What it checks", what),
                ("Why it breaks transfer", why),
                ("Fix", fix),
                ("Source", source),
            ] {
                say!("{heading}\n  {text}\n");
            }
        }
    }
    Ok(())
}
