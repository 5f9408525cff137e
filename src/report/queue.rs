//! Who waits and who holds: `datapin queue show`.

use super::Color;
use super::json::{self, v1};
use super::line::{Line, Tone};
use super::table::Table;
use super::words;
use crate::queue::{EnvironmentFile, Freeze, Origin, State, Ticket};

pub mod page;

/// The tickets as a table in the order of the line, and below it what is frozen.
pub fn queue_text(tickets: &[&Ticket], environments: &[&EnvironmentFile], color: Color) -> String {
    let mut text = String::new();
    if tickets.is_empty() {
        text += "the queue is empty\n";
    } else {
        let mut table = Table::new(&["NUMBER", "WHAT", "STATE", "PLACE", "ACTOR", "SINCE", "RUN"]);
        for ticket in in_order(tickets) {
            table.row(cells(ticket, tickets), wish(ticket));
        }
        text += &table.render(color);
    }
    for (name, freeze) in frozen(environments) {
        let line = Line::toned(Tone::Bad, format!("{name} is frozen: {}", frozen_words(freeze)));
        text += &(line.paint(color) + "\n");
    }
    text
}

/// The same for machines: one JSON document.
pub fn queue_json(tickets: &[&Ticket], environments: &[&EnvironmentFile]) -> String {
    json::pretty(&v1::Document::new(v1::queues::Queue::new(tickets, environments)))
}

/// Where a ticket stands.
pub(super) enum Standing<'a> {
    /// It holds its environments.
    Holds,
    /// It waits.
    Waits {
        /// 1 is next.
        position: usize,
        /// Tickets that must go first, holders first.
        behind: Vec<&'a Ticket>,
    },
}

/// Where a ticket stands among all: behind holders of its environments and waiting tickets that name one and
/// come before it.
pub(super) fn standing<'a>(ticket: &Ticket, all: &[&'a Ticket]) -> Standing<'a> {
    if ticket.state.holds() {
        return Standing::Holds;
    }
    let before = |other: &Ticket| (other.priority, other.number) < (ticket.priority, ticket.number);
    let behind: Vec<&Ticket> = in_order(all)
        .into_iter()
        .filter(|other| other.run != ticket.run && other.meets(ticket))
        .filter(|other| other.state.holds() || before(other))
        .collect();
    let waiting = behind.iter().filter(|other| !other.state.holds()).count();
    Standing::Waits { position: waiting + 1, behind }
}

/// Holders first, then the line.
pub(super) fn in_order<'a>(tickets: &[&'a Ticket]) -> Vec<&'a Ticket> {
    let mut ordered = tickets.to_vec();
    ordered.sort_by_key(|ticket| match ticket.state.holds() {
        true => (0, None, ticket.number),
        false => (1, Some(ticket.priority), ticket.number),
    });
    ordered
}

/// Frozen environments by name.
pub(super) fn frozen<'a>(environments: &[&'a EnvironmentFile]) -> Vec<(&'a str, &'a Freeze)> {
    let files = environments.iter();
    let mut frozen: Vec<_> =
        files.filter_map(|file| Some((file.identity.name.as_str(), file.freeze.as_ref()?))).collect();
    frozen.sort_by_key(|(name, _)| *name);
    frozen
}

/// Why, by whom, since when, until when.
pub(super) fn frozen_words(freeze: &Freeze) -> String {
    let origin = match &freeze.origin {
        Origin::Person => String::new(),
        Origin::RollbackFailed { carried } => format!("rollback of #{} failed: ", carried.number),
        Origin::Abandoned { carried } => format!("#{} was abandoned: ", carried.number),
    };
    let until = freeze.until.map_or_else(String::new, |until| format!(", until {}", words::moment(until)));
    format!("{origin}{} ({}, since {}{until})", freeze.reason, freeze.owner, words::moment(freeze.since))
}

/// `holds int`, `2, behind #41, #42`.
pub(super) fn place_words(ticket: &Ticket, all: &[&Ticket]) -> String {
    match standing(ticket, all) {
        Standing::Holds => format!("holds {}", words::environments(ticket)),
        Standing::Waits { position, behind } if behind.is_empty() => format!("{position}, may start"),
        Standing::Waits { position, behind } => {
            let numbers: Vec<String> = behind.iter().map(|other| format!("#{}", other.number)).collect();
            format!("{position}, behind {}", numbers.join(", "))
        }
    }
}

/// When it began what it does.
pub(super) fn since(ticket: &Ticket) -> String {
    words::moment(ticket.times.started.unwrap_or(ticket.times.entered))
}

fn cells(ticket: &Ticket, all: &[&Ticket]) -> Vec<(Tone, String)> {
    let tone = match ticket.state {
        State::Waiting => Tone::Dim,
        State::RollingBack { .. } => Tone::Bad,
        State::Started | State::Deploying { .. } | State::Verified => Tone::Plain,
    };
    vec![
        (Tone::Strong, format!("#{}", ticket.number)),
        (Tone::Plain, words::ticket(ticket)),
        (tone, words::state(ticket)),
        (Tone::Plain, place_words(ticket, all)),
        (Tone::Plain, ticket.actor.clone()),
        (Tone::Plain, since(ticket)),
        (Tone::Dim, ticket.run.to_string()),
    ]
}

fn wish(ticket: &Ticket) -> Vec<Line> {
    let wish = ticket.cancel.iter();
    wish.map(|wish| {
        Line::toned(Tone::Warn, words::colon(format!("{} wants it cancelled", wish.by), &wish.reason))
    })
    .collect()
}
