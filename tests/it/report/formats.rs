//! Report files in other formats: JUnit, Markdown, dotenv, annotations.

use datapin::report::account::Accounts;
use datapin::report::junit::junit;
use datapin::report::markdown::{escape, markdown};
use datapin::report::outputs::{annotations, dotenv};

use super::script::Script;
use super::{compare, html, pictures};

fn accounts(script: &Script) -> Accounts {
    let mut accounts = Accounts::default();
    script.events.iter().for_each(|event| accounts.hear(event));
    accounts
}

const SHOWN: [&str; 4] = [
    "int-deploy-failed-rollback-failed",
    "preprod-gate-allowed-to-fail",
    "preprod-gate-failed-rollback",
    "queue-and-takeover",
];

#[test]
fn a_run_in_every_format() {
    for (name, script) in pictures::all().into_iter().filter(|(name, _)| SHOWN.contains(name)) {
        let accounts = accounts(&script);
        let own = &accounts.all()[0];
        compare(&format!("junit/{name}.xml"), &junit(accounts.all()).unwrap());
        compare(&format!("markdown/{name}.md"), &markdown(accounts.all(), &html::links()));
        compare(&format!("dotenv/{name}.env"), &dotenv(own));
        compare(&format!("annotations/{name}.json"), &annotations(own, &html::links()));
    }
}

#[test]
fn junit_bears_anything() {
    let accounts = accounts(&html::hostile());
    let xml = junit(accounts.all()).unwrap();
    compare("junit/hostile.xml", &xml);
    let cases = xml.matches("<testcase ").count();
    assert_eq!(cases, 12 + 2 + 12, "services, gates, rollbacks; none is forged");
    assert!(!xml.contains('\x1b') && !xml.contains('\0'));
    assert!(xml.len() < 200_000, "{}", xml.len());
}

#[test]
fn markdown_bears_anything() {
    let accounts = accounts(&html::hostile());
    let text = markdown(accounts.all(), &html::links());
    compare("markdown/hostile.md", &text);
    assert!(!text.contains("<script") && !text.contains("<img") && !text.contains("@all"));
    assert!(!text.lines().any(|line| line.starts_with('/')), "a quick action");
    assert_eq!(escape("a_b|c\nd"), "a\\_b\\|c d");
}

/// A value too long for all is left out, and those behind it still fit.
#[test]
fn dotenv_leaves_out_what_is_too_long() {
    let mut script = Script::new("int", &[("int", &[])]);
    script.summary.version = "1".repeat(6000);
    script.enter(7);
    let text = dotenv(&accounts(&script).all()[0]);
    assert!(!text.contains("DATAPIN_RUN_VERSION=") && text.len() <= 5 * 1024, "{} bytes", text.len());
    assert!(text.ends_with("DATAPIN_RUN_ENVIRONMENTS=int\n"), "{text}");
}

/// GitLab: at most 5 KB and 20 variables, no spaces or line breaks in values.
#[test]
fn dotenv_keeps_to_gitlabs_limits() {
    for script in [html::hostile(), html::wide()] {
        let text = dotenv(&accounts(&script).all()[0]);
        assert!(text.len() <= 5 * 1024 && text.lines().count() <= 20);
        for line in text.lines() {
            let (name, value) = line.split_once('=').unwrap();
            assert!(
                name.chars().all(|char| char.is_ascii_uppercase() || char == '_' || char.is_ascii_digit())
            );
            assert!(!value.is_empty() && !value.contains([' ', '\n', '$', '"', '\'', '<']), "{line}");
        }
    }
}
