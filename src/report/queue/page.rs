//! The queue as a Markdown page: the branch's `README.md`.

use super::{frozen, frozen_words, in_order, place_words, since};
use crate::queue::{EnvironmentFile, Queue, Ticket};
use crate::report::{clean, words};

const ABOUT: &str = "\
# datapin queue

This branch is the queue, the lock, the journal and the audit log of data deployments.
`datapin` writes it: **do not edit it by hand**, and never push it with `--force`.

- To take a run out: `datapin cancel RUN` (it rolls back what it touched).
- To see more: `datapin queue show`, `datapin status`, `datapin history`.
";

/// The page of a queue; see [`queue_page`].
pub fn page(queue: &Queue) -> String {
    let tickets: Vec<&Ticket> = queue.tickets.values().collect();
    let environments: Vec<&EnvironmentFile> = queue.environments.values().collect();
    queue_page(&tickets, &environments)
}

/// The page. The same queue gives the same bytes: it knows no clock, and every time in it is UTC.
///
/// Text from tickets cannot be read as Markdown, nor as one of GitLab's references.
pub fn queue_page(tickets: &[&Ticket], environments: &[&EnvironmentFile]) -> String {
    let mut page = ABOUT.to_owned();
    page += "\n## Runs\n\n";
    if tickets.is_empty() {
        page += "No run waits or holds an environment.\n";
    } else {
        page += &row(&["Number", "What", "State", "Place", "Actor", "Since", "Run"].map(str::to_owned));
        page += &"|---".repeat(7);
        page += "|\n";
        in_order(tickets).into_iter().for_each(|ticket| page += &run(ticket, tickets));
    }
    page += &environment_table(environments);
    let frozen = frozen(environments);
    if !frozen.is_empty() {
        page += "\n## Frozen\n\n";
        for (name, freeze) in frozen {
            page += &format!("- **{}**: {}\n", escaped(name), escaped(&frozen_words(freeze)));
        }
    }
    page
}

fn run(ticket: &Ticket, all: &[&Ticket]) -> String {
    let what = escaped(&words::ticket(ticket));
    let url = ticket.ci.as_ref().and_then(|ci| link(&ci.url));
    let mut state = escaped(&words::state(ticket));
    if let Some(wish) = &ticket.cancel {
        state += &format!("; {} wants it cancelled", escaped(&wish.by));
    }
    row(&[
        escaped(&format!("#{}", ticket.number)),
        url.map_or_else(|| what.clone(), |url| format!("[{what}](<{url}>)")),
        state,
        escaped(&place_words(ticket, all)),
        escaped(&ticket.actor),
        since(ticket),
        escaped(&ticket.run.0),
    ])
}

fn environment_table(environments: &[&EnvironmentFile]) -> String {
    let mut files = environments.to_vec();
    files.sort_by_key(|file| file.identity.name.as_str());
    let mut rows = String::new();
    for file in files {
        for (dataset, known) in &file.datasets {
            let rejected: Vec<String> = known.rejected.iter().map(|one| escaped(&one.version)).collect();
            let current = known.current();
            rows += &row(&[
                escaped(&file.identity.name),
                escaped(dataset),
                current.map_or_else(|| "never verified".to_owned(), |set| escaped(&set.version)),
                current.map_or_else(String::new, |set| words::moment(set.at)),
                rejected.join(", "),
            ]);
        }
    }
    if rows.is_empty() {
        return rows;
    }
    format!(
        "\n## Environments\n\n| Environment | Dataset | Verified | Since | Rejected |\n|---|---|---|---|---|\n{rows}"
    )
}

fn row(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

/// Text that Markdown shows as it is, also in a table.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for char in clean::one_line(text).chars() {
        match char {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '|' => escaped += "&#124;",
            '\\' => escaped += "&#92;",
            '`' | '*' | '_' | '[' | ']' | '(' | ')' | '#' | '!' | '@' | '$' | '%' | '~' | '^' | '{' | '}'
            | '"' | '\'' => {
                escaped.push('\\');
                escaped.push(char);
            }
            char => escaped.push(char),
        }
    }
    escaped
}

/// The address for a link in `<>`; `None` where it is no web address.
fn link(url: &str) -> Option<String> {
    if !(url.starts_with("https://") || url.starts_with("http://")) {
        return None;
    }
    let encoded = url.bytes().map(|byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ if b"-._~:/?#@!$&'+,;=%".contains(&byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    });
    Some(encoded.collect())
}
