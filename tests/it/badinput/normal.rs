//! Messages without what differs from run to run.

use std::path::Path;

use regex::Regex;

/// `text` with places, times, ports, ids and names of this machine replaced.
pub fn normal(text: &str, dir: &Path) -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut text = text.replace(&dir.display().to_string(), "<dir>");
    let temporary =
        format!(r"{}/\.tmp[A-Za-z0-9]+", regex::escape(&std::env::temp_dir().display().to_string()));
    let rules = [
        (r"\x1b\[[0-9;]*m", ""),
        (temporary.as_str(), "<tmp>"),
        (r"\b01[0-9A-HJKMNP-TV-Z]{24}\b", "<run>"),
        (r"datapin-cache-\d+", "datapin-cache-<uid>"),
        (r"SHA256:[A-Za-z0-9+/=]+", "<fingerprint>"),
        (r"\b[0-9a-f]{40}\b", "<commit>"),
        (r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>"),
        (r"127\.0\.0\.1:\d+", "127.0.0.1:<port>"),
        (r"-p \d+ 127", "-p <port> 127"),
        (r"//[a-z_][a-z0-9_-]*@127", "//<user>@127"),
        (r"\b(after|for) \d+ s\b", "$1 <n> s"),
        (r"\d+ in a row", "<n> in a row"),
        (r"\(#(\d+), (?:\d+m )?\d+s\)", "(#$1, <n>s)"),
        (r"PATH \(.*?\)", "PATH (<path>)"),
        (r"port \d+", "port <port>"),
        (r"\[127\.0\.0\.1\]:\d+", "[127.0.0.1]:<port>"),
    ];
    for (rule, with) in rules {
        text = Regex::new(rule).unwrap().replace_all(&text, with).into_owned();
    }
    let pid = format!(r"{}:\d+", regex::escape(&host));
    text = Regex::new(&pid).unwrap().replace_all(&text, "<host>:<pid>").into_owned();
    short_ids(&text)
}

/// How a run that did not go well ended, by its plain lines: the last lines that begin with a mark, and what follows.
pub fn ending(stdout: &str) -> String {
    let time = Regex::new(r"^\d\d:\d\d:\d\dZ ").unwrap();
    let lines: Vec<String> = stdout.lines().map(|line| time.replace(line, "").into_owned()).collect();
    let last = lines.iter().rposition(|line| line.starts_with(['✗', '✓', '⚠', '!', '↶']));
    lines[last.unwrap_or(lines.len())..].iter().map(|line| format!("{line}\n")).collect()
}

/// Eight or more hex digits with a digit and a letter among them.
fn short_ids(text: &str) -> String {
    let short = Regex::new(r"\b[0-9a-f]{8,12}\b").unwrap();
    let is_id = |word: &str| {
        word.bytes().any(|b| b.is_ascii_digit()) && word.bytes().any(|b| b.is_ascii_alphabetic())
    };
    short
        .replace_all(text, |found: &regex::Captures<'_>| {
            let word = &found[0];
            if is_id(word) { "<commit>".to_owned() } else { word.to_owned() }
        })
        .into_owned()
}
