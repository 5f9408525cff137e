//! Byte-exact edits of values files: cases as files, the quoting table, random files, size.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where a step fails")]

mod cases;
mod fuzz;
mod paths;
mod quoting;
mod random;
mod size;
