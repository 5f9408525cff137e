//! Watches: what is seen is what is, whatever happens to the stream.

use std::time::Duration;

use datapin::cluster::{Cluster, Clusters, Kind, Seen, Selected, Watched, Way};
use datapin::config::ClusterAccess;
use serde_json::{Value, json};

use crate::kube_server::{KubeServer, Mood, TOKEN};

const APPLICATION: Kind =
    Kind { group: "argoproj.io", version: "v1alpha1", kind: "Application", plural: "applications" };
const LIMIT: Duration = Duration::from_secs(20);

fn keep(_: &mut Value) {}

fn server() -> KubeServer {
    let server = KubeServer::start();
    server.install(APPLICATION);
    server
}

async fn cluster(server: &KubeServer) -> Cluster {
    let access = ClusterAccess { kubeconfig: Some(server.kubeconfig()), ..ClusterAccess::default() };
    Clusters::new(std::sync::Arc::new(|_| None)).get(&access).await.unwrap()
}

fn app(name: &str, health: &str) -> Value {
    json!({ "metadata": { "name": name, "labels": { "app": name } }, "status": { "health": health } })
}

fn health(watched: &Watched, name: &str) -> String {
    match watched.get(name) {
        Seen::Object(object) => object["status"]["health"].as_str().unwrap().to_owned(),
        Seen::Absent => "absent".to_owned(),
        Seen::Pending => "pending".to_owned(),
        Seen::Unknown(error) => format!("unknown: {error}"),
    }
}

