//! The page of hyperparameters that were searched, confirmed and carried.

use minijinja::{Environment, Value, context};

use crate::tell::figures::figure::Figure;
use crate::tell::report::page::ReportError;
use crate::tell::report::text::{minus, picture};

/// Everything the page shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Searched {
    /// Heading of the page.
    pub title: String,
    /// What was found under each rule.
    pub rules: Vec<SearchedRule>,
    /// How that compares with other ways.
    pub compared: Vec<String>,
    /// What was run, as pairs of name and value.
    pub settings: Vec<(String, String)>,
    /// All numbers, as JSON.
    pub data: String,
}

/// What was found under a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchedRule {
    /// The rule, and where it was searched.
    pub heading: String,
    /// A row for each hyperparameter: its name, its value, its interval, and how much it matters.
    pub rows: Vec<[String; 4]>,
    /// What it is worth.
    pub sentences: Vec<String>,
    /// The loss along each.
    pub figure: Option<Figure>,
    /// The loss over the two that hang together most.
    pub surface: Option<Figure>,
}

/// Renders the page, which needs no other file.
///
/// # Errors
/// When the template cannot be filled in, which would be a bug.
pub fn render_searched(page: &Searched) -> Result<String, ReportError> {
    let mut environment = Environment::new();
    environment.add_template("report.css", include_str!("report.css"))?;
    environment.add_template("searched.html", include_str!("searched.html"))?;
    let rules: Vec<Value> = page.rules.iter().map(rule).collect();
    let settings = page.settings.iter();
    // Inside a script element only `<` could end the data early.
    let data = page.data.replace('<', "\\u003c");
    let page = context! {
        title => page.title.as_str(),
        rules,
        compared => page.compared.iter().map(|text| minus(text)).collect::<Vec<String>>(),
        settings => settings
            .map(|(name, value)| context! { name, value })
            .collect::<Vec<Value>>(),
        data => Value::from_safe_string(data),
        version => env!("CARGO_PKG_VERSION"),
    };
    Ok(environment.get_template("searched.html")?.render(page)?)
}

fn rule(rule: &SearchedRule) -> Value {
    let rows = rule.rows.iter();
    let rows = rows.map(|row| row.each_ref().map(|cell| minus(cell)).to_vec());
    context! {
        heading => rule.heading.as_str(),
        rows => rows.collect::<Vec<Vec<String>>>(),
        sentences => rule.sentences.iter().map(|text| minus(text)).collect::<Vec<String>>(),
        figure => rule.figure.as_ref().map(picture),
        surface => rule.surface.as_ref().map(picture),
    }
}
