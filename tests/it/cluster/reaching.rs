//! Bad input: each way in which a cluster can't be reached has its message, and none shows a secret.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use datapin::cluster::{Cluster, ClusterError, Clusters, Kind, LogsOf, Propagation, Stream};
use datapin::config::ClusterAccess;
use serde_json::{Value, json};

use crate::gate::assert_file;
use crate::kube_server::{KubeServer, Mood, TOKEN, Tls};

const SECRET: &str = "eyJ-a-secret-that-nobody-may-see";
const CRD: Kind =
    Kind { group: "argoproj.io", version: "v1alpha1", kind: "Application", plural: "applications" };

fn access(file: &Path) -> ClusterAccess {
    ClusterAccess { kubeconfig: Some(file.to_owned()), ..ClusterAccess::default() }
}

async fn connect(access: &ClusterAccess) -> Result<Cluster, ClusterError> {
    let home = |name: &str| (name == "HOME").then(|| "/nowhere/home".to_owned());
    Clusters::new(std::sync::Arc::new(home)).with_limit(Duration::from_secs(3)).get(access).await
}

async fn ask(access: &ClusterAccess) -> ClusterError {
    match connect(access).await {
        Ok(cluster) => cluster.list(Kind::POD, "apps", "").await.unwrap_err(),
        Err(error) => error,
    }
}

/// The messages, in the order in which they were collected.
struct Messages {
    text: String,
    dir: tempfile::TempDir,
}

impl Messages {
    fn add(&mut self, what: &str, error: &ClusterError) {
        let message = error.to_string();
        assert!(!message.contains(SECRET) && !message.contains(TOKEN), "{what} shows a secret: {message}");
        let ports = regex::Regex::new(r"127\.0\.0\.1:\d+").unwrap();
        let own = self.dir.path().display().to_string();
        let message = ports.replace_all(&message.replace(&own, "DIR"), "127.0.0.1:PORT").into_owned();
        self.text += &format!("{what}:\n  {message}\n");
    }

    fn file(&self, name: &str, text: &str) -> std::path::PathBuf {
        let file = self.dir.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    }

