//! (b) 1 to 10,000 pins in one commit.

use std::collections::BTreeMap;

use datapin::config::Place;
use datapin::plan::Wanted;
use datapin::queue::Role;

use crate::Extent;
use crate::measure::{median, timed};
use crate::pin::push_pins;
use crate::table::Table;
use crate::transport::{fast_import, inline};
use crate::world::{World, values};

const MOST: usize = 10_000;

pub fn measure(extent: Extent, table: &mut Table) {
    for (shape, what) in
        [(Shape::OneFileEach, "a file each, in one directory"), (Shape::OneFile, "all in one file")]
    {
        let times = times(extent, shape);
        let list: Vec<String> = times.values().map(|millis| format!("{millis:.0}")).collect();
        table.tell(&format!("{what}: 1, 100, 1,000, 5,000, 10,000 pins"), &format!("{} ms", list.join(", ")));
        // what a pin more costs in the upper half against the lower: fetch and push cost the same in both
        let (one, half, most) = (times[&1], times[&(MOST / 2)], times[&MOST]);
        let slope = (most - half) / (half - one);
        table.goal(
            &format!("{what}: a pin more, above 5,000 of below"),
            &format!("{slope:.2} ×"),
            "linear (≤ 1.3 ×)",
            slope <= 1.3,
        );
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    OneFileEach,
    OneFile,
}

/// Median milliseconds by number of pins, from the fetch to the pushed commit.
fn times(extent: Extent, shape: Shape) -> BTreeMap<usize, f64> {
    let world = World::new();
    let bare = world.bare("env.git");
    fast_import(&bare, &stream(shape));
    let repo = world.repo(&world.server.url("env.git"), "ours");
    repo.fetch("main").unwrap();
    let mut times: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for round in 0..extent.of(5, 2) {
        for pins in [1, 100, 1000, MOST / 2, MOST] {
            let version = format!("2026.12.{round:02}-{pins}");
            // the fetch after a large push pays for that one
            let pause = format!("before {version}");
            push_pins(&repo, &[self::wanted(shape, 1, &pause)], &pause);
            let wanted = [wanted(shape, pins, &version)];
            times.entry(pins).or_default().push(timed(|| push_pins(&repo, &wanted, &version)).0);
        }
    }
    times.into_iter().map(|(pins, times)| (pins, median(&times))).collect()
}

fn stream(shape: Shape) -> String {
    let mut stream = "commit refs/heads/main\ncommitter Dev <dev@example.org> 1700000000 +0000\n".to_owned();
    stream += "data 5\nfirst\n";
    match shape {
        Shape::OneFileEach => {
            for number in 0..MOST {
                stream += &inline("100644", &file(shape, number), &values(&format!("s{number:05}"), "1"));
            }
        }
        Shape::OneFile => {
            let services = (0..MOST).map(|number| format!("s{number:05}:\n  data:\n    version: '1'\n"));
            stream += &inline("100644", &file(shape, 0), &services.collect::<String>());
        }
    }
    stream
}

fn file(shape: Shape, number: usize) -> String {
    match shape {
        Shape::OneFileEach => format!("values/s{number:05}.yaml"),
        Shape::OneFile => "values.yaml".to_owned(),
    }
}

fn wanted(shape: Shape, pins: usize, version: &str) -> Wanted {
    let values = (0..pins).map(|number| {
        let path = match shape {
            Shape::OneFileEach => "data.timetable.version".to_owned(),
            Shape::OneFile => format!("s{number:05}.data.version"),
        };
        let place = Place { file: file(shape, number), path: path.parse().unwrap(), document: None };
        (format!("s{number:05}"), place, Role::Pin, version.to_owned())
    });
    Wanted { environment: "int".to_owned(), values: values.collect() }
}
