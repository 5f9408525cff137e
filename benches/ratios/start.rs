//! (g) How long `--help` takes, and how large the program is.

use std::process::Command;

use crate::Extent;
use crate::measure::{median, run, timed};
use crate::table::Table;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_datapin");

pub fn measure(extent: Extent, table: &mut Table) {
    let times: Vec<f64> =
        (0..extent.of(31, 11)).map(|_| timed(|| run(Command::new(PROGRAM).arg("--help"))).0).collect();
    let took = median(&times);
    table.goal("`datapin --help`", &format!("{took:.1} ms"), "< 20 ms", took < 20.0);
    let size = std::fs::metadata(PROGRAM).unwrap().len() as f64 / 1024.0 / 1024.0;
    table.goal("size of the stripped program", &format!("{size:.1} MB"), "≤ 25 MB", size <= 25.0);
}
