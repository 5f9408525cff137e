//! The command line of the real binary: what it takes, and what it prints.

mod exits;
mod output;
mod reconciles;
mod setup;
