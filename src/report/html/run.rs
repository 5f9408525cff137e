//! The page of a run, as its template sees it.

use serde::Serialize;

use super::graph::{self, Column};
use super::timeline::{self, Group};
use super::{Shade, line, log};
use crate::report::account::{Account, EnvironmentAccount, GateAccount, Moment, StageAccount, Step};
use crate::report::line::Tone;
use crate::report::link::{self, Links};
use crate::report::plan::diff_lines;
use crate::report::words;

/// Lines of one output that are shown.
const OUTPUT: usize = 400;

/// The page.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    title: String,
    version: &'static str,
    runs: Vec<Run>,
}

#[derive(Debug, Serialize)]
struct Run {
    title: String,
    shade: Shade,
    word: String,
    causes: Vec<String>,
    facts: Vec<Fact>,
    standing: Vec<(String, String)>,
    frozen: Vec<(String, String)>,
    warnings: Vec<String>,
    columns: Vec<Column>,
    timeline: Vec<Group>,
    span: String,
    pins: Vec<Pin>,
    commits: Vec<Commit>,
    gates: Vec<Output>,
    services: Vec<Output>,
    manifests: Vec<Manifest>,
    moments: Vec<Said>,
}

#[derive(Debug, Serialize)]
struct Fact {
    name: &'static str,
    text: String,
    href: Option<String>,
}

#[derive(Debug, Serialize)]
struct Pin {
    environment: String,
    service: String,
    file: String,
    path: String,
    before: String,
    after: String,
}

#[derive(Debug, Serialize)]
struct Commit {
    environment: String,
    branch: String,
    what: &'static str,
    short: String,
    href: Option<String>,
}

