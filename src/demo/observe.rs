//! Answers what a service runs: the program of the agent contract.

use std::io::{Read, Result};
use std::path::Path;

use super::state::answer_file;
use crate::cli::output::emit;
use crate::exit::Exit;

/// Reads the question, and prints what the agent last said of that service.
pub fn answer(dir: &Path) -> Result<Exit> {
    let mut question = String::new();
    std::io::stdin().read_to_string(&mut question)?;
    let question: serde_json::Value = serde_json::from_str(&question)?;
    let word = |key: &str| question[key].as_str().unwrap_or_default().to_owned();
    let file = answer_file(dir, &word("environment"), &word("service"));
    emit(&std::fs::read_to_string(file)?);
    Ok(Exit::Ok)
}
