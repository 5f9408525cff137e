//! Report files as HTML: what they say, and that they are safe to open.

use datapin::event::{PinChange, What};
use datapin::queue::{CauseKind, Outcome, ServiceState, Verdict};
use datapin::repo::Location;
use datapin::report::account::Accounts;
use datapin::report::html::{EnvironmentHistory, environment_page, run_page};
use datapin::report::link::Links;
use datapin::report::outputs::annotations;

use super::pictures;
use super::script::{Script, cause};
use super::{compare, tables};

pub fn links() -> Links {
    Links::of(&Location::parse("git@gitlab.example:data/environments.git").unwrap())
}

/// minijinja writes slashes so.
pub fn readable(page: &str) -> String {
    page.replace("&#x2f;", "/")
}

fn page(script: &Script) -> String {
    let mut accounts = Accounts::default();
    script.events.iter().for_each(|event| accounts.hear(event));
    readable(&run_page(accounts.all(), &links()).unwrap())
}

/// The page without what is the same in all of them.
fn body(page: &str) -> &str {
    let from = page.find("<main>").unwrap();
    let to = page.find("</main>").unwrap();
    &page[from..to]
}

#[test]
fn html_shows_every_picture() {
    for (name, script) in pictures::all() {
        compare(&format!("html/{name}.html"), body(&page(&script)));
    }
}

/// What is around every page: nothing is loaded, no script may run. The style sheet itself is left out.
#[test]
fn html_has_one_head_for_all() {
    let page = page(&pictures::all()[0].1);
    let (head, rest) = page.split_once("<style>").unwrap();
    let (_, rest) = rest.split_once("</style>").unwrap();
    let around = format!("{head}<style></style>{rest}");
    let around = around.replace(body(&page), "").replace(env!("CARGO_PKG_VERSION"), "VERSION");
    compare("html/head.html", &around);
}

#[test]
fn an_environments_history_is_plotted() {
    let history = EnvironmentHistory { environment: "int".to_owned(), runs: tables::months() };
    compare("html/environment.html", body(&readable(&environment_page(&history, &links()).unwrap())));
    let nothing = EnvironmentHistory { environment: "int".to_owned(), runs: Vec::new() };
    assert!(environment_page(&nothing, &links()).unwrap().contains("no run of it has finished yet"));
}

#[test]
fn an_axis_says_nothing_twice() {
    let mut run = tables::months().into_iter().find(|run| run.outcome == Outcome::Verified).unwrap();
    run.finished = run.entered + jiff::SignedDuration::from_secs(1);
    let history = EnvironmentHistory { environment: "int".to_owned(), runs: vec![run] };
    let page = environment_page(&history, &links()).unwrap();
    assert_eq!((page.matches(">1s</text>").count(), page.matches(">0s</text>").count()), (1, 1));
}

/// Everything that templates, browsers, Markdown, XML and GitLab's notes could fall for.
const HOSTILE: [&str; 8] = [
    "<script>alert(1)</script>",
    "{{ 7 * 7 }}{% raw %}",
    "\"><img src=x onerror=alert(1)>",
    "**bold** [link](javascript:alert(1)) @all #1 !2 ~bug",
    "]]></failure><testcase/>",
    "\x1b[31mred\x1b[0m\u{202e}evil\u{0}",
    "| a | b |\n/close\n",
    "' onmouseover='alert(1)",
];

/// A run in which whatever may come from outside is hostile, and very long.
pub fn hostile() -> Script {
    let long = format!("{}{}", HOSTILE.concat(), "x".repeat(3000));
    let names: Vec<String> = HOSTILE.iter().map(|text| (*text).to_owned()).collect();
    let environment = format!("env{}", HOSTILE[0]);
    let mut script = Script::new(HOSTILE[1], &[("int", &[])]);
    script.summary.actor = HOSTILE[3].to_owned();
    script.summary.version = long.clone();
    script.summary.dataset = HOSTILE[2].to_owned();
    script.summary.url = "javascript:alert(1)".to_owned();
    script.summary.stages[0].environments = vec![(environment.clone(), names.clone())];
    script.summary.stages[0].gates = vec![HOSTILE[5].to_owned(), long.clone()];
    script.enter(7).start();
    let change = |service: &String| PinChange {
        environment: environment.clone(),
        service: service.clone(),
        place: format!("{service}:{long}"),
        before: HOSTILE[6].to_owned(),
        after: long.clone(),
    };
    script.say(What::Pinned {
        environments: vec![environment.clone()],
        branch: HOSTILE[7].to_owned(),
        commit: "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d".parse().unwrap(),
        changes: names.iter().map(change).collect(),
    });
    for service in &names {
        let log = [HOSTILE[0], HOSTILE[4], HOSTILE[5], &long];
        script.service_because(&environment, service, ServiceState::Failed, &long, &log);
    }
    for gate in [HOSTILE[5], long.as_str()] {
        script.say(What::GateEnded {
            stage: 0,
            gate: gate.to_owned(),
            verdict: Verdict::Failed,
            summary: long.clone(),
            url: "javascript:alert(1)//https://gitlab.example/".to_owned(),
            log: names.clone(),
        });
    }
    script.roll_back(CauseKind::Gate, &long, &[&environment]);
    let failures = vec![format!("{environment}/mds: {long}")];
    let outcome = Outcome::RollbackFailed { cause: cause(CauseKind::Gate, &long), failures };
    script.finish(outcome, &[(&environment, &long)], &[&long]);
    script
}

