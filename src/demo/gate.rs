//! The demo's gate: looks at the services that it tests, and passes unless the scenario wants it to fail.

use std::io::Result;
use std::path::Path;
use std::time::Duration;

use super::state::{Answer, Faults, answer_file};
use crate::cli::output::emit;
use crate::exit::Exit;

/// Judges the environments that it is told of. Exit code 1 is the verdict `failed`.
pub fn judge(dir: &Path) -> Result<Exit> {
    let word = |name: &str| std::env::var(name).unwrap_or_default();
    let (gate, services) = (word("DATAPIN_GATE"), word("DATAPIN_SERVICES"));
    let mut asked = 0;
    for environment in word("DATAPIN_ENVIRONMENTS").split_whitespace() {
        for service in services.split_whitespace() {
            let answer: Answer =
                serde_json::from_slice(&std::fs::read(answer_file(dir, environment, service))?)?;
            asked += 1;
            emit(&format!("GET {environment}/{service}/health -> {}\n", answer.health));
        }
    }
    // The tests take a while; nothing waits for this pause.
    std::thread::sleep(Duration::from_millis(400));
    let failing = Faults::read(dir).gates.contains(&gate);
    let summary = match failing {
        true => format!("3 of {} connections have no fare in {}", asked * 12, word("DATAPIN_VERSION")),
        false => format!("{} connections checked on {asked} services", asked * 12),
    };
    emit(&format!("{}\n", serde_json::json!({ "api": 1, "summary": summary, "url": "" })));
    Ok(if failing { Exit::Damage } else { Exit::Ok })
}
