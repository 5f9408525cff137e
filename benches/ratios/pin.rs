//! (a) Pinning 4 services in a repository of 10,000 files over smart http.
//!
//! Against what a script does (`git clone --depth 1`, `yq`, `git commit`, `git push`), and against the bare floor: what
//! git itself needs to fetch one commit and to push a ready one. Everybody is a process of its own. They take turns, so
//! each fetches what another has pushed meanwhile.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use datapin::plan::{Files, Wanted, pin};
use datapin::repo::{CommitTime, PushOptions, PushOutcome, Repo};

use crate::Extent;
use crate::measure::{median, peak_memory, ratio, run, timed};
use crate::table::Table;
use crate::transport::{git, git_command};
use crate::world::{self, SERVICES, World, values, values_file};

/// First argument of the process that pins.
pub const CHILD: &str = "--pin-in-a-process-of-its-own";

const FILES: usize = 10_000;
const REFS: usize = 20_000;

pub fn measure(extent: Extent, table: &mut Table) {
    let world = World::new();
    let bare = world.environments("env.git", FILES);
    let mut bench = Bench::new(&world, world.server.url("env.git"));
    table.tell("`yq` of the script", bench.yq.name());
    let warm = bench.rounds(extent.of(9, 3), Cache::Warm);
    warm.tell("warm", table);
    table.goal(
        "warm: the script takes so many times as long",
        &format!("{:.1} ×", ratio(&warm.script, &warm.datapin)),
        "≥ 5 ×",
        ratio(&warm.script, &warm.datapin) >= 5.0,
    );
    table.at_most("warm: of the floor", ratio(&warm.datapin, &warm.floor), 1.5);
    memory("warm: peak memory", &warm, table);
    let cold = bench.rounds(extent.of(5, 2), Cache::Cold);
    cold.tell("cold", table);
    table.tell("cold: of the floor", &format!("{:.2} ×", ratio(&cold.datapin, &cold.floor)));
    memory("cold: peak memory", &cold, table);
    many_refs(extent, &bare, &mut bench, table);
}

/// libgit2 speaks protocol v0: the server shows it every ref, before each fetch. Git itself gets them all too before a
/// push, as there is no other protocol for that.
fn many_refs(extent: Extent, bare: &Path, bench: &mut Bench<'_>, table: &mut Table) {
    add_refs(bare);
    let shown = bench.rounds(extent.of(5, 2), Cache::Warm);
    shown.tell("20,000 refs, warm", table);
    table.tell("20,000 refs, warm: of the floor", &format!("{:.2} ×", ratio(&shown.datapin, &shown.floor)));
    memory("20,000 refs: peak memory", &shown, table);
    git(bare, &["config", "transfer.hideRefs", "refs/merge-requests"]);
    let hidden = bench.rounds(extent.of(5, 2), Cache::Warm);
    hidden.tell("20,000 refs, `transfer.hideRefs` on the server", table);
}

fn add_refs(bare: &Path) {
    let tip = git(bare, &["rev-parse", "main"]);
    let mut packed = "# pack-refs with: peeled fully-peeled sorted \n".to_owned();
    let mut names: Vec<String> = (1..=REFS).map(|n| format!("refs/merge-requests/{n}/head")).collect();
    names.push("refs/heads/main".to_owned());
    names.sort();
    for name in names {
        packed += &format!("{tip} {name}\n");
    }
    std::fs::write(bare.join("packed-refs"), packed).unwrap();
}

fn memory(what: &str, measured: &Measured, table: &mut Table) {
    let most = measured.memory.iter().copied().fold(0.0, f64::max);
    table.goal(what, &format!("{most:.0} MB"), "≤ 80 MB", most <= 80.0);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cache {
    Warm,
    Cold,
}

/// What the three took, round by round.
#[derive(Default)]
struct Measured {
    floor: Vec<f64>,
    datapin: Vec<f64>,
    script: Vec<f64>,
    memory: Vec<f64>,
}

impl Measured {
    fn tell(&self, what: &str, table: &mut Table) {
        let (datapin, floor, script) = (median(&self.datapin), median(&self.floor), median(&self.script));
        let times = format!("{datapin:.0} / {floor:.0} / {script:.0} ms");
        table.tell(&format!("{what}: datapin / floor / script"), &times);
    }
}

struct Bench<'w> {
    world: &'w World,
    url: String,
    yq: Yq,
    config: PathBuf,
    round: usize,
}

impl<'w> Bench<'w> {
    fn new(world: &'w World, url: String) -> Self {
        let config = world.path("datapin.toml");
        std::fs::write(&config, world::config(&url, "5m")).unwrap();
        Self { world, url, yq: Yq::find(), config, round: 0 }
    }

    /// The first one only fills the caches.
    fn rounds(&mut self, rounds: usize, cache: Cache) -> Measured {
        let mut measured = Measured::default();
        for number in 0..=rounds {
            if cache == Cache::Cold {
                let _ = std::fs::remove_dir_all(self.cache());
                let _ = std::fs::remove_dir_all(self.kept());
            }
            let floor = self.floor();
            let (datapin, memory) = self.datapin();
            let script = self.script();
            if number > 0 {
                measured.floor.push(floor);
                measured.datapin.push(datapin);
                measured.memory.push(memory);
                measured.script.push(script);
            }
        }
        measured
    }

    fn cache(&self) -> PathBuf {
        self.world.path("cache")
    }

    fn kept(&self) -> PathBuf {
        self.world.path("floor.git")
    }

    fn version(&mut self) -> String {
        self.round += 1;
        format!("2026.12.01-{}", self.round)
    }

