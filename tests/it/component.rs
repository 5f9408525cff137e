//! The GitLab component `templates/datapin.yml` and the sample's `.gitlab-ci.yml`, run by gitlab-ci-local.
//!
//! `.ci/tools.sh DIR` fetches it (then set `DATAPIN_TOOLS=DIR`); it needs Node.js, git, rsync and bash. Without it these
//! tests are skipped, and say so. It also holds every file to GitLab's own JSON schema.

mod events;
mod place;
mod preprod;
mod requests;
mod runs;
mod trigger;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::transport::git;
use crate::world::World;

/// How long a pipeline may take.
const LONG: Duration = Duration::from_secs(120);

/// gitlab-ci-local in a checkout of a world's repository, as a runner has it.
struct GitLab<'w> {
    world: &'w World,
    program: PathBuf,
    checkout: PathBuf,
    /// What every job's environment has beside what GitLab gives it.
    env: Vec<(String, String)>,
}

/// How a pipeline ended.
#[derive(Debug)]
struct Pipeline {
    succeeded: bool,
    output: String,
}

/// Jobs by how they ended, in the order of their names: `PASS`, `WARN`, `FAIL`.
type Ends = Vec<(String, String)>;

/// Its entry point; `None`, said aloud, where it is missing.
fn program() -> Option<PathBuf> {
    let found = std::env::var_os("DATAPIN_TOOLS").map(|tools| {
        let path = Path::new(&tools).join("gitlab-ci-local/dist/index.js");
        assert!(
            path.is_file() || !has_node(),
            "no {}: run `.ci/tools.sh $DATAPIN_TOOLS`, with Node.js 20",
            path.display()
        );
        path
    });
    let found = found.filter(|path| path.is_file());
    if found.is_none() {
        eprintln!(
            "SKIPPED: gitlab-ci-local not found. Run `.ci/tools.sh DIR` (needs Node.js 20) and set DATAPIN_TOOLS=DIR"
        );
    }
    found
}

fn has_node() -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|folder| folder.join("npm").is_file())
}

impl<'w> GitLab<'w> {
    /// A checkout in which the component is a local file, with `inputs` changed in what includes it.
    fn new(world: &'w World, inputs: &[(&str, &str)]) -> Option<Self> {
        let program = program()?;
        let bare = world.bare().display().to_string();
        git(world.dir(), &["clone", "--quiet", "--branch", "main", &bare, "gitlab"]);
        let checkout = world.dir().join("gitlab");
        git(&checkout, &["remote", "set-url", "origin", "https://gitlab.example.com/data/environments.git"]);
        let own = checkout.join(".gitlab-ci.yml");
        let text = std::fs::read_to_string(&own).unwrap();
        let mut text = replaced(
            &text,
            "- component: $CI_SERVER_FQDN/data/datapin/datapin@0.1",
            "- local: templates/datapin.yml",
        );
        for (from, to) in inputs {
            text = replaced(&text, from, to);
        }
        std::fs::write(own, text).unwrap();
        let component = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/datapin.yml");
        std::fs::create_dir(checkout.join("templates")).unwrap();
        std::fs::copy(component, checkout.join("templates/datapin.yml")).unwrap();
        std::fs::copy(world.dir().join("datapin.toml"), checkout.join("datapin.toml")).unwrap();
        git(&checkout, &["add", "--all"]);
        git(&checkout, &["commit", "--quiet", "--message", "The component"]);
        Some(Self { world, program, checkout, env: Vec::new() })
    }

