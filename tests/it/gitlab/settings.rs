//! Where GitLab is and who asks: configuration, and the variables of a job.

use std::collections::BTreeMap;

use datapin::config::{self, SecretRef};
use datapin::gitlab::{GitLab, Settings, SettingsError, Token};
use datapin::repo::Location;

fn resolve(config: &config::GitLab, variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    Settings::resolve(config, |name| variables.get(name).map(|value| (*value).to_owned()))
}

#[test]
fn a_job_knows_its_server_project_and_token() {
    let none = config::GitLab::default();
    assert!(resolve(&none, &[]).unwrap_err().is_unset());
    let job = [
        ("CI_SERVER_URL", "https://gitlab.example/sub"),
        ("CI_PROJECT_ID", "7"),
        ("CI_PROJECT_PATH", "data/env"),
        ("CI_JOB_TOKEN", "glcbt-1"),
    ];
    let found = resolve(&none, &job).unwrap();
    assert_eq!((found.url.as_str(), found.project.as_str()), ("https://gitlab.example/sub", "7"));
    assert!(matches!(found.token, Token::Job(_)));
    let api = config::GitLab { url: Some("https://gitlab.example/sub/api/v4/".to_owned()), ..none.clone() };
    assert_eq!(resolve(&api, &job).unwrap().url.as_str(), "https://gitlab.example/sub", "its API is meant");
    let found = resolve(&none, &[&job[..], &[("DATAPIN_GITLAB_TOKEN", "glpat-1")]].concat()).unwrap();
    assert!(matches!(found.token, Token::Access(_)));
}

#[test]
fn the_tokens_of_a_job_go_to_no_other_server() {
    let other = config::GitLab { url: Some("https://other.example".to_owned()), ..config::GitLab::default() };
    let job =
        [("CI_SERVER_URL", "https://gitlab.example"), ("CI_PROJECT_ID", "7"), ("CI_JOB_TOKEN", "glcbt-1")];
    let error = resolve(&other, &job).unwrap_err();
    assert!(matches!(error, SettingsError::NoProject { .. }), "{error}");
    let other = config::GitLab { project: Some("data/env".to_owned()), ..other };
    let error = resolve(&other, &job).unwrap_err();
    assert!(matches!(error, SettingsError::NoToken { .. }), "{error}");
}

#[test]
fn a_token_that_was_masked_or_passed_on_wrong_is_said_and_not_told() {
    for (text, words) in [
        ("$DATAPIN_TOKEN", "the name of a variable"),
        ("[MASKED]", "masked word"),
        ("\"glpat-secret\"", "quotes"),
        ("glpat-secret glpat-secret", "blanks"),
        ("glpat-s\u{e9}cret", "odd characters"),
    ] {
        let named = config::GitLab {
            url: Some("https://gitlab.example".to_owned()),
            project: Some("7".to_owned()),
            token: Some(SecretRef::Env("MY_TOKEN".to_owned())),
        };
        let error = resolve(&named, &[("MY_TOKEN", text)]).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("MY_TOKEN") && !error.contains("cret"), "{error}");
    }
    let named =
        config::GitLab { token: Some(SecretRef::Env("MY_TOKEN".to_owned())), ..config::GitLab::default() };
    let job =
        [("CI_SERVER_URL", "https://gitlab.example"), ("CI_PROJECT_ID", "7"), ("CI_JOB_TOKEN", "glcbt-1")];
    let error = resolve(&named, &job).unwrap_err();
    assert!(matches!(&error, SettingsError::Secret(text) if text.contains("MY_TOKEN")), "{error}");
}

/// Over http a repository is below the relative URL, over ssh it is not, and there its host may be another.
#[test]
fn a_project_is_known_by_every_address_that_it_is_cloned_from() {
    let job = [
        ("CI_SERVER_URL", "https://GitLab.example:8443/sub/"),
        ("CI_SERVER_SHELL_SSH_HOST", "ssh.gitlab.example"),
        ("CI_PROJECT_ID", "7"),
        ("CI_JOB_TOKEN", "glcbt-1"),
    ];
    let gitlab = GitLab::new(&resolve(&config::GitLab::default(), &job).unwrap()).unwrap();
    for (url, known) in [
        ("https://oauth2@gitlab.example:8443/sub/data/env.git", true),
        ("ssh://git@ssh.gitlab.example:2222/data/env.git", true),
        ("git@gitlab.example:data/env.git", true),
        ("https://gitlab.example/sub/data/env-2.git", false),
        ("https://other.example/sub/data/env.git", false),
    ] {
        let identity = Location::parse(url).unwrap().identity();
        assert_eq!(gitlab.serves(&identity, "data/env"), known, "{url}");
    }
}
