//! Measures what the README promises, in ratios: everything that is compared is measured side by side, in one run, on
//! the same machine, with the release build and real git servers (`git http-backend` behind lighttpd).
//!
//! ```console
//! $ cargo bench                       # everything, about 12 minutes
//! $ cargo bench -- --quick            # fewer rounds
//! $ cargo bench -- c e                # some sections
//! $ cargo bench -- --markdown         # the table for the README
//! ```
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss
)]

#[allow(dead_code, reason = "the tests need more of it")]
#[path = "../../tests/cluster/bed.rs"]
mod bed;
#[allow(dead_code, reason = "the tests need more of it")]
#[path = "../../tests/cluster/bot.rs"]
mod bot;
#[allow(dead_code, reason = "the tests need more of it")]
#[path = "../../tests/cluster/world.rs"]
mod cluster_world;
mod enter;
mod finished;
mod handover;
mod kept;
#[allow(dead_code, unused_imports, reason = "the tests need more of it")]
#[path = "../../tests/it"]
mod it {
    pub mod kube_server;
    pub mod moto;
}
mod line;
mod long;
mod many;
mod measure;
mod pin;
mod promotion;
#[allow(dead_code, reason = "the tests need more of it")]
#[path = "../../tests/it/faults/proxy.rs"]
mod proxy;
mod queue;
mod start;
mod table;
mod thousand;
#[allow(dead_code, reason = "the tests need more of it")]
#[path = "../../tests/it/transport.rs"]
mod transport;
mod verdict;
mod world;

use std::time::Instant;

use table::Table;

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    Full,
    Quick,
}

impl Extent {
    /// One of two numbers.
    pub fn of<T>(self, full: T, quick: T) -> T {
        match self {
            Extent::Full => full,
            Extent::Quick => quick,
        }
    }
}

/// One section of the table.
type Section = (&'static str, &'static str, fn(Extent, &mut Table));

const SECTIONS: [Section; 12] = [
    ("a", "pin 4 services in a repository of 10,000 files", pin::measure),
    ("b", "1 to 10,000 pins in one commit", many::measure),
    ("c", "50 bots enter one queue", enter::measure),
    ("d", "hand-over of the lock", handover::measure),
    ("e", "what waiting bots cost the server", line::measure),
    ("f", "a queue of 100,000 commits", long::measure),
    ("g", "start-up and size", start::measure),
    ("h", "from healthy to the verdict, on a real cluster", verdict::measure),
    ("i", "1,000 Applications waited for at once", thousand::measure),
    ("k", "a kept repository that is fetched for long", kept::measure),
    ("l", "what is shown of 10,000 finished runs", finished::measure),
    ("m", "promotion of 10,000 small objects, on one moto server", promotion::measure),
];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, rest @ ..] = args.as_slice()
        && flag == pin::CHILD
    {
        pin::child(rest);
        return;
    }
    if let [flag, rest @ ..] = args.as_slice()
        && flag == thousand::CHILD
    {
        thousand::child(rest);
        return;
    }
    // `cargo bench` adds `--bench`
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    let extent = if has("--quick") { Extent::Quick } else { Extent::Full };
    let wanted: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let mut table = Table::default();
    for (name, title, measure) in SECTIONS {
        if wanted.is_empty() || wanted.iter().any(|wanted| *wanted == name) {
            let begun = Instant::now();
            table.section(name, title);
            measure(extent, &mut table);
            eprintln!("({name}) {title}: {:.0} s", begun.elapsed().as_secs_f64());
        }
    }
    match has("--markdown") {
        true => table.print_markdown(),
        false => table.print(),
    }
}