/// Looks at a page as a browser does: which elements and attributes there are.
fn assert_safe(name: &str, page: &str) {
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let end = rest.find('>').unwrap();
        let tag = &rest[..end];
        let element = tag.trim_start_matches('/').split([' ', '\n', '/']).next().unwrap();
        assert!(ELEMENTS.contains(&element), "{name}: <{tag}>");
        for attribute in attributes(tag) {
            let (key, value) = attribute;
            assert!(ATTRIBUTES.contains(&key.as_str()), "{name}: {key} in <{tag}>");
            if key == "href" {
                let web = value.starts_with("https://gitlab.example/") && element == "a";
                assert!(web || value.starts_with("#i-"), "{name}: a link to {value}");
            }
            assert!(!value.contains("url("), "{name}: {value}");
        }
        rest = &rest[end + 1..];
    }
    assert!(!page.contains("@import") && !page.contains("url("), "{name}: something is loaded");
    assert!(!page.contains('\x1b') && !page.contains('\u{202e}'), "{name}: a control character");
}

const ELEMENTS: [&str; 51] = [
    "!doctype", "html", "head", "meta", "title", "style", "body", "main", "footer", "header", "article",
    "section", "div", "span", "p", "h1", "h2", "h3", "b", "strong", "br", "a", "code", "pre", "ol", "ul",
    "li", "dl", "dt", "dd", "table", "thead", "tbody", "tr", "th", "td", "del", "ins", "details", "summary",
    "svg", "symbol", "use", "path", "circle", "rect", "text", "g", "title", "sub", "em",
];

const ATTRIBUTES: [&str; 37] = [
    "lang",
    "charset",
    "name",
    "content",
    "http-equiv",
    "class",
    "title",
    "href",
    "rel",
    "style",
    "open",
    "tabindex",
    "role",
    "aria-label",
    "aria-hidden",
    "id",
    "viewbox",
    "width",
    "height",
    "d",
    "cx",
    "cy",
    "r",
    "x",
    "y",
    "text-anchor",
    "dominant-baseline",
    "html",
    "colspan",
    "scope",
    "for",
    "type",
    "lang",
    "dir",
    "start",
    "value",
    "alt",
];

/// Attributes of a tag that was written by a template: all values are in double quotes.
fn attributes(tag: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = tag.split_once([' ', '\n']).map_or("", |(_, rest)| rest).trim();
    while !rest.is_empty() {
        let end = rest.find(['=', ' ']).unwrap_or(rest.len());
        let key = rest[..end].trim_end_matches('/').to_lowercase();
        rest = &rest[end..];
        let mut value = String::new();
        if let Some(quoted) = rest.strip_prefix("=\"") {
            let close = quoted.find('"').unwrap();
            quoted[..close].clone_into(&mut value);
            rest = &quoted[close + 1..];
        }
        if !key.is_empty() {
            found.push((key, value));
        }
        rest = rest.trim_start_matches(['/', ' ', '\n']);
    }
    found
}

#[test]
fn nothing_from_outside_acts_in_a_page() {
    let mut scripts = pictures::all();
    scripts.push(("everything hostile", hostile()));
    scripts.push(("wide", wide()));
    for (name, script) in scripts {
        assert_safe(name, &page(&script));
    }
    let mut runs = tables::months();
    for (run, text) in runs.iter_mut().zip(HOSTILE.iter().cycle()) {
        (*text).clone_into(&mut run.version);
        (*text).clone_into(&mut run.actor);
        (*text).clone_into(&mut run.pipeline);
        run.outcome = Outcome::Dropped { reason: (*text).to_owned() };
    }
    let history = EnvironmentHistory { environment: HOSTILE[0].to_owned(), runs };
    assert_safe("history", &readable(&environment_page(&history, &links()).unwrap()));
}

#[test]
fn a_template_in_data_is_data() {
    let page = page(&hostile());
    assert!(page.contains("<h1>{{ 7 * 7 }}{% raw %}"), "the data was rendered");
    assert!(page.contains("&lt;script&gt;alert(1)"));
}

