//! What people and machines read.
#![allow(clippy::unwrap_used)]

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use datapin::event::Event;
use datapin::report::live::render::{render, render_brief};
use datapin::report::state::ViewState;
use datapin::report::{Ci, Color, Listener, Look, Output, Terminal, clean};
use jiff::SignedDuration;

mod files;
mod formats;
mod html;
pub mod pictures;
pub mod script;
mod tables;
mod thousands;

use script::Script;

const PLAIN: Look =
    Look { terminal: Terminal::Plain, color: Color::Never, ci: Ci::Other, output: Output::Text };

/// Compares with a file under `fixtures/report`; `UPDATE_FIXTURES=1` writes it.
fn compare(name: &str, actual: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/report").join(name);
    let actual = actual.replace('\x1b', "␛").replace('\r', "␍");
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    if expected != actual {
        let diff = similar::TextDiff::from_lines(&expected, &actual);
        let diff = diff.unified_diff().header("expected", "actual").to_string();
        panic!("{} differs (UPDATE_FIXTURES=1 rewrites it):\n{diff}", path.display());
    }
}

/// An output that a test reads afterwards.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An output whose reader is gone; counts the tries.
#[derive(Clone, Default)]
struct Gone(Arc<Mutex<usize>>);

impl Write for Gone {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        *self.0.lock().unwrap() += 1;
        Err(io::ErrorKind::BrokenPipe.into())
    }
    fn flush(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

fn heard(look: Look, events: &[Event]) -> String {
    let out = Shared::default();
    let mut listener = Listener::new(look, Box::new(out.clone()));
    events.iter().for_each(|event| listener.hear(event));
    listener.close();
    out.text()
}

fn after(script: &Script, events: usize) -> ViewState {
    let mut state = ViewState::default();
    script.events[..events].iter().for_each(|event| state.hear(event));
    state
}

/// The pictures of a script, three seconds after the last event each.
fn frames(script: &Script, width: usize) -> String {
    let mut text = String::new();
    for (events, caption) in &script.looks {
        let now = script.events[events - 1].at + SignedDuration::from_secs(3);
        text += &format!("--- {caption}\n");
        for line in render(&after(script, *events), width, now) {
            text += &format!("{}\n", line.paint(Color::Never));
        }
    }
    text
}

#[test]
fn lines_tell_every_picture() {
    for (name, script) in pictures::all() {
        compare(&format!("lines/{name}.txt"), &heard(PLAIN, &script.events));
    }
}

#[test]
fn gitlab_folds_stages_gates_and_rollback() {
    for (name, script) in pictures::all() {
        let text = heard(Look { ci: Ci::Gitlab, ..PLAIN }, &script.events);
        let starts = text.matches("\x1b[0Ksection_start:").count();
        assert_eq!(starts, text.matches("\x1b[0Ksection_end:").count(), "{name}: a section stays open");
        if ["preprod-gate-failed-rollback", "queue-and-takeover", "hostile-text", "helmfile-proof"]
            .contains(&name)
        {
            compare(&format!("gitlab/{name}.txt"), &text);
        }
    }
}

#[test]
fn colours_are_there_only_when_asked_for() {
    let script = &pictures::all()[5].1;
    compare("lines/colour.txt", &heard(Look { color: Color::Always, ..PLAIN }, &script.events));
    for (name, script) in pictures::all() {
        assert!(!heard(PLAIN, &script.events).contains('\x1b'), "{name}: an escape sequence without colours");
    }
}

#[test]
fn live_shows_every_picture() {
    for (name, script) in pictures::all() {
        compare(&format!("live/{name}.80.txt"), &frames(&script, 80));
        if ["int-deploy-failed-rollback-failed", "preprod-success", "queue-and-takeover"].contains(&name) {
            compare(&format!("live/{name}.40.txt"), &frames(&script, 40));
            compare(&format!("live/{name}.120.txt"), &frames(&script, 120));
        }
    }
}

#[test]
fn no_picture_is_wider_than_the_terminal() {
    for (name, script) in pictures::all() {
        for events in 0..=script.events.len() {
            let state = after(&script, events);
            for width in [0, 1, 7, 20, 40, 80, 120] {
                let now = script.events[0].at;
                for line in render(&state, width, now).iter().chain(&render_brief(&state, width, now)) {
                    assert!(line.width() <= width, "{name} after {events}, width {width}: {line:?}");
                }
            }
        }
    }
}

#[test]
fn json_tells_every_event_with_its_schema() {
    let json = Look { output: Output::Json, ..PLAIN };
    for (name, script) in pictures::all() {
        let text = heard(json, &script.events);
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), script.events.len(), "{name}");
        assert!(lines.iter().all(|line| line["schema"] == 1 && line["event"].is_string()), "{name}");
        if ["int-deploy-failed-rollback-failed", "queue-and-takeover"].contains(&name) {
            compare(&format!("json/{name}.jsonl"), &text);
        }
    }
}

