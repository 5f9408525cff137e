//! What the killed bots were doing.

use std::time::Duration;

use toml_edit::value;

use super::stores::Stores;
use super::wire::{Blow, Kind, Plan, Point, Side, Wire};
use crate::aws::at;
use crate::moto::Moto;
use crate::transport::git;
use crate::world::{Bot, NEW, OLD, QUEUE, Transport, World};

/// The version of the next run.
pub const NEXT: &str = "2026.11.23-2";

/// One row of the matrix's first dimension.
pub struct Scenario {
    /// Name in the table.
    pub name: &'static str,
    /// What the bot does that is killed.
    pub victim: &'static [&'static str],
    /// Pipeline that the next run deploys.
    pub pipeline: &'static str,
    /// Its environments.
    pub environments: &'static [&'static str],
    /// What was deployed before.
    pub before: &'static [(&'static str, &'static str)],
    /// The run that has to be told of.
    pub subject: Subject,
    /// How far that run is when a case begins.
    pub begun: Begun,
    /// What does not work.
    pub fault: Fault,
    /// How an undisturbed run ends.
    pub exit: i32,
    /// Whether the short matrix has it.
    pub short: bool,
    /// What of AWS its environments have.
    pub stores: Stores,
}

/// The run that has to be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The deployment of [`NEW`].
    Deployment,
    /// The rollback of int.
    Rollback,
}

impl Subject {
    /// The word by which the chat names it.
    pub fn word(self) -> &'static str {
        match self {
            Subject::Deployment => NEW,
            Subject::Rollback => "rollback int",
        }
    }

    /// Whether a line of the history is about it.
    pub fn is_told_by(self, line: &serde_json::Value) -> bool {
        match self {
            Subject::Deployment => line["version"] == NEW,
            Subject::Rollback => line["pipeline"] == "rollback int",
        }
    }

    /// Whether a ticket is its.
    pub fn owns(self, ticket: &serde_json::Value) -> bool {
        match self {
            Subject::Deployment => ticket["version"] == NEW,
            Subject::Rollback => ticket["kind"]["do"] == "rollback",
        }
    }
}

/// How far the run is when a case begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// The killed bot begins it.
    No,
    /// Another bot was killed while its gate ran: the killed bot is the one that carries it on.
    AtTheGate,
}

/// What does not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// This gate fails.
    Gate(&'static str),
    /// This service of this environment does not come up on the new version.
    Breaks(&'static str, &'static str),
    /// int/fbv does not come up on the new version, and int/kv does not come back.
    NoWayBack,
}

pub const DEPLOY_INT: &[&str] = &["deploy", "int", NEW];
const PREPROD: &[(&str, &str)] = &[("int", OLD), ("preprod", OLD), ("int", NEW), ("int", NEXT)];

/// All scenarios.
pub const ALL: &[Scenario] = &[
    Scenario {
        name: "good run",
        victim: DEPLOY_INT,
        pipeline: "int",
        environments: &["int"],
        before: &[("int", OLD)],
        subject: Subject::Deployment,
        begun: Begun::No,
        fault: Fault::None,
        exit: 0,
        short: true,
        stores: Stores::None,
    },
    Scenario {
        name: "failing gate",
        victim: DEPLOY_INT,
        pipeline: "int",
        environments: &["int"],
        before: &[("int", OLD)],
        subject: Subject::Deployment,
        begun: Begun::No,
        fault: Fault::Gate("int-test"),
        exit: 11,
        short: true,
        stores: Stores::None,
    },
    Scenario {
        name: "failing rollback",
        victim: DEPLOY_INT,
        pipeline: "int",
        environments: &["int"],
        before: &[("int", OLD)],
        subject: Subject::Deployment,
        begun: Begun::No,
        fault: Fault::NoWayBack,
        exit: 12,
        short: false,
        stores: Stores::None,
    },
    Scenario {
        name: "three stages",
        victim: &["deploy", "preprod", NEW],
        pipeline: "preprod",
        environments: &["abn", "lup", "prd"],
        before: PREPROD,
        subject: Subject::Deployment,
        begun: Begun::No,
        fault: Fault::None,
        exit: 0,
        short: false,
        stores: Stores::None,
    },
    Scenario {
        name: "third stage breaks",
        victim: &["deploy", "preprod", NEW],
        pipeline: "preprod",
        environments: &["abn", "lup", "prd"],
        before: PREPROD,
        subject: Subject::Deployment,
        begun: Begun::No,
        fault: Fault::Breaks("prd", "remo"),
        exit: 10,
        short: false,
        stores: Stores::None,
    },
    Scenario {
        name: "rollback",
        victim: &["rollback", "int"],
        pipeline: "int",
        environments: &["int"],
        before: &[("int", OLD), ("int", NEW)],
        subject: Subject::Rollback,
        begun: Begun::No,
        fault: Fault::None,
        exit: 0,
        short: false,
        stores: Stores::None,
    },
    Scenario {
        name: "killed takeover",
        victim: &["reconcile"],
        pipeline: "int",
        environments: &["int"],
        before: &[("int", OLD)],
        subject: Subject::Deployment,
        begun: Begun::AtTheGate,
        fault: Fault::None,
        exit: 0,
        short: false,
        stores: Stores::None,
    },
];