/// Something with an output.
#[derive(Debug, Serialize)]
struct Output {
    name: String,
    shade: Shade,
    word: String,
    took: String,
    text: String,
    href: Option<String>,
    log: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Manifest {
    title: String,
    lines: Vec<Said>,
}

/// A line that has a tone.
#[derive(Debug, Serialize)]
struct Said {
    clock: String,
    tone: &'static str,
    text: String,
}

impl Page {
    pub(super) fn new(accounts: &[Account], links: &Links) -> Self {
        let title = accounts.first().map_or_else(|| "datapin".to_owned(), title);
        let runs = accounts.iter().map(|account| Run::new(account, links)).collect();
        Self { title, version: env!("CARGO_PKG_VERSION"), runs }
    }
}

impl Run {
    fn new(account: &Account, links: &Links) -> Self {
        let ending = account.ending.as_ref();
        let pairs = |name: &str, text: &str| (line(name), line(text));
        Self {
            title: title(account),
            shade: ending.map_or(Shade::Run, graph::outcome),
            word: ending.map_or_else(|| "not finished".to_owned(), |ending| ending.outcome.word().to_owned()),
            causes: causes(account),
            facts: facts(account),
            standing: ending.map_or_else(Vec::new, |ending| {
                ending.standing.iter().map(|one| pairs(&one.environment, &one.words)).collect()
            }),
            frozen: account
                .environments()
                .filter_map(|one| one.frozen.as_ref().map(|why| pairs(&one.name, why)))
                .collect(),
            warnings: ending
                .map_or_else(Vec::new, |ending| ending.warnings.iter().map(|one| line(one)).collect()),
            columns: graph::columns(account),
            timeline: timeline::groups(account),
            span: words::between(account.first, account.last),
            pins: account.environments().flat_map(pins).collect(),
            commits: account.environments().flat_map(|one| commits(one, links)).collect(),
            gates: account.stages.iter().flat_map(|stage| gates(stage, account)).collect(),
            services: account.environments().flat_map(|one| troubles(one, account)).collect(),
            manifests: account.rendered.iter().flat_map(manifests).collect(),
            moments: account.moments.iter().map(Said::from).collect(),
        }
    }
}

fn title(account: &Account) -> String {
    account.summary.as_ref().map_or_else(|| format!("run {}", account.run), |about| line(&words::what(about)))
}

/// Why it ended so: the outcome's own words, else the cause of the rollback that is under way.
fn causes(account: &Account) -> Vec<String> {
    use crate::queue::Outcome;
    match (account.ending.as_ref().map(|ending| &ending.outcome), &account.cause) {
        (Some(Outcome::RollbackFailed { cause, failures }), _) => {
            let failures = failures.iter().map(|one| format!("not back: {}", line(one)));
            std::iter::once(line(&cause.text)).chain(failures).collect()
        }
        (Some(outcome), _) => outcome.reason().map(|why| line(&why)).into_iter().collect(),
        (None, Some(cause)) => vec![line(&cause.text)],
        (None, None) => Vec::new(),
    }
}

fn facts(account: &Account) -> Vec<Fact> {
    let plain = |name, text| Fact { name, text, href: None };
    let mut facts = vec![plain("Run", line(&account.run.0))];
    facts.extend(account.number.map(|number| plain("Number", format!("#{number}"))));
    if let Some(about) = &account.summary {
        facts.push(plain("Asked for by", line(&about.actor)));
        let href = link::web(&about.url);
        if href.is_some() {
            facts.push(Fact { name: "Pipeline", text: line(&about.url), href });
        }
    }
    facts.push(plain("Began", words::moment(account.first)));
    if account.is_over() {
        facts.push(plain("Ended", words::moment(account.last)));
    }
    facts.push(plain("Took", words::between(account.first, account.last)));
    facts.extend(account.ending.as_ref().map(|ending| plain("Exit code", ending.exit.to_string())));
    facts
}

fn pins(environment: &EnvironmentAccount) -> Vec<Pin> {
    let pin = |change: &crate::event::PinChange| {
        let (file, path) = change.place.split_once(':').unwrap_or((&change.place, ""));
        Pin {
            environment: line(&change.environment),
            service: line(&change.service),
            file: line(file),
            path: line(path),
            before: line(&change.before),
            after: line(&change.after),
        }
    };
    environment.changes.iter().map(pin).collect()
}

fn commits(environment: &EnvironmentAccount, links: &Links) -> Vec<Commit> {
    environment
        .commits()
        .map(|(what, commit)| Commit {
            environment: line(&environment.name),
            branch: line(&environment.branch),
            what,
            short: commit.short().to_owned(),
            href: links.commit(commit),
        })
        .collect()
}

fn gates(stage: &StageAccount, account: &Account) -> Vec<Output> {
    let names = stage.names();
    let gate = |gate: &GateAccount| {
        let shade = Shade::of(&gate.step, account);
        let tries = if gate.tries > 1 { format!(" at try {}", gate.tries) } else { String::new() };
        let word = gate.verdict.map_or(shade.word(), |verdict| verdict.word());
        Output {
            word: format!("{word}{tries}"),
            href: link::web(&gate.url),
            ..output(&format!("{names}/{}", gate.name), shade, &gate.step)
        }
    };
    stage.gates.iter().map(gate).collect()
}

/// Services that did not come up, or not back.
fn troubles(environment: &EnvironmentAccount, account: &Account) -> Vec<Output> {
    let mut found = Vec::new();
    for service in &environment.services {
        for (what, step) in [("deployment", &service.deploy), ("rollback", &service.rollback)] {
            let shade = Shade::of(step, account);
            if shade == Shade::Bad {
                let name = format!("{}/{}", environment.name, service.name);
                found.push(Output { word: format!("{what} failed"), ..output(&name, shade, step) });
            }
        }
    }
    found
}

fn output(name: &str, shade: Shade, step: &Step) -> Output {
    Output {
        name: line(name),
        shade,
        word: shade.word().to_owned(),
        took: step.seconds().map(words::elapsed).unwrap_or_default(),
        text: line(&step.reason),
        href: None,
        log: log(&step.log, OUTPUT),
    }
}

fn manifests(change: &crate::render::EnvironmentChange) -> Vec<Manifest> {
    let manifest = |release: &crate::render::ReleaseChange| Manifest {
        title: line(&format!("{}/{}: {}", change.environment, release.release, release.objects.join(", "))),
        lines: diff_lines(&release.diff)
            .map(|line| Said { clock: String::new(), tone: tone(line.tone()), text: line.text() })
            .collect(),
    };
    change.releases.iter().map(manifest).collect()
}

impl From<&Moment> for Said {
    fn from(moment: &Moment) -> Self {
        Self { clock: words::clock(moment.at), tone: tone(moment.tone), text: moment.text.clone() }
    }
}

fn tone(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "plain",
        Tone::Good => "good",
        Tone::Bad => "bad",
        Tone::Warn => "warn",
        Tone::Dim => "dim",
        Tone::Strong => "strong",
    }
}
