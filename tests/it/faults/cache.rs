//! The cache is damaged, removed, full, or shared.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;
use crate::world::NEW;

/// The kept repositories of anna.
fn kept(world: &World) -> Vec<PathBuf> {
    let cache = world.dir().join("bots/anna/cache/datapin");
    let all = std::fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.extension().is_some_and(|end| end == "git")).collect()
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all
}

fn objects(world: &World) -> Vec<PathBuf> {
    kept(world).iter().flat_map(|dir| files(&dir.join("objects"))).collect()
}

/// Only caches: everything can be had again. The run goes on.
fn survives(harm: impl Fn(&World)) {
    let line = Line::new();
    for (version, good) in [(NEW, true), (LATER, false)] {
        let running = hanging(&line.world, version);
        harm(&line.world);
        if good {
            line.world.gate("int-test").passes();
            running.wait(LONG).code(0);
            ended(&line.world, version, "verified");
        } else {
            line.world.gate("int-test").fails();
            running.wait(LONG).code(11);
            ended(&line.world, version, "rolled-back");
            assert_eq!(line.world.versions("int"), [NEW]);
        }
    }
}

#[test]
fn packs_are_cut_short() {
    survives(|world| {
        // not loose objects: libgit2 1.9 reads one that is cut short without end
        for file in objects(world).into_iter().filter(|file| file.to_string_lossy().contains("/pack/")) {
            let mut mode = std::fs::metadata(&file).unwrap().permissions();
            #[expect(clippy::permissions_set_readonly_false, reason = "a file of this test")]
            mode.set_readonly(false);
            std::fs::set_permissions(&file, mode).unwrap();
            std::fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(20).unwrap();
        }
    });
}

#[test]
fn objects_are_removed() {
    survives(|world| objects(world).iter().for_each(|file| drop(std::fs::remove_file(file))));
}

#[test]
fn its_head_and_refs_are_removed() {
    survives(|world| {
        for dir in kept(world) {
            // a beat may be making it again just now
            let _ = std::fs::remove_file(dir.join("HEAD"));
            let _ = std::fs::remove_dir_all(dir.join("refs"));
        }
    });
}

#[test]
fn the_kept_repository_is_removed() {
    survives(|world| kept(world).iter().for_each(|dir| drop(std::fs::remove_dir_all(dir))));
}

#[test]
fn the_whole_cache_is_removed() {
    survives(|world| drop(std::fs::remove_dir_all(world.dir().join("bots/anna/cache"))));
}

/// Each finds what the other fetched, or fetches it itself; nobody waits for the other's run.
#[test]
fn two_bots_share_one() {
    let line = Line::new();
    let cache = line.world.dir().join("shared").display().to_string();
    for round in 1..=2 {
        let version = format!("2026.12.02-{round}");
        let runs: Vec<Running> = ["int", "data-test", "play-test"]
            .iter()
            .enumerate()
            .map(|(number, pipeline)| {
                let bot = line.world.datapin(&["deploy", pipeline, &version]).by(&format!("bot-{number}"));
                bot.env("XDG_CACHE_HOME", &cache).spawn()
            })
            .collect();
        runs.into_iter().for_each(|run| drop(run.wait(LONG).code(0)));
        for environment in ["int", "dt", "total-dt", "pres", "play-test"] {
            assert_eq!(line.world.versions(environment), std::slice::from_ref(&version));
        }
    }
    assert!(line.world.queue().tickets.is_empty());
}

/// A small file system that is unmounted when it is dropped.
struct Small(PathBuf);

impl Small {
    /// `None` where this user may not mount.
    fn mount(dir: PathBuf, size: &str) -> Option<Self> {
        std::fs::create_dir_all(&dir).unwrap();
        let options = format!("size={size}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "none"]).arg(&dir).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(dir))
    }

    fn fill(&self) {
        let filled = std::fs::write(self.0.join("ballast"), vec![1; 64 << 20]);
        assert!(filled.is_err(), "the file system is not full");
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Full from the start: nothing is written. Full in the middle: nothing is lost.
#[test]
fn the_disk_is_full() {
    let line = Line::new();
    line.world.ttl("3s");
    let Some(small) = Small::mount(line.world.dir().join("small"), "8m") else {
        println!("not run: this user may not mount a small file system");
        return;
    };
    let cache = small.0.display().to_string();
    let bot = |args: &[&str]| line.world.datapin(args).env("XDG_CACHE_HOME", &cache);
    let main = line.world.tip("main");
    small.fill();
    let done = bot(&["deploy", "int", NEW]).run();
    assert!(matches!(done.code, Some(3)), "{done:?}");
    assert_eq!((line.world.tip("main"), line.world.queue().tickets.len()), (main, 0));
    small.free();
    line.world.gate("int-test").hangs();
    let mut running = bot(&["deploy", "int", NEW]).spawn();
    until_gate(&line.world, &mut running, NEW);
    small.fill();
    line.world.gate("int-test").fails();
    let done = running.wait(LONG);
    assert!(matches!(done.code, Some(1 | 12 | 19)), "{done:?}");
    small.free();
    line.world.datapin(&["reconcile"]).by("bob").run().code(0);
    assert!(line.world.queue().tickets.is_empty());
    assert_eq!(line.world.versions("int"), [OLD], "{done:?}");
    assert!(line.world.freeze("int").is_none());
}