    fn kubeconfig(&self, name: &str, server: &str, user: Value) -> std::path::PathBuf {
        self.file(
            name,
            &json!({
                "apiVersion": "v1", "kind": "Config", "current-context": "nonprod",
                "clusters": [{ "name": "c", "cluster": { "server": server } }],
                "users": [{ "name": "u", "user": user }],
                "contexts": [
                    { "name": "nonprod", "context": { "cluster": "c", "user": "u" } },
                    { "name": "group/infra:agent", "context": { "cluster": "c", "user": "u" } },
                    { "name": "lost", "context": { "cluster": "gone", "user": "u" } },
                ],
            })
            .to_string(),
        )
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages() {
    let mut all = Messages { text: String::new(), dir: tempfile::tempdir().unwrap() };
    files(&mut all).await;
    logins(&mut all).await;
    connections(&mut all).await;
    answers(&mut all).await;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cluster/messages.txt");
    assert_file(&file, &all.text);
}

async fn files(all: &mut Messages) {
    all.add("nothing configured", &ask(&ClusterAccess::default()).await);
    all.add("no such file", &ask(&access(&all.dir.path().join("missing"))).await);
    let broken = all.file("broken", &format!("users:\n- token: [{SECRET}\n"));
    all.add("no YAML", &ask(&access(&broken)).await);
    let other = all.file("other", &format!("users: {{ token: {SECRET} }}\n"));
    all.add("no kubeconfig", &ask(&access(&other)).await);
    let good = all.kubeconfig("good", "http://127.0.0.1:1", json!({ "token": SECRET }));
    let wrong = |context: &str| ClusterAccess { context: Some(context.to_owned()), ..access(&good) };
    all.add("another context", &ask(&wrong("nonprd")).await);
    all.add("another agent", &ask(&wrong("group/infra:agnt")).await);
    all.add("far off", &ask(&wrong("production-eu")).await);
    all.add("a context without its cluster", &ask(&wrong("lost")).await);
    let text = std::fs::read_to_string(&good)
        .unwrap()
        .replace("\"current-context\":\"nonprod\"", "\"current-context\":\"\"");
    let none = all.file("none", &text);
    all.add("no current context", &ask(&access(&none)).await);
}

async fn logins(all: &mut Messages) {
    let exec = |command: &str, args: Value| {
        json!({ "exec": { "apiVersion": "client.authentication.k8s.io/v1", "command": command, "args": args,
            "interactiveMode": "Never" } })
    };
    let server = "https://127.0.0.1:1";
    let user = exec("kubelogin-that-is-not-there", json!([]));
    all.add("no plug-in", &ask(&access(&all.kubeconfig("k1", server, user))).await);
    let script = format!("echo {SECRET}; echo 'error: session expired' >&2; exit 3");
    let user = exec("sh", json!(["-c", script]));
    all.add("a plug-in that fails", &ask(&access(&all.kubeconfig("k2", server, user))).await);
    let user = exec("echo", json!([SECRET]));
    all.add("a plug-in that talks", &ask(&access(&all.kubeconfig("k3", server, user))).await);
}

async fn connections(all: &mut Messages) {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let user = json!({ "token": SECRET });
    let file = all.kubeconfig("k4", &format!("https://{closed}"), user.clone());
    all.add("a closed port", &ask(&access(&file)).await);
    let file = all.kubeconfig("k5", "https://kubernetes.invalid", user);
    let error = ask(&access(&file)).await;
    assert!(matches!(error, ClusterError::Unreachable { .. }), "{error}");
    let server = KubeServer::start_tls(Tls::new(all.dir.path(), "good", "IP:127.0.0.1"));
    let reached = connect(&access(&server.kubeconfig())).await.unwrap();
    assert!(reached.list(Kind::POD, "apps", "").await.unwrap().is_empty());
    let other = Tls::new(all.dir.path(), "other", "IP:127.0.0.1");
    let text = std::fs::read_to_string(server.kubeconfig()).unwrap();
    let file = all.file("k6", &text.replace("good.ca.crt", "other.ca.crt"));
    assert!(other.ca.exists());
    all.add("another authority", &ask(&access(&file)).await);
    let server = KubeServer::start_tls(Tls::new(all.dir.path(), "name", "DNS:kubernetes.example.org"));
    all.add("another name", &ask(&access(&server.kubeconfig())).await);
}

async fn answers(all: &mut Messages) {
    let server = KubeServer::start();
    let cluster = connect(&access(&server.kubeconfig())).await.unwrap();
    all.add("a kind that is not installed", &cluster.list(CRD, "argocd", "").await.unwrap_err());
    let missing = cluster.get(Kind::JOB, "apps", "e2e").await.unwrap_err();
    assert!(missing.is_not_found());
    all.add("an object that is not there", &missing);
    let patch = json!({ "metadata": { "labels": { "a": "b" } } });
    server.deny("patch", "jobs.batch");
    server.put(Kind::JOB, "apps", json!({ "metadata": { "name": "e2e" } }));
    all.add("no right", &cluster.merge_patch(Kind::JOB, "apps", "e2e", &patch).await.unwrap_err());
    server.deny("get", "pods/log");
    let of = LogsOf { pod: "mds-1", container: "mds", stream: Stream::Current, lines: 5 };
    all.add("no right to logs", &cluster.logs("apps", &of).await.unwrap_err());
    let job = json!({ "metadata": { "name": "e2e" } });
    all.add("there already", &cluster.create(Kind::JOB, "apps", &job).await.unwrap_err());
    let job = json!({ "metadata": { "name": "e2e-2" }, "spec": {} });
    all.add("invalid", &cluster.create(Kind::JOB, "apps", &job).await.unwrap_err());
    server.behave(Mood::Failing(503, 1));
    let failing = cluster.list(Kind::POD, "apps", "").await.unwrap_err();
    assert!(failing.is_transient());
    all.add("a server with trouble", &failing);
    server.behave(Mood::Hanging);
    all.add("a server that hangs", &cluster.list(Kind::POD, "apps", "").await.unwrap_err());
    server.behave(Mood::Well);
    server.only_token("another");
    let unknown = cluster.list(Kind::POD, "apps", "").await.unwrap_err();
    assert!(!unknown.is_transient());
    all.add("an unknown token", &unknown);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_context_with_slash_and_colon_is_a_context() {
    let server = KubeServer::start();
    let agent =
        ClusterAccess { context: Some("group/project:agent".to_owned()), ..access(&server.kubeconfig()) };
    let cluster = connect(&agent).await.unwrap();
    assert_eq!(cluster.namespace(), "apps");
    assert!(cluster.label().starts_with("context `group/project:agent` (http://127.0.0.1"));
    assert!(cluster.list(Kind::POD, "apps", "").await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_variable_names_several_files_of_which_some_are_there() {
    let server = KubeServer::start();
    let list = format!("/nowhere/config:{}", server.kubeconfig().display());
    let clusters =
        Clusters::new(std::sync::Arc::new(move |name| (name == "KUBECONFIG").then(|| list.clone())));
    let cluster = clusters.get(&ClusterAccess::default()).await.unwrap();
    assert!(cluster.list(Kind::POD, "apps", "").await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn names_stay_in_their_place() {
    let server = KubeServer::start();
    let cluster = connect(&access(&server.kubeconfig())).await.unwrap();
    for name in ["../../secrets/s", "a?watch=1", "..", ".", "a b", "ä"] {
        let error = cluster.get(Kind::POD, "apps", name).await.unwrap_err();
        assert!(!error.to_string().is_empty());
    }
    let paths: Vec<String> = server.asked().into_iter().map(|asked| asked.path).collect();
    assert!(paths.iter().all(|path| path.starts_with("/api/v1/namespaces/apps/pods/")), "{paths:#?}");
    assert!(server.asked().iter().all(|asked| asked.query.is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_events_and_deletion() {
    let server = KubeServer::start();
    let cluster = connect(&access(&server.kubeconfig())).await.unwrap();
    server.log("apps", "mds-1", "mds", "previous", "one\ntwo\n\u{1b}[31mthree\u{1b}[0m\n");
    let of = LogsOf { pod: "mds-1", container: "mds", stream: Stream::Previous, lines: 2 };
    assert_eq!(cluster.logs("apps", &of).await.unwrap(), ["two", "three"]);
    assert!(cluster.logs("apps", &LogsOf { stream: Stream::Current, ..of }).await.is_err());
    for (name, of, at) in
        [("b", "mds-1", "2026-11-24T10:00:02Z"), ("a", "mds-1", "2026-11-24T10:00:01Z"), ("c", "kv", "")]
    {
        let event = json!({
            "metadata": { "name": name }, "involvedObject": { "kind": "Pod", "name": of },
            "type": "Warning", "reason": "BackOff", "message": name, "lastTimestamp": at, "count": 3,
        });
        server.put(Kind::EVENT, "apps", event);
    }
    let events = cluster.events("apps", Kind::POD, "mds-1").await.unwrap();
    let words: Vec<_> = events.iter().map(|event| (event.message.as_str(), event.count)).collect();
    assert_eq!(words, [("a", 3), ("b", 3)]);
    server.put(Kind::JOB, "apps", json!({ "metadata": { "name": "e2e" } }));
    cluster.delete(Kind::JOB, "apps", "e2e", Propagation::Background).await.unwrap();
    cluster.delete(Kind::JOB, "apps", "e2e", Propagation::Background).await.unwrap();
    assert!(server.objects(Kind::JOB, "apps").is_empty());
}
