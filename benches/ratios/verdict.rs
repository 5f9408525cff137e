//! (h) From the object turning healthy in the API server to the verdict, on the real bed of `tests/cluster`.
//!
//! All three are told by the same API server: `kubectl get --watch` says when, datapin and its rival say it after.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Extent;
use crate::bed::bed;
use crate::cluster_world::World;
use crate::measure::{median, millis};
use crate::table::Table;

/// How long a round may take.
const LIMIT: Duration = Duration::from_secs(120);
const GOAL: f64 = 500.0;
const SERVICE: &str = "mds";

pub fn measure(extent: Extent, table: &mut Table) {
    if std::panic::catch_unwind(|| bed().dir()).is_err() {
        table.tell("SKIPPED: the real cluster cannot be started here, see above", "NOT MEASURED");
        return;
    }
    let rounds = extent.of(20, 3);
    let (ours, theirs) = argocd(rounds);
    tell(table, "Argo CD", "argocd app wait", &ours, &theirs);
    let (ours, theirs) = workload(rounds);
    tell(table, "a Deployment", "kubectl rollout status", &ours, &theirs);
}

fn tell(table: &mut Table, what: &str, rival: &str, ours: &[f64], theirs: &[f64]) {
    let (took, worst) = (median(ours), ours.iter().copied().fold(0.0, f64::max));
    let measured = format!("{took:.0} ms (at most {worst:.0})");
    table.goal(&format!("{what}: healthy until datapin says so"), &measured, "< 500 ms", took < GOAL);
    let (took, worst) = (median(theirs), theirs.iter().copied().fold(0.0, f64::max));
    table.tell(&format!("{what}: `{rival}`"), &format!("{took:.0} ms (at most {worst:.0})"));
}

/// A world whose rollout takes two seconds: one pod that turns ready after them.
fn world(name: &str) -> World {
    let world = World::plain(name, &[SERVICE]);
    let file = World::file_of(SERVICE);
    world.push(&[(&file, "replicas: 2", "replicas: 1"), (&file, "ready-delay: 3s", "ready-delay: 2s")]);
    world
}

fn argocd(rounds: usize) -> (Vec<f64>, Vec<f64>) {
    let world = world("bench-argocd");
    world.under_argocd();
    world.configure(&world.argocd(), |text| text);
    let name = world.application(SERVICE);
    let fields = "{.status.sync.revision} {.status.sync.status} {.status.health.status} \
                  {.status.operationState.phase}{\"\\n\"}";
    let race = |round| {
        let old = world.tip();
        let mut watch = kubectl(&["-n", "argocd", "get", "application", &name, "--watch", "-o"]);
        watch.arg(format!("jsonpath={fields}"));
        let is = |line: &str, state: &str| !line.starts_with(&old) && line.ends_with(state);
        let marks = Marks {
            moving: &|line| is(line, " Synced Progressing Succeeded"),
            healthy: &|line| is(line, " Synced Healthy Succeeded"),
        };
        run_race(&world, round, watch, &marks, || app_wait(&name))
    };
    (0..rounds).map(race).unzip()
}

fn app_wait(name: &str) -> Command {
    let mut command = bed().inside(&format!("{}/bin/argocd", bed().fact("/tools")));
    let server = bed().fact("/argocd/server").trim_start_matches("http://").trim_end_matches('/');
    command.env("ARGOCD_BINARY_NAME", "argocd").args([
        "app",
        "wait",
        name,
        "--sync",
        "--health",
        "--operation",
    ]);
    command.args(["--plaintext", "--server", server, "--auth-token", bed().fact("/argocd/tool")]);
    command
}

fn workload(rounds: usize) -> (Vec<f64>, Vec<f64>) {
    let world = world("bench-workload");
    world.under_flux_every("1s");
    world.configure(&world.workload(), |text| text);
    let fields = "{.metadata.generation} {.status.observedGeneration} {.spec.replicas} {.status.replicas} \
                  {.status.updatedReplicas} {.status.availableReplicas}{\"\\n\"}";
    let deployment = ["-n", world.name(), "get", "deployment", SERVICE];
    let race = |round| {
        let old = bed().kubectl(&[&deployment[..], &["-o", "jsonpath={.metadata.generation} "]].concat());
        let old = format!("{} ", old.trim());
        let mut watch = kubectl(&[&deployment[..], &["--watch", "-o"]].concat());
        watch.arg(format!("jsonpath={fields}"));
        let marks = Marks {
            moving: &|line| !line.starts_with(&old),
            healthy: &|line| !line.starts_with(&old) && is_rolled_out(line),
        };
        run_race(&world, round, watch, &marks, || {
            kubectl(&["-n", world.name(), "rollout", "status", &format!("deployment/{SERVICE}")])
        })
    };
    (0..rounds).map(race).unzip()
}

fn is_rolled_out(line: &str) -> bool {
    let words: Vec<&str> = line.split(' ').collect();
    let [generation, observed, wanted, all, updated, available] = words[..] else { return false };
    generation == observed && [all, updated, available] == [wanted; 3]
}

fn kubectl(args: &[&str]) -> Command {
    let mut command = bed().inside(&format!("{}/bin/kubectl", bed().fact("/tools")));
    command.args(args);
    command
}

/// What lines of the watch say.
struct Marks<'a> {
    moving: &'a dyn Fn(&str) -> bool,
    healthy: &'a dyn Fn(&str) -> bool,
}

/// A program that is killed when it is dropped; what it prints is in a file.
struct Spawned(Child);

impl Spawned {
    fn new(command: &mut Command, file: &Path) -> Self {
        let file = std::fs::File::create(file).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        Self(command.spawn().unwrap())
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Milliseconds from healthy to the verdicts of datapin and of its rival, which begins when the rollout has begun.
fn run_race(
    world: &World,
    round: usize,
    mut watch: Command,
    marks: &Marks<'_>,
    rival: impl Fn() -> Command,
) -> (f64, f64) {
    let dir = tempfile::tempdir().unwrap();
    let (seen, said) = (dir.path().join("seen"), dir.path().join("said"));
    let _watch = Spawned::new(&mut watch, &seen);
    let version = format!("2026.12.01-{}.slow", round + 1);
    let bot = world.datapin(&["deploy", "int", &version]).spawn();
    let begun = Instant::now();
    let (mut healthy, mut ours, mut theirs) = (None, None, None);
    let mut other: Option<Spawned> = None;
    while healthy.is_none() || ours.is_none() || theirs.is_none() {
        let lines = std::fs::read_to_string(&seen).unwrap();
        let now = Instant::now();
        // health from before the rollout is none
        let mut moved = lines.lines().skip_while(|line| !(marks.moving)(line)).peekable();
        if other.is_none() && moved.peek().is_some() {
            other = Some(Spawned::new(&mut rival(), &said));
        }
        if healthy.is_none() && moved.any(marks.healthy) {
            healthy = Some(now);
        }
        if ours.is_none() && bot.said().contains(&format!("int/{SERVICE} deployed")) {
            ours = Some(now);
        }
        if theirs.is_none()
            && let Some(status) = other.as_mut().and_then(|other| other.0.try_wait().unwrap())
        {
            assert!(status.success(), "{}", std::fs::read_to_string(&said).unwrap());
            theirs = Some(now);
        }
        assert!(begun.elapsed() < LIMIT, "not within {LIMIT:?}: {lines}\n{}", bot.said());
        std::thread::sleep(Duration::from_millis(2));
    }
    bot.wait().code(0);
    let after = |then: Option<Instant>| millis(then.unwrap().saturating_duration_since(healthy.unwrap()));
    (after(ours), after(theirs))
}
