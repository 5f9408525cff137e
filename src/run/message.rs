//! Commit messages. Trailers are for people: they prove nothing.

use super::fence::Group;
use crate::plan::Manner;
use crate::queue::{Cause, PinRecord, Role, RunKind, Ticket};
use crate::repo::CommitId;

/// Message of a commit that pins a version, or that restores a verified set.
pub fn pin(
    template: Option<&str>,
    ticket: &Ticket,
    group: &Group,
    pins: &[(String, Vec<PinRecord>)],
) -> String {
    let body = match (&ticket.kind, template) {
        (RunKind::Rollback { .. }, _) => format!("{}\n\n{}", restore_subject(ticket, group), moves(pins)),
        (RunKind::Deploy, Some(template)) => template
            .replace("{dataset}", &ticket.dataset)
            .replace("{environment}", &group.environments.join(","))
            .replace("{version}", &ticket.version),
        (RunKind::Deploy, None) => format!("{}\n\n{}", subject(ticket, group), moves(pins)),
    };
    format!("{}\n{}\n\n{}", body.trim_end(), triggered(ticket), trailers(ticket, group))
}

/// Message of a commit that a merge request proposes.
pub fn proposal(subject: &str, pins: &[(String, Vec<PinRecord>)], actor: &str, trailer: &str) -> String {
    format!("{subject}\n\n{}\n\nProposed by {}\n\n{trailer}\n", moves(pins), one_line(actor))
}

/// First line of the built-in pin message.
pub fn subject(ticket: &Ticket, group: &Group) -> String {
    format!("data({}): {} {}", group.environments.join(","), ticket.dataset, ticket.version)
}

fn restore_subject(ticket: &Ticket, group: &Group) -> String {
    format!(
        "Restore {} to {} {} (verified before)",
        group.environments.join(","),
        ticket.dataset,
        ticket.version
    )
}

/// Message of a commit that takes a pin back.
pub fn back(
    ticket: &Ticket,
    group: &Group,
    manner: Manner,
    ours: Option<&CommitId>,
    goal: Option<&str>,
    cause: &Cause,
) -> String {
    let environments = group.environments.join(",");
    let adopted = ticket.adopts.as_ref().filter(|adopted| ours == Some(&adopted.commit));
    let subject = match (manner, ours, goal) {
        (Manner::Revert, Some(_), _) => match adopted {
            Some(adopted) => format!("Revert \"{}\"", one_line(adopted.subject())),
            None => format!("Revert \"{}\"", subject(ticket, group)),
        },
        (_, _, Some(goal)) => format!("Restore {environments} to {goal} (last verified)"),
        (_, _, None) => format!("Restore {environments} to what it was"),
    };
    let what = match (ours, adopted) {
        (Some(_), Some(adopted)) => {
            let each = adopted.commits.iter().map(|commit| format!("This reverts commit {}.", commit.id));
            each.collect::<Vec<_>>().join("\n")
        }
        (Some(commit), None) => format!("This reverts commit {commit}."),
        (None, _) => format!("It held {} {}, which was not verified.", ticket.dataset, ticket.version),
    };
    format!("{subject}\n\n{what}\n\n{}\n\n{}", one_line(&cause.text), trailers(ticket, group))
}

/// `mds, fbv: 2026.11.20-2 → 2026.11.23-1`, one line a move.
fn moves(pins: &[(String, Vec<PinRecord>)]) -> String {
    let several = pins.len() > 1;
    let mut moves: Vec<(String, Vec<String>)> = Vec::new();
    for (environment, pins) in pins {
        for pin in pins.iter().filter(|pin| pin.before.text != pin.after) {
            let path = match pin.role {
                Role::Pin => String::new(),
                Role::Setting => format!(" {}", pin.place.path),
            };
            let what = format!("{} → {}", pin.before.text, pin.after);
            let who = match several {
                true => format!("{environment}/{}{path}", pin.service),
                false => format!("{}{path}", pin.service),
            };
            match moves.iter_mut().find(|(known, _)| *known == what) {
                Some((_, services)) if services.contains(&who) => {}
                Some((_, services)) => services.push(who),
                None => moves.push((what, vec![who])),
            }
        }
    }
    let lines: Vec<String> =
        moves.into_iter().map(|(what, services)| format!("{}: {what}", services.join(", "))).collect();
    lines.join("\n")
}

fn triggered(ticket: &Ticket) -> String {
    let by = one_line(&ticket.actor);
    match ticket.ci.as_ref().filter(|ci| !ci.url.is_empty()) {
        Some(ci) => format!("Triggered by {by}, pipeline {}", one_line(&ci.url)),
        None => format!("Triggered by {by}"),
    }
}

fn trailers(ticket: &Ticket, group: &Group) -> String {
    format!("Datapin-Run: {}\nDatapin-Stage: {}\n", ticket.run, group.environments.join(","))
}

/// Text of others in a message stays on one line, so that it can be no trailer.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
