//! Files on the queue branch that datapin did not write, and fields that it does not know.

use super::*;
use crate::world::NEW;

fn write(dir: &Path, file: &str, text: &str) {
    let path = dir.join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// Nothing is guessed: the file is named, and so is the way out.
#[test]
fn a_ticket_that_cannot_be_read_stops_everybody() {
    let cases = [
        ("tickets/000900-01KGARBAGE.json", "{ not json"),
        ("tickets/000901-01KEMPTY.json", ""),
        ("tickets/000902-01KLIST.json", "[1, 2]"),
        ("environments/int.json", "\u{0}\u{1}"),
        ("queue.json", "{}"),
    ];
    let world = int();
    for (file, text) in cases {
        edit_queue(&world, |dir| write(dir, file, text));
        let main = world.tip("main");
        world.datapin(&["deploy", "int", NEW]).run().code(1).says(file).says("git revert");
        world.datapin(&["reconcile"]).run().code(1).says(file);
        assert_eq!(world.tip("main"), main);
        let checkout = queue_checkout(&world);
        git(&checkout, &["revert", "--no-edit", "HEAD"]);
        git(&checkout, &["push", "--quiet", "origin", &format!("HEAD:{QUEUE}")]);
    }
    world.verified("int", NEW);
}

/// A ticket under another name would be left behind by the run that finishes it.
#[test]
fn a_ticket_under_another_name_is_garbage() {
    let world = int();
    hanging(&world, world.datapin(&["deploy", "int", NEW]), "int-test", NEW).kill();
    edit_queue(&world, |dir| {
        std::fs::copy(last_ticket(dir), dir.join("tickets/000001-copy.json")).map(drop).unwrap()
    });
    world.datapin(&["reconcile"]).by("bob").run().code(1).says("tickets/000001-copy.json");
}

/// A run that holds its environments saves its record, and the next one finishes it once the garbage is gone.
#[test]
fn garbage_under_a_holder() {
    let world = int();
    world.ttl("3s");
    let running = hanging(&world, world.datapin(&["deploy", "int", NEW]), "int-test", NEW);
    edit_queue(&world, |dir| write(dir, "tickets/000900-01KGARBAGE.json", "{ not json"));
    running.wait(LONG).code(1).says("tickets/000900-01KGARBAGE.json").says("datapin-run-");
    edit_queue(&world, |dir| std::fs::remove_file(dir.join("tickets/000900-01KGARBAGE.json")).unwrap());
    world.gate("int-test").passes();
    world.datapin(&["reconcile"]).by("bob").run().code(0);
    ended(&world, NEW, "rolled-back");
    assert_eq!(world.versions("int"), [OLD]);
}

#[test]
fn files_that_are_nobodys_stay() {
    let files =
        ["tickets/notes.txt", "environments/README", "other/deep/file.json", "history/notes", "LICENSE"];
    let world = int();
    edit_queue(&world, |dir| files.iter().for_each(|file| write(dir, file, "{ not json")));
    world.verified("int", NEW);
    let checkout = queue_checkout(&world);
    for file in files {
        assert_eq!(std::fs::read_to_string(checkout.join(file)).unwrap(), "{ not json", "{file}");
    }
}

/// A line of history that cannot be read is passed over, and stays.
#[test]
fn a_broken_line_of_history_stays() {
    let world = int();
    edit_queue(&world, |dir| {
        let file = std::fs::read_dir(dir.join("history")).unwrap().next().unwrap().unwrap().path();
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("{{ broken\n{text}")).unwrap();
    });
    world.datapin(&["deploy", "int", NEW]).in_ci("5", "1").run().code(0);
    let checkout = queue_checkout(&world);
    let file = std::fs::read_dir(checkout.join("history")).unwrap().next().unwrap().unwrap().path();
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.starts_with("{ broken\n"), "{text}");
    assert_eq!(text.lines().count(), 3, "{text}");
}

/// Fields of a newer build survive every rewrite, also those that come while a run holds.
#[test]
fn unknown_fields_survive() {
    let world = int();
    world.ttl("3s");
    let mark = |json: &mut Value| json["newer"] = serde_json::json!({ "field": [1, "two"] });
    edit_json(&world, |dir| dir.join("queue.json"), mark);
    edit_json(&world, |dir| dir.join("environments/int.json"), mark);
    let running = hanging(&world, world.datapin(&["deploy", "int", NEW]), "int-test", NEW);
    edit_json(&world, last_ticket, |ticket| {
        mark(ticket);
        mark(&mut ticket["stages"][0]["environments"][0]);
    });
    let tip = world.tip(QUEUE);
    world.until("two beats", LONG, || {
        let log = world.log(QUEUE);
        log.iter().take_while(|commit| commit.id != tip).count() >= 2
    });
    let queue = world.queue();
    assert_eq!(queue.tickets[0]["newer"]["field"][1], "two", "{:#}", queue.tickets[0]);
    let part = &queue.tickets[0]["stages"][0]["environments"][0];
    assert_eq!(part["newer"]["field"][1], "two", "{part:#}");
    world.gate("int-test").passes();
    running.wait(LONG).code(0);
    let queue = world.queue();
    assert_eq!(queue.queue["newer"]["field"][1], "two");
    assert_eq!(queue.environments["int"]["newer"]["field"][1], "two");
    assert_eq!(world.verified_on("int").as_deref(), Some(NEW));
}

/// A queue.json that was set back gives no number twice.
#[test]
fn the_next_number_is_set_back() {
    let world = int();
    let holder = hanging(&world, world.datapin(&["deploy", "int", NEW]), "int-test", NEW);
    edit_json(&world, |dir| dir.join("queue.json"), |json| json["next"] = 1.into());
    let waiter = world.datapin(&["deploy", "int", LATER]).by("bob").spawn();
    world.until("bob waits", LONG, || world.queue().tickets.len() == 2);
    world.gate("int-test").passes();
    holder.wait(LONG).code(0);
    waiter.wait(LONG).code(0);
    ended(&world, LATER, "verified");
}
