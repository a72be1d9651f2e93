//! `mutransfer --help`: the commands by the question that they answer.

use clap::{Command, CommandFactory};

use super::Args;

/// A question, and the commands that answer it.
const GROUPS: [(&str, &[&str]); 4] = [
    (
        "What does every tensor need?",
        &["plan", "rules", "theory", "laws", "explain"],
    ),
    (
        "Does my model have it, and does training behave?",
        &["check", "coord", "monitor"],
    ),
    (
        "Tune small, transfer, run",
        &[
            "demo", "transfer", "sweep", "status", "watch", "import", "export", "ask", "tell",
            "recipe",
        ],
    ),
    ("Did it transfer?", &["analyze", "power"]),
];

/// Where the groups stand among what clap writes.
const TEMPLATE: [&str; 2] = [
    "{about-with-newline}\n{usage-heading} {usage}\n\n",
    "Options:\n{options}{after-help}",
];

/// The parser of arguments, whose help lists the commands in groups.
pub(crate) fn command() -> Command {
    let command = Args::command();
    let [before, after] = TEMPLATE;
    let template = format!("{before}{}{after}", groups(&command));
    command.help_template(template)
}

fn groups(command: &Command) -> String {
    let longest = GROUPS.iter().flat_map(|(_, names)| *names);
    let width = longest.map(|name| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (question, names) in GROUPS {
        text += &format!("{question}\n");
        for name in names {
            let about = command.find_subcommand(name).and_then(Command::get_about);
            let about = about.map_or_else(String::new, ToString::to_string);
            text += &format!("  {name:width$}  {about}\n");
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_in_one_group() {
        let mut grouped: Vec<&str> = GROUPS
            .iter()
            .flat_map(|(_, names)| *names)
            .copied()
            .collect();
        grouped.sort_unstable();
        let command = Args::command();
        let shown = command.get_subcommands().filter(|one| !one.is_hide_set());
        let mut shown: Vec<&str> = shown.map(Command::get_name).collect();
        shown.sort_unstable();
        assert_eq!(grouped, shown);
    }
}