async fn until(watched: &mut Watched, name: &str, wanted: &str) {
    let seen = async {
        while !health(watched, name).starts_with(wanted) {
            watched.changed().await;
        }
    };
    if tokio::time::timeout(LIMIT, seen).await.is_err() {
        panic!("`{name}` is {} and not {wanted}", health(watched, name));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sees_what_is_there_and_what_changes() {
    let server = server();
    server.put(APPLICATION, "argocd", app("mds", "Healthy"));
    let cluster = cluster(&server).await;
    let mut watched = cluster.watch(APPLICATION, "argocd", keep);
    assert_eq!(health(&watched, "mds"), "pending");
    until(&mut watched, "mds", "Healthy").await;
    assert_eq!(health(&watched, "kv"), "absent");
    server.put(APPLICATION, "argocd", app("kv", "Progressing"));
    until(&mut watched, "kv", "Progressing").await;
    server.patch(APPLICATION, "argocd", "kv", &json!({ "status": { "health": "Healthy" } }));
    until(&mut watched, "kv", "Healthy").await;
    let Selected::Objects(found) = watched.select(&"app in (kv, fbv)".parse().unwrap()) else { panic!() };
    assert_eq!(found.len(), 1);
    server.delete(APPLICATION, "argocd", "mds");
    until(&mut watched, "mds", "absent").await;
    assert_eq!(watched.way(), Way::Watching);
    assert_eq!(watched.take_notice(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_watch_serves_everybody_and_ends_with_the_last() {
    let server = server();
    let cluster = cluster(&server).await;
    let mut first = cluster.watch(APPLICATION, "argocd", keep);
    let second = cluster.clone().watch(APPLICATION, "argocd", keep);
    until(&mut first, "mds", "absent").await;
    server.until("a watch is open", |server| server.watches(APPLICATION) == 1);
    drop(first);
    server.put(APPLICATION, "argocd", app("mds", "Healthy"));
    let mut second = second;
    until(&mut second, "mds", "Healthy").await;
    let lists = server.asked().iter().filter(|asked| asked.verb == "list").count();
    assert_eq!(lists, 1);
    drop(second);
    server.put(APPLICATION, "argocd", app("kv", "Healthy"));
    server.until("no watch is open", |server| server.watches(APPLICATION) == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_stream_goes_on_where_it_was() {
    let server = server();
    server.put(APPLICATION, "argocd", app("mds", "Progressing"));
    let mut watched = cluster(&server).await.watch(APPLICATION, "argocd", keep);
    until(&mut watched, "mds", "Progressing").await;
    server.until("a watch is open", |server| server.watches(APPLICATION) == 1);
    server.cut();
    server.put(APPLICATION, "argocd", app("mds", "Healthy"));
    until(&mut watched, "mds", "Healthy").await;
    assert_eq!(server.asked().iter().filter(|asked| asked.verb == "list").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_version_is_listed_anew() {
    let server = server();
    server.put(APPLICATION, "argocd", app("mds", "Progressing"));
    server.put(APPLICATION, "argocd", app("kv", "Healthy"));
    let mut watched = cluster(&server).await.watch(APPLICATION, "argocd", keep);
    until(&mut watched, "mds", "Progressing").await;
    server.until("a watch is open", |server| server.watches(APPLICATION) == 1);
    server.delete(APPLICATION, "argocd", "kv");
    until(&mut watched, "kv", "absent").await;
    server.put(APPLICATION, "argocd", app("kv", "Healthy"));
    server.put(APPLICATION, "argocd", app("mds", "Healthy"));
    server.compact();
    server.cut();
    until(&mut watched, "mds", "Healthy").await;
    until(&mut watched, "kv", "Healthy").await;
    assert!(server.asked().iter().filter(|asked| asked.verb == "list").count() >= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_restarts_is_unknown_meanwhile() {
    let mut server = server();
    server.put(APPLICATION, "argocd", app("mds", "Progressing"));
    let mut watched = cluster(&server).await.watch(APPLICATION, "argocd", keep);
    until(&mut watched, "mds", "Progressing").await;
    server.stop();
    until(&mut watched, "mds", "unknown: context `test` (http://127.0.0.1").await;
    server.put(APPLICATION, "argocd", app("mds", "Healthy"));
    server.again();
    until(&mut watched, "mds", "Healthy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_ends_in_the_middle_is_read_anew() {
    let server = server();
    server.put(APPLICATION, "argocd", app("mds", "Progressing"));
    let cluster = cluster(&server).await;
    let mut watched = cluster.watch(APPLICATION, "argocd", keep);
    until(&mut watched, "mds", "Progressing").await;
    server.until("a watch is open", |server| server.watches(APPLICATION) == 1);
    server.kubeconfig_with(json!({ "token": "second" }));
    server.only_token("second");
    server.cut();
    server.put(APPLICATION, "argocd", app("mds", "Healthy"));
    until(&mut watched, "mds", "Healthy").await;
    assert!(cluster.get(APPLICATION, "argocd", "mds").await.is_ok());
    let used: Vec<_> = server.asked().into_iter().map(|asked| (asked.status, asked.token)).collect();
    assert!(used.contains(&(401, TOKEN.to_owned())), "{used:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_nobody_knows_is_said_and_not_shown() {
    let server = server();
    server.only_token("another");
    let mut watched = cluster(&server).await.watch(APPLICATION, "argocd", keep);
    until(&mut watched, "mds", "unknown: context `test`").await;
    let said = health(&watched, "mds");
    assert!(said.contains("(401)") && !said.contains(TOKEN), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_to_watch_it_lists_and_says_so_once() {
    let server = server();
    server.deny("watch", "applications.argoproj.io");
    server.put(APPLICATION, "argocd", app("mds", "Progressing"));
    let mut watched = cluster(&server).await.watch(APPLICATION, "argocd", keep);
    until(&mut watched, "mds", "Progressing").await;
    server.put(APPLICATION, "argocd", app("mds", "Healthy"));
    until(&mut watched, "mds", "Healthy").await;
    assert_eq!(watched.way(), Way::Listing);
    let notice = watched.take_notice().unwrap();
    assert!(notice.contains("watch applications.argoproj.io in namespace argocd"), "{notice}");
    assert_eq!(watched.take_notice(), None);
    assert_eq!(server.asked().iter().filter(|asked| asked.verb == "watch").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_to_list_it_gets_by_name() {
    let server = server();
    server.deny("watch", "applications.argoproj.io");
    server.deny("list", "applications.argoproj.io");
    server.put(APPLICATION, "argocd", app("mds", "Progressing"));
    let mut watched = cluster(&server).await.watch(APPLICATION, "argocd", keep);
    until(&mut watched, "mds", "Progressing").await;
    until(&mut watched, "kv", "absent").await;
    server.put(APPLICATION, "argocd", app("mds", "Healthy"));
    until(&mut watched, "mds", "Healthy").await;
    assert_eq!(watched.way(), Way::Getting);
    assert!(watched.take_notice().unwrap().contains("got by name"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_or_failing_server_is_waited_for() {
    let server = server();
    server.put(APPLICATION, "argocd", app("mds", "Progressing"));
    server.behave(Mood::Failing(503, 3));
    let mut watched = cluster(&server).await.watch(APPLICATION, "argocd", keep);
    until(&mut watched, "mds", "unknown: cannot list applications.argoproj.io").await;
    until(&mut watched, "mds", "Progressing").await;
    server.behave(Mood::Slow(Duration::from_millis(300)));
    server.put(APPLICATION, "argocd", app("mds", "Healthy"));
    until(&mut watched, "mds", "Healthy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_is_not_installed_is_named_and_found_later() {
    let server = KubeServer::start();
    let mut watched = cluster(&server).await.watch(APPLICATION, "argocd", keep);
    until(&mut watched, "mds", "unknown: ").await;
    let said = health(&watched, "mds");
    assert!(said.contains("has no resource applications.argoproj.io (argoproj.io/v1alpha1)"), "{said}");
    server.install(APPLICATION);
    server.put(APPLICATION, "argocd", app("mds", "Healthy"));
    until(&mut watched, "mds", "Healthy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_objects_come_in_pages_and_are_kept_small() {
    fn without_history(object: &mut Value) {
        object["status"].as_object_mut().unwrap().remove("history");
    }
    let server = server();
    for number in 0..1000 {
        let mut one = app(&format!("app-{number:04}"), "Healthy");
        one["status"]["history"] = json!(vec!["x".repeat(100); 20]);
        one["metadata"]["managedFields"] = json!([{ "manager": "argocd" }]);
        server.put(APPLICATION, "argocd", one);
    }
    let mut watched = cluster(&server).await.watch(APPLICATION, "argocd", without_history);
    until(&mut watched, "app-0999", "Healthy").await;
    let Seen::Object(one) = watched.get("app-0500") else { panic!() };
    assert!(one["status"].get("history").is_none() && one["metadata"].get("managedFields").is_none());
    assert_eq!(server.asked().iter().filter(|asked| asked.verb == "list").count(), 10);
}