    fn datapin(&mut self) -> (f64, f64) {
        let version = self.version();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(CHILD).arg(&self.config).arg(self.cache()).arg(&version);
        command.env("HOME", self.world.path(".")).env("GIT_CONFIG_NOSYSTEM", "1").stdin(Stdio::null());
        let (took, output) = timed(|| run(&mut command));
        (took, String::from_utf8_lossy(&output.stdout).trim().parse().unwrap())
    }

    fn floor(&mut self) -> f64 {
        let (kept, version) = (self.kept(), self.version());
        if !kept.exists() {
            std::fs::create_dir_all(&kept).unwrap();
            git(&kept, &["init", "--quiet", "--bare", "."]);
        }
        let url = self.url.clone();
        let (fetch, _) = timed(|| git(&kept, &["fetch", "--quiet", "--depth", "1", &url, "main"]));
        let commit = ready_commit(&kept, &version);
        let target = format!("{commit}:refs/heads/main");
        let (push, _) = timed(|| git(&kept, &["push", "--quiet", &url, &target]));
        fetch + push
    }

    fn script(&mut self) -> f64 {
        let version = self.version();
        let home = self.world.path("script");
        std::fs::create_dir_all(&home).unwrap();
        let checkout = home.join("checkout");
        let (took, ()) = timed(|| {
            git(&home, &["clone", "--quiet", "--depth", "1", &self.url, "checkout"]);
            for service in SERVICES {
                self.yq.set(&checkout, &values_file(service), &version);
            }
            git(&checkout, &["commit", "--quiet", "--all", "--message", &format!("pin {version}")]);
            git(&checkout, &["push", "--quiet", "origin", "HEAD:main"]);
        });
        std::fs::remove_dir_all(&checkout).unwrap();
        took
    }
}

/// A commit on what was fetched, by plumbing: what it costs is no part of the floor.
fn ready_commit(kept: &Path, version: &str) -> String {
    let index = |args: &[&str]| {
        let output = run(git_command(kept).env("GIT_INDEX_FILE", "floor-index").args(args));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    index(&["read-tree", "FETCH_HEAD"]);
    for service in SERVICES {
        let file = kept.join("new-values");
        std::fs::write(&file, values(service, version)).unwrap();
        let blob = index(&["hash-object", "-w", "new-values"]);
        index(&["update-index", "--cacheinfo", &format!("100644,{blob},{}", values_file(service))]);
    }
    let tree = index(&["write-tree"]);
    index(&["commit-tree", &tree, "-p", "FETCH_HEAD", "-m", version])
}

/// What sets a value in the script.
enum Yq {
    /// <https://github.com/mikefarah/yq>, in Go.
    Go(PathBuf),
    /// <https://github.com/kislyuk/yq>, in Python around `jq`.
    Python,
    /// None is here: `sed` stands in, which is faster than either.
    Sed,
}

impl Yq {
    fn find() -> Self {
        let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
        for path in [home.join("go/bin/yq"), "/usr/local/bin/yq".into(), "yq".into()] {
            let version = Command::new(&path).arg("--version").output();
            let Ok(version) = version else { continue };
            let version = String::from_utf8_lossy(&version.stdout).into_owned();
            if version.contains("mikefarah") {
                return Yq::Go(path);
            }
        }
        match Command::new("yq").arg("--version").output() {
            Ok(output) if output.status.success() => Yq::Python,
            _ => Yq::Sed,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Yq::Go(_) => "mikefarah/yq",
            Yq::Python => "kislyuk/yq",
            Yq::Sed => "none: sed",
        }
    }

    fn set(&self, dir: &Path, file: &str, version: &str) {
        let change = format!(".data.timetable.version = \"{version}\"");
        let mut command = match self {
            Yq::Go(path) => Command::new(path),
            Yq::Python => Command::new("yq"),
            Yq::Sed => Command::new("sed"),
        };
        match self {
            Yq::Go(_) => command.arg("-i").arg(change),
            Yq::Python => command.args(["-i", "-Y"]).arg(change),
            Yq::Sed => command.arg("-i").arg(format!("s/version: .*/version: '{version}'/")),
        };
        run(command.arg(file).current_dir(dir));
    }
}

/// Pins as a run does, from the configuration to the pushed commit, and prints its peak memory in MB.
pub fn child(args: &[String]) {
    let [config, cache, version] = args else { panic!("{CHILD} CONFIG CACHE VERSION") };
    let text = std::fs::read_to_string(config).unwrap();
    let config = datapin::config::load(config, &text).unwrap();
    let url = config.repository.url.clone().unwrap();
    let repo = Repo::open(world::settings(&url, Path::new(cache))).unwrap();
    let places = config.places("int", "timetable");
    let wanted = [Wanted::version("int", &places, version, &[])];
    push_pins(&repo, &wanted, version);
    println!("{:.1}", peak_memory());
}

/// Fetches, plans, commits and pushes.
pub fn push_pins(repo: &Repo, wanted: &[Wanted], version: &str) {
    for _ in 0..5 {
        let tip = repo.fetch("main").unwrap().unwrap();
        let planned = pin(&mut Files::at(repo, &tip), wanted).unwrap();
        assert!(!planned.changes.is_empty(), "{version} is pinned already");
        let message = format!("data(int): timetable {version}\n");
        let commit = repo.commit(Some(&tip), &planned.changes, &message, CommitTime::Now).unwrap();
        match repo.push("main", &commit, Some(&tip), &PushOptions::default()) {
            PushOutcome::Updated => return,
            PushOutcome::LostRace { .. } => std::thread::sleep(Duration::from_millis(50)),
            other => panic!("{other:?}"),
        }
    }
    panic!("five lost races, and nobody else is here");
}