    /// A pipeline with variables of the event.
    fn command(&self, variables: &[(&str, &str)], args: &[&str]) -> Command {
        let home = self.world.dir().join("runner");
        std::fs::create_dir_all(&home).unwrap();
        let own = Path::new(env!("CARGO_BIN_EXE_datapin")).parent().unwrap().display().to_string();
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new("node");
        command
            .arg(&self.program)
            .args(["--force-shell-executor", "--shell-isolation", "--no-color"])
            .args(args);
        let mut given = vec!["CI_PIPELINE_SOURCE"];
        for (name, value) in variables {
            command.arg("--variable").arg(format!("{name}={value}"));
            given.push(name);
        }
        command
            .current_dir(&self.checkout)
            .env_clear()
            .env("PATH", format!("{own}:{path}"))
            .env("HOME", &home)
            .env("DATAPIN_CACHE", home.join("cache"))
            .env("DATAPIN_ACTOR", "anna")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GCL_IGNORE_PREDEFINED_VARS", given.join(","))
            .env("NO_COLOR", "1")
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Runs a pipeline to its end.
    fn pipeline(&self, variables: &[(&str, &str)]) -> Pipeline {
        self.start(variables).wait()
    }

    /// Runs a pipeline with inputs to its end.
    fn pipeline_with(&self, variables: &[(&str, &str)], inputs: &[(String, String)]) -> Pipeline {
        let inputs: Vec<String> = inputs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let args: Vec<&str> = inputs.iter().flat_map(|input| ["--input", input]).collect();
        self.started(variables, &args).wait()
    }

    /// What a job left under that name for people to download.
    #[track_caller]
    fn artifact(&self, job: &str, name: &str) -> String {
        // gitlab-ci-local writes what is no letter in base64
        let job = job.replace(':', "Og");
        let kept = self.checkout.join(".gitlab-ci-local/artifacts").join(job).join(name);
        std::fs::read_to_string(&kept).unwrap_or_else(|error| panic!("{}: {error}", kept.display()))
    }

    /// Starts a pipeline.
    fn start(&self, variables: &[(&str, &str)]) -> Started {
        self.started(variables, &[])
    }

    fn started(&self, variables: &[(&str, &str)], args: &[&str]) -> Started {
        let log = self.world.dir().join("pipeline.log");
        let out = std::fs::File::create(&log).unwrap();
        let child =
            self.command(variables, args).stdout(out.try_clone().unwrap()).stderr(out).spawn().unwrap();
        Started { child, log }
    }

    /// The jobs of an event: name, stage, when it runs, and whether it may fail.
    fn jobs(&self, variables: &[(&str, &str)], args: &[&str]) -> Vec<[String; 4]> {
        let args: Vec<&str> = ["--list-csv"].iter().chain(args).copied().collect();
        let done = self.command(variables, &args).output().unwrap();
        let (text, errors) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert!(done.status.success(), "{text}{errors}");
        let lines = text.lines().skip_while(|line| !line.starts_with("name;")).skip(1);
        let row = |line: &str| {
            let mut cells = line.split(';').map(str::to_owned);
            let mut next = || cells.next().unwrap_or_default();

            [next(), next(), next(), next()]
        };
        lines.filter(|line| !line.is_empty()).map(row).collect()
    }
}

/// A pipeline that runs; it is killed when it is dropped.
struct Started {
    child: Child,
    log: PathBuf,
}

impl Started {
    fn wait(mut self) -> Pipeline {
        let begun = Instant::now();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if begun.elapsed() > LONG => panic!("no end of\n{}", self.output()),
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        Pipeline { succeeded: status.success(), output: self.output() }
    }

    fn output(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Pipeline {
    /// How each job's script ended that ran, by the list at the end.
    fn ends(&self) -> Ends {
        let mut found = Ends::new();
        for line in self.output.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let [end @ ("PASS" | "WARN" | "FAIL"), rest @ ..] = words.as_slice()
                && line.starts_with(' ')
                && !line.ends_with("after_script")
                && let Some(name) = rest.iter().find(|word| !matches!(**word, "->") && !word.starts_with('['))
                && *name != "downstream"
            {
                found.push(((*name).to_owned(), (*end).to_owned()));
            }
        }
        found.sort();
        found.dedup();
        found
    }

    /// How one job ended; `None` if it did not run.
    fn end(&self, job: &str) -> Option<String> {
        self.ends().into_iter().find(|(name, _)| name == job).map(|(_, end)| end)
    }
}

#[track_caller]
fn replaced(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from:?} in\n{text}");
    text.replace(from, to)
}
