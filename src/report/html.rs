//! Reports as one self-contained HTML file: no script, nothing loaded from anywhere.
//!
//! Templates are in `html/`, with auto-escaping on: everything from outside is data. Only links that
//! [`super::link::web`] lets pass become links.

mod graph;
mod plots;
mod run;
mod timeline;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;

use super::account::{Account, Step, StepState};
use super::clean;
use super::link::Links;

pub use plots::{EnvironmentHistory, environment_page};

/// Why a report could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the report cannot be made from its template ({0}); this is a bug of datapin")]
pub struct PageError(#[from] minijinja::Error);

const TEMPLATES: [(&str, &str); 6] = [
    ("base.html", include_str!("html/base.html")),
    ("style.css", include_str!("html/style.css")),
    ("icons.html", include_str!("html/icons.html")),
    ("run.html", include_str!("html/run.html")),
    ("graph.html", include_str!("html/graph.html")),
    ("environment.html", include_str!("html/environment.html")),
];

/// The page of a run, and of those that it took over.
///
/// # Errors
/// A template that is wrong: a bug.
pub fn run_page(accounts: &[Account], links: &Links) -> Result<String, PageError> {
    render("run.html", &run::Page::new(accounts, links))
}

fn render(name: &str, page: &impl Serialize) -> Result<String, PageError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_auto_escape_callback(|name| match name {
        "style.css" => AutoEscape::None,
        _ => AutoEscape::Html,
    });
    for (name, source) in TEMPLATES {
        environment.add_template(name, source)?;
    }
    Ok(environment.get_template(name)?.render(Serde(page))?)
}

/// How something stands, as the class of its element; the picture's colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Shade {
    Good,
    Bad,
    Warn,
    Skip,
    Run,
    /// It may still begin.
    Wait,
}

impl Shade {
    fn of(step: &Step, account: &Account) -> Self {
        match step.state {
            StepState::Good => Shade::Good,
            StepState::Warned => Shade::Warn,
            StepState::Bad => Shade::Bad,
            StepState::NotBegun if !account.is_over() => Shade::Wait,
            StepState::GivenUp | StepState::NotBegun => Shade::Skip,
            StepState::Running if account.is_over() => Shade::Skip,
            StepState::Running => Shade::Run,
        }
    }

    /// The word for people who do not see colours.
    fn word(self) -> &'static str {
        match self {
            Shade::Good => "success",
            Shade::Bad => "failed",
            Shade::Warn => "warned",
            Shade::Skip => "skipped",
            Shade::Run => "running",
            Shade::Wait => "not begun",
        }
    }
}

/// One line from outside, without control characters.
fn line(text: &str) -> String {
    clean::one_line(text).into_owned()
}

/// Last lines of an output; at most `most`.
fn log(lines: &[String], most: usize) -> Vec<String> {
    let lines: Vec<String> =
        lines.iter().flat_map(|text| clean::lines(text)).map(|one| one.into_owned()).collect();
    let excess = lines.len().saturating_sub(most);
    lines.into_iter().skip(excess).collect()
}
