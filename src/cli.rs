//! Command line arguments.
