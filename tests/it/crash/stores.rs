//! What lies outside git, where no fence protects it: parameters that say what is verified, and packages that are
//! promoted before the pin.

use toml_edit::{Array, InlineTable, Value, value};

use super::case::{Case, Finisher, LIMIT};
use super::matrix::Extent;
use super::scenario::{Begun, DEPLOY_INT, Fault, NEXT, Place, Scenario, Subject};
use super::wire::{Kind, Point, Side};
use crate::aws::equip;
use crate::moto::Moto;
use crate::world::{NEW, OLD, Queue, World};

/// What of AWS the environments of a scenario have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stores {
    /// Nothing.
    None,
    /// A bucket and a parameter.
    Parameter,
    /// Packages come from int's bucket, besides.
    Promoted,
}

/// Scenarios with AWS.
pub const ALL: &[Scenario] = &[
    Scenario {
        name: "parameter",
        victim: DEPLOY_INT,
        pipeline: "int",
        environments: &["int"],
        before: &[("int", OLD)],
        subject: Subject::Deployment,
        begun: Begun::No,
        fault: Fault::None,
        exit: 0,
        short: true,
        stores: Stores::Parameter,
    },
    Scenario {
        name: "promotion",
        victim: &["deploy", "acc", NEW],
        pipeline: "acc",
        environments: &["abn"],
        before: &[("int", OLD), ("acc", OLD), ("int", NEW), ("int", NEXT)],
        subject: Subject::Deployment,
        begun: Begun::No,
        fault: Fault::None,
        exit: 0,
        short: true,
        stores: Stores::Promoted,
    },
];

const VERSIONS: [&str; 3] = [OLD, NEW, NEXT];

fn parameter(environment: &str) -> String {
    format!("/{environment}/timetable/version")
}

fn prefix(version: &str) -> String {
    format!("timetable/{version}/")
}

impl Stores {
    /// Starts a server with what it needs, and gives it to the environments.
    pub fn open(self, world: &World) -> Option<Moto> {
        if self == Stores::None {
            return None;
        }
        let moto = Moto::start().expect("moto was there a moment ago");
        equip(world, "int", "preview", "preview");
        if self == Stores::Promoted {
            equip(world, "abn", "live", "live");
            world.config(|text| {
                let from: InlineTable = [("from", Value::from("int"))].into_iter().collect();
                let mut stage = InlineTable::new();
                stage.insert("environment", "abn".into());
                stage.insert("gates", Value::Array(["abn-test"].into_iter().collect::<Array>()));
                stage.insert("promote", from.into());
                let stages: Array = [Value::from(stage)].into_iter().collect();
                text["pipeline"]["acc"] = toml_edit::Item::Table(toml_edit::Table::new());
                text["pipeline"]["acc"]["stages"] = value(stages);
            });
        }
        stock(&moto, &[]);
        Some(moto)
    }
}

/// Buckets with the exports of all versions; what was deployed before is in Live, and in the parameters.
fn stock(moto: &Moto, environments: &[&str]) {
    moto.bucket("preview");
    moto.bucket("live");
    VERSIONS.iter().for_each(|version| moto.export("preview", &prefix(version)));
    if !environments.is_empty() {
        moto.export("live", &prefix(OLD));
    }
    environments.iter().for_each(|name| say(moto, name, OLD));
}

