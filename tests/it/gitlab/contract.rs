//! The fake itself: it is as strict as what GitLab publishes.

use crate::gitlab_server::{Fault, GitLabServer, Role};

#[tokio::test]
async fn what_gitlab_does_not_publish_is_refused_and_told() {
    let server = GitLabServer::start();
    let id = server.project("data/environments");
    let token = server.token("bot", Role::Maintainer, &["api"]);
    let http = reqwest::Client::new();
    let sha = "c0ffee";
    let cases = [
        ("GET", format!("projects/{id}/merge_requests?sort=asc"), "", None),
        ("GET", format!("projects/{id}/merge_requests?sort=upwards"), "", Some("has no `sort=upwards`")),
        ("GET", format!("projects/{id}/merge_requests?branch=x"), "", Some("has no `branch`")),
        ("GET", format!("projects/{id}/mergerequests"), "", Some("mergerequests")),
        ("GET", format!("projects/{id}/pipelines/1/variable"), "", Some("variable")),
        ("DELETE", format!("projects/{id}/deployments/1"), "", Some("DELETE")),
        ("POST", format!("projects/{id}/statuses/{sha}"), "state=success&name=x", None),
        (
            "POST",
            format!("projects/{id}/statuses/{sha}"),
            "state=passed&name=x",
            Some("has no `state=passed`"),
        ),
        ("POST", format!("projects/{id}/statuses/{sha}"), "name=x", Some("needs `state`")),
        ("POST", format!("projects/{id}/trigger/pipeline"), "ref=main", Some("needs `token`")),
        ("POST", format!("projects/{id}/merge_requests"), "assignee_ids[]=1", Some("needs `title`")),
    ];
    for (method, path, body, words) in cases {
        let url = format!("{}/api/v4/{path}", server.url());
        let form = "application/x-www-form-urlencoded";
        let request = http.request(method.parse().unwrap(), url).header("PRIVATE-TOKEN", &token);
        let answer = request.header("Content-Type", form).body(body).send().await.unwrap();
        let status = answer.status().as_u16();
        let told = std::mem::take(&mut server.state().violations).join("; ");
        match words {
            Some(words) => assert!(told.contains(words) && status == 400, "{method} {path}: {status} {told}"),
            None => assert!(told.is_empty() && status < 300, "{method} {path}: {status} {told}"),
        }
    }
}

/// A request that meets a fault is looked at too.
#[tokio::test]
async fn a_fault_hides_no_wrong_request() {
    let server = GitLabServer::start();
    server.fault("GET", 1, Fault::Status(502));
    let url = format!("{}/api/v4/users?name=x", server.url());
    assert_eq!(reqwest::get(url).await.unwrap().status().as_u16(), 502);
    let told = std::mem::take(&mut server.state().violations);
    assert_eq!(told, ["GET users has no `name`"]);
    server.state().violations = told;
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(server)));
    assert!(dropped.is_err(), "its test fails");
}
