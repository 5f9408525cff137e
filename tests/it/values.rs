//! Byte-exact edits of values files: cases as files, the quoting table, random files, size.

mod cases;
mod fuzz;
mod paths;
mod quoting;
mod random;
mod size;