/// A world with its wires, and the state that every case begins with.
pub struct Place {
    /// The world.
    pub world: World,
    /// Its wires.
    pub wire: Wire,
    /// What is run.
    pub scenario: &'static Scenario,
    /// AWS, where the scenario has something of it.
    pub moto: Option<Moto>,
    main: String,
    queue: String,
    lines: usize,
}

impl Place {
    /// A world in which everything is verified that was deployed before.
    pub fn new(scenario: &'static Scenario) -> Self {
        let world = World::over(Transport::Http).with_chat();
        world.chat().limit(10_000, Duration::from_secs(1));
        let hook = world.chat().webhook_url();
        let mut wire = None;
        let root = world.dir().display().to_string();
        let moto = scenario.stores.open(&world);
        let aws = moto.as_ref().map(Moto::port);
        world.config(|text| {
            let url = text["repository"]["url"].as_str().unwrap().to_owned();
            let made = Wire::new(world.dir(), port(&url), port(&hook), aws);
            text["repository"]["url"] = value(url.replace(&port(&url).to_string(), &made.git().to_string()));
            for (_, environment) in text["environment"].as_table_mut().unwrap().iter_mut() {
                through(&root, "agent", &mut environment["agent"]["command"]);
                environment["agent"]["interval"] = value("50ms");
                if scenario.fault == Fault::NoWayBack {
                    environment["rollback_timeout"] = value("2s");
                }
            }
            for (_, gate) in text["gate"].as_table_mut().unwrap().iter_mut() {
                through(&root, "gate", &mut gate["command"]);
            }
            text["queue"]["default"]["ttl"] = value("3s");
            text["queue"]["default"]["start_grace"] = value("3s");
            let hook = hook.replace(&port(&hook).to_string(), &made.chat().to_string());
            std::fs::write(world.dir().join("chat.url"), hook).unwrap();
            wire = Some(made);
        });
        let empty = String::new;
        let mut place =
            Self { world, wire: wire.unwrap(), scenario, moto, main: empty(), queue: empty(), lines: 0 };
        for (pipeline, version) in scenario.before {
            place.bot(&["deploy", pipeline, version]).run().code(0);
        }
        (place.main, place.queue) = (place.world.tip("main"), place.world.tip(QUEUE));
        place.lines = place.world.queue().history.len();
        if scenario.begun == Begun::AtTheGate {
            place.abandon();
        }
        place
    }

    /// Every case begins with a run whose bot was killed while the gate ran.
    fn abandon(&mut self) {
        let point = Point { kind: Kind::Gate, nth: 1 };
        self.wire.arm(Some(Plan { point, side: Side::AfterBeat, blow: Blow::Kill }));
        let first = self.bot(DEPLOY_INT).by("first").spawn();
        self.wire.victim(first.pid());
        assert_eq!(first.wait(Duration::from_secs(60)).code, None, "the first bot is killed");
        self.wire.disarm();
        (self.main, self.queue) = (self.world.tip("main"), self.world.tip(QUEUE));
    }

    /// A bot of this place: what it does to AWS crosses the wire, too.
    pub fn bot(&self, args: &[&str]) -> Bot {
        let bot = self.world.datapin(args);
        match self.wire.aws() {
            Some(port) => at(bot, &format!("http://127.0.0.1:{port}")),
            None => bot,
        }
    }

    /// How many lines the history has before a case.
    pub fn lines(&self) -> usize {
        self.lines
    }

    /// Tip of the target branch before a case.
    pub fn begin(&self) -> &str {
        &self.main
    }

    /// Puts everything back to where a case begins.
    pub fn reset(&self) {
        self.wire.release();
        let bare = self.world.bare();
        git(&bare, &["update-ref", "refs/heads/main", &self.main]);
        git(&bare, &["update-ref", &format!("refs/heads/{QUEUE}"), &self.queue]);
        self.world.until("the agent is back", Duration::from_secs(20), || self.agent_is_at(&self.main));
        self.restock();
        self.fail();
    }

    fn agent_is_at(&self, commit: &str) -> bool {
        self.scenario.environments.iter().all(|environment| {
            ["mds", "fbv", "kv", "remo"].iter().all(|service| {
                let file = self.world.dir().join(format!("agent/{environment}/{service}.json"));
                std::fs::read_to_string(file).is_ok_and(|answer| answer.contains(commit))
            })
        })
    }

    fn fail(&self) {
        match self.scenario.fault {
            Fault::None => {}
            Fault::Gate(name) => self.world.gate(name).fails(),
            Fault::Breaks(environment, service) => self.world.service(environment, service).breaks_on(NEW),
            Fault::NoWayBack => {
                self.world.service("int", "fbv").breaks_on(NEW);
                self.world.service("int", "kv").never_comes_back();
            }
        }
    }
}

fn port(url: &str) -> u16 {
    url.split(['/', ':']).find_map(|word| word.parse().ok()).unwrap()
}

/// The script of the wires before a command.
fn through(root: &str, kind: &str, command: &mut toml_edit::Item) {
    let mut words = vec!["/bin/sh".to_owned(), format!("{root}/wire.sh"), kind.to_owned()];
    words.extend(command.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()));
    *command = value(words.iter().map(String::as_str).collect::<toml_edit::Array>());
}
