//! The client of GitLab's API against the stateful fake.

mod contract;
mod merge;
mod refusals;
mod seen;
mod settings;
mod word;

use std::collections::BTreeMap;
use std::time::Duration;

use datapin::config;
use datapin::gitlab::{Bounds, GitLab, GitLabError, NewMergeRequest, Settings};

use crate::gitlab_server::{GitLabServer, Role};

pub(crate) const BOUNDS: Bounds = Bounds {
    connect: Duration::from_secs(5),
    request: Duration::from_secs(5),
    total: Duration::from_secs(10),
};

/// A client with this environment of a job.
pub(crate) fn client(variables: &[(&str, &str)], bounds: Bounds) -> GitLab {
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    let lookup = |name: &str| variables.get(name).map(|value| (*value).to_owned());
    let settings = Settings::resolve(&config::GitLab::default(), lookup).unwrap();
    GitLab::new(&Settings { bounds, ..settings }).unwrap()
}

/// A client of project `id` with an access token.
pub(crate) fn with_token(server: &GitLabServer, id: u64, token: &str, bounds: Bounds) -> GitLab {
    let (url, id) = (server.url(), id.to_string());
    let variables =
        [("CI_SERVER_URL", url.as_str()), ("CI_PROJECT_ID", &id), ("DATAPIN_GITLAB_TOKEN", token)];
    client(&variables, bounds)
}

/// A client of project `id` with the token of a job.
pub(crate) fn with_job_token(server: &GitLabServer, id: u64, token: &str) -> GitLab {
    let (url, id) = (server.url(), id.to_string());
    client(&[("CI_SERVER_URL", &url), ("CI_PROJECT_ID", &id), ("CI_JOB_TOKEN", token)], BOUNDS)
}

/// A project, and a client that may do everything there.
pub(crate) fn project(server: &GitLabServer) -> (u64, GitLab) {
    let id = server.project("data/environments");
    let token = server.token("bot", Role::Maintainer, &["api"]);
    (id, with_token(server, id, &token, BOUNDS))
}

fn bump(source: &str) -> NewMergeRequest {
    NewMergeRequest {
        source_branch: source.to_owned(),
        target_branch: "main".to_owned(),
        title: "data(int): timetable 2".to_owned(),
        description: "one\n\n`two` & three=4".to_owned(),
        labels: vec!["data".to_owned()],
        ..NewMergeRequest::default()
    }
}

fn status_of(error: &GitLabError) -> u16 {
    match error {
        GitLabError::Denied { status, .. } | GitLabError::Refused { status, .. } => *status,
        other => panic!("{other}"),
    }
}