/// Three stages with four services each that are all taken back, as in the picture.
pub fn wide() -> Script {
    let mut script =
        Script::new("preprod", &[("abn", &["e2e-test-abn"]), ("lup", &["e2e-test-lup"]), ("prd", &[])]);
    script.enter(43).start();
    for (stage, environment) in ["abn", "lup", "prd"].into_iter().enumerate() {
        script.pin(stage, "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d");
        if environment == "prd" {
            script.service_because("prd", "kv", ServiceState::Failed, "CrashLoopBackOff", &["panic"]);
        } else {
            script.all(environment, ServiceState::Deployed);
            let gate = format!("e2e-test-{environment}");
            script.gate_begins(stage, &gate).gate_ends(stage, &gate, Verdict::Passed, "88 tests", &[]);
        }
    }
    script.roll_back(CauseKind::Deployment, "1 of 4 services of prd failed: kv", &["prd", "lup", "abn"]);
    ["prd", "lup", "abn"]
        .iter()
        .for_each(|environment| _ = script.all(environment, ServiceState::RolledBack));
    let outcome =
        Outcome::RolledBack { cause: cause(CauseKind::Deployment, "1 of 4 services of prd failed: kv") };
    script.finish(outcome, &[("abn", "2026.11.20-2"), ("lup", "2026.11.20-2"), ("prd", "2026.11.20-2")], &[]);
    script
}

#[test]
fn twelve_services_are_taken_back_in_the_graph() {
    let page = page(&wide());
    let (_, back) = page.split_once("Rollback, record</h3>").unwrap();
    let (back, _) = back.split_once("</ul>").unwrap();
    assert_eq!(back.matches("<li class=\"node good\"").count(), 12);
    assert_eq!(back.matches("<span class=\"label\">record ").count(), 3);
    let at = |text: &str| back.find(text).unwrap();
    assert!(at(">prd/mds<") < at(">lup/mds<") && at(">lup/mds<") < at(">abn/mds<"));
    compare("html/wide.html", body(&page));
}

/// Whether a node of that shade has exactly that label.
fn has_node(page: &str, shade: &str, label: &str) -> bool {
    let (node, label) =
        (format!("<li class=\"node {shade}\" "), format!("<span class=\"label\">{label}</span>"));
    page.lines().any(|line| line.contains(&node) && line.contains(&label))
}

/// What has not begun in a run that goes on may still begin: it was not skipped.
#[test]
fn nothing_is_skipped_before_the_end() {
    let mut script = Script::new("int", &[("int", &["int-test"])]);
    script.enter(42).start();
    let goes_on = page(&script);
    assert!(!goes_on.contains("skipped"), "{goes_on}");
    for label in ["mds", "int-test", "int/mds", "record int"] {
        assert!(has_node(&goes_on, "wait", label), "{label}: {goes_on}");
    }
    script.finish(Outcome::GaveUp, &[], &[]);
    assert!(has_node(&page(&script), "skip", "int-test"));
}

/// The environments are verified, but one parameter could not be written: only its node says so.
#[test]
fn a_record_that_was_not_written_is_no_success() {
    let mut script = Script::new("p", &[("abn", &[]), ("prd", &[])]);
    script.enter(42).start().verify(&["abn", "prd"]);
    let reason = "prd: /prd/timetable/version could not be written: AccessDenied";
    script.finish(Outcome::NotRecorded { reason: reason.to_owned() }, &[], &[]);
    let page = page(&script);
    assert!(has_node(&page, "good", "record abn") && has_node(&page, "warn", "record prd"), "{page}");
    assert!(page.contains(&format!("record prd: warned ({reason})")), "{page}");
}

/// A commit of a person that was only watched is not called ours.
#[test]
fn a_watched_commit_is_not_called_pinned() {
    let mut script = Script::new("int", &[("int", &[])]);
    script.enter(42).start();
    script.say(What::Pinned {
        environments: vec!["int".to_owned()],
        branch: "main".to_owned(),
        commit: "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d".parse().unwrap(),
        changes: Vec::new(),
    });
    let mut accounts = Accounts::default();
    script.events.iter().for_each(|event| accounts.hear(event));
    assert!(page(&script).contains("<li>int watched <a href="));
    assert!(annotations(&accounts.all()[0], &links()).contains("\"int watched 1a2b3c4d\""));
}

#[test]
fn every_page_says_how_each_service_and_gate_stands() {
    let failed = page(&pictures::all()[2].1);
    for text in ["CrashLoopBackOff", "panic: index is of a newer format", "int is frozen", "still runs"] {
        assert!(failed.contains(text), "{text}");
    }
    let warned = page(&pictures::all()[4].1);
    assert!(warned.contains("class=\"node warn\"") && warned.contains("p95 is 840 ms"));
    assert!(warned.contains("https://gitlab.example/data/environments/-/commit/1a2b3c4d5e6f"));
}
