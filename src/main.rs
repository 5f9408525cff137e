//! The `datapin` program.
fn main() {}
