//! Git out of reach, a damaged queue, and the chat.

use toml_edit::value;

use super::*;
use crate::chat::Mood;
use crate::transport::{free_port, git, hook};
use crate::world::{NEW, QUEUE, Transport};

#[test]
fn a_repository_out_of_reach_is_3() {
    let world = int();
    let url = format!("http://127.0.0.1:{}/environments.git", free_port());
    world.config(|text| text["repository"]["url"] = value(url));
    world.datapin(&["deploy", "int", NEW]).run().code(3).says("127.0.0.1");
    assert_eq!(world.versions("int"), [OLD]);
}

#[test]
fn a_repository_that_is_not_there_is_3() {
    let world = int();
    let url = world.dir().join("nothing.git").display().to_string();
    world.config(|text| text["repository"]["url"] = value(url));
    world.datapin(&["deploy", "int", NEW]).run().code(3).says("nothing.git");
}

#[test]
fn a_missing_queue_is_2_and_names_init() {
    let world = World::without_queue(Transport::File);
    world.datapin(&["deploy", "int", NEW]).run().code(2).says("datapin init");
    world.datapin(&["init"]).run().code(0).says(QUEUE);
    world.datapin(&["init"]).run().code(0).says("there already");
    world.datapin(&["deploy", "int", NEW]).run().code(0);
}

#[test]
fn init_makes_no_new_queue_where_runs_were() {
    let world = int();
    world.verified("int", NEW);
    git(&world.bare(), &["branch", "-D", QUEUE]);
    world.datapin(&["init"]).by("bob").run().code(2).says("--force");
    world.datapin(&["init", "--force"]).by("bob").run().code(0);
}

#[test]
fn a_queue_that_vanishes_under_a_holder_is_1_and_leaves_the_record() {
    let world = int();
    world.ttl("3s");
    let running = hanging(&world, NEW);
    let tip = world.tip(QUEUE);
    git(&world.bare(), &["branch", "-D", QUEUE]);
    world.gate("int-test").passes();
    let done = running.wait(LONG).code(1).says("record is in");
    assert!(
        done.stderr.contains(&tip) || done.stderr.contains(&tip[..7]),
        "the id to restore: {}",
        done.stderr
    );
    let mut home = std::fs::read_dir(world.dir().join("bots/anna")).unwrap();
    let record = home.find_map(|entry| {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        name.starts_with("datapin-run-").then_some(name)
    });
    assert!(record.is_some(), "{}", done.stderr);
}

#[test]
fn a_push_that_policy_refuses_before_anything_was_written_takes_nothing_back() {
    let world = World::over(Transport::Http);
    world.verified("int", OLD);
    hook(
        &world.bare(),
        "update",
        "[ \"$1\" = refs/heads/main ] && { echo 'main is protected' >&2; exit 1; }; exit 0",
    );
    let tip = world.tip("main");
    world.datapin(&["deploy", "int", NEW]).run().code(3).says("main is protected");
    assert_eq!((world.tip("main"), world.freeze("int")), (tip, None));
    assert!(world.queue().tickets.is_empty());
}

#[test]
fn a_revert_that_policy_refuses_freezes_and_names_every_service() {
    let world = World::over(Transport::Http);
    world.verified("int", OLD);
    let running = hanging(&world, NEW);
    hook(&world.bare(), "update", "[ \"$1\" = refs/heads/main ] && exit 1; exit 0");
    world.gate("int-test").fails();
    let done = running.wait(LONG).code(12);
    for service in ["int/mds", "int/fbv", "int/kv", "int/remo"] {
        assert!(done.stdout.contains(service), "no {service} in\n{}", done.stdout);
    }
    assert!(world.freeze("int").is_some());
    std::fs::remove_file(world.bare().join("hooks/update")).unwrap();
    world.datapin(&["rollback", "int"]).run().code(0);
    assert_eq!((world.versions("int"), world.freeze("int")), (vec![OLD.into()], None));
}

#[test]
fn the_chat_hears_start_and_finish() {
    let world = World::new().with_chat();
    world.verified("int", OLD);
    world.chat().wait_for(2, LONG);
    world.gate("int-test").fails();
    world.datapin(&["deploy", "int", NEW]).run().code(11);
    let said = world.chat().wait_for(4, LONG);
    let finish = format!("{:?}", said[3]);
    for word in [NEW, "int-test", "anna"] {
        assert!(finish.contains(word), "no {word} in {finish}");
    }
}

#[test]
fn a_chat_that_is_down_fails_no_run() {
    let world = World::new().with_chat();
    world.chat().behave(Mood::Disabled);
    world.datapin(&["deploy", "int", NEW]).run().code(0).says("not announced");
    assert_eq!(world.verified_on("int").as_deref(), Some(NEW));
}

#[test]
fn a_queue_in_a_repository_of_its_own() {
    let world = World::without_queue(Transport::File);
    let own = world.dir().join("queue.git");
    git(world.dir(), &["init", "--quiet", "--bare", "--initial-branch=main", "queue.git"]);
    let url = own.display().to_string();
    world.config(|text| text["queue"]["default"]["repository"] = value(url));
    world.datapin(&["init"]).run().code(0);
    world.datapin(&["deploy", "int", NEW]).run().code(0);
    assert_eq!(world.versions("int"), [NEW]);
    let line = git(&own, &["show", "--stat", "--format=", QUEUE]);
    assert!(line.contains("history/"), "{line}");
    let branches = git(&world.bare(), &["branch", "--list"]);
    assert!(!branches.contains(QUEUE), "{branches}");
}
