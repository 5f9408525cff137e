use datapin::repo::{CommitId, Location};

fn cases() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/repo/locations.txt"))
        .expect("fixture")
}

/// Each line of the fixture: what is written | how it is shown | its identity, or the error.
#[test]
fn locations_are_parsed_shown_and_identified() {
    let mut got = String::new();
    let cases = cases();
    for line in cases.lines() {
        let text = line.split(" | ").next().expect("a column");
        got += &match Location::parse(text) {
            Ok(location) => format!("{text} | {location} | {}\n", location.identity()),
            Err(error) => format!("{text} | error | {error}\n"),
        };
    }
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/repo/locations.txt"), &got)
            .expect("written");
        return;
    }
    for (wanted, got) in cases.lines().zip(got.lines()) {
        assert_eq!(wanted, got);
    }
}

#[test]
fn a_location_never_shows_its_password() {
    for text in
        ["https://bot:hunter2@host/a.git", "https://bot:hunter2@host:99999/a", "https://bot:x/hunter2@host"]
    {
        let shown = match Location::parse(text) {
            Ok(location) => format!("{location} {location:?} {}", location.identity()),
            Err(error) => format!("{error} {error:?}"),
        };
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn a_relative_path_is_made_absolute() {
    let location = Location::parse("some/where").expect("path");
    assert!(location.is_local() && location.to_string().starts_with('/'), "{location}");
}

#[test]
fn commit_ids() {
    let id: CommitId = "AF2D1BFFD1D6DE5E8D4C3F5B0CC2CF0C8F0A9A31".parse().expect("id");
    assert_eq!(id.short(), "af2d1bff");
    assert_eq!(serde_json::to_string(&id).expect("json"), format!("\"{id}\""));
    assert!(serde_json::from_str::<CommitId>("\"af2d1bff\"").is_err());
    assert!("main".parse::<CommitId>().is_err());
}
