//! The proof by Helmfile: what a run makes of the manifests of the sample repository.
//!
//! With the real `helmfile` and `helm`, as in `environments.rs`: without them these tests are skipped, and say so.

mod missing;
mod obstacles;
mod secrets;
mod shown;

use std::path::Path;

use toml_edit::{Array, value};

use crate::environments;
use crate::world::{Bot, NEW, OLD, World};

const DEPLOYMENT: &str = "charts/data-service/templates/deployment.yaml";
const CONFIGMAP: &str = "charts/data-service/templates/configmap.yaml";
const HELMFILE: &str = "helmfile.yaml";
/// Where the chart uses the version.
const USE: &str = "{{ .Values.data.timetable.version | quote }}";

/// A world with a few environments, whose commits are proven.
struct Proven {
    world: World,
    path: String,
}

impl Proven {
    /// With int and dt; `None` where the programs are missing.
    fn new() -> Option<Self> {
        let (helmfile, helm) = environments::programs()?;
        let folder = |program: &Path| program.parent().unwrap().display().to_string();
        let path = format!("{}:{}:/usr/bin:/bin", folder(&helmfile), folder(&helm));
        Some(Self { world: proving(World::new()), path })
    }

    /// A process that finds the programs.
    fn datapin(&self, args: &[&str]) -> Bot {
        self.world.datapin(args).env("PATH", &self.path)
    }

    /// A commit by a person who changes the chart or helmfile.yaml.
    fn change(&self, file: &str, from: &str, to: &str) {
        self.world.push_as_person(&[(file, from, to)], "Another chart");
    }

    /// The deployment of a new version to int is refused in these words, and nothing at all was written.
    #[track_caller]
    fn refused(&self, words: &str) {
        let before = (self.world.tip("main"), self.world.tip(crate::world::QUEUE));
        self.datapin(&["deploy", "int", NEW]).run().code(15).says(words);
        assert_eq!(before, (self.world.tip("main"), self.world.tip(crate::world::QUEUE)));
        assert_eq!(self.world.versions("int"), [OLD]);
    }
}

/// The proof is on, and few environments are left: each of them is rendered.
fn proving(world: World) -> World {
    world.config(|text| {
        text["repository"]["verify"] = value("helmfile");
        let environments = text["environment"].as_table_mut().unwrap();
        environments.retain(|name, _| ["int", "dt"].contains(&name));
        text["pipeline"].as_table_mut().unwrap().retain(|name, _| name == "int");
        let stages = "[{ environment = 'int', gates = ['int-test'] }, { environment = 'dt' }]";
        text["pipeline"]["both"]["stages"] = value(stages.parse::<toml_edit::Value>().unwrap());
    });
    world
}

/// Scratch directories of the bot that are still there.
fn left(world: &World) -> Vec<String> {
    let all = std::fs::read_dir(world.dir().join("bots/anna")).unwrap();
    let names = all.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("datapin-helmfile-")).collect()
}
