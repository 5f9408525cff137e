//! (i) What 1,000 Applications that are waited for at once cost, each measured in a process of its own.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use datapin::agent::kinds::APPLICATION;
use datapin::agent::{Agent, Health, Question, Repository, Surroundings, Sync};
use datapin::cluster::Clusters;
use datapin::config::{self, ArgoReach, ClusterAccess};
use serde_json::{Value, json};

use crate::Extent;
use crate::it::kube_server::{KubeServer, Tls};
use crate::measure::{median, peak_memory, run};
use crate::table::Table;

/// Argument of this program by which it is the process that waits.
pub const CHILD: &str = "--wait-in-a-process-of-its-own";

const MANY: usize = 1000;
const NAMESPACE: &str = "argocd";

pub fn measure(extent: Extent, table: &mut Table) {
    let rounds = extent.of(3, 1);
    let (mut one, mut many, mut watches) = (Vec::new(), Vec::new(), 0);
    for _ in 0..rounds {
        one.push(wait_for(1).0);
        let (memory, watched) = wait_for(MANY);
        many.push(memory);
        watches = watches.max(watched);
    }
    let (one, many) = (median(&one), median(&many));
    table.tell("peak memory, waiting for 1 Application", &format!("{one:.1} MB"));
    table.tell("peak memory, waiting for 1,000", &format!("{many:.1} MB"));
    let more = many - one;
    table.goal("1,000 cost more than 1", &format!("{more:.1} MB"), "≤ 60 MB", more <= 60.0);
    table.goal("watches open at once for the 1,000", &watches.to_string(), "1", watches == 1);
}

/// Peak memory in MB of a process that waits for so many, and how many watches it had at once.
fn wait_for(count: usize) -> (f64, usize) {
    let dir = tempfile::tempdir().unwrap();
    let server = KubeServer::start_tls(Tls::new(dir.path(), "api", "IP:127.0.0.1"));
    server.install(APPLICATION);
    for number in 0..count {
        server.put(APPLICATION, NAMESPACE, application(number, &old(), "Healthy"));
    }
    let config = server.kubeconfig();
    let child = std::thread::spawn(move || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let output = run(command.arg(CHILD).arg(config).arg(count.to_string()));
        String::from_utf8_lossy(&output.stdout).trim().parse().unwrap()
    });
    server.until("each is asked to look at git", |server| {
        server.asked().iter().filter(|asked| asked.verb == "patch").count() >= count
            && server.watches(APPLICATION) > 0
    });
    let watches = server.watches(APPLICATION);
    for number in 0..count {
        server.put(APPLICATION, NAMESPACE, application(number, &new(), "Progressing"));
    }
    for number in 0..count {
        server.put(APPLICATION, NAMESPACE, application(number, &new(), "Healthy"));
    }
    (child.join().unwrap(), watches)
}

fn old() -> String {
    "a".repeat(40)
}

fn new() -> String {
    "b".repeat(40)
}

fn name(number: usize) -> String {
    format!("s{number:04}-int")
}

/// When the sync of a revision ended, and when it was compared after that.
fn times(revision: &str) -> [&'static str; 2] {
    match revision == old() {
        true => ["2026-11-24T10:00:00Z", "2026-11-24T10:00:05Z"],
        false => ["2026-11-24T10:01:00Z", "2026-11-24T10:01:05Z"],
    }
}

/// An Application with 20 resources and ten syncs behind it: 10 kB and more, as they are.
fn application(number: usize, revision: &str, health: &str) -> Value {
    let source =
        json!({ "repoURL": "https://git.example.com/env.git", "path": "int", "targetRevision": "main" });
    let resource = |n: usize| {
        json!({ "group": "apps", "version": "v1", "kind": "Deployment", "namespace": "apps",
            "name": format!("{}-{n}", name(number)), "status": "Synced", "health": { "status": health } })
    };
    let history = |n: usize| json!({ "id": n, "revision": old(), "source": source, "deployedAt": "2026-11-24T10:00:00Z" });
    let applied = |n: usize| {
        json!({ "group": "apps", "version": "v1", "kind": "Deployment", "namespace": "apps", "status": "Synced",
            "name": format!("{}-{n}", name(number)), "message": "configured", "hookPhase": "Running" })
    };
    let [finished, compared] = times(revision);
    let list = |of: &dyn Fn(usize) -> Value, most: usize| (0..most).map(of).collect::<Vec<_>>();
    json!({
        "metadata": { "name": name(number), "uid": format!("uid-{number}"),
            "managedFields": list(&|n| json!({ "manager": format!("m{n}"), "fieldsV1": resource(n) }), 10) },
        "spec": { "project": "default", "source": source,
            "destination": { "server": "https://kubernetes.default.svc", "namespace": "apps" },
            "syncPolicy": { "automated": { "prune": true } } },
        "status": {
            "sync": { "status": "Synced", "revision": revision, "comparedTo": { "source": source } },
            "health": { "status": health },
            "reconciledAt": compared,
            "resources": list(&resource, 20),
            "history": list(&history, 10),
            "operationState": { "phase": "Succeeded", "message": "successfully synced",
                "startedAt": finished, "finishedAt": finished,
                "operation": { "sync": { "revision": revision } },
                "syncResult": { "revision": revision, "source": source, "resources": list(&applied, 20) } },
        },
    })
}

/// The process that waits: prints its peak memory when all are up.
pub fn child(args: &[String]) {
    let [config, count] = args else { panic!("{CHILD} KUBECONFIG COUNT") };
    let count: usize = count.parse().unwrap();
    let agent = agent(Path::new(config));
    crate::queue::runtime().block_on(async {
        let mut waits = tokio::task::JoinSet::new();
        for number in 0..count {
            waits.spawn(up(agent.clone(), number));
        }
        while let Some(done) = waits.join_next().await {
            done.unwrap();
        }
    });
    println!("{:.1}", peak_memory());
}

async fn up(agent: Agent, number: usize) {
    let begun = Instant::now();
    let mut question = Question::of_no_commit("int", &format!("s{number:04}"), "timetable", "2");
    question.commit = new().parse().unwrap();
    let mut following = agent.follow(question);
    let mut last = String::new();
    while begun.elapsed().as_secs() < 60 {
        match following.observe().await {
            Ok(seen) => {
                let is_ours = seen.revision.as_ref().is_some_and(|revision| revision.as_str() == new());
                if is_ours && seen.sync == Sync::Synced && seen.health == Health::Healthy {
                    return;
                }
                last = format!("{seen:?}");
                following.changed().await;
            }
            Err(error) => {
                last = error.to_string();
                following.pause().await;
            }
        }
    }
    panic!("{} is not up within 60 s; last seen: {last}", name(number));
}

fn agent(kubeconfig: &Path) -> Agent {
    let access = ClusterAccess { kubeconfig: Some(kubeconfig.to_owned()), ..ClusterAccess::default() };
    let settings = config::Agent::ArgoCd(config::ArgoCd {
        application: "{service}-{environment}".to_owned(),
        namespace: NAMESPACE.to_owned(),
        reach: ArgoReach::Cluster(access),
        repository: None,
        sync: config::SyncBy::default(),
        sync_retries: 0,
        after_sync: Vec::new(),
        interval: std::time::Duration::from_secs(10),
    });
    let surroundings = Surroundings {
        environment: "int".to_owned(),
        repository: Repository::new("git.example.com/env", "main", "main"),
        clusters: Clusters::new(Arc::new(|_| None)),
    };
    Agent::from_config(&settings, surroundings, |_| None, Path::new("datapin"))
}
