//! A verdict in words.

use super::Verdict;
use crate::exit::Exit;
use crate::run::RunError;
use crate::run::markup::{cell, code};

const UNCHECKED: &str = "❌ datapin: could not be checked";

/// For a terminal or a log.
pub fn text(verdict: &Verdict) -> String {
    let mut text = format!("merge request: {}\n", verdict.what);
    for one in &verdict.moves {
        text.push_str(&format!(
            "  {}/{} {}: {} → {}\n",
            one.environment, one.service, one.place, one.before, one.after
        ));
    }
    for obstacle in &verdict.obstacles {
        text.push_str(&format!("  against it: {obstacle}\n"));
    }
    text
}

/// For a note on the merge request. What others wrote stands in code.
pub fn markdown(verdict: &Verdict) -> String {
    let head = match verdict.exit {
        Exit::Ok => "✅ datapin: may be merged",
        Exit::NotAllowed => "⛔ datapin: not allowed now",
        Exit::Unreachable => UNCHECKED,
        _ => "❌ datapin: cannot be merged like this",
    };
    let mut text = format!("**{head}**\n\n{}\n", code(&verdict.what));
    if !verdict.obstacles.is_empty() {
        let each: Vec<String> = verdict.obstacles.iter().map(|one| format!("- {}", sentence(one))).collect();
        text.push_str(&format!("\n{}\n", each.join("\n")));
    }
    if !verdict.moves.is_empty() {
        text.push_str("\n| environment | service | from | to |\n|---|---|---|---|\n");
        for one in &verdict.moves {
            let cells = [&one.environment, &one.service, &one.before, &one.after].map(|text| cell(text));
            text.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
    }
    if verdict.exit == Exit::Ok && !verdict.stages.is_empty() {
        text.push_str(&format!("\n{}", stages(&verdict.stages)));
    }
    text
}

/// For a note on a merge request on which there is no verdict.
pub fn unchecked(error: &RunError) -> String {
    format!("**{UNCHECKED}**\n\n{}\n", sentence(&error.to_string()))
}

/// A sentence of which parts are data: whole in code, in pieces that a note can wrap.
fn sentence(text: &str) -> String {
    text.split("; ").map(code).collect::<Vec<_>>().join("; ")
}

/// What is deployed and gated, one line a stage.
pub(in crate::run) fn stages(stages: &[(Vec<String>, Vec<String>)]) -> String {
    let each = |(index, (environments, gates)): (usize, &(Vec<String>, Vec<String>))| {
        let names = |names: &[String]| names.iter().map(|name| code(name)).collect::<Vec<_>>().join(", ");
        let gates = match gates.is_empty() {
            true => "no gates".to_owned(),
            false => format!("gated by {}", names(gates)),
        };
        format!("{}. {}: {gates}\n", index + 1, names(environments))
    };
    stages.iter().enumerate().map(each).collect()
}
