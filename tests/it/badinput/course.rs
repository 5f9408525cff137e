//! Runs a case: makes its world, runs the binary, and compares.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use datapin::values::render_diff;

use super::case::{Case, Writes};
use super::normal::{ending, normal};
use crate::transport::{HttpServer, free_port, git};
use crate::world::{NEW, OLD, Transport, World};

/// How long a case may take.
const LIMIT: Duration = Duration::from_secs(120);
/// User and password of the server at `@AUTH@`.
const LOGIN: (&str, &str) = ("bot", "right-one");

struct Course<'a> {
    case: &'a Case,
    world: World,
    auth: Option<HttpServer>,
    closed: u16,
}

/// What the program said.
struct Said {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// What is wrong, nothing if all is well.
pub fn check(case: &Case) -> Vec<String> {
    let course = Course::new(case);
    course.prepare();
    let before = refs(&course.world.bare());
    let files = course.tree();
    let said = course.run();
    let mut wrong = course.judge(&said);
    match case.writes() {
        Writes::Nothing => {
            let after = refs(&course.world.bare());
            if before != after {
                wrong.push(format!("refs moved from {before:?} to {after:?}\n{}", course.world.queue()));
            }
        }
        Writes::RolledBack => {
            if files != course.tree() {
                wrong.push("the files of main are not as they were".to_owned());
            }
            if !course.world.queue().tickets.is_empty() {
                wrong.push(format!("the queue is not empty:\n{}", course.world.queue()));
            }
        }
        Writes::Verified => wrong.extend(course.not_verified(&files)),
    }
    wrong
}

/// Every ref of the repository.
pub fn refs(bare: &Path) -> BTreeMap<String, String> {
    let text = git(bare, &["for-each-ref", "--format=%(refname) %(objectname)"]);
    text.lines().filter_map(|line| line.split_once(' ')).map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
}

impl<'a> Course<'a> {
    fn new(case: &'a Case) -> Self {
        let transport = match case.word("transport") {
            None | Some("file") => Transport::File,
            Some("http") => Transport::Http,
            Some("ssh") => Transport::Ssh,
            Some(other) => panic!("transport {other}"),
        };
        let world = match case.flag("queue", true) {
            true => World::over(transport),
            false => World::without_queue(transport),
        };
        let text = std::fs::read_to_string(case.folder.join("case.toml")).unwrap();
        let auth = text.contains("@AUTH@").then(|| HttpServer::start(world.dir(), Some(LOGIN)));
        std::fs::create_dir_all(world.dir().join("here")).unwrap();
        std::fs::create_dir_all(world.dir().join("home")).unwrap();
        Self { case, world, auth, closed: free_port() }
    }

    fn fill(&self, text: &str) -> String {
        let auth = self.auth.as_ref().map(|server| server.url("environments.git")).unwrap_or_default();
        text.replace("@DIR@", &self.world.dir().display().to_string())
            .replace("@BARE@", &self.world.bare().display().to_string())
            .replace("@AUTH@", &auth)
            .replace("@CLOSED@", &format!("127.0.0.1:{}", self.closed))
    }

    fn prepare(&self) {
        self.push_files();
        for args in self.case.prepare() {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            self.world.datapin(&args).run().code(0);
        }
        self.script("prepare.sh", self.world.dir());
        if self.case.changes_config() {
            let path = self.world.dir().join("datapin.toml");
            let mut text = std::fs::read_to_string(&path).unwrap().parse().unwrap();
            self.case.configure(&mut text, &|text| self.fill(text));
            std::fs::write(path, text.to_string()).unwrap();
        }
    }

    fn push_files(&self) {
        let files = self.case.files();
        let script = self.case.folder.join("repo.sh");
        if files.is_empty() && !script.exists() {
            return;
        }
        let checkout = self.world.checkout("main");
        for (path, text, from, to) in files {
            let path = checkout.join(path);
            let text = text.unwrap_or_else(|| {
                let old = std::fs::read_to_string(&path).unwrap();
                assert!(old.contains(&from), "{} has no {from:?}", path.display());
                old.replace(&from, &to)
            });
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, self.fill(&text)).unwrap();
        }
        self.script("repo.sh", &checkout);
        git(&checkout, &["add", "--all", "."]);
        git(&checkout, &["commit", "--quiet", "--message", "A person's change"]);
        git(&checkout, &["push", "--quiet", "origin", "HEAD:main"]);
    }