/// A terminal that knows what the live view uses: cursor up, erase below, carriage return, line feed.
fn screen(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    let mut at = 0;
    let mut rest = text;
    while let Some(char) = rest.chars().next() {
        rest = &rest[char.len_utf8()..];
        match char {
            '\x1b' => {
                let end = rest.find(|char: char| char.is_ascii_alphabetic()).unwrap();
                match &rest[1..=end] {
                    "J" => {
                        lines.truncate(at);
                        lines.push(String::new());
                    }
                    up => at -= up.strip_suffix('A').unwrap().parse::<usize>().unwrap(),
                }
                rest = &rest[end + 1..];
            }
            '\r' => {}
            '\n' => {
                at += 1;
                if lines.len() == at {
                    lines.push(String::new());
                }
            }
            char => lines[at].push(char),
        }
    }
    lines
}

#[test]
fn live_redraws_in_place_and_scrolls_the_rest() {
    let live = Look { terminal: Terminal::Interactive { width: 80 }, ..PLAIN };
    for (name, script) in pictures::all() {
        let lines = screen(&heard(live, &script.events));
        if ["int-gate-failed-rollback", "queue-and-takeover"].contains(&name) {
            compare(&format!("screen/{name}.txt"), &lines.join("\n"));
        }
        let heads = lines.iter().filter(|line| line.trim_start().starts_with("int timetable")).count();
        assert!(heads <= 2, "{name}: the picture is left behind\n{}", lines.join("\n"));
    }
}

#[test]
fn live_is_never_higher_than_the_terminal() {
    let (_, script) = &pictures::all()[3];
    let out = Shared::default();
    let look = Look { terminal: Terminal::Interactive { width: 40 }, ..PLAIN };
    let mut listener = Listener::new(look, Box::new(out.clone()));
    listener.resize(40, 8);
    let (unfinished, _) = script.events.split_at(script.events.len() - 1);
    unfinished.iter().for_each(|event| listener.hear(event));
    listener.tick();
    let ups = out.text();
    let ups = ups.split("\x1b[").filter_map(|part| part.split_once('A')?.0.parse::<usize>().ok());
    assert_eq!(ups.max(), Some(7));
}

#[test]
fn a_reader_that_goes_away_is_forgiven() {
    let (_, script) = &pictures::all()[0];
    for (terminal, output) in [
        (Terminal::Plain, Output::Text),
        (Terminal::Plain, Output::Json),
        (Terminal::Interactive { width: 80 }, Output::Text),
    ] {
        let gone = Gone::default();
        let look = Look { terminal, output, ci: Ci::Gitlab, ..PLAIN };
        let mut listener = Listener::new(look, Box::new(gone.clone()));
        for event in &script.events {
            listener.hear(event);
            listener.tick();
        }
        listener.close();
        assert_eq!(*gone.0.lock().unwrap(), 1, "{look:?}: it's not tried again");
    }
}

#[test]
fn outside_text_cannot_steer_a_terminal() {
    for bad in ["\x1b[31mred\x1b[0m", "a\r\nb", "\u{9b}31m", "\u{202e}live", "\x07\x08\0"] {
        let shown = clean::one_line(bad);
        assert!(!shown.chars().any(char::is_control) && !shown.contains('\u{202e}'), "{bad:?} → {shown:?}");
    }
    assert_eq!(clean::one_line("\x1b[31mred\x1b[0m\nnext"), "red next");
    assert_eq!(clean::cut("漢字漢字", 5), "漢字…");
    assert_eq!(clean::width(&clean::one_line(&"é".repeat(9000))), clean::LONGEST);
}
