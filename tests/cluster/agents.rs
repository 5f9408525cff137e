//! What every agent has to get right, once per agent. The pods say how it ended, never datapin.

use crate::bed::{alone, bed};
use crate::bot::Done;
use crate::world::{NEW, OLD, World};

/// An agent, and what deploys in its worlds.
#[derive(Debug, Clone, Copy)]
enum Agent {
    ArgoKubernetes,
    ArgoRest,
    Flux,
    /// The workloads, with Flux looking at the repository every second.
    Workload,
}

impl Agent {
    /// Deploys the repository as it is, and makes datapin's configuration.
    fn set_up(self, world: &World, change: impl FnOnce(String) -> String) {
        match self {
            Self::ArgoKubernetes | Self::ArgoRest => world.under_argocd(),
            Self::Flux => world.under_flux(),
            Self::Workload => world.under_flux_every("1s"),
        }
        let agent = match self {
            Self::ArgoKubernetes => world.argocd(),
            Self::ArgoRest => world.argocd_rest(),
            Self::Flux => world.flux(),
            Self::Workload => world.workload(),
        };
        world.configure(&agent, change);
    }

    /// The program of the bed that a test of restarts kills.
    fn program(self) -> &'static str {
        match self {
            Self::ArgoKubernetes => "argocd-application-controller",
            Self::ArgoRest => "argocd-server",
            Self::Flux => "kustomize-controller",
            Self::Workload => "kube-controller-manager",
        }
    }

    /// The last words of the container, where the agent can reach them: Argo CD's own API needs no access to the cluster.
    #[track_caller]
    fn gives_the_cause(self, done: Done) {
        match self {
            Self::ArgoRest => {}
            Self::ArgoKubernetes | Self::Flux | Self::Workload => {
                done.says("stop 8507000 has no coordinates");
            }
        }
    }

    fn name(self, test: &str) -> String {
        format!("{test}-{}", format!("{self:?}").to_lowercase())
    }
}

macro_rules! with_each_agent {
    ($($test:ident),* $(,)?) => { $(
        mod $test {
            use super::Agent;

            #[test]
            #[ignore = "needs the real cluster: see README"]
            fn argocd_by_kubernetes() {
                super::scenario::$test(Agent::ArgoKubernetes);
            }

            #[test]
            #[ignore = "needs the real cluster: see README"]
            fn argocd_by_rest() {
                super::scenario::$test(Agent::ArgoRest);
            }

            #[test]
            #[ignore = "needs the real cluster: see README"]
            fn flux() {
                super::scenario::$test(Agent::Flux);
            }

            #[test]
            #[ignore = "needs the real cluster: see README"]
            fn workload() {
                super::scenario::$test(Agent::Workload);
            }
        }
    )* };
}

with_each_agent!(
    a_good_version,
    a_version_that_never_becomes_ready,
    a_version_that_crashes,
    a_gate_that_fails,
    a_person_who_pushes_another_version_in_between,
    a_person_who_pushes_something_else_in_between,
    an_agent_that_is_restarted_in_between,
);

#[track_caller]
fn both_run(world: &World, version: &str) {
    for service in ["mds", "fbv"] {
        world.settles_on(service, version);
    }
}

mod scenario {
    use super::*;

    const BOTH: &[&str] = &["mds", "fbv"];

    pub(super) fn a_good_version(agent: Agent) {
        let world = World::plain(&agent.name("good"), BOTH);
        agent.set_up(&world, |text| text);
        world.datapin(&["deploy", "int", NEW]).run().code(0).says("verified");
        for service in BOTH {
            assert_eq!(world.running(service), [NEW], "{service}, at once");
        }
    }

    /// Two services become ready, one never does: both are taken back, and the message has the cause.
    pub(super) fn a_version_that_never_becomes_ready(agent: Agent) {
        let world = World::plain(&agent.name("unready"), BOTH);
        agent.set_up(&world, |text| text);
        world.datapin(&["deploy", "int", NEW]).run().code(0);
        let bad = "2026.11.23-2.unready.mds";
        let done = world.datapin(&["deploy", "int", bad]).run().code(10).says("rolled back");
        agent.gives_the_cause(done.says("mds").says("Readiness probe failed"));
        for service in BOTH {
            assert_eq!(world.running(service), [NEW], "{service}, at once");
        }
        assert!(world.log()[0].starts_with("Revert "), "{:?}", world.log());
    }

    pub(super) fn a_version_that_crashes(agent: Agent) {
        let world = World::plain(&agent.name("crash"), BOTH);
        agent.set_up(&world, |text| text);
        let done = world.datapin(&["deploy", "int", "2026.11.23-3.crashloop.fbv"]).run().code(10);
        agent.gives_the_cause(done.says("fbv").says("CrashLoopBackOff"));
        both_run(&world, OLD);
    }

    pub(super) fn a_gate_that_fails(agent: Agent) {
        let world = World::plain(&agent.name("gate"), BOTH);
        agent.set_up(&world, |text| {
            text.replace(r#"environment = "int" }"#, r#"environment = "int", gates = ["check"] }"#)
                + "\n[gate.check]\nkind = \"command\"\ncommand = [\"false\"]\ntimeout = \"1m\"\n"
        });
        world.datapin(&["deploy", "int", NEW]).run().code(11).says("rolled back");
        for service in BOTH {
            assert_eq!(world.running(service), [OLD], "{service}, at once");
        }
    }

    /// Theirs stays, what is still ours goes.
    pub(super) fn a_person_who_pushes_another_version_in_between(agent: Agent) {
        let world = World::plain(&agent.name("person"), BOTH);
        agent.set_up(&world, |text| text);
        let slow = "2026.11.23-4.slow";
        let run = world.datapin(&["deploy", "int", slow]).spawn();
        world.is_pinned("mds", slow);
        world.push(&[(&World::file_of("mds"), slow, "2026.11.22-1")]);
        run.wait().code(13).says("mds");
        world.settles_on("mds", "2026.11.22-1");
        world.settles_on("fbv", OLD);
    }

    /// A descendant that still holds our value is as good as our commit.
    pub(super) fn a_person_who_pushes_something_else_in_between(agent: Agent) {
        let world = World::plain(&agent.name("other"), BOTH);
        agent.set_up(&world, |text| text);
        let slow = "2026.11.23-5.slow";
        let run = world.datapin(&["deploy", "int", slow]).spawn();
        world.is_pinned("mds", slow);
        world.push(&[(&World::file_of("fbv"), "replicas: 2", "replicas: 3")]);
        run.wait().code(0).says("verified");
        both_run(&world, slow);
    }

    pub(super) fn an_agent_that_is_restarted_in_between(agent: Agent) {
        let _alone = alone();
        let world = World::plain_alone(&agent.name("restart"), BOTH);
        agent.set_up(&world, |text| text);
        let slow = "2026.11.23-6.slow";
        let run = world.datapin(&["deploy", "int", slow]).spawn();
        world.is_pinned("mds", slow);
        bed().kill(agent.program());
        run.wait().code(0).says("verified");
        both_run(&world, slow);
    }
}
