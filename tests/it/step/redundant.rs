//! GitLab cancels what waits on a branch once something newer is pushed to it, unless its file says otherwise: a pin is such
//! a push.

use super::gitlab::GitLab;
use super::jobs;
use crate::transport::git;
use crate::world::{NEW, World};

/// Of others, all of the commit before the pin: a triggered deployment, its graph, and a merge that is to be adopted.
const WAITING: [&str; 3] = ["trigger", "parent_pipeline", "push"];

/// Which of them GitLab cancels when datapin pins.
fn cancelled(world: &World) -> Vec<&'static str> {
    let gitlab = GitLab::start(world);
    let waiting = WAITING.map(|source| (gitlab.pipeline_by(world, source), source));
    world.datapin(&["deploy", "int", NEW]).run().code(0);
    let mut state = gitlab.server.state();
    state.notice_pushes();
    let of_the_pin = state.pipelines().filter(|known| known.sha == world.tip("main")).count();
    assert_eq!(of_the_pin, 1, "the push of the pin makes a pipeline");
    waiting.into_iter().filter(|(id, _)| state.pipeline(*id).cancelled).map(|(_, source)| source).collect()
}

#[test]
fn a_pin_cancels_nothing_that_waits() {
    assert_eq!(cancelled(&jobs::world()), [""; 0]);
}

/// What the sample and the graph say is what keeps them.
#[test]
fn without_a_word_in_the_file_a_pin_cancels_what_waits() {
    let world = jobs::world();
    let checkout = world.checkout("main");
    let file = checkout.join(".gitlab-ci.yml");
    let text = std::fs::read_to_string(&file).unwrap();
    let (before, _) = text.split_once("workflow:").expect("the last thing of the sample's file");
    std::fs::write(&file, before).unwrap();
    git(&checkout, &["commit", "--quiet", "--all", "--message", "No workflow"]);
    git(&checkout, &["push", "--quiet", "origin", "HEAD:main"]);
    assert_eq!(cancelled(&world), ["trigger", "push"], "the graph's file is its own");
}