fn say(moto: &Moto, environment: &str, version: &str) {
    let put = moto.ssm().put_parameter().name(parameter(environment)).value(version);
    moto.wait(put.r#type(aws_sdk_ssm::types::ParameterType::String).send()).unwrap();
}

/// Where bots are killed: at the copies before the pin, and at everything from the commit point on.
///
/// A slow bot beats, and each beat is a push to the queue: which push is which can be told on a quiet machine only. The
/// look at the parameter after the commit point, and the announcement before the end, stand for the pushes beside them.
pub fn cases(seen: &[Point], extent: Extent) -> Vec<Case> {
    let copies = seen.iter().filter(|point| point.kind == Kind::Copy).count();
    let mut all: Vec<(Point, Side)> = Vec::new();
    for (at, point) in seen.iter().enumerate() {
        let behind = at >= commit_point(seen);
        let edge = point.nth == 1 || point.nth == copies;
        let sides: &[Side] = match (point.kind, extent) {
            (Kind::Parameter, _) => &[Side::Before, Side::After, Side::Late],
            (Kind::Copy, Extent::Full) => &[Side::Before, Side::After, Side::Late],
            (Kind::Copy, Extent::Short) if edge => &[Side::Before, Side::After],
            (Kind::Chat, _) if behind => &[Side::Before, Side::After],
            (Kind::Look, _) if behind => &[Side::Before],
            (Kind::Queue, Extent::Full) if behind => &[Side::Before, Side::After],
            _ => &[],
        };
        all.extend(sides.iter().map(|side| (*point, *side)));
    }
    numbered(all, |side, number| match (side, number % 3) {
        // Only over a newer version a late write does harm.
        (Side::Late, _) | (_, 0) => Finisher::Deploy,
        (_, 1) => Finisher::Reconcile,
        (_, _) => Finisher::Resume,
    })
}

/// Where bots are stopped: at everything from the commit point on that is no push.
pub fn stalls(seen: &[Point]) -> Vec<Case> {
    let behind = seen[commit_point(seen)..].iter();
    let sides = |point: &Point| -> &[Side] {
        match point.kind {
            Kind::Parameter | Kind::Chat => &[Side::Before, Side::After],
            Kind::Look => &[Side::Before],
            Kind::Queue | Kind::Target | Kind::Read | Kind::Agent | Kind::Gate | Kind::Copy => &[],
        }
    };
    let all = behind.flat_map(|point| sides(point).iter().map(|side| (*point, *side))).collect();
    // Only a newer version can be lost.
    numbered(all, |_, _| Finisher::Deploy)
}

fn numbered(all: Vec<(Point, Side)>, finisher: impl Fn(Side, usize) -> Finisher) -> Vec<Case> {
    let all = all.into_iter().enumerate();
    all.map(|(number, (point, side))| Case { number, point, side, finisher: finisher(side, number) })
        .collect()
}

/// The push before the first write of a parameter.
fn commit_point(seen: &[Point]) -> usize {
    let write = seen.iter().position(|point| point.kind == Kind::Parameter).expect("a parameter is written");
    seen[..write].iter().rposition(|point| point.kind == Kind::Queue).expect("it is verified before")
}

impl Place {
    /// AWS as it was when the case began.
    pub fn restock(&self) {
        let Some(moto) = &self.moto else { return };
        moto.reset();
        stock(moto, self.scenario.environments);
        if self.scenario.stores == Stores::Promoted {
            say(moto, "int", NEXT);
        }
    }

    /// How what lies outside git differs from the record.
    pub fn stores_differ(&self, queue: &Queue) -> Vec<String> {
        let Some(moto) = &self.moto else { return Vec::new() };
        let mut wrong = Vec::new();
        for environment in self.scenario.environments {
            let record = &queue.environments[*environment]["datasets"]["timetable"];
            let sets = record["verified"].as_array().cloned().unwrap_or_default();
            let current = sets.iter().rfind(|set| set["standing"] == "good").cloned().unwrap_or_default();
            let current = current["version"].as_str().unwrap_or("nothing").to_owned();
            let said = moto.parameter_history(&parameter(environment));
            if said.last() != Some(&current) {
                wrong.push(format!("{environment}: verified is {current}, its parameter said {said:?}"));
            }
            let never = said.iter().filter(|said| !sets.iter().any(|set| set["version"] == said.as_str()));
            wrong.extend(
                never.map(|said| format!("{environment}: its parameter said {said}, never verified")),
            );
            if !record["unrecorded"].is_null() {
                wrong.push(format!("{environment}: {} is still owed", record["unrecorded"]));
            }
        }
        if self.scenario.stores == Stores::Promoted {
            wrong.extend(self.packages_differ(moto));
        }
        wrong
    }

    /// What has a marker is whole, and what is deployed has one.
    fn packages_differ(&self, moto: &Moto) -> Vec<String> {
        let (preview, live) = (moto.keys("preview"), moto.keys("live"));
        let below = |keys: &[String], version: &str| -> Vec<String> {
            keys.iter().filter(|key| key.starts_with(&prefix(version))).cloned().collect()
        };
        let pinned = self.world.versions(self.scenario.environments[0]);
        let mut wrong = Vec::new();
        for version in VERSIONS {
            let there = below(&live, version);
            let marked = there.contains(&format!("{}_SUCCESS", prefix(version)));
            if marked && there != below(&preview, version) {
                wrong.push(format!("live has a marker, and of {version} only {there:?}"));
            }
            if pinned.iter().any(|pinned| pinned == version) && !marked {
                wrong.push(format!("{version} is deployed, and live has only {there:?}"));
            }
        }
        wrong
    }

    /// A write of a bot that died before it could look again landed after all: `reconcile` mends it.
    pub fn mended_after_a_late_write(&self, number: usize) -> Vec<String> {
        if self.moto.is_none() {
            return Vec::new();
        }
        let done = self.bot(&["reconcile"]).by(&format!("mender-{number}")).spawn().wait(LIMIT);
        let mut wrong = self.stores_differ(&self.world.queue());
        if done.code != Some(0) {
            wrong.push(format!("reconcile ended with {:?}:\n{}{}", done.code, done.stdout, done.stderr));
        }
        wrong
    }
}
