//! What a program is given: arguments and environment.

use std::path::Path;

/// Variables that every program gets if they are set.
const BASE: [&str; 5] = ["PATH", "HOME", "LANG", "LC_ALL", "TMPDIR"];

/// The environment of a program: `PATH`, `HOME`, `LANG`, `LC_ALL`, `TMPDIR` and the names in `pass`, as far
/// as `lookup` knows them. Nothing else gets in: the environment of a CI job is full of secrets.
pub fn base_env(pass: &[String], lookup: impl Fn(&str) -> Option<String>) -> Vec<(String, String)> {
    let mut env: Vec<(String, String)> = Vec::new();
    for name in BASE.into_iter().chain(pass.iter().map(String::as_str)) {
        if env.iter().all(|(known, _)| known != name)
            && let Some(value) = lookup(name)
        {
            env.push((name.to_owned(), value));
        }
    }
    env
}

/// An argument vector with its placeholders filled in: each argument stays one argument, whatever is in the
/// values. A first word `datapin` becomes `own`, the running program.
pub fn fill_all(template: &[String], facts: &[(&str, &str)], own: &Path) -> Vec<String> {
    let mut argv: Vec<String> = template.iter().map(|word| fill(word, facts)).collect();
    if template.first().is_some_and(|program| program == "datapin") {
        argv[0] = own.to_string_lossy().into_owned();
    }
    argv
}

/// A text with `{name}` replaced by the fact of that name. Other braces stay, and what comes in by a fact
/// is not looked at again.
pub fn fill(template: &str, facts: &[(&str, &str)]) -> String {
    let mut filled = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        filled.push_str(&rest[..at]);
        rest = &rest[at..];
        let known = facts.iter().find_map(|(name, value)| {
            let tail = rest[1..].strip_prefix(name)?.strip_prefix('}')?;
            Some((value, tail))
        });
        match known {
            Some((value, tail)) => {
                filled.push_str(value);
                rest = tail;
            }
            None => {
                filled.push('{');
                rest = &rest[1..];
            }
        }
    }
    filled + rest
}