    /// A script of the case that has to go well, if it is there.
    fn script(&self, name: &str, dir: &Path) {
        let path = self.case.folder.join(name);
        if path.exists() {
            let mut command = Command::new("sh");
            command.arg("-eu").arg(&path).current_dir(dir);
            let output = self.with_env(&mut command).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let out = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success(), "{}: {name}: {out}{said}", self.case.name);
        }
    }

    fn with_env<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        let dir = self.world.dir();
        command.env_clear();
        for name in ["PATH", "TMPDIR", "LLVM_PROFILE_FILE"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command
            .env("HOME", dir.join("home"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("DATAPIN_ACTOR", "anna")
            .env("DATAPIN", env!("CARGO_BIN_EXE_datapin"))
            .env("DIR", dir)
            .env("BARE", self.world.bare());
        if !self.case.flag("no_config", false) {
            command.env("DATAPIN_CONFIG", dir.join("datapin.toml"));
        }
        command.envs(self.case.env().into_iter().map(|(name, value)| (name, self.fill(&value))));
        for name in self.case.words("unset") {
            command.env_remove(name);
        }
        command.stdin(Stdio::null())
    }

    fn run(&self) -> Said {
        let script = self.case.folder.join("run.sh");
        let mut command = match script.exists() {
            true => Command::new("sh"),
            false => Command::new(env!("CARGO_BIN_EXE_datapin")),
        };
        if script.exists() {
            command.arg("-u").arg(script);
        } else {
            command.args(self.case.words("args").iter().map(|arg| self.fill(arg)));
        }
        let file = |name: &str| self.world.dir().join(name);
        let make = |path: PathBuf| std::fs::File::create(path).unwrap();
        let mut child = self
            .with_env(&mut command)
            .current_dir(file("here"))
            .stdout(make(file("said.out")))
            .stderr(make(file("said.err")))
            .spawn()
            .unwrap();
        let begun = Instant::now();
        let code = loop {
            match child.try_wait().unwrap() {
                Some(status) => break status.code(),
                None if begun.elapsed() > LIMIT => {
                    child.kill().unwrap();
                    break child.wait().unwrap().code();
                }
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let read = |name: &str| String::from_utf8_lossy(&std::fs::read(file(name)).unwrap()).into_owned();
        Said { code, stdout: read("said.out"), stderr: read("said.err") }
    }

    fn judge(&self, said: &Said) -> Vec<String> {
        let mut wrong = Vec::new();
        let all = format!("--- stdout\n{}--- stderr\n{}", cut(&said.stdout), cut(&said.stderr));
        if said.code != Some(self.case.code()) {
            wrong.push(format!("ends with {:?}, not {}\n{all}", said.code, self.case.code()));
        }
        if all.contains("panicked at") {
            wrong.push(format!("panics\n{all}"));
        }
        for words in self.case.words("says") {
            if !said.stdout.contains(&words) && !said.stderr.contains(&words) {
                wrong.push(format!("does not say {words:?}\n{all}"));
            }
        }
        if said.code != Some(0)
            && said.stderr.is_empty()
            && ending(&said.stdout).is_empty()
            && self.case.words("says").is_empty()
        {
            wrong.push(format!("says nothing\n{all}"));
        }
        self.script("after.sh", self.world.dir());
        let ending = if said.code == Some(0) { String::new() } else { ending(&said.stdout) };
        wrong.extend(self.compare(&normal(&format!("{}{ending}", said.stderr), self.world.dir())));
        wrong
    }

    fn compare(&self, message: &str) -> Option<String> {
        let path = self.case.folder.join("message.txt");
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            std::fs::write(&path, message).unwrap();
        }
        let expected = std::fs::read(&path).unwrap_or_default();
        let differs = expected != message.as_bytes();
        differs.then(|| render_diff("message.txt", &expected, message.as_bytes()))
    }

    /// Files of `main`: mode, id and path.
    fn tree(&self) -> String {
        git(&self.world.bare(), &["ls-tree", "-r", "main"])
    }

    fn not_verified(&self, before: &str) -> Vec<String> {
        let mut wrong = Vec::new();
        for service in ["mds", "fbv", "kv", "remo"] {
            let file = format!("values/int/{service}.yaml");
            let old = before.lines().find(|line| line.ends_with(&format!("\t{file}"))).unwrap();
            let old = blob(&self.world.bare(), old.split_whitespace().nth(2).unwrap());
            let new = blob(&self.world.bare(), &format!("main:{file}"));
            let old = String::from_utf8(old).unwrap();
            if old.replacen(OLD, NEW, 1).as_bytes() != new {
                wrong.push(format!("{file} is not byte-exact"));
            }
        }
        if self.world.verified_on("int").as_deref() != Some(NEW) {
            wrong.push("the record does not say verified".to_owned());
        }
        wrong
    }
}

fn blob(bare: &Path, name: &str) -> Vec<u8> {
    let repo = git2::Repository::open_bare(bare).unwrap();
    let object = repo.revparse_single(name).unwrap();
    object.peel_to_blob().unwrap().content().to_owned()
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(4000) {
        Some((at, _)) => format!("{}…\n", &text[..at]),
        None => text.to_owned(),
    }
}
